"""Stages that a job reaches with large values, the line for block space, and disputes: on a block in execution."""

from collections.abc import Sequence

import pytest

from ledger.market.sweep import sweep
from ledger.market.withheld import filing
from ledger.market.withheld.chunks import show_chunks
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import FILING_CHUNKS_MAX, Stage
from ledger.market.withheld.records import ASKED_CHUNKS_MAX, HOLDER_WAITING_MAX, WAITING_MAX, FilingState
from ledger.market.withheld.rows import line_of
from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome, PayoutKind
from ledger.state import change, job_key
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.withheld.played import (
    LARGE,
    LARGE_ID,
    PROVIDER,
    a_chunk,
    a_filing,
    a_job_being_verified,
    a_moment,
    filing_of,
    id_of,
    put_job,
)

PARAMETERS = Parameters()
V = PARAMETERS.verifier_fee
PRICE = KARAT // 2
LOCK = 2 * PRICE + 3 * V
ALL = range(FILING_CHUNKS_MAX)
CARRIAGE = sum(carriage(PARAMETERS, LARGE_ID, chunk) for chunk in ALL)


@pytest.fixture
def world() -> World:
    return kit.a_world()


def a_settled_job(world: World) -> tuple[bytes, Moment]:
    """Return a job that has settled, and a block in which its output stands sealed elsewhere."""
    job_id = kit.run_job(world)
    moment = a_moment(world)
    put_job(moment, job_id, sealed=LARGE_ID)
    return job_id, moment


def later(moment: Moment, ms: int) -> Moment:
    return Moment(**{**vars(moment), "live_ms": moment.live_ms + ms})


def balance(moment: Moment, name: str) -> int:
    return moment.state.account(kit.address(name)).balance


def test_a_client_that_gets_no_output_is_paid_back_out_of_the_bond(world: World) -> None:
    job_id, moment = a_settled_job(world)
    before = balance(moment, "client")
    filing.file(moment, kit.address("client"), a_filing(job_id, Stage.OUTPUT, chunks=ALL))  # H5
    assert balance(moment, "client") == before - CARRIAGE
    sweep(later(moment, PARAMETERS.withheld_ms))
    job = moment.state.job(job_id)
    assert job is not None
    assert (job.state, job.outcome) == (JobState.VOID, Outcome.WITHHELD)
    assert balance(moment, "client") == before + PRICE + 3 * V  # H30
    worker = moment.state.worker(kit.address(PROVIDER))
    assert worker is not None
    assert (worker.bond, worker.locked) == (kit.WORKER_BOND - LOCK, 0)
    assert kit.supply_of(moment.state) == moment.state.totals().supply
    assert [each.amount for each in job.payouts if each.kind is PayoutKind.MADE_WHOLE] == [PRICE + 3 * V]


def test_an_output_that_is_shown_leaves_the_settlement_as_it_was(world: World) -> None:
    job_id, moment = a_settled_job(world)
    filing.file(moment, kit.address("client"), a_filing(job_id, Stage.OUTPUT, chunks=ALL))
    before = balance(moment, PROVIDER)
    for chunk in ALL:
        filing.produce(moment, kit.address(PROVIDER), a_chunk(job_id, Stage.OUTPUT, raw=LARGE, chunk=chunk))
    assert balance(moment, PROVIDER) == before + CARRIAGE
    assert filing_of(moment.state, job_id, Stage.OUTPUT, "client").state is FilingState.ANSWERED
    sweep(later(moment, PARAMETERS.withheld_ms))
    assert moment.state.job(job_id).outcome is Outcome.SETTLED  # type: ignore[union-attr]  # it exists


def test_bonds_stay_locked_while_an_output_is_asked_for_at_the_end_of_the_window(world: World) -> None:
    job_id, moment = a_settled_job(world)
    job = moment.state.job(job_id)
    assert job is not None
    assert job.due_live_ms is not None
    at_the_end = later(moment, job.due_live_ms - moment.live_ms - 1)
    filing.file(at_the_end, kit.address("client"), a_filing(job_id, Stage.OUTPUT))
    sweep(later(at_the_end, PARAMETERS.withheld_ms - 1))
    assert moment.state.job(job_id).state is JobState.SETTLED  # type: ignore[union-attr]  # H15
    sweep(later(at_the_end, PARAMETERS.withheld_ms))
    assert moment.state.job(job_id).outcome is Outcome.WITHHELD  # type: ignore[union-attr]  # it exists


