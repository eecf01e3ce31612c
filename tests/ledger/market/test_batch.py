"""Batches: one escrow, a job for each item, all on the same terms (J80 to J83)."""

import pytest

from ledger.fees import KIND_GAS, PIECE_BYTES, PIECE_GAS, gas_of
from ledger.limits import SUBMISSIONS_MAX
from ledger.market.batch import find_batch, item_id
from ledger.market.order_payloads import BATCH_ITEMS_MAX, BatchAccept
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome
from ledger.transaction import JobAccept, JobCommit, JobSubmit, Transaction, open_transaction
from primitives.content import content_id
from primitives.hashing import sha256
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    RICH,
    Script,
    World,
    a_batch,
    a_submission,
    a_world,
    address,
    play_verifiers,
    publish,
    values,
)

PRICE = KARAT
FEES = 3 * Parameters().verifier_fee


@pytest.fixture
def world() -> World:
    made = a_world()
    publish(made)
    return made


def settle(world: World, job: bytes, provider: str = "worker 0") -> None:
    """Play an accepted job to its settlement."""
    mine = values(provider)
    world.must(provider, JobCommit(job=job, commitment=mine.commitment(world.charter, job, provider)))
    world.until(lambda _: bool(world.job(job).verifiers))
    play_verifiers(world, job, Script(), provider, mine)
    assert world.job(job).state is JobState.SETTLED


def test_each_item_is_a_job_of_its_own_and_one_transaction_pays_for_all(world: World) -> None:  # J80, J81
    before = world.balance("client")
    final = world.block(world.sign("client", a_batch(b"one", b"two", b"three")))
    (receipt,) = final.outcome.receipts
    assert receipt.ok
    assert before - world.balance("client") == receipt.fee + 3 * (PRICE + FEES)
    row = find_batch(world.state, receipt.transaction)
    assert row is not None
    assert (row.client, row.items) == (address("client"), 3)
    jobs = [world.job(item_id(receipt.transaction, at)) for at in range(3)]
    assert [job.input for job in jobs] == [content_id(each) for each in (b"one", b"two", b"three")]
    assert [job.canary for job in jobs] == [sha256(each) for each in (b"one", b"two", b"three")]
    assert {job.batch for job in jobs} == {receipt.transaction}
    assert {(job.state, job.escrow) for job in jobs} == {(JobState.OPEN, PRICE + FEES)}


def test_items_end_each_by_itself_and_what_they_did_not_use_comes_back(world: World) -> None:  # J83
    batch = world.must("client", a_batch(b"one", b"two"))
    before = world.balance("client")
    first, second = item_id(batch, 0), item_id(batch, 1)
    world.must("worker 0", JobAccept(job=first, price=PRICE // 4))
    settle(world, first)
    world.until(lambda _: world.job(second).outcome is not None)
    assert world.job(second).outcome is Outcome.NOT_ACCEPTED
    assert world.balance("client") - before == (PRICE - PRICE // 4) + (PRICE + FEES)


def test_one_provider_takes_many_at_once(world: World) -> None:  # J82
    batch = world.must("client", a_batch(b"one", b"two", b"three"))
    world.must("worker 0", BatchAccept(batch=batch, items=[0, 2], price=7))
    states = [world.job(item_id(batch, at)).state for at in range(3)]
    assert states == [JobState.ACCEPTED, JobState.OPEN, JobState.ACCEPTED]
    assert world.worker("worker 0").providing == 2


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([0, 1, 2, 3, 4], Reason.NO_CAPACITY),
        ([0, 5], Reason.REQUEST_INVALID),
        ([1, 0], Reason.REQUEST_INVALID),
        ([1, 1], Reason.REQUEST_INVALID),
    ],
)
def test_an_acceptance_takes_all_that_it_names_or_nothing(
    world: World, items: list[int], reason: Reason
) -> None:  # J82
    batch = world.must("client", a_batch(*(bytes([at]) for at in range(5))))
    assert world.do("worker 0", BatchAccept(batch=batch, items=items, price=7)).reason == reason
    assert all(world.job(item_id(batch, at)).state is JobState.OPEN for at in range(5))


def test_what_is_no_batch_is_unknown(world: World) -> None:
    job = world.must("client", a_submission())
    assert world.do("worker 0", BatchAccept(batch=job, items=[0], price=7)).reason == Reason.BATCH_UNKNOWN


def test_a_batch_opens_all_its_jobs_or_none(world: World) -> None:  # J80
    poor = a_batch(*(bytes([at]) for at in range(3)), max_price=RICH // 3)
    refused = world.do("client", poor)
    assert refused.reason == Reason.INSUFFICIENT_BALANCE
    assert dict(refused.facts)["wanted"] == 3 * (RICH // 3 + FEES)
    large = a_batch(b"one", bytes(2 * 1024 * 1024))
    refused = world.do("client", large)
    assert (refused.reason, dict(refused.facts)["item"]) == (Reason.INPUT_TOO_LARGE, 1)
    assert list(world.state.jobs()) == []


def test_a_batch_counts_as_many_submissions_and_pays_for_as_much_work(world: World) -> None:  # L37
    full = a_batch(*(bytes([at]) for at in range(BATCH_ITEMS_MAX)), max_price=1, provider=None)
    raw = [world.sign("client", full, ahead=at) for at in range(3)]
    final = world.block(*raw)
    assert len(final.outcome.receipts) == SUBMISSIONS_MAX // BATCH_ITEMS_MAX == 2
    opened: Transaction = open_transaction(raw[0], world.charter.hash)
    pieces = -(-len(opened.raw) // PIECE_BYTES)
    assert gas_of(full, len(opened.raw)) == BATCH_ITEMS_MAX * KIND_GAS[JobSubmit] + pieces * PIECE_GAS
