"""How transactions reach the other nodes: in batches, on the public topic "tx" (N55)."""

from collections import deque
from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec
import trio

from ledger.limits import HEAVY_TX_BYTES_MAX
from ledger.transaction import Transaction
from node.mempool.pool import Pool
from node.p2p.ipc import Verdict
from primitives.codec import decode, encode
from primitives.reasons import Refused
from primitives.record import Record

TOPIC = "tx"
BATCH_PAUSE_S = 0.05
"""The least time between two batches: each copy of a gossip message costs a millisecond of CPU. The first of a quiet
time goes at once, as each step of a job waits for it."""
BATCH_BYTES = 64 << 10
"""A batch that has so many bytes takes no further transaction."""
BATCH_TRANSACTIONS_MAX = 1_024
"""In one batch: 64 KiB of the smallest transactions."""
MESSAGE_BYTES_MAX = BATCH_BYTES + HEAVY_TX_BYTES_MAX + 8 * BATCH_TRANSACTIONS_MAX
OUTGOING_MAX = 5_000
"""Transactions that wait to be sent; over it the oldest are not, and are said again later."""
REPEAT_S = 5.0
"""How often a client's transactions that still wait are sent again: gossip may lose a message."""


class TransactionBatch(Record):
    """Encoded signed transactions."""

    transactions: Annotated[
        list[Annotated[bytes, msgspec.Meta(max_length=HEAVY_TX_BYTES_MAX)]],
        msgspec.Meta(min_length=1, max_length=BATCH_TRANSACTIONS_MAX),
    ]


class Publisher(Protocol):
    """What this needs of the network."""

    def publish(self, topic: str, body: bytes) -> bool:
        """Gossip a message; tell whether it was queued."""


class TransactionGossip:
    """Collects transactions to send, and takes in those that come."""

    def __init__(self, pool: Pool, network: Publisher) -> None:
        self._pool = pool
        self._network = network
        self._outgoing: deque[bytes] = deque(maxlen=OUTGOING_MAX)
        self._some = trio.Event()

    def spread(self, raw: bytes) -> None:
        """Send a transaction with the next batch."""
        self._outgoing.append(raw)
        self._some.set()

    async def run(self) -> None:
        """Send batches, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._repeat)
            while True:
                await self._some.wait()
                self._some = trio.Event()
                while self._outgoing:
                    self._network.publish(TOPIC, encode(self._next_batch()))
                    await trio.lowlevel.checkpoint()
                await trio.sleep(BATCH_PAUSE_S)

    def _next_batch(self) -> TransactionBatch:
        batch: list[bytes] = []
        size = 0
        while self._outgoing and size < BATCH_BYTES and len(batch) < BATCH_TRANSACTIONS_MAX:
            batch.append(self._outgoing.popleft())
            size += len(batch[-1])
        return TransactionBatch(transactions=batch)

    async def _repeat(self) -> None:
        before: frozenset[bytes] = frozenset()
        while True:
            await trio.sleep(REPEAT_S)
            waiting = self._pool.of_clients()
            for raw in waiting:
                if raw in before:
                    self.spread(raw)
            before = frozenset(waiting)

    def receive(
        self, body: bytes, open_: Callable[[bytes], Transaction], take: Callable[[Transaction], object]
    ) -> Verdict:
        """Take in a batch and say whether it may travel on (N56).

        `open_` opens an envelope from elsewhere, and `take` puts its transaction into the pool; both raise Refused.
        """
        try:
            batch = decode(TransactionBatch, body, at_most=MESSAGE_BYTES_MAX)
        except Refused:
            return Verdict.REJECT
        verdict = Verdict.IGNORE
        for raw in batch.transactions:
            try:
                transaction = open_(raw)
            except Refused:
                return Verdict.REJECT
            try:
                take(transaction)
                verdict = Verdict.ACCEPT
            except Refused:
                continue  # why depends on the blocks that a node has seen: who sent it may have seen others
        return verdict