def test_values_at_the_cut_are_owed_to_who_compares_them_where_they_are_large(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    moment = a_moment(world)
    asks = a_filing(job_id, Stage.CUT, chunks=ALL)
    job = put_job(moment, job_id, state=JobState.CHECKING, cut=content_id(b"few values"))
    committed = [change(each, commitment=bytes(32)) for each in job.verifiers]
    put_job(moment, job_id, verifiers=committed)
    with pytest.raises(Refused) as small:
        filing.file(moment, kit.address(filer), asks)
    assert small.value.reason is Reason.NOTHING_OWED  # H4
    put_job(moment, job_id, cut=LARGE_ID, outputs=LARGE_ID)
    filing.file(moment, kit.address(filer), asks)
    sweep(later(moment, PARAMETERS.withheld_ms))
    assert moment.state.job(job_id).outcome is Outcome.WITHHELD  # type: ignore[union-attr]  # it exists
    worker = moment.state.worker(kit.address(PROVIDER))
    assert worker is not None
    assert worker.bond == kit.WORKER_BOND - LOCK


def test_what_one_account_has_outstanding_in_a_job_is_limited(world: World) -> None:
    job_id, (filer, *_) = a_job_being_verified(world)
    moment = a_moment(world)
    put_job(moment, job_id, input=LARGE_ID)
    filing.file(moment, kit.address(filer), a_filing(job_id, Stage.INPUT, chunks=ALL))
    with pytest.raises(Refused) as more:
        filing.file(moment, kit.address(filer), a_filing(job_id, Stage.MODEL))  # H12
    assert (more.value.reason, more.value.facts["seen"]) == (Reason.ALREADY_FILED, FILING_CHUNKS_MAX + 1)


def test_a_disputed_job_goes_on_and_a_client_that_had_paid_is_made_whole_at_once(world: World) -> None:
    job_id, moment = a_settled_job(world)
    filing.file(moment, kit.address("client"), a_filing(job_id, Stage.OUTPUT))
    before, burned = balance(moment, "client"), moment.state.totals().burned
    put_job(moment, job_id, state=JobState.DISPUTED)
    filing.lapse(moment, id_of(job_id, Stage.OUTPUT, "client"))
    job = moment.state.job(job_id)
    assert job is not None
    assert (job.state, job.provider_locked) == (JobState.DISPUTED, 0)  # H31
    first = carriage(PARAMETERS, LARGE_ID, 0)
    assert balance(moment, "client") == before + first + PRICE + 3 * V
    assert (job.forfeited, moment.state.totals().burned) == (LOCK - PRICE - 3 * V, burned)
    assert kit.supply_of(moment.state) == moment.state.totals().supply


class Crowd:
    """Many jobs in one block whose clients all lack a large output, each of a holder of its own if not told other."""

    def __init__(self, world: World, jobs: int, *, holders: int | None = None) -> None:
        job_id, self.moment = a_settled_job(world)
        job = self.moment.state.job(job_id)
        assert job is not None
        self.jobs = [at.to_bytes(32, "big") for at in range(1, jobs + 1)]
        self.holders = [f"holder {at % (holders or jobs)}" for at in range(jobs)]
        for each, holder in zip(self.jobs, self.holders, strict=True):
            changed = change(job, due_live_ms=None, provider=kit.address(holder))
            self.moment.state.put(job_key(each), changed)

    def file(self, at: int, *, chunks: Sequence[int] = ALL) -> None:
        asks = a_filing(self.jobs[at], Stage.OUTPUT, chunks=chunks, holder=self.holders[at])
        filing.file(self.moment, kit.address("client"), asks)

    def show(self, at: int, *, chunks: Sequence[int] = ALL) -> None:
        holder = kit.address(self.holders[at])
        for shown in show_chunks(self.jobs[at], Stage.OUTPUT, holder, LARGE, list(chunks)):
            filing.produce(self.moment, holder, shown)

    def state(self, at: int) -> FilingState:
        return filing_of(self.moment.state, self.jobs[at], Stage.OUTPUT, "client", holder=self.holders[at]).state

    def states(self) -> list[FilingState]:
        return [self.state(at) for at in range(len(self.jobs))]


ASKED, WAITING, ANSWERED, MOOT = FilingState.ASKED, FilingState.WAITING, FilingState.ANSWERED, FilingState.MOOT
ROOM = ASKED_CHUNKS_MAX // FILING_CHUNKS_MAX


def test_holders_are_asked_in_turn_for_what_blocks_have_room_for(world: World) -> None:
    crowd = Crowd(world, ROOM + 2)
    for at in range(ROOM + 2):
        crowd.file(at)
    assert crowd.states() == [ASKED] * ROOM + [WAITING] * 2  # H14
    crowd.show(0)
    assert crowd.states() == [ANSWERED, *[ASKED] * ROOM, WAITING]
    crowd.show(ROOM + 1)  # of one that still waits: a copy is a copy
    assert crowd.states()[-1] is ANSWERED
    assert line_of(crowd.moment.state).waiting == []
    assert len(line_of(crowd.moment.state).asked) == ROOM


def test_one_holder_keeps_nobody_from_asking_another_h14(world: World) -> None:
    crowd = Crowd(world, 9, holders=4)
    for at in (0, 4, 8):  # all about one holder
        crowd.file(at)
    line = line_of(crowd.moment.state)
    assert (len(line.asked), len(line.waiting)) == (1, 2)  # there is room, but not for more of the same
    for at in (1, 2, 3):
        crowd.file(at)
    assert [crowd.state(at) for at in (1, 2, 3)] == [ASKED, ASKED, WAITING]
    crowd.show(0)
    assert [crowd.state(at) for at in (4, 8, 3)] == [ASKED, WAITING, WAITING]
    crowd.show(1)  # who is asked lets others come before it is asked again
    assert [crowd.state(at) for at in (8, 3)] == [WAITING, ASKED]


def test_a_large_filing_is_not_kept_from_its_turn_by_small_ones_about_its_holder_h14(world: World) -> None:
    crowd = Crowd(world, 3, holders=1)
    crowd.file(0, chunks=(0,))
    crowd.file(1)  # too much beside the first
    crowd.file(2, chunks=(0,))  # would fit, but comes later
    assert crowd.states() == [ASKED, WAITING, WAITING]
    crowd.show(0, chunks=(0,))
    assert crowd.states() == [ANSWERED, ASKED, WAITING]


@pytest.mark.parametrize(("first", "second"), [(ALL, ALL), (ALL, ALL[1:]), (ALL[:9], ALL[8:])])
def test_a_chunk_that_ends_one_filing_and_begins_the_turn_of_another_counts_for_both_h20(
    world: World, first: Sequence[int], second: Sequence[int]
) -> None:
    job_id, filers = a_job_being_verified(world)
    moment = a_moment(world)
    put_job(moment, job_id, input=LARGE_ID)
    for name, chunks in zip(filers, (first, second), strict=False):
        filing.file(moment, kit.address(name), a_filing(job_id, Stage.INPUT, chunks=chunks))
    assert [filing_of(moment.state, job_id, Stage.INPUT, name).state for name in filers[:2]] == [ASKED, WAITING]
    for chunk in show_chunks(job_id, Stage.INPUT, kit.address(PROVIDER), LARGE, list(first)):
        filing.produce(moment, kit.address(PROVIDER), chunk)
    one, other = (filing_of(moment.state, job_id, Stage.INPUT, name) for name in filers[:2])
    assert one.state is ANSWERED
    assert other.state is (ASKED if other.missing else ANSWERED)
    assert (other.due_live_ms is not None) == bool(other.missing)
    sweep(later(moment, PARAMETERS.withheld_ms))  # no deadline is left of what is over
    assert filing_of(moment.state, job_id, Stage.INPUT, filers[1]).state is not ASKED


def test_who_has_nothing_left_to_lose_is_not_asked_h14(world: World) -> None:
    crowd = Crowd(world, 1)
    job = crowd.moment.state.job(crowd.jobs[0])
    assert job is not None
    crowd.moment.state.put(job_key(crowd.jobs[0]), change(job, provider_locked=0))
    before = balance(crowd.moment, "client")
    crowd.file(0)
    assert crowd.states() == [MOOT]
    assert balance(crowd.moment, "client") == before
    assert line_of(crowd.moment.state).asked == []


@pytest.mark.parametrize("holders", [None, 1])
def test_the_line_has_an_end(world: World, holders: int | None) -> None:
    """For all together, and for one holder."""
    most = ROOM + WAITING_MAX if holders is None else 1 + HOLDER_WAITING_MAX
    crowd = Crowd(world, most + 1, holders=holders)
    for at in range(most):
        crowd.file(at)
    with pytest.raises(Refused) as full:
        crowd.file(most)
    assert full.value.reason is Reason.BUSY
