"""Transactions between nodes: batches out, verdicts on what comes in."""

import trio
import trio.testing

from ledger.genesis import charter_of
from ledger.transaction import Transaction, open_transaction
from node.mempool.gossip import BATCH_BYTES, BATCH_PAUSE_S, REPEAT_S, TOPIC, TransactionBatch, TransactionGossip
from node.mempool.pool import Pool
from node.p2p.ipc import GOSSIP_BODY_MAX, Verdict
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import GENESIS_MS, a_genesis, a_transfer
from tests.node.chains import CHARTER, LIMITS
from tests.node.mempool.test_pool import FRESH, a_transaction


class Wall:
    """A network on which everything published can be read."""

    def __init__(self) -> None:
        self.batches: list[TransactionBatch] = []

    def publish(self, topic: str, body: bytes) -> bool:
        assert topic == TOPIC
        assert len(body) < GOSSIP_BODY_MAX
        self.batches.append(decode(TransactionBatch, body, at_most=GOSSIP_BODY_MAX))
        return True


async def test_what_comes_together_is_sent_together(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    wall = Wall()
    gossip = TransactionGossip(Pool(LIMITS), wall)
    nursery.start_soon(gossip.run)
    for raw in (b"one", b"two", b"three"):
        gossip.spread(raw)
    await trio.sleep(1)
    assert wall.batches == [TransactionBatch(transactions=[b"one", b"two", b"three"])]


async def test_the_first_goes_at_once_and_what_follows_it_soon_goes_together_n55(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    wall = Wall()
    gossip = TransactionGossip(Pool(LIMITS), wall)
    nursery.start_soon(gossip.run)
    gossip.spread(b"one")
    await trio.sleep(BATCH_PAUSE_S / 10)
    assert wall.batches == [TransactionBatch(transactions=[b"one"])]
    gossip.spread(b"two")
    await trio.sleep(BATCH_PAUSE_S / 10)
    gossip.spread(b"three")
    await trio.sleep(BATCH_PAUSE_S)
    assert wall.batches[1:] == [TransactionBatch(transactions=[b"two", b"three"])]


async def test_a_batch_stays_below_its_size(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    wall = Wall()
    gossip = TransactionGossip(Pool(LIMITS), wall)
    nursery.start_soon(gossip.run)
    for _ in range(5):
        gossip.spread(bytes(BATCH_BYTES // 2))
    await trio.sleep(1)
    assert [len(batch.transactions) for batch in wall.batches] == [2, 2, 1]


async def test_a_clients_transaction_that_still_waits_is_sent_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    wall, pool = Wall(), Pool(LIMITS)
    pool.add(a_transaction("ann", 0), account=FRESH, now_ms=GENESIS_MS, here=True)
    pool.add(a_transaction("ben", 0), account=FRESH, now_ms=GENESIS_MS, here=False)
    nursery.start_soon(TransactionGossip(pool, wall).run)
    await trio.sleep(2.5 * REPEAT_S)
    assert wall.batches == [TransactionBatch(transactions=[a_transaction("ann", 0).raw])]


def verdict_on(body: bytes, reason: Reason | None = None) -> Verdict:
    def take(_: Transaction) -> None:
        if reason is not None:
            raise Refused(reason)

    return TransactionGossip(Pool(LIMITS), Wall()).receive(body, lambda raw: open_transaction(raw, CHARTER.hash), take)


BATCH = encode(TransactionBatch(transactions=[a_transfer(CHARTER, payer="client", payee="ann", amount=1, nonce=0)]))


def test_new_transactions_travel_on() -> None:
    assert verdict_on(BATCH) is Verdict.ACCEPT


def test_what_brings_nothing_new_goes_no_further() -> None:
    for reason in (Reason.ALREADY_KNOWN, Reason.NONCE_TOO_LOW, Reason.MEMPOOL_FULL, Reason.MALFORMED):
        assert verdict_on(BATCH, reason) is Verdict.IGNORE


def test_what_no_honest_node_sends_is_held_against_the_sender() -> None:
    others = a_transfer(charter_of(a_genesis(validators=1)), payer="client", payee="ann", amount=1, nonce=0)
    for body in (
        encode(TransactionBatch(transactions=[others])),
        b"",
        b"\x91\x90",
        BATCH + b"\x00",
        encode(TransactionBatch(transactions=[b""]))[:-1],
    ):
        assert verdict_on(body) is Verdict.REJECT
