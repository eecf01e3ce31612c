"""A ChainView on the ledger's real chain, in memory, whose blocks come when a test (or its clock) says so."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from consensus.messages import Certificate, Vote, VoteKind
from ledger.apply import precheck
from ledger.block import Block
from ledger.chain import FinalBlock
from ledger.genesis import Genesis, initial_rows
from ledger.proven import ProvenRows, prove_rows
from ledger.state import MemoryReader, State
from ledger.transaction import Receipt, Transaction, open_transaction
from node.ports import Head, TxState, TxStatus
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import World, a_world

FOLLOW_MAX = 64


class FakeChain:
    """A network of one: every block is final at once."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or a_world()
        self.pool: dict[bytes, Transaction] = {}
        """Transactions that wait, by id, in order of arrival."""
        self.refused: list[Refused] = []
        """Why submitted transactions were not taken."""
        self._places: dict[bytes, tuple[int, int, Receipt]] = {}
        self._followers: list[trio.MemorySendChannel[FinalBlock]] = []

    @property
    def genesis(self) -> Genesis:
        """The genesis of the world."""
        return self.world.charter.genesis

    @property
    def genesis_hash(self) -> bytes:
        """Its hash."""
        return self.world.charter.hash

    @property
    def head(self) -> Head:
        """The last block."""
        last = self.world.chain.head
        return Head(
            height=last.header.height,
            block_id=last.id,
            timestamp_ms=last.header.timestamp_ms,
            live_ms=last.state.clock().live_ms,
            state_root=last.state_root,
        )

    def state(self) -> State:
        """Return the state after the last block."""
        return self.world.state

    def block(self, height: int) -> tuple[Block, Certificate] | None:
        """Return a block, and a certificate that nobody signed."""
        if not 1 <= height <= len(self.world.finals):
            return None
        final = self.world.finals[height - 1]
        vote = Vote(epoch=0, view=final.block.header.view, kind=VoteKind.FINALIZE, block=final.outcome.id)
        return final.block, Certificate(scheme=1, vote=vote, signers=b"\x0b", signatures=[bytes(64)] * 3)

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a block."""
        return next((each.outcome.header.height for each in self.world.finals if each.outcome.id == block_id), None)

    def state_root_at(self, height: int) -> bytes | None:
        """Return the state root after a block."""
        if not 1 <= height <= len(self.world.finals):
            return None
        return self.world.finals[height - 1].outcome.state_root

    def prove(self, keys: Sequence[bytes], height: int | None) -> ProvenRows:
        """Return rows after a block, or after the last but one, and a certificate that nobody signed."""
        finals = self.world.finals
        at = len(finals) - 1 if height is None else height
        carrier = self.block(at + 1)
        if at < 1 or carrier is None:
            raise Refused(Reason.NOT_FOUND, what="state that can be proved", seen=height)
        rows = MemoryReader(initial_rows(self.world.charter))
        for final in finals[:at]:
            rows.write(final.outcome.writes)
        validators = self.state().epoch_set(carrier[0].header.epoch)
        assert validators is not None
        return ProvenRows(
            headers=[carrier[0].header],
            certificate=carrier[1],
            validators=validators,
            rows=prove_rows(finals[at - 1].outcome.tree, rows.get, keys),
        )

    def transaction(self, txid: bytes) -> TxStatus:
        """Tell where a transaction stands."""
        place = self._places.get(txid) or self._place_in_world(txid)
        if place is not None:
            return TxStatus(state=TxState.FINAL, height=place[0], index=place[1], receipt=place[2])
        return TxStatus(state=TxState.PENDING if txid in self.pool else TxState.UNKNOWN)

    def _place_in_world(self, txid: bytes) -> tuple[int, int, Receipt] | None:
        """Return height, index and receipt of a transaction whose block the test has made itself."""
        for final in self.world.finals:
            for index, receipt in enumerate(final.outcome.receipts):
                if receipt.transaction == txid:
                    return final.outcome.header.height, index, receipt
        return None

    def next_nonce(self, address: bytes) -> int:
        """Return the nonce of the account's next transaction, those waiting counted."""
        waiting = {each.body.nonce for each in self.pool.values() if each.sender == address}
        nonce = self.state().account(address).nonce
        while nonce in waiting:
            nonce += 1
        return nonce

    async def submit(self, raw: bytes) -> bytes:
        """Take a transaction, checked as a mempool does."""
        await trio.lowlevel.checkpoint()
        transaction = open_transaction(raw, self.genesis_hash)
        if self.transaction(transaction.id).state is TxState.UNKNOWN:
            try:
                nonce = self.next_nonce(transaction.sender)
                precheck(self.world.charter, self.state(), transaction, now_ms=self.world.now_ms, next_nonce=nonce)
            except Refused as refused:
                self.refused.append(refused)
                raise
            self.pool[transaction.id] = transaction
        return transaction.id

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[trio.MemoryReceiveChannel[FinalBlock]]:
        """Open a stream of blocks, from the next one on."""
        send, receive = trio.open_memory_channel[FinalBlock](FOLLOW_MAX)
        self._followers.append(send)
        try:
            with receive:
                yield receive
        finally:
            send.close()
            if send in self._followers:
                self._followers.remove(send)

    def lose(self) -> None:
        """Forget every transaction that waits, as a mempool does whose node restarts."""
        self.pool.clear()

    def step(self, *, passed_ms: int = 1_000) -> FinalBlock:
        """Make a block of what waits; it is final at once."""
        in_order = sorted(self.pool.values(), key=lambda each: each.body.nonce)
        final = self.world.block(*(each.raw for each in in_order), passed_ms=passed_ms)
        for index, receipt in enumerate(final.outcome.receipts):
            self._places[receipt.transaction] = (final.outcome.header.height, index, receipt)
        accounts = {each.sender: self.state().account(each.sender).nonce for each in self.pool.values()}
        self.pool = {txid: each for txid, each in self.pool.items() if each.body.nonce >= accounts[each.sender]}
        for follower in list(self._followers):
            try:
                follower.send_nowait(final)
            except trio.WouldBlock:
                follower.close()
                self._followers.remove(follower)
        return final

    async def run(self, *, every_s: float = 1.0) -> None:
        """Make a block every so often, until cancelled."""
        while True:
            await trio.sleep(every_s)
            self.step(passed_ms=round(every_s * 1000))


def receipt_of(chain: FakeChain, txid: bytes) -> Receipt:
    """Return the receipt of a final transaction."""
    status = chain.transaction(txid)
    if status.receipt is None:
        raise Refused(Reason.NOT_FOUND, transaction=txid)
    return status.receipt
