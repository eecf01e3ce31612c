"""What is owed in disputes: to workers that were drawn for one, and to those whose claims stand."""

from dataclasses import replace

import pytest

from ledger.market.dispute import judgement
from ledger.market.dispute.payloads import WHOLE, DisputeClaim, dispute_id
from ledger.market.dispute.records import Claimed, Dispute, DisputeStage, Role
from ledger.market.dispute.rows import dispute_key, find_dispute
from ledger.market.withheld import filing
from ledger.market.withheld.owed import owed
from ledger.market.withheld.payloads import Stage
from ledger.market.withheld.records import Filing, FilingState, filing_id
from ledger.market.withheld.rows import filing_key, line_of
from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.records import JobState, PayoutKind
from ledger.state import WITHHELD_LINE, State, change
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.withheld.played import (
    LARGE_ID,
    PROVIDER,
    a_chunk,
    a_filing,
    a_moment,
    filing_of,
    put_job,
    state_of,
)

PARAMETERS = Parameters()
V = PARAMETERS.verifier_fee
PRICE = KARAT // 2
LOCK = 2 * PRICE + 3 * V


@pytest.fixture
def world() -> World:
    return kit.a_world(kit.a_genesis(workers=8))


def a_disputed_job(world: World) -> tuple[bytes, list[str]]:
    """Return a job that had settled and is disputed, and the workers that are drawn for the dispute."""
    job_id = kit.run_job(world)
    world.must("publisher", DisputeClaim(job=job_id, subject=WHOLE, commitment=bytes(32)))
    world.until(lambda state: dispute_of(state, job_id).stage is DisputeStage.CLAIMING)
    drawn = [each.who for each in dispute_of(world.state, job_id).claims if each.role is Role.DRAWN]
    return job_id, [world.name(each) for each in drawn]


def dispute_of(state: State, job_id: bytes) -> Dispute:
    found = find_dispute(state, dispute_id(job_id, WHOLE))
    assert found is not None
    return found


def test_a_drawn_worker_is_shown_the_input_and_has_its_whole_time_after_that(world: World) -> None:
    job_id, (filer, *_) = a_disputed_job(world)
    world.must(filer, a_filing(job_id, Stage.INPUT))  # H7
    asked = filing_of(world.state, job_id, Stage.INPUT, filer)
    assert asked.due_live_ms is not None
    assert dispute_of(world.state, job_id).due_live_ms == asked.due_live_ms + PARAMETERS.dispute_claim_ms  # H15
    world.must(PROVIDER, a_chunk(job_id, Stage.INPUT))
    assert state_of(world, job_id, Stage.INPUT, filer) is FilingState.ANSWERED
    assert filer in [world.name(each.who) for each in dispute_of(world.state, job_id).claims]


