"""The tree of executed blocks above the last final one: what a validator builds on, checks and finalizes (L70)."""

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.apply import DRIFT_MS_MAX, BlockRun, Outcome, apply_block, outcome_of
from ledger.block import Block, Header, block_id, evidence_root, transactions_root
from ledger.genesis import Charter, genesis_header, initial_rows
from ledger.limits import BLOCK_BYTES_MAX, BLOCK_TXS_MAX, EVIDENCE_MAX, UNFINAL_BLOCKS_MAX
from ledger.market.dispute.rows import dispute_draws
from ledger.market.draw import beacon_ready
from ledger.stake.epochs import set_hash
from ledger.stake.records import Evidence
from ledger.stake.versions import rules_at
from ledger.state import MemoryReader, Reader, State
from ledger.transaction import Verified, open_transaction
from ledger.tree import StateTree, tree_of
from primitives import merkle
from primitives.reasons import Reason, Refused


class ParentUnknown(Exception):
    """The parent is not executed yet: the block is pending, never invalid (L70)."""

    def __init__(self, parent: bytes) -> None:
        self.parent = parent
        super().__init__(parent)


class TreeFull(Exception):
    """Too many unfinal blocks, each on the one before: this one is pending until a block is final (L73)."""


@dataclass(frozen=True, kw_only=True)
class FinalBlock:
    """A block that is final, and what came of it."""

    block: Block
    outcome: Outcome


