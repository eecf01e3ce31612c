"""The real ledger under the simulated consensus: the chain, the mempool and the epochs that a node runs."""

from collections.abc import Callable, Sequence

from consensus.ancestry import Point
from consensus.io import Evidence, GuardRecord, Stored, Verdict
from ledger.apply import DRIFT_MS_MAX, Outcome
from ledger.block import Block, Header, block_id, decode_block
from ledger.chain import Chain, FinalBlock, ParentUnknown, start_chain
from ledger.genesis import Charter, charter_of
from ledger.onion import reveal
from ledger.parameters import Parameters
from ledger.stake.epochs import instance_of
from ledger.stake.evidence import is_fresh
from ledger.stake.records import Evidence as Pair
from ledger.state import MemoryReader, State
from ledger.transaction import open_transaction
from ledger.tree import tree_of
from node.mempool import on_chain
from node.mempool.pool import Pool, PoolLimits
from primitives import codec
from primitives.reasons import Refused
from testnet.kit.ledger_builders import GENESIS_MS, a_genesis, address, key_of, onion_of, seed_of
from testnet.sim.application import Final, Ground, Links
from testnet.sim.committee import Committee
from testnet.sim.keyring import Real

PER_ACCOUNT, TOTAL, TOTAL_BYTES = 64, 5_000, 8 << 20
"""What waits in one node's pool at most."""
EVIDENCE_KEPT_MAX = 64
"""Pairs that one node keeps for its next block."""
KEYS_MAX = 4
"""Vote keys that one validator may ever have: the first, and those that it changes to."""
Heard = Callable[[int, FinalBlock, State], None]
"""Told of each final block, by node, with the state after it."""


class LedgerApplication:
    """One node's ledger: rows of final blocks as on disk, tree and pool above them as in memory."""

    def __init__(self, charter: Charter, node: int, nodes: int, heard: Heard) -> None:
        self._charter = charter
        self._node = node
        self._numbers = {address(f"validator {at}"): at for at in range(nodes)}
        self._onions = {onion_of(at).tip: onion_of(at) for at in range(nodes)}
        self._heard = heard
        self.wipe()

    def wipe(self) -> None:
        """Forget everything."""
        self._chain, self._rows = start_chain(self._charter)
        self._finals: dict[bytes, Block] = {}
        self._head = Final(0, 0, self._chain.head.id, ends=False, made_ms=0)
        self._last = self._chain.head.header
        self._last_receipts_root = self._chain.head.receipts_root
        self._forget()

    def _forget(self) -> None:
        self._bodies: dict[bytes, Block] = {}
        self._evidence: list[Pair] = []
        self.pool = Pool(
            PoolLimits(
                per_account=PER_ACCOUNT,
                total=TOTAL,
                total_bytes=TOTAL_BYTES,
                base_fee_min=self._charter.parameters.base_fee_min,
            )
        )
        on_chain.settle(self.pool, [], self.state)

    @property
    def state(self) -> State:
        """The state after the last final block."""
        return self._chain.head.state

    @property
    def header(self) -> Header:
        """The header of the last final block."""
        return self._last

    # Transactions and evidence.

    def submit(self, raw: bytes, now_ms: int) -> bool:
        """Take a transaction into the pool; tell whether it may wait there."""
        try:
            transaction = open_transaction(raw, self._charter.hash, verified=self.pool.verified)
            now_ms += GENESIS_MS
            on_chain.admit(self.pool, self._charter, self.state, transaction, now_ms=now_ms, here=False)
        except Refused:
            return False
        return True

    def copy(self) -> object:
        """Return what is durable."""
        return dict(self._rows.rows), dict(self._finals), self._head, self._last, self._last_receipts_root

    def restore(self, copy: object) -> None:
        """Hold what was durable once; `crash` makes the rest anew."""
        assert isinstance(copy, tuple)
        rows, finals, self._head, self._last, self._last_receipts_root = copy
        self._rows, self._finals = MemoryReader(dict(rows)), dict(finals)

    def convict(self, evidence: Evidence) -> None:
        """Keep evidence for the next block of this node's."""
        pair = Pair(first=evidence.first, second=evidence.second)
        if len(self._evidence) < EVIDENCE_KEPT_MAX and is_fresh(self.state, pair):
            self._evidence.append(pair)

    # Blocks.

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body, or the parent's own if that ends its epoch."""
        if not self._holds(parent.block):
            return None  # a later block became final while this one was to be built
        outcome = self._execute(parent.block)
        if outcome.ends_epoch and parent.view:
            body = self.body(parent.block)
            assert body is not None, "what is executed is held"
            return parent.block, body
        moved = on_chain.moved_nonces(self.pool, self._chain, parent.block)
        state = outcome.state
        raws = self.pool.select(base_fee=state.clock().base_fee, nonces=moved, turn=on_chain.turns(state))
        return self._propose(view, proposer, parent, now_ms, raws)

    def _propose(
        self, view: int, proposer: int, parent: Point, now_ms: int, raws: Sequence[bytes]
    ) -> tuple[bytes, bytes] | None:
        state = self._chain.state(parent.block)
        index = state.validators().index_of(address(f"validator {proposer}"))
        if index is None:
            return None
        tip = state.tip(address(f"validator {proposer}"))
        block = self._chain.propose(
            parent.block,
            view=view,
            transactions=raws,
            now_ms=GENESIS_MS + now_ms,
            proposer=index,
            reveal=reveal(self._onions[tip.onion], tip.reveals),
            evidence=self._evidence,
        )
        identity = block_id(block.header)
        self._bodies[identity] = block
        return identity, codec.encode(block)

    def forge(self, view: int, proposer: int, parent: Point, salt: int, *, valid: bool) -> tuple[bytes, bytes] | None:
        """Return another block: without transactions, at some other time; None on what is not held."""
        try:
            self._execute(parent.block)
            made = self._propose(view, proposer, parent, salt % 1_000, [])
        except (KeyError, ParentUnknown):
            return None
        if made is None or valid:
            return made
        block = decode_block(made[1])
        wrong = Block(header=_changed(block.header, state_root=bytes(32)), transactions=[], evidence=block.evidence)
        return block_id(wrong.header), codec.encode(wrong)

    def validate(self, view: int, block: bytes, body: bytes, parent: Point, now_ms: int) -> Verdict:
        """Judge a block by executing it."""
        try:
            before = self._execute(parent.block)
        except (KeyError, Refused):
            return Verdict.DECLINED
        if block == parent.block:  # C23
            return Verdict.VALID if before.ends_epoch and self.body(block) == body else Verdict.INVALID
        links = self.adopt(block, body)
        if links is None or (links.view, links.parent) != (view, parent):
            return Verdict.MISMATCHED
        made = self._bodies[block]
        committee = self.committee(links.epoch)
        if committee is None or made.header.proposer != committee.instance.validators.leader(view):
            return Verdict.INVALID
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

    def commit(self, block: bytes) -> list[Final]:
        """Make a block and its ancestors final, write their rows, and settle the pool."""
        if block == self._head.block:
            return []
        self._execute(block)
        news: list[Final] = []
        finals = self._chain.finalize(block)
        for final in finals:
            outcome = final.outcome
            self._rows.write(outcome.writes)
            self._finals[outcome.id] = final.block
            self._last, self._last_receipts_root = final.block.header, outcome.receipts_root
            at_ms = self._last.timestamp_ms - GENESIS_MS
            news.append(Final(self._last.epoch, self._last.view, outcome.id, ends=outcome.ends_epoch, made_ms=at_ms))
            self._heard(self._node, final, outcome.state)
        self._head = news[-1]
        height = self._last.height
        self._bodies = {key: held for key, held in self._bodies.items() if held.header.height > height}
        self._evidence = [pair for pair in self._evidence if is_fresh(self.state, pair)]
        on_chain.settle(self.pool, finals, self.state)
        return news

    def head(self) -> Final:
        """Return the last committed block."""
        return self._head

    def committee(self, epoch: int) -> Committee | None:
        """Return the validators of an epoch, if the state after the last final block knows them."""
        found = self.state.epoch_set(epoch)
        if found is None:
            return None
        return Committee(
            instance_of(self._charter.hash, found), [self._numbers[member.validator] for member in found.members]
        )

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
        self._forget()
        for record in recovered:
            if isinstance(record, Stored):
                self.adopt(record.block, record.body)

    def _holds(self, block: bytes) -> bool:
        """Tell whether a block is the last final one, or above it and held."""
        return block == self._head.block or block in self._bodies

    def _execute(self, block: bytes) -> Outcome:
        """Execute a block whose ancestors are held, and those that are not executed yet before it."""
        way: list[Block] = []
        at = block
        while True:
            try:
                self._chain.outcome(at)
                break
            except ParentUnknown:
                way.append(self._bodies[at])
                at = way[-1].header.parent
        for each in reversed(way):
            self._chain.check(each, now_ms=None)
        return self._chain.outcome(block)


