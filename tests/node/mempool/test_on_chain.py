"""The pool of a chain on disk: replacement by clients, blocks above the final one, prices that move."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.block import block_id
from ledger.genesis import charter_of
from ledger.parameters import Parameters
from ledger.records import Job, JobState
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    Payload,
    ProviderReveal,
    Transfer,
    VerifierCommit,
    VerifierReveal,
    sign_transaction,
)
from node.mempool.pool import PoolLimits
from node.ports import TxState
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import a_body, a_genesis, a_publication, a_submission, address, seed_of, values
from tests.node.chains import Producer

LEAST = Parameters().base_fee_min
PAYERS = [f"payer {at}" for at in range(50)]
CHARTER = charter_of(a_genesis(accounts=[*PAYERS, "client", "publisher"]))
GIFT = Transfer(to=address("stranger"), amount=5)


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    limits = PoolLimits(per_account=64, total=5_000, total_bytes=5_000_000, base_fee_min=LEAST)
    made = Producer(tmp_path / "state", charter=CHARTER, limits=limits)
    yield made
    made.close()


def signed(
    producer: Producer, name: str, nonce: int, payload: Payload = GIFT, *, cap: int = LEAST, tip: int = 0
) -> bytes:
    body = change(a_body(name, payload, nonce=nonce, time_ms=producer.now_ms, tip=tip), fee_cap=cap)
    return sign_transaction(seed_of(name), CHARTER.hash, body)


async def test_a_client_replaces_what_waits_by_a_dearer_one_and_nothing_that_is_final(producer: Producer) -> None:
    chain = producer.chain
    cheap = await chain.submit(signed(producer, "client", 0))
    await chain.submit(signed(producer, "client", 1))
    with pytest.raises(Refused) as refused:
        await chain.submit(signed(producer, "client", 0, change(GIFT, amount=6)))
    assert refused.value.reason is Reason.REPLACEMENT_TOO_CHEAP
    dear = await chain.submit(signed(producer, "client", 0, change(GIFT, amount=6), cap=2 * LEAST))
    assert chain.transaction(cheap).state is TxState.UNKNOWN
    assert chain.next_nonce(address("client")) == 2
    producer.extend(1)
    assert chain.transaction(dear).state is TxState.FINAL
    assert chain.state().account(address("stranger")).balance == 6 + 5
    with pytest.raises(Refused) as refused:
        await chain.submit(signed(producer, "client", 0, cap=9 * LEAST))
    assert refused.value.reason is Reason.NONCE_TOO_LOW


async def test_a_block_on_an_unfinal_one_takes_what_that_has_left(producer: Producer) -> None:
    chain = producer.chain
    for nonce in range(3):
        await chain.submit(signed(producer, "client", nonce))
    first = producer.propose(view=1)
    assert len(first.transactions) == 3
    assert not chain.has_work(block_id(first.header))
    await chain.submit(signed(producer, "client", 3))
    assert chain.has_work(block_id(first.header))
    second = producer.propose(view=2, parent=block_id(first.header))
    assert len(second.transactions) == 1
    beside = producer.propose(view=3)
    assert len(beside.transactions) == 4
    producer.finalize(second)
    assert len(producer.pool) == 0


def crowd(producer: Producer, count: int) -> None:
    """Let fifty payers hand in so many transfers each, with a tip of one grain."""
    for name in PAYERS:
        nonce = producer.chain.next_nonce(address(name))
        for ahead in range(count):
            raw = signed(producer, name, nonce + ahead, cap=10 * LEAST, tip=1)
            producer.chain.take(producer.chain.open(raw))


async def test_what_the_price_leaves_behind_is_parked_until_it_falls_but_not_what_a_job_waits_for(
    producer: Producer,
) -> None:
    chain = producer.chain
    await chain.submit(signed(producer, "publisher", 0, a_publication()))
    producer.extend(1)
    job = await chain.submit(signed(producer, "client", 0, a_submission()))
    producer.extend(1)
    await chain.submit(signed(producer, "worker 0", 0, JobAccept(job=job, price=KARAT // 2)))
    producer.extend(1)
    crowd(producer, 61)
    parked = await chain.submit(signed(producer, "client", 1))
    producer.extend(1)
    assert producer.pool.base_fee == chain.state().clock().base_fee > LEAST
    late = await chain.submit(
        signed(
            producer,
            "worker 0",
            1,
            JobCommit(job=job, commitment=values("worker 0").commitment(CHARTER, job, "worker 0")),
        )
    )
    crowd(producer, 1)
    assert (producer.pool.counts().parked, producer.pool.counts().kept) == (1, 1)
    (kept,) = producer.pool.content(limit=9, sender=address("worker 0"))
    block = producer.propose()
    assert block.transactions[0] == kept.transaction.raw
    producer.finalize(block)
    status = chain.transaction(late)
    assert chain.transaction(parked).state is TxState.PENDING
    assert status.receipt is not None
    assert status.receipt.fee == kit.least_fee(JobCommit(job=job, commitment=bytes(32)))
    while chain.state().clock().base_fee > LEAST:
        producer.extend(1)
    producer.extend(1)
    assert chain.transaction(parked).state is TxState.FINAL


async def test_of_verifiers_that_a_job_awaits_together_the_others_follow_n72(producer: Producer) -> None:
    chain = producer.chain

    def follow() -> bool:
        return chain.some_follow(chain.head.block_id)

    async def say(name: str, payload: Payload) -> bytes:
        return await chain.submit(signed(producer, name, chain.next_nonce(address(name)), payload))

    def until(state: JobState) -> Job:
        for _ in range(9):
            told = chain.state().job(job)
            if told is not None and told.state is state:
                return told
            producer.extend(1)
        raise AssertionError(f"not {state.name}")

    await say("publisher", a_publication())
    producer.extend(1)
    job = await say("client", a_submission())
    assert not follow()
    producer.extend(1)
    await say("worker 0", JobAccept(job=job, price=KARAT // 2))
    producer.extend(1)
    mine = values("worker 0")
    await say("worker 0", JobCommit(job=job, commitment=mine.commitment(CHARTER, job, "worker 0")))
    assert not follow()
    names = {address(f"worker {at}"): f"worker {at}" for at in range(9)}
    drawn = [names[each.worker] for each in until(JobState.VERIFYING).verifiers]
    assert len(drawn) > 1
    for name in drawn:
        theirs = values(name)
        await say(name, VerifierCommit(job=job, commitment=theirs.commitment(CHARTER, job, name)))
        assert follow() is (name != drawn[-1])
    until(JobState.REVEALING)
    await say("worker 0", ProviderReveal(job=job, salt=mine.salt, cut=mine.cut, outputs=mine.outputs))
    assert not follow()
    until(JobState.CHECKING)
    for name in drawn:
        own = values(name)
        shown = VerifierReveal(job=job, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=Decision.ACCEPT)
        await say(name, shown)
        assert follow() is (name != drawn[-1])
    until(JobState.SETTLED)
    assert not follow()


async def test_a_client_is_told_the_price_that_it_does_not_offer(producer: Producer) -> None:
    crowd(producer, 60)
    producer.extend(1)
    with pytest.raises(Refused) as refused:
        await producer.chain.submit(signed(producer, "client", 0))
    assert refused.value.reason is Reason.FEE_TOO_LOW
    assert refused.value.facts["wanted"] == producer.chain.state().clock().base_fee