class Chain:
    """The last final block and every executed block above it.

    `reader` gives the rows as they are after the last final block. What `finalize` returns is to be written to it
    before `finalize` is called again; until then the overlay of the final block stands in for it (L71).
    """

    def __init__(
        self,
        charter: Charter,
        *,
        reader: Reader,
        tree: StateTree,
        final: Header,
        receipts_root: bytes,
        verified: Verified | None = None,
    ) -> None:
        self._charter = charter
        self._reader = reader
        self._verified = verified
        self._final = Outcome(
            id=block_id(final),
            header=final,
            state=State(reader),
            tree=tree,
            writes={},
            receipts=[],
            receipts_root=receipts_root,
            events=[],
        )
        self._blocks: dict[bytes, FinalBlock] = {}  # unfinal, parents before children

    @property
    def charter(self) -> Charter:
        """Return what blocks are checked against."""
        return self._charter

    @property
    def head(self) -> Outcome:
        """Return the last final block."""
        return self._final

    def outcome(self, identity: bytes) -> Outcome:
        """Return an executed block, the last final one included. Raises ParentUnknown if it is not here."""
        if identity == self._final.id:
            return self._final
        found = self._blocks.get(identity)
        if found is None:
            raise ParentUnknown(identity)
        return found.outcome

    def state(self, identity: bytes) -> State:
        """Return the state after an executed block. Raises ParentUnknown."""
        return self.outcome(identity).state

    def block(self, identity: bytes) -> Block | None:
        """Return an executed unfinal block."""
        found = self._blocks.get(identity)
        return None if found is None else found.block

    def propose(
        self,
        parent_id: bytes,
        *,
        view: int,
        transactions: Iterable[bytes],
        now_ms: int,
        proposer: int,
        reveal: bytes,
        evidence: Iterable[Evidence] = (),
    ) -> Block:
        """Return a block on an executed parent, with what of `transactions` and `evidence` can stand in it, in order.

        `proposer` is its index in the validators of the block's epoch, state(parent_id).validators(). `reveal` is its
        next layer: onion.reveal(onion, state(parent_id).tip(address).reveals). The block is executed and kept here at
        once. Raises ParentUnknown, TreeFull, and RulesUnknownError (Q51).
        """
        parent = self.outcome(parent_id)
        self._make_room(parent_id)
        time_ms = max(now_ms, parent.header.timestamp_ms + 1)
        skipped = range(parent.child_parent_view + 1, view)
        run = BlockRun(self._charter, parent.state, time_ms=time_ms, proposer=proposer, reveal=reveal, skipped=skipped)
        accused = _accuse(run, evidence)
        chosen = self._choose(run, transactions)
        header = Header(
            version=rules_at(parent.state, time_ms).protocol,
            genesis=self._charter.hash,
            epoch=parent.child_epoch,
            view=view,
            height=parent.header.height + 1,
            parent=parent_id,
            parent_view=parent.child_parent_view,
            timestamp_ms=time_ms,
            proposer=proposer,
            tx_root=transactions_root(chosen),
            evidence_root=evidence_root(accused),
            state_root=parent.state_root,
            receipts_root=parent.receipts_root,
            validators_hash=set_hash(parent.state.validators()),
            next_validators_hash=set_hash(parent.state.validators(ahead=1)),
            beacon_reveal=reveal,
            base_fee=parent.state.clock().base_fee,
            parent_gas_used=parent.state.clock().gas_used,
        )
        block = Block(header=header, transactions=chosen, evidence=accused)
        outcome = outcome_of(header, run, parent.tree)
        self._blocks[outcome.id] = FinalBlock(block=block, outcome=outcome)
        return block

    def _choose(self, run: BlockRun, transactions: Iterable[bytes]) -> list[bytes]:
        """Execute what can stand in the block, up to its limits, and return it (L31)."""
        chosen: list[bytes] = []
        size = 0
        for raw in transactions:
            if len(chosen) == BLOCK_TXS_MAX:
                break
            if size + len(raw) > BLOCK_BYTES_MAX:
                continue
            try:
                run.include(open_transaction(raw, self._charter.hash, verified=self._verified))
            except Refused:
                continue  # the mempool drops it, or it stands in a later block
            chosen.append(raw)
            size += len(raw)
        return chosen

    def check(self, block: Block, *, now_ms: int | None) -> Outcome:
        """Execute a block, keep it and return what came of it.

        With `now_ms`, the voter's clock, a block from more than 500 ms ahead is refused; a block that others made
        final is checked without (L35). Raises Refused (3xx), and ParentUnknown or TreeFull where it is pending.
        """
        time_ms = block.header.timestamp_ms
        if now_ms is not None and time_ms > now_ms + DRIFT_MS_MAX:
            raise Refused(Reason.BLOCK_WRONG_TIME, seen=time_ms, wanted=f"at most {now_ms + DRIFT_MS_MAX}")
        identity = block_id(block.header)
        known = self._blocks.get(identity)
        if known is not None and known.block == block:
            return known.outcome
        parent = self.outcome(block.header.parent)
        self._make_room(block.header.parent)
        outcome = apply_block(self._charter, parent, block, verified=self._verified)
        self._blocks[identity] = FinalBlock(block=block, outcome=outcome)
        return outcome

    def _make_room(self, parent: bytes) -> None:
        """Let the oldest block that nothing stands on give way to one on `parent` (L73)."""
        if len(self._blocks) < UNFINAL_BLOCKS_MAX:
            return
        stood_on = {parent, *(each.block.header.parent for each in self._blocks.values())}
        abandoned = next((key for key in self._blocks if key not in stood_on), None)
        if abandoned is None:
            raise TreeFull
        del self._blocks[abandoned]

    def finalize(self, identity: bytes) -> list[FinalBlock]:
        """Make an executed block and its ancestors final; return those that were not, in order.

        Blocks beside them are forgotten (L72). Raises ParentUnknown naming a block that is not executed here; then
        nothing has changed.
        """
        path: list[FinalBlock] = []
        at = identity
        while at != self._final.id:
            found = self._blocks.get(at)
            if found is None:
                raise ParentUnknown(at)
            path.append(found)
            at = found.block.header.parent
        if not path:
            return []
        path.reverse()
        self._final.state.rebase(self._reader)  # what was final before is written by now
        self._final = path[-1].outcome
        self._blocks = self._descendants(identity)
        return path

    def _descendants(self, identity: bytes) -> dict[bytes, FinalBlock]:
        """Return the blocks above one, parents before children as they are kept."""
        kept: dict[bytes, FinalBlock] = {}
        for key, each in self._blocks.items():
            parent = each.block.header.parent
            if parent == identity or parent in kept:
                kept[key] = each
        return kept

    def urgent(self, identity: bytes, *, now_ms: int | None = None) -> bool:
        """Tell whether a child of this block should come at once: a draw or a pick waits, or a deadline is due (L75).

        With `now_ms`, the time that would pass until a block made now counts. Raises ParentUnknown.
        """
        state = self.state(identity)
        clock = state.clock()
        passed = 1 if now_ms is None else max(1, now_ms - clock.time_ms)
        live_ms = clock.live_ms + min(passed, self._charter.parameters.live_step_ms_max)
        if any(due <= live_ms for due, _, _ in state.deadlines(limit=1)):
            return True
        if any(True for _ in state.unsampled(limit=1)):
            return True
        return any(not beacon_ready(state, since) for since in _latest_draw(state))


def _accuse(run: BlockRun, evidence: Iterable[Evidence]) -> list[Evidence]:
    """Execute what evidence still convicts somebody, up to the limit of a block, and return it (Q31)."""
    accused: list[Evidence] = []
    for each in evidence:
        if len(accused) == EVIDENCE_MAX:
            break
        try:
            run.accuse(each)
        except Refused:
            continue  # punished already, too old, or nothing
        accused.append(each)
    return accused


def _latest_draw(state: State) -> list[int]:
    """Return the heights of the last commitment and the last dispute that wait for their draw, if any do."""
    jobs, disputes = [height for height, _ in state.draws()], [height for height, _ in dispute_draws(state)]
    return [*jobs[-1:], *disputes[-1:]]


def start_chain(charter: Charter, *, verified: Verified | None = None) -> tuple[Chain, MemoryReader]:
    """Return a chain in memory that stands at genesis, and the rows that it reads."""
    rows = initial_rows(charter)
    reader = MemoryReader(rows)
    chain = Chain(
        charter,
        reader=reader,
        tree=tree_of(rows.items()),
        final=genesis_header(charter),
        receipts_root=merkle.EMPTY_ROOT,
        verified=verified,
    )
    return chain, reader
