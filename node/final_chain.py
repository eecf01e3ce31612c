"""The chain as this node has it: final blocks on disk, the tree of executed blocks above them, the pool.

It is the `ChainView` of the other parts, and what the driver and catch-up act on.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import trio

from consensus.messages import Certificate
from consensus.validators import Instance
from ledger.apply import receipts_root
from ledger.block import Block, Header, block_id, decode_block
from ledger.chain import Chain, FinalBlock, ParentUnknown
from ledger.genesis import Charter, Genesis, genesis_header, initial_rows
from ledger.proven import ProvenRows
from ledger.stake.epochs import EpochSet, instance_of
from ledger.stake.records import Evidence
from ledger.state import State
from ledger.transaction import Receipt, Transaction, open_transaction
from ledger.tree import tree_of
from node.mempool import on_chain
from node.mempool.pool import Pool
from node.past_states import PastState, PastStates
from node.ports import Head, TxState, TxStatus
from node.store.disk import damaged
from node.store.schema import RECEIPTS_BYTES_MAX
from node.store.store import FinalRows, Store
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

FOLLOW_MAX = 256
"""Final blocks that a reader of `follow` may leave unread: some minutes of an idle chain."""
HELD_MAX = 512
"""Bodies above the final block, as many as the ledger's tree takes."""
INSTANCES_MAX = 16
"""Epochs whose validators are kept at hand: those that announcements and stragglers are of."""


class DivergedError(Exception):
    """This node finds its own state wrong, or a certified block invalid: a bug or a damaged disk. It must stop."""


def restore_chain(charter: Charter, store: Store, pool: Pool) -> Chain:
    """Return the tree of blocks on what the store holds, after writing genesis into a new one.

    Raises Refused STORE_DAMAGED if the state rows do not have the root that was stored with them (N43).
    """
    if store.head is None:
        _store_genesis(charter, store)
    head = store.head
    assert head is not None
    raw, raw_receipts = store.block(head.height), store.receipts(head.height)
    tree = tree_of(store.state.scan())
    if raw is None or raw_receipts is None or tree.root != head.state_root:
        raise damaged(store.path, height=head.height, seen=tree.root, wanted=head.state_root)
    return Chain(
        charter,
        reader=store.state,
        tree=tree,
        final=decode_block(raw).header,
        receipts_root=receipts_root(decode(list[Receipt], raw_receipts, at_most=RECEIPTS_BYTES_MAX)),
        verified=pool.verified,
    )


def _store_genesis(charter: Charter, store: Store) -> None:
    rows = initial_rows(charter)
    header = genesis_header(charter)
    genesis = FinalRows(
        height=0,
        block_id=block_id(header),
        epoch=header.epoch,
        time_ms=header.timestamp_ms,
        block=encode(Block(header=header, transactions=[])),
        receipts=encode([]),
        transactions=[],
        writes=dict(rows),
        state_root=tree_of(rows.items()).root,
    )
    store.finalize([genesis], None)