def test_a_provider_that_withholds_from_a_dispute_loses_all_and_who_was_drawn_nothing(world: World) -> None:
    job_id, (filer, silent, unopened) = a_disputed_job(world)
    world.must(unopened, DisputeClaim(job=job_id, subject=WHOLE, commitment=bytes(32)))
    before = {name: world.balance(name) for name in ("client", filer)}
    burned = world.state.totals().burned
    asks = a_filing(job_id, Stage.INPUT)
    fee = kit.least_fee(asks)
    world.must(filer, asks)
    world.blocks(PARAMETERS.withheld_ms // 1_000 + 1)
    job = world.job(job_id)
    whole = PRICE + 3 * V
    assert (job.state, job.provider_locked, job.forfeited) == (JobState.DISPUTED, 0, LOCK - whole)  # H31
    assert kit.supply_of(world.state) == world.state.totals().supply
    assert world.balance("client") == before["client"] + PRICE + 3 * V
    assert filer not in [world.name(each.who) for each in dispute_of(world.state, job_id).claims]
    world.until(lambda _: world.job(job_id).state is JobState.PAST_CHALLENGE, at_most=1_000)
    assert world.balance(filer) == before[filer] - fee
    assert (world.worker(filer).bond, world.worker(filer).locked) == (kit.WORKER_BOND, 0)
    assert world.worker(unopened).bond < world.worker(silent).bond == kit.WORKER_BOND  # X19
    assert world.worker(PROVIDER).bond == kit.WORKER_BOND - LOCK
    assert world.job(job_id).forfeited == 0
    assert world.state.totals().burned >= burned + LOCK - whole  # with the least fees
    made_whole = [each.amount for each in world.job(job_id).payouts if each.kind is PayoutKind.MADE_WHOLE]
    assert made_whole == [PRICE + 3 * V]
    assert kit.supply_of(world.state) == world.state.totals().supply
    assert all(not worker.locked for _, worker in world.state.workers())


def test_while_it_is_judged_whose_claim_stands_is_owed_what_is_not_on_the_chain(world: World) -> None:
    job_id, (filer, other, _) = a_disputed_job(world)
    moment = a_moment(world)
    job = put_job(moment, job_id, cut=LARGE_ID)
    verifier = world.name(job.verifiers[0].worker)
    put_job(moment, job_id, verifiers=[change(each, outputs=LARGE_ID) for each in job.verifiers])
    dispute = dispute_of(world.state, job_id)
    claims = [change(each, trace=0 if each.who == kit.address(filer) else None) for each in dispute.claims]
    judged = change(
        dispute,
        stage=DisputeStage.JUDGING,
        claims=claims,
        traces=[Claimed(root=bytes(32), fall=None, beaten_by=None)],
    )
    moment.state.put(dispute_key(dispute_id(job_id, WHOLE)), judged)

    def content(stage: Stage, holder: str, who: str) -> object:
        return owed(moment.state, job_id, stage, kit.address(holder), kit.address(who))

    assert content(Stage.CUT, PROVIDER, filer) == LARGE_ID  # H8
    assert content(Stage.OUTPUT, verifier, filer) == LARGE_ID
    for stage, holder, who in (
        (Stage.CUT, PROVIDER, other),  # has no claim that stands
        (Stage.OUTPUT, other, filer),  # is no party
        (Stage.INPUT, PROVIDER, filer),  # has run it
    ):
        with pytest.raises(Refused) as refused:
            content(stage, holder, who)
        assert refused.value.reason is Reason.NOTHING_OWED


def test_a_verifier_that_withholds_from_its_judges_loses_its_bond(world: World) -> None:
    job_id, (filer, *_) = a_disputed_job(world)
    moment = a_moment(world)
    job = put_job(moment, job_id)
    verifier = job.verifiers[0]
    put_job(moment, job_id, verifiers=[change(each, cut=LARGE_ID) for each in job.verifiers])
    dispute = dispute_of(world.state, job_id)
    claims = [change(each, trace=0) for each in dispute.claims]
    traces = [Claimed(root=bytes(32), fall=None, beaten_by=None)]
    judged = change(dispute, stage=DisputeStage.JUDGING, claims=claims, traces=traces)
    moment.state.put(dispute_key(dispute_id(job_id, WHOLE)), judged)
    name = world.name(verifier.worker)
    filing.file(moment, kit.address(filer), a_filing(job_id, Stage.CUT, holder=name))
    found = filing_of(moment.state, job_id, Stage.CUT, filer, holder=name)
    filing.lapse(moment, filing_id(job=job_id, stage=Stage.CUT, holder=verifier.worker, filer=found.filer))
    worker = moment.state.worker(verifier.worker)
    assert worker is not None
    assert worker.bond == kit.WORKER_BOND - verifier.locked
    assert moment.state.job(job_id).state is JobState.DISPUTED  # type: ignore[union-attr]  # it exists
    assert kit.supply_of(moment.state) == moment.state.totals().supply


def test_a_dispute_takes_from_no_client_what_it_may_ask_for(world: World) -> None:
    """H5: anybody may open one, and behind it the bonds are free."""
    job_id, _ = a_disputed_job(world)
    moment = a_moment(world)
    put_job(moment, job_id, sealed=LARGE_ID)
    before = moment.state.account(kit.address("client")).balance
    filing.file(moment, kit.address("client"), a_filing(job_id, Stage.OUTPUT))
    found = filing_of(moment.state, job_id, Stage.OUTPUT, "client")
    assert found.due_live_ms is not None
    dispute = dispute_of(moment.state, job_id)
    assert dispute.due_live_ms is not None
    assert dispute.due_live_ms > found.due_live_ms  # H15: the job does not end before
    filing.lapse(moment, filing_id(job=job_id, stage=Stage.OUTPUT, holder=found.holder, filer=found.filer))
    assert moment.state.account(kit.address("client")).balance == before + PRICE + 3 * V
    assert kit.supply_of(moment.state) == moment.state.totals().supply


@pytest.mark.parametrize("line", ["asked", "waiting", "over"])
def test_a_job_that_is_cleared_waits_for_a_filing_that_is_asked_or_stands_in_line_x50(line: str, world: World) -> None:
    job_id, _ = a_disputed_job(world)
    moment = a_moment(world)
    put_job(moment, job_id, sealed=LARGE_ID)
    moment = replace(moment, live_ms=moment.live_ms + PARAMETERS.challenge_ms + 1)  # the window is over
    identity = dispute_id(job_id, WHOLE)
    dispute = dispute_of(moment.state, job_id)
    for at in range(3 if line == "waiting" else 0):
        _take_the_line(moment, bytes([at]) * 32)
    if line != "over":
        filing.file(moment, kit.address("client"), a_filing(job_id, Stage.OUTPUT))
        mine = filing_of(moment.state, job_id, Stage.OUTPUT, "client")
        assert mine.state is (FilingState.WAITING if line == "waiting" else FilingState.ASKED)
    judgement.decide(moment, identity, change(dispute, stage=DisputeStage.JUDGING))
    job = moment.state.job(job_id)
    assert job is not None
    if line == "over":
        assert job.state is JobState.PAST_CHALLENGE
        return
    turns = {"asked": 1, "waiting": 4}[line]  # of the answer time (H15)
    assert (job.state, job.provider_locked) == (JobState.DISPUTED, LOCK)
    assert job.due_live_ms == moment.live_ms + turns * PARAMETERS.withheld_ms + 1


def _take_the_line(moment: Moment, name: bytes) -> None:
    """Have another holder asked for 16 chunks."""
    taken = Filing(
        job=name,
        stage=Stage.OUTPUT,
        holder=name[:20],
        filer=name[:20],
        content=LARGE_ID,
        chunks=list(range(16)),
        produced=[],
        state=FilingState.ASKED,
        carriage=0,
        filed=0,
        due_live_ms=moment.live_ms + PARAMETERS.withheld_ms,
        lost=0,
    )
    moment.state.put(filing_key(name), taken)
    line = line_of(moment.state)
    moment.state.put(WITHHELD_LINE, change(line, asked=[*line.asked, name]))


def test_who_was_drawn_and_has_claimed_is_held_to_it_though_its_filing_was_in_vain_h31(world: World) -> None:
    job_id, (claims, waits, _) = a_disputed_job(world)
    for name in (claims, waits):
        world.must(name, a_filing(job_id, Stage.INPUT))
    world.must(claims, DisputeClaim(job=job_id, subject=WHOLE, commitment=bytes(32)))
    held = world.worker(claims).locked
    world.blocks(PARAMETERS.withheld_ms // 1_000 + 1)
    assert state_of(world, job_id, Stage.INPUT, claims) is FilingState.LAPSED
    left = [world.name(each.who) for each in dispute_of(world.state, job_id).claims]
    assert claims in left
    assert waits not in left
    assert (world.worker(claims).locked, world.worker(waits).locked) == (held, 0)
