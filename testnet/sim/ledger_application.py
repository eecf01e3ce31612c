"""The real ledger under the simulated consensus: the same `ledger.chain` that a node runs."""

from collections.abc import Iterable, Sequence

from consensus.ancestry import Point
from consensus.io import GuardRecord, Stored, Verdict
from ledger.apply import DRIFT_MS_MAX
from ledger.block import Block, Header, block_id, decode_block
from ledger.chain import Chain, ParentUnknown, start_chain
from ledger.genesis import Charter, charter_of, first_set, genesis_header
from ledger.onion import reveal
from ledger.stake.epochs import instance_of
from ledger.state import MemoryReader, State
from ledger.tree import tree_of
from primitives import codec
from primitives.reasons import Refused
from testnet.kit.ledger_builders import GENESIS_MS, a_genesis, onion_of
from testnet.sim.application import Ground, Links


class Pool:
    """Transactions that wait for a block; all nodes of the simulation share one."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, None] = {}

    def add(self, raw: bytes) -> None:
        """Let a transaction wait."""
        self._waiting[raw] = None

    def waiting(self) -> list[bytes]:
        """Return what waits, in the order of arrival."""
        return list(self._waiting)

    def drop(self, raws: Iterable[bytes]) -> None:
        """Forget what is final."""
        for raw in raws:
            self._waiting.pop(raw, None)


class LedgerApplication:
    """One node's ledger: rows of final blocks as on disk, the tree above them as in memory."""

    def __init__(self, charter: Charter, pool: Pool) -> None:
        self._charter = charter
        self._pool = pool
        self._chain, self._rows = start_chain(charter)
        self._finals: dict[bytes, Block] = {}
        self._bodies: dict[bytes, Block] = {}
        self._last = self._chain.head.header
        self._last_receipts_root = self._chain.head.receipts_root

    @property
    def state(self) -> State:
        """The state after the last final block."""
        return self._chain.head.state

    @property
    def head(self) -> Header:
        """The header of the last final block."""
        return self._last

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body."""
        self._execute(parent.block)
        state = self._chain.state(parent.block)
        revealed = state.tip(state.validators().members[proposer].validator).reveals
        block = self._chain.propose(
            parent.block,
            view=view,
            transactions=self._pool.waiting(),
            now_ms=GENESIS_MS + now_ms,
            proposer=proposer,
            reveal=reveal(onion_of(proposer), revealed),
        )
        identity = block_id(block.header)
        self._bodies[identity] = block
        return identity, codec.encode(block)

    def validate(self, view: int, block: bytes, body: bytes, parent: Point, now_ms: int) -> Verdict:
        """Judge a block by executing it."""
        if self.adopt(block, body) != Links(view, parent):
            return Verdict.MISMATCHED
        made = self._bodies[block]
        if made.header.timestamp_ms > GENESIS_MS + now_ms + DRIFT_MS_MAX:
            return Verdict.DECLINED
        try:
            self._execute(block)
        except Refused:
            return Verdict.INVALID
        return Verdict.VALID

    def adopt(self, block: bytes, body: bytes) -> Links | None:
        """Keep a body, if it is that of `block`."""
        links = ledger_links(block, body)
        if links is not None and block not in self._finals:
            self._bodies.setdefault(block, decode_block(body))
        return links

    def body(self, block: bytes) -> bytes | None:
        """Return a body that is held."""
        held = self._bodies.get(block) or self._finals.get(block)
        return None if held is None else codec.encode(held)

    def commit(self, block: bytes) -> list[Point]:
        """Make a block and its ancestors final, and write their rows."""
        self._execute(block)
        finals = self._chain.finalize(block)
        for final in finals:
            self._rows.write(final.outcome.writes)
            self._finals[final.outcome.id] = final.block
            self._pool.drop(final.block.transactions)
            self._last = final.block.header
            self._last_receipts_root = final.outcome.receipts_root
        self._bodies = {key: held for key, held in self._bodies.items() if held.header.view > self._last.view}
        return [Point(final.block.header.view, final.outcome.id) for final in finals]

    def committed(self) -> Point:
        """Return the last committed block."""
        return Point(self._last.view, block_id(self._last))

    def crash(self, recovered: Sequence[GuardRecord]) -> None:
        """Build the tree anew from the rows, as a node does that starts."""
        reader = MemoryReader(self._rows.rows)
        self._rows = reader
        self._chain = Chain(
            self._charter,
            reader=reader,
            tree=tree_of(reader.rows.items()),
            final=self._last,
            receipts_root=self._last_receipts_root,
        )
        self._bodies = {}
        for record in recovered:
            if isinstance(record, Stored):
                self.adopt(record.block, record.body)

    def _execute(self, block: bytes) -> None:
        """Execute a block whose ancestors are held, and those that are not executed yet before it."""
        way: list[Block] = []
        while True:
            try:
                self._chain.outcome(block)
                break
            except ParentUnknown:
                way.append(self._bodies[block])
                block = way[-1].header.parent
        for each in reversed(way):
            self._chain.check(each, now_ms=None)


def ledger_links(block: bytes, body: bytes) -> Links | None:
    """Return the place of a block, if `body` is its body."""
    try:
        header = decode_block(body).header
    except Refused:
        return None
    if block_id(header) != block:
        return None
    return Links(header.view, Point(header.parent_view, header.parent))


def ledger_ground(nodes: int, pool: Pool) -> tuple[Ground, Charter]:
    """Return the ground of a network that agrees on a ledger, with workers from genesis."""
    charter = charter_of(a_genesis(validators=nodes))
    ground = Ground(
        instance=instance_of(charter.hash, first_set(charter.genesis, 0)),
        genesis=Point(0, block_id(genesis_header(charter))),
        make_application=lambda _: LedgerApplication(charter, pool),
        links_of=ledger_links,
    )
    return ground, charter