class FinalChain:
    """The node's chain. Every method but the waiting ones is done when it returns."""

    def __init__(
        self,
        *,
        charter: Charter,
        store: Store,
        pool: Pool,
        now_ms: Callable[[], int],
        spread: Callable[[bytes], None],
    ) -> None:
        """`spread` sends a client's transaction to the other nodes; `now_ms` is Unix time.

        Raises Refused STORE_DAMAGED.
        """
        self.pool_changed = trio.Event()
        """Set, and replaced, when a transaction comes into the pool."""
        self.refused: Counter[Reason] = Counter()
        """Transactions kept out of the pool since the start, from clients and peers alike, by reason."""
        self._charter = charter
        self._store = store
        self._pool = pool
        self._chain = restore_chain(charter, store, pool)
        self._now_ms = now_ms
        self._spread = spread
        self._held: dict[bytes, Block] = {}
        self._followers: list[trio.MemorySendChannel[FinalBlock]] = []
        self._advanced = trio.Event()
        self._receipts: tuple[int, list[Receipt]] = (0, [])
        self._instances: dict[int, Instance] = {}
        self._past = PastStates()
        self._head, self._state = self._look()
        on_chain.settle(pool, [], self._state)

    def _look(self, changes: int = 0) -> tuple[Head, State]:
        """Return the last final block and the state after it, from the tree and the disk, and keep it to prove rows."""
        last = self._chain.head
        rows = self._store.state_now()
        self._past.keep(PastState(height=last.header.height, tree=last.tree, rows=rows, changes=changes))
        state = State(rows)
        head = Head(
            height=last.header.height,
            block_id=last.id,
            timestamp_ms=last.header.timestamp_ms,
            live_ms=state.clock().live_ms,
            state_root=last.state_root,
        )
        return head, state

    # --- ChainView

    @property
    def genesis(self) -> Genesis:
        """The network's genesis."""
        return self._charter.genesis

    @property
    def genesis_hash(self) -> bytes:
        """Its hash, 32 bytes: the network's name in every signature."""
        return self._charter.hash

    @property
    def head(self) -> Head:
        """The last final block."""
        return self._head

    @property
    def epoch(self) -> int:
        """The epoch of the next block."""
        return self._chain.head.child_epoch

    @property
    def instance(self) -> Instance:
        """The validators of that epoch, as consensus needs them."""
        found = self.instance_for(self.epoch)
        assert found is not None, "the state holds the validators of the running epoch"
        return found

    @property
    def head_view(self) -> int:
        """The view of the last final block within the epoch of the next one: 0 where that has just begun."""
        return self._chain.head.child_parent_view

    def instance_for(self, epoch: int) -> Instance | None:
        """Return the validators of an epoch: of the running one, the next, and those that evidence may still name."""
        found = self._instances.get(epoch)
        if found is None:
            members = self._state.epoch_set(epoch)
            if members is None:
                return None
            found = self._instances[epoch] = instance_of(self.genesis_hash, members)
            if len(self._instances) > INSTANCES_MAX:
                del self._instances[min(self._instances)]
        return found

    def epoch_set(self, epoch: int) -> EpochSet:
        """Return the validators of the running epoch or the next."""
        found = self._state.epoch_set(epoch)
        assert found is not None, "the state holds the validators of the running epoch and the next"
        return found

    def end_view(self, epoch: int) -> int | None:
        """Return the view of the last block of an ended epoch, if it is held."""
        height = self._store.last_height_of(epoch) if epoch < self.epoch else None
        found = None if height is None else self.block(height)
        return None if found is None else found[0].header.view

    def end_of(self, epoch: int) -> Certificate | None:
        """Return the certificate of the last block of an ended epoch, if it is held."""
        height = self._store.last_height_of(epoch) if epoch < self.epoch else None
        return None if height is None else self.certificate_at(height)

    def state(self) -> State:
        """Return the state after the last final block; it does not change under its reader."""
        return self._state

    def block(self, height: int) -> tuple[Block, Certificate] | None:
        """Return a final block and the certificate that covers it or a descendant."""
        raw = self._store.block(height)
        found = self._store.certificate_from(height)
        return None if raw is None or found is None else (decode_block(raw), found[1])

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a final block."""
        return self._store.height_of(block_id)

    def state_root_at(self, height: int) -> bytes | None:
        """Return the state root after the final block at `height`."""
        return self._store.state_root(height)

    def prove(self, keys: Sequence[bytes], height: int | None) -> ProvenRows:
        """Return rows of one of the last final states with all that shows them; raises Refused NOT_FOUND (R11)."""
        return self._past.prove(self._store, keys, height)

    def transaction(self, txid: bytes) -> TxStatus:
        """Return where a transaction stands."""
        place = self._store.place_of(txid)
        if place is None:
            return TxStatus(state=TxState.PENDING if txid in self._pool else TxState.UNKNOWN)
        height, index = place
        if self._receipts[0] != height:
            self._receipts = (height, self._receipts_at(height))
        return TxStatus(state=TxState.FINAL, height=height, index=index, receipt=self._receipts[1][index])

    def _receipts_at(self, height: int) -> list[Receipt]:
        raw = self._store.receipts(height)
        assert raw is not None, "every final block's receipts are stored"
        return decode(list[Receipt], raw, at_most=RECEIPTS_BYTES_MAX)

    def next_nonce(self, address: bytes) -> int:
        """Return the nonce of the account's next transaction, those waiting in the pool counted."""
        return self._pool.next_nonce(address, self._state.account(address).nonce)

    async def submit(self, raw: bytes) -> bytes:
        """Take a client's signed transaction into the pool, send it on, and return its id.

        Doing so again changes nothing. Raises Refused (N80).
        """
        await trio.lowlevel.checkpoint()
        with self._counting_refusals():
            transaction = self._opened(raw)
            if self.transaction(transaction.id).state is TxState.UNKNOWN:
                self._add(transaction, here=True)
                self._spread(raw)
        return transaction.id

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[trio.MemoryReceiveChannel[FinalBlock]]:
        """Open a bounded stream of final blocks, from the next one on.

        A reader that falls behind finds its stream at an end and reads the state again.
        """
        into, out = trio.open_memory_channel[FinalBlock](FOLLOW_MAX)
        self._followers.append(into)
        try:
            with out:
                yield out
        finally:
            into.close()
            if into in self._followers:
                self._followers.remove(into)

    # --- the pool

    def open(self, raw: bytes) -> Transaction:
        """Open an envelope from another node; raises Refused for one that no honest node sends."""
        with self._counting_refusals():
            return self._opened(raw)

    def _opened(self, raw: bytes) -> Transaction:
        transaction = open_transaction(raw, self.genesis_hash, verified=self._pool.verified)
        self._pool.seen.note(raw)
        return transaction

    def take(self, transaction: Transaction) -> None:
        """Take a transaction from another node into the pool; raises Refused."""
        if transaction.id in self._pool:
            raise Refused(Reason.ALREADY_KNOWN)
        with self._counting_refusals():
            self._add(transaction, here=False)

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except Refused as fault:
            self.refused[fault.reason] += 1
            raise

    def _add(self, transaction: Transaction, *, here: bool) -> None:
        on_chain.admit(self._pool, self._charter, self._state, transaction, now_ms=self._now_ms(), here=here)
        self.pool_changed.set()
        self.pool_changed = trio.Event()

    # --- blocks above the final one

    def hold(self, block: Block) -> bytes:
        """Keep a body by its id, which is returned; whether it is valid is another question."""
        name = block_id(block.header)
        if block.header.height > self._head.height:
            if len(self._held) >= HELD_MAX:
                self._held.pop(min(self._held, key=self._age))  # the newest are needed
            self._held[name] = block
        return name

    def _age(self, name: bytes) -> tuple[int, int]:
        header = self._held[name].header
        return header.epoch, header.view

    def header(self, name: bytes) -> Header | None:
        """Return the header of a block above the final one, if its body is held."""
        block = self._held.get(name)
        return None if block is None else block.header

    def body(self, name: bytes) -> bytes | None:
        """Return an encoded block, final or not, that this node has."""
        block = self._held.get(name)
        if block is not None:
            return encode(block)
        height = self._store.height_of(name)
        return None if height is None else self._store.block(height)

    def execute(self, name: bytes) -> None:
        """Execute a held block, and its ancestors before it, unless that is done.

        Raises Refused if one of them is invalid, ParentUnknown naming one that is not held, and TreeFull.
        """
        path: list[Block] = []
        while not self._knows(name):
            block = self._held.get(name)
            if block is None:
                raise ParentUnknown(name)
            path.append(block)
            name = block.header.parent
        for block in reversed(path):
            self._chain.check(block, now_ms=None)

    def _knows(self, name: bytes) -> bool:
        return name == self._chain.head.id or self._chain.block(name) is not None

    def judge(self, block: Block) -> None:
        """Execute a proposed block on its parent, which is held, and keep it; its time must not be far ahead.

        Raises as `execute`.
        """
        self.execute(block.header.parent)
        self._chain.check(block, now_ms=self._now_ms())
        self.hold(block)

    def ends_epoch(self, name: bytes, epoch: int) -> bool:
        """Tell whether an executed block is the last of `epoch`; raises ParentUnknown for one that is not (C23)."""
        outcome = self._chain.outcome(name)
        return outcome.header.epoch == epoch and outcome.ends_epoch

    def is_after_parent(self, header: Header) -> bool:
        """Tell whether a block's time is later than that of its parent, which is executed."""
        return header.timestamp_ms > self._chain.outcome(header.parent).header.timestamp_ms

    # --- building

    def age_ms(self, name: bytes) -> int:
        """Return how long ago, by its own time, an executed block was made."""
        return max(0, self._now_ms() - self._chain.outcome(name).header.timestamp_ms)

    def has_work(self, parent: bytes) -> bool:
        """Tell whether a block on this one should come at once: a draw, a deadline or a transaction waits for it."""
        if self._chain.urgent(parent, now_ms=self._now_ms()):
            return True
        base_fee = self._chain.state(parent).clock().base_fee
        return self._pool.has_ready(base_fee=base_fee, nonces=on_chain.moved_nonces(self._pool, self._chain, parent))

    def some_follow(self, parent: bytes) -> bool:
        """Tell whether others are about to send what some have sent, for a block on this one (N72)."""
        nonces = on_chain.moved_nonces(self._pool, self._chain, parent)
        return on_chain.some_follow(self._pool, self._chain.state(parent), nonces)

    def propose(
        self,
        parent: bytes,
        *,
        view: int,
        proposer: int,
        reveal_at: Callable[[int], bytes],
        evidence: Iterable[Evidence] = (),
    ) -> Block:
        """Build a block on an executed one from what waits in the pool; it is executed and held.

        `reveal_at` gives the proposer's layer after so many reveals. Raises ParentUnknown, TreeFull, RulesUnknownError.
        """
        state = self._chain.state(parent)
        moved = on_chain.moved_nonces(self._pool, self._chain, parent)
        raws = self._pool.select(base_fee=state.clock().base_fee, nonces=moved, turn=on_chain.turns(state))
        block = self._chain.propose(
            parent,
            view=view,
            transactions=raws,
            now_ms=self._now_ms(),
            proposer=proposer,
            reveal=reveal_at(state.tip(state.validators().members[proposer].validator).reveals),
            evidence=evidence,
        )
        self.hold(block)
        return block

    # --- final blocks

    def finalize(self, certificate: Certificate) -> None:
        """Make the block of a checked FINALIZE certificate final, and its ancestors; idempotent.

        They are executed if need be. Raises as `execute`.
        """
        self._finalize(certificate.vote.block, certificate)

    def finalize_ancestor(self, name: bytes) -> None:
        """Make a held block final of which a descendant's checked certificate is known, as `finalize` does."""
        self._finalize(name, None)

    def _finalize(self, name: bytes, certificate: Certificate | None) -> None:
        if self._store.height_of(name) is not None:
            return
        self.execute(name)
        finals = self._chain.finalize(name)
        self._store.finalize([_rows_of(final) for final in finals], certificate)
        self._head, self._state = self._look(sum(len(final.outcome.writes) for final in finals))
        self._held = {key: each for key, each in self._held.items() if each.header.height > self._head.height}
        on_chain.settle(self._pool, finals, self._state)
        self._advanced.set()
        self._advanced = trio.Event()
        for final in finals:
            self._tell(final)

    def _tell(self, final: FinalBlock) -> None:
        for follower in list(self._followers):
            try:
                follower.send_nowait(final)
            except (trio.WouldBlock, trio.BrokenResourceError):  # N81
                follower.close()
                self._followers.remove(follower)

    async def wait_for_epoch(self, epoch: int) -> None:
        """Wait until the next block is of `epoch` or a later one."""
        while self.epoch < epoch:
            await self._advanced.wait()

    async def wait_for_height(self, height: int) -> None:
        """Wait until the block at `height` is final."""
        while self._head.height < height:
            await self._advanced.wait()

    def encoded_block(self, height: int) -> bytes | None:
        """Return a final block as it is stored."""
        return self._store.block(height)

    @property
    def lowest(self) -> int:
        """The least height whose block is here; those below have been pruned (N46)."""
        return self._store.floor.blocks

    @property
    def lowest_history(self) -> int:
        """The least height whose receipts, state root and places of transactions are here (N46)."""
        return self._store.floor.history

    def epoch_at(self, height: int) -> int | None:
        """Return the epoch of the final block at `height`."""
        return self._store.epoch_at(height)

    def certificate_at(self, height: int) -> Certificate | None:
        """Return the certificate that names the final block at `height` itself, if there is one."""
        found = self._store.certificate_from(height)
        return found[1] if found is not None and found[0] == height else None


def _rows_of(final: FinalBlock) -> FinalRows:
    outcome = final.outcome
    return FinalRows(
        height=outcome.header.height,
        block_id=outcome.id,
        epoch=outcome.header.epoch,
        time_ms=outcome.header.timestamp_ms,
        block=encode(final.block),
        receipts=encode(outcome.receipts),
        transactions=[receipt.transaction for receipt in outcome.receipts],
        writes=outcome.writes,
        state_root=outcome.state_root,
    )
