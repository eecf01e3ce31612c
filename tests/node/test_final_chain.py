"""The node's chain as its other parts see it: what is submitted, what is final, and who is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from ledger.apply import told
from ledger.block import block_id
from ledger.limits import BLOCK_TXS_MAX
from ledger.transaction import FACTS_MAX, JobAccept, Receipt, sign_transaction
from node.final_chain import FOLLOW_MAX, HELD_MAX
from node.ports import ChainView, TxState, TxStatus
from node.store.schema import RECEIPTS_BYTES_MAX
from primitives.codec import encode
from primitives.reasons import Reason, Refused
from primitives.units import NUMBER_MAX
from testnet.kit.ledger_builders import RICH, a_body, a_transfer, address, seed_of
from tests.node.chains import CHARTER, LIMITS, Producer


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    made = Producer(tmp_path / "state", limits=LIMITS)
    yield made
    made.close()


def transfer(nonce: int, *, amount: int = 5) -> bytes:
    return a_transfer(CHARTER, payer="client", payee="publisher", amount=amount, nonce=nonce)


def test_it_is_the_view_that_the_other_parts_have(producer: Producer) -> None:
    view: ChainView = producer.chain
    assert view.genesis_hash == CHARTER.hash
    assert view.head.height == 0
    assert view.state_root_at(0) == view.head.state_root


async def test_a_transaction_waits_and_then_is_final_with_its_receipt(producer: Producer) -> None:
    chain = producer.chain
    txid = await chain.submit(transfer(0))
    assert chain.transaction(txid) == TxStatus(state=TxState.PENDING)
    assert chain.next_nonce(address("client")) == 1
    producer.extend(1)
    status = chain.transaction(txid)
    assert (status.state, status.height, status.index) == (TxState.FINAL, 1, 0)
    assert status.receipt is not None
    assert status.receipt.ok
    assert chain.state().account(address("publisher")).balance == RICH + 5
    assert chain.transaction(bytes(32)) == TxStatus(state=TxState.UNKNOWN)


async def test_to_submit_again_changes_nothing(producer: Producer) -> None:
    txid = await producer.chain.submit(transfer(0))
    assert await producer.chain.submit(transfer(0)) == txid
    assert producer.spread == [transfer(0)]
    producer.extend(1)
    assert await producer.chain.submit(transfer(0)) == txid
    assert len(producer.pool) == 0
    assert producer.spread == [transfer(0)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (transfer(1), Reason.NONCE_GAP),
        (transfer(0, amount=0), Reason.ZERO_AMOUNT),
        (transfer(0, amount=RICH), Reason.INSUFFICIENT_BALANCE),
        (transfer(0)[:-1], Reason.MALFORMED),
        (transfer(0)[:-1] + bytes([transfer(0)[-1] ^ 1]), Reason.BAD_SIGNATURE),
    ],
)
async def test_what_would_fail_is_refused_with_its_reason(producer: Producer, raw: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        await producer.chain.submit(raw)
    assert refused.value.reason is reason
    assert len(producer.pool) == 0
    assert producer.spread == []


async def test_what_a_later_block_may_allow_is_kept_from_peers_and_refused_from_clients(producer: Producer) -> None:
    payload = JobAccept(job=bytes(32), price=1)
    raw = sign_transaction(seed_of("worker 0"), CHARTER.hash, a_body("worker 0", payload, nonce=0))
    with pytest.raises(Refused) as refused:
        await producer.chain.submit(raw)
    assert refused.value.reason is Reason.JOB_UNKNOWN
    producer.chain.take(producer.chain.open(raw))
    assert len(producer.pool) == 1
    with pytest.raises(Refused) as again:
        producer.chain.take(producer.chain.open(raw))
    assert again.value.reason is Reason.ALREADY_KNOWN


async def test_a_state_stays_as_it_was_when_it_was_asked_for(producer: Producer) -> None:
    before = producer.chain.state()
    await producer.chain.submit(transfer(0))
    producer.extend(2)
    assert before.account(address("client")).nonce == 0
    assert producer.chain.state().account(address("client")).nonce == 1


async def test_followers_are_told_each_final_block_in_order(producer: Producer) -> None:
    async with producer.chain.follow() as finals:
        producer.extend(3)
        heights = [(await finals.receive()).block.header.height for _ in range(3)]
    assert heights == [1, 2, 3]
    producer.extend(1)


async def test_a_reader_that_falls_behind_finds_its_stream_at_an_end(producer: Producer) -> None:
    async with producer.chain.follow() as slow, producer.chain.follow() as quick:
        for _ in range(FOLLOW_MAX + 1):
            producer.extend(1)
            await quick.receive()
        seen = [final async for final in slow]
    assert len(seen) == FOLLOW_MAX


async def test_waiting_for_a_height_ends_with_its_block(producer: Producer, nursery: trio.Nursery) -> None:
    reached: list[int] = []

    async def wait(height: int) -> None:
        await producer.chain.wait_for_height(height)
        reached.append(height)

    nursery.start_soon(wait, 1)
    nursery.start_soon(wait, 3)
    await trio.testing.wait_all_tasks_blocked()
    producer.extend(2)
    await trio.testing.wait_all_tasks_blocked()
    assert reached == [1]
    producer.extend(1)
    await trio.testing.wait_all_tasks_blocked()
    assert reached == [1, 3]


def test_of_too_many_bodies_the_newest_are_kept(producer: Producer) -> None:
    made = [producer.propose(view=view) for view in range(1, HELD_MAX + 3)]
    held = [producer.chain.body(block_id(block.header)) is not None for block in made]
    assert held == [False, False, *[True] * HELD_MAX]
    producer.finalize(made[-1])


def test_losing_blocks_are_forgotten_when_another_is_final(producer: Producer) -> None:
    loser = producer.propose(view=1)
    winner = producer.propose(view=2)
    producer.finalize(winner)
    assert producer.chain.body(block_id(loser.header)) is None
    assert producer.chain.body(block_id(winner.header)) == encode(winner)
    assert producer.chain.state_root_at(1) == producer.chain.head.state_root


def test_the_receipts_of_a_full_block_can_be_read_again_whatever_they_tell() -> None:
    longest = Refused(Reason.WRONG_SHAPE, **{f"fact {at}": bytes(8_192) for at in range(FACTS_MAX)})
    receipt = Receipt(transaction=bytes(32), reason=longest.reason, fee=NUMBER_MAX, facts=told(longest))
    assert len(encode([receipt] * BLOCK_TXS_MAX)) <= RECEIPTS_BYTES_MAX
