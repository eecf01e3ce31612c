"""Filings by drawn verifiers on a real chain: answered, not answered, and refused; money to the grain."""

import pytest

from ledger.apply import kept_place
from ledger.fees import gas_of
from ledger.limits import KEPT_CHUNKS_MAX
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import Stage
from ledger.market.withheld.records import ASKED_CHUNKS_MAX, FilingState
from ledger.market.withheld.rows import line_of
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome
from ledger.transaction import Payload, Transfer, VerifierCommit, open_transaction
from primitives.content import content_id
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.withheld.played import (
    CONTENT,
    PROVIDER,
    a_chunk,
    a_filing,
    a_job_being_verified,
    filing_of,
    state_of,
)

PARAMETERS = Parameters()
V = PARAMETERS.verifier_fee
LOCK = 2 * (KARAT // 2) + 3 * V
"""What the provider locks for its price."""
ANSWER_S = PARAMETERS.withheld_ms // 1_000
STAGES = pytest.mark.parametrize("stage", [Stage.MODEL, Stage.INPUT], ids=lambda stage: stage.name)


@pytest.fixture
def world() -> World:
    return kit.a_world()


def fee(world: World, name: str, payload: Payload) -> int:
    return gas_of(payload, len(world.sign(name, payload))) * PARAMETERS.base_fee_min


def paid_for(stage: Stage) -> int:
    return carriage(PARAMETERS, content_id(CONTENT[stage]), 0)


@STAGES
def test_who_answers_is_paid_the_carriage_and_the_job_goes_on(world: World, stage: Stage) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    asks, shows = a_filing(job_id, stage), a_chunk(job_id, stage)
    before = world.balance(filer), world.balance(PROVIDER)
    world.must(filer, asks)
    assert filing_of(world.state, job_id, stage, filer).carriage == paid_for(stage)
    assert kit.supply_of(world.state) == world.state.totals().supply
    world.must(PROVIDER, shows)
    found = filing_of(world.state, job_id, stage, filer)
    assert (found.state, found.carriage, found.due_live_ms) == (FilingState.ANSWERED, 0, None)
    assert [(each.chunk, each.height) for each in found.produced] == [(0, world.state.clock().height)]
    assert world.balance(filer) == before[0] - paid_for(stage) - fee(world, filer, asks)
    assert world.balance(PROVIDER) == before[1] + paid_for(stage) - fee(world, PROVIDER, shows)
    assert world.job(job_id).state is JobState.VERIFYING
    assert line_of(world.state).asked == []


@STAGES
def test_who_does_not_answer_loses_its_bond_and_the_client_gets_all_back(world: World, stage: Stage) -> None:
    job_id, (filer, committed, silent) = a_job_being_verified(world)
    mine = kit.values(committed).commitment(world.charter, job_id, committed)
    world.must(committed, VerifierCommit(job=job_id, commitment=mine))
    asks = a_filing(job_id, stage)
    before = {name: world.balance(name) for name in ("client", PROVIDER, filer, committed, silent)}
    burned = world.state.totals().burned
    world.must(filer, asks)
    world.until(lambda state: state.job(job_id).outcome is not None)  # type: ignore[union-attr]  # it exists
    job = world.job(job_id)
    found = filing_of(world.state, job_id, stage, filer)
    assert (job.state, job.outcome) == (JobState.VOID, Outcome.WITHHELD)  # H30
    assert (found.state, found.carriage, found.lost) == (FilingState.LAPSED, 0, LOCK)
    assert world.balance("client") == before["client"] + KARAT + 3 * V
    assert world.balance(PROVIDER) == before[PROVIDER]
    assert world.balance(filer) == before[filer] - fee(world, filer, asks)
    assert world.balance(committed) == before[committed] + V
    assert world.balance(silent) == before[silent]
    assert world.worker(PROVIDER).bond == kit.WORKER_BOND - LOCK
    for name in (PROVIDER, filer, committed, silent):
        worker = world.worker(name)
        assert (worker.locked, worker.providing, worker.verifying) == (0, 0, 0)
        assert name == PROVIDER or worker.bond == kit.WORKER_BOND
    assert world.state.totals().burned == burned + LOCK - V + fee(world, filer, asks)
    assert kit.supply_of(world.state) == world.state.totals().supply
    assert list(world.state.deadlines()) == []


def test_the_holder_has_its_whole_time_and_the_filer_its_own_after_that(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    world.blocks(PARAMETERS.verify_ms // 1_000 - 3)  # almost all of it
    world.must(filer, a_filing(job_id, Stage.INPUT))
    asked = world.state.clock().live_ms
    assert filing_of(world.state, job_id, Stage.INPUT, filer).due_live_ms == asked + PARAMETERS.withheld_ms
    assert world.job(job_id).due_live_ms == asked + PARAMETERS.withheld_ms + PARAMETERS.verify_ms  # H15
    world.blocks(ANSWER_S - 1)
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ASKED
    world.must(PROVIDER, a_chunk(job_id, Stage.INPUT))  # in the block in which it falls due: H22
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ANSWERED
    world.until(lambda state: state.job(job_id).outcome is not None)  # type: ignore[union-attr]  # it exists
    assert world.job(job_id).outcome is Outcome.NO_VERIFIER_COMMITTED


def test_a_chain_that_halts_for_an_hour_within_the_answer_time_costs_nobody(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    world.must(filer, a_filing(job_id, Stage.INPUT))
    world.block(passed_ms=3_600_000)
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ASKED
    world.must(PROVIDER, a_chunk(job_id, Stage.INPUT))
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ANSWERED
    assert world.job(job_id).state is JobState.VERIFYING


def test_who_withholds_is_verified_as_often_as_a_liar_from_then_on(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    world.must(filer, a_filing(job_id, Stage.INPUT))
    world.blocks(ANSWER_S + 1)
    track = world.state.track(kit.address(PROVIDER))
    assert (track.trusted, track.convicted, track.forced) == (0, 1, PARAMETERS.audit_forced)


def test_one_answer_is_for_all_who_ask_and_the_first_pays(world: World) -> None:
    job_id, (first, second, _) = a_job_being_verified(world)
    world.must(first, a_filing(job_id, Stage.INPUT))
    before = world.balance(second)
    asks = a_filing(job_id, Stage.INPUT)
    world.must(second, asks)
    world.must(PROVIDER, a_chunk(job_id, Stage.INPUT))
    assert world.balance(second) == before - fee(world, second, asks)  # H20
    assert [state_of(world, job_id, Stage.INPUT, each) for each in (first, second)] == [FilingState.ANSWERED] * 2


def test_a_copy_by_anybody_excuses_the_holder(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    world.must(filer, a_filing(job_id, Stage.MODEL))
    before, shows = world.balance("publisher"), a_chunk(job_id, Stage.MODEL)
    world.must("publisher", shows)
    assert world.balance("publisher") == before + paid_for(Stage.MODEL) - fee(world, "publisher", shows)
    assert state_of(world, job_id, Stage.MODEL, filer) is FilingState.ANSWERED


def test_two_filings_that_are_not_answered_cost_one_bond(world: World) -> None:
    job_id, (first, second, _) = a_job_being_verified(world)
    world.must(first, a_filing(job_id, Stage.INPUT))
    world.must(second, a_filing(job_id, Stage.MODEL))
    world.blocks(ANSWER_S + 2)
    assert state_of(world, job_id, Stage.INPUT, first) is FilingState.LAPSED
    assert state_of(world, job_id, Stage.MODEL, second) is FilingState.MOOT
    assert world.worker(PROVIDER).bond == kit.WORKER_BOND - LOCK
    assert line_of(world.state).asked == []
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_small_filing_does_not_wait(world: World) -> None:
    assert len(CONTENT) < ASKED_CHUNKS_MAX
    job_id, (filer, *_) = a_job_being_verified(world)
    world.must(filer, a_filing(job_id, Stage.INPUT))
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ASKED


def test_what_is_not_owed_can_t_be_asked_for(world: World) -> None:
    job_id, (filer, committed, _) = a_job_being_verified(world)
    mine = kit.values(committed).commitment(world.charter, job_id, committed)
    world.must(committed, VerifierCommit(job=job_id, commitment=mine))
    refused = [
        ("stranger to the job", "publisher", a_filing(job_id, Stage.INPUT), Reason.NOTHING_OWED),
        ("client", "client", a_filing(job_id, Stage.OUTPUT), Reason.NOTHING_OWED),
        ("has committed", committed, a_filing(job_id, Stage.INPUT), Reason.NOTHING_OWED),
        ("other holder", filer, a_filing(job_id, Stage.INPUT, holder=committed), Reason.NOTHING_OWED),
        ("later stage", filer, a_filing(job_id, Stage.CUT), Reason.NOTHING_OWED),
        ("no job", filer, a_filing(bytes(32), Stage.INPUT), Reason.JOB_UNKNOWN),
        ("no such chunk", filer, a_filing(job_id, Stage.INPUT, chunks=(1,)), Reason.CHUNK_UNKNOWN),
        ("twice the same", filer, a_filing(job_id, Stage.INPUT, chunks=(0, 0)), Reason.CHUNK_UNKNOWN),
    ]
    for told, name, payload, reason in refused:
        assert world.do(name, payload).reason == reason, told


def test_nobody_asks_twice_nor_for_what_is_on_the_chain(world: World) -> None:
    job_id, (first, second, _) = a_job_being_verified(world)
    world.must(first, a_filing(job_id, Stage.INPUT))
    assert world.do(first, a_filing(job_id, Stage.INPUT)).reason == Reason.ALREADY_FILED  # H12
    world.must(PROVIDER, a_chunk(job_id, Stage.INPUT))
    assert world.do(first, a_filing(job_id, Stage.INPUT)).reason == Reason.ALREADY_FILED
    assert world.do(second, a_filing(job_id, Stage.INPUT)).reason == Reason.ALREADY_FILED


def test_who_can_t_pay_the_carriage_can_t_ask(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    asks = a_filing(job_id, Stage.INPUT)
    left = world.balance(filer) - kit.least_fee(asks) - fee(world, filer, asks) - 1
    world.must(filer, Transfer(to=kit.address("stranger"), amount=left))
    assert world.do(filer, asks).reason == Reason.INSUFFICIENT_BALANCE  # H13


def test_a_chunk_that_nobody_asks_for_or_that_is_another_is_refused(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    assert world.do(PROVIDER, a_chunk(job_id, Stage.INPUT)).reason == Reason.CHUNK_NOT_ASKED
    world.must(filer, a_filing(job_id, Stage.INPUT))
    assert world.do(PROVIDER, a_chunk(job_id, Stage.MODEL)).reason == Reason.CHUNK_NOT_ASKED
    false = a_chunk(job_id, Stage.INPUT, raw=b"AN INPUT")
    assert world.do(PROVIDER, false).reason == Reason.CONTENT_MISMATCH  # H20
    short = a_chunk(job_id, Stage.INPUT, raw=b"an inp")
    assert world.do(PROVIDER, short).reason == Reason.BAD_PROOF
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ASKED


def test_right_answers_have_kept_places_and_others_have_none(world: World) -> None:
    job_id, (first, second, _) = a_job_being_verified(world)

    def place(name: str, payload: Payload) -> bytes | None:
        return kept_place(world.state, open_transaction(world.sign(name, payload), world.charter.hash))

    assert place(first, a_filing(job_id, Stage.INPUT)) is not None  # H21
    assert place("publisher", a_filing(job_id, Stage.INPUT)) is None
    world.must(first, a_filing(job_id, Stage.INPUT))
    assert place(first, a_filing(job_id, Stage.INPUT)) is None
    assert place(second, a_filing(job_id, Stage.INPUT)) is not None
    assert place(PROVIDER, a_chunk(job_id, Stage.INPUT)) is not None
    assert place("publisher", a_chunk(job_id, Stage.INPUT)) is None
    assert place(PROVIDER, a_chunk(job_id, Stage.INPUT, raw=b"AN INPUT")) is None


def test_a_block_keeps_places_for_two_chunks(world: World) -> None:
    job_ids = [a_job_being_verified(world) for _ in range(3)]
    for job_id, (filer, *_) in job_ids:
        world.must(filer, a_filing(job_id, Stage.INPUT))
    shows = [world.sign(PROVIDER, a_chunk(job_id, Stage.INPUT), ahead=at) for at, (job_id, _) in enumerate(job_ids)]
    assert len(world.block(*shows).outcome.receipts) == KEPT_CHUNKS_MAX