def _changed(header: Header, **fields: object) -> Header:
    values = {name: getattr(header, name) for name in header.__struct_fields__} | fields
    return Header(**values)


def ledger_links(block: bytes, body: bytes) -> Links | None:
    """Return the place of a block, if `body` is its body."""
    try:
        header = decode_block(body).header
    except Refused:
        return None
    if block_id(header) != block:
        return None
    return Links(header.epoch, header.view, Point(header.parent_view, header.parent))


def ledger_charter(nodes: int, *, waiting: int, stakes: Sequence[int], parameters: Parameters) -> Charter:
    """Return a charter with workers and users; the last `waiting` of the nodes are no validators yet, but rich."""
    newcomers = [f"validator {at}" for at in range(nodes - waiting, nodes)]
    genesis = a_genesis(
        validators=nodes - waiting,
        accounts=("client", "publisher", "alice", "bob", *newcomers),
        stakes=list(stakes) or None,
        parameters=parameters,
    )
    return charter_of(genesis)


def ledger_ground(charter: Charter, nodes: int, *, waiting: int, heard: Heard) -> Ground:
    """Return the ground of a network that agrees on a ledger."""
    names = [vote_key(at, turn) for at in range(nodes) for turn in range(KEYS_MAX)]
    return Ground(
        keyring=Real({key_of(name): seed_of(name) for name in names}),
        validators=nodes - waiting,
        make_application=lambda node: LedgerApplication(charter, node, nodes, heard),
        links_of=ledger_links,
    )


def vote_key(node: int, turn: int) -> str:
    """Return the name of a validator's first vote key, or of one that it changes to."""
    return f"validator {node}" if turn == 0 else f"validator {node}, key {turn}"
