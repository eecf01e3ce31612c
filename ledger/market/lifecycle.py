"""The life of a job as a table: transitions, the diagram in the docs and the test for dead ends come from it (J1)."""

from functools import cache

from ledger.events import JobEnded, RevealOpened
from ledger.market import bonds
from ledger.market.jackpot import pay_jackpots
from ledger.market.verdicts import any_rejects, enough_accept, verdict_of
from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.records import Due, DueKind, Happened, Job, JobEvent, JobState, Marker, Outcome
from ledger.state import change, deadline_key, draw_key, job_key, sample_key
from ledger.transaction import Decision
from ledger.transitions import ALWAYS, NOTHING, Effect, Guard, Table, rows
from primitives.reasons import Reason

ALL_COMMITTED = Guard[Job](
    words="all k committed", holds=lambda _, job: all(each.commitment is not None for each in job.verifiers)
)
NONE_COMMITTED = Guard[Job](
    words="no verifier committed", holds=lambda _, job: all(each.commitment is None for each in job.verifiers)
)
SOME_TO_REVEAL = Guard[Job](
    words="a verifier who committed has not revealed",
    holds=lambda _, job: any(each.commitment is not None and each.verdict is None for each in job.verifiers),
)
LARGE_VALUES = Guard[Job](
    words="a verifier has revealed, and values are over 4 KiB",
    holds=lambda _, job: job.large and any(each.verdict is not None for each in job.verifiers),
)
SOME_TO_SAMPLE = Guard[Job](
    words="a party that has revealed has not opened what was picked",
    holds=lambda _, job: not job.opened or any(each.verdict is not None and not each.opened for each in job.verifiers),
)
PROVIDER_NOT_SAMPLED = Guard[Job](
    words="values are over 4 KiB, and the provider has not opened what was picked",
    holds=lambda _, job: job.large and not job.opened,
)
ANY_REJECT = Guard[Job](words="a verdict is reject", holds=lambda _, job: any_rejects(job))
ENOUGH_ACCEPTS = Guard[Job](words="enough accept (J41)", holds=lambda _, job: enough_accept(job))
NO_VERIFIERS = Guard[Job](words="it was not drawn", holds=lambda _, job: not job.verifiers)
PAID_BEFORE = Guard[Job](words="it was settled before", holds=lambda _, job: job.outcome is Outcome.SETTLED)
NONE_ACCEPTS = Guard[Job](
    words="no verdict is accept",
    holds=lambda _, job: all(verdict_of(job, each) is not Decision.ACCEPT for each in job.verifiers),
)
NAMED_DECLINED = Guard[Job](
    words="the worker who declines is the one named", holds=lambda _, job: job.declined[-1].worker == job.named
)


def _await_pick(moment: Moment, job_id: bytes, job: Job) -> Job:
    moment.state.put(sample_key(job_id), Marker())
    return job


AWAIT_PICK = Effect(words="wait for the beacon to pick leaves", act=_await_pick)
LOCK_PROVIDER = Effect(words="lock the provider's bond and slot", act=bonds.lock_provider)
LOCK_VERIFIERS = Effect(words="lock the verifiers' bonds and slots", act=bonds.lock_verifiers)
RELEASE_BONDS = Effect(words="release the bonds", act=bonds.release_bonds)


def _ruled(outcome: Outcome) -> Guard[Job]:
    return Guard(words=f"its disputes found {outcome.name}", holds=lambda _, job: job.ruled is outcome)


@cache
def _end(outcome: Outcome) -> Effect[Job]:
    def act(moment: Moment, job_id: bytes, job: Job) -> Job:
        return bonds.end(moment, job_id, job, outcome)

    return Effect(words=f"end as {outcome.name}", act=act)


def _end_as_canary(moment: Moment, job_id: bytes, job: Job) -> Job:
    return pay_jackpots(moment, bonds.end(moment, job_id, job, Outcome.CANARY))


END_AS_CANARY = Effect(words="end as CANARY, and pay the jackpots", act=_end_as_canary)

S, E = JobState, JobEvent
WITHHELD_STATES = (S.VERIFYING, S.REVEALING, S.CHECKING, S.SAMPLING, S.CONTESTED, S.UNVERIFIED, S.SETTLED)
"""In which a job ends if its provider withholds (H30); a disputed one goes on (H31)."""
FINAL_STATES = (S.PAST_CHALLENGE, S.VOID)
LIFE_CYCLE: Table[JobState, JobEvent, Job] = Table(
    first=S.OPEN,
    final=FINAL_STATES,
    by_itself=(E.DUE, E.VERDICT),
    rows=rows(
        (S.OPEN, E.ACCEPT, ALWAYS, S.ACCEPTED, LOCK_PROVIDER),
        (S.OPEN, E.DUE, ALWAYS, S.VOID, _end(Outcome.NOT_ACCEPTED)),
        (S.OPEN, E.DECLINE, NAMED_DECLINED, S.VOID, _end(Outcome.DECLINED)),
        (S.OPEN, E.DECLINE, ALWAYS, S.OPEN, NOTHING),
        (S.ACCEPTED, E.COMMIT, ALWAYS, S.COMMITTED, NOTHING),
        (S.ACCEPTED, E.DUE, ALWAYS, S.VOID, _end(Outcome.PROVIDER_SILENT_AFTER_ACCEPT)),
        (S.COMMITTED, E.DRAW, ALWAYS, S.VERIFYING, LOCK_VERIFIERS),
        (S.COMMITTED, E.SKIP, ALWAYS, S.REVEALING, NOTHING),
        (S.COMMITTED, E.DUE, ALWAYS, S.VOID, _end(Outcome.NOT_DRAWN)),
        (S.VERIFYING, E.VERIFIER_COMMIT, ALL_COMMITTED, S.REVEALING, NOTHING),
        (S.VERIFYING, E.VERIFIER_COMMIT, ALWAYS, S.VERIFYING, NOTHING),
        (S.VERIFYING, E.REDRAW, ALWAYS, S.VERIFYING, LOCK_VERIFIERS),
        (S.VERIFYING, E.DUE, NONE_COMMITTED, S.VOID, _end(Outcome.NO_VERIFIER_COMMITTED)),
        (S.VERIFYING, E.DUE, ALWAYS, S.REVEALING, NOTHING),
        (S.REVEALING, E.PROVIDER_REVEAL, NO_VERIFIERS, S.UNVERIFIED, NOTHING),
        (S.REVEALING, E.PROVIDER_REVEAL, ALWAYS, S.CHECKING, NOTHING),
        (S.REVEALING, E.DUE, ALWAYS, S.VOID, _end(Outcome.PROVIDER_SILENT_AT_REVEAL)),
        (S.CHECKING, E.VERIFIER_REVEAL, SOME_TO_REVEAL, S.CHECKING, NOTHING),
        (S.CHECKING, E.VERIFIER_REVEAL, LARGE_VALUES, S.SAMPLING, AWAIT_PICK),
        (S.CHECKING, E.VERIFIER_REVEAL, ANY_REJECT, S.CONTESTED, NOTHING),
        (S.CHECKING, E.VERIFIER_REVEAL, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.CHECKING, E.VERIFIER_REVEAL, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.CHECKING, E.DUE, LARGE_VALUES, S.SAMPLING, AWAIT_PICK),
        (S.CHECKING, E.DUE, ANY_REJECT, S.CONTESTED, NOTHING),
        (S.CHECKING, E.DUE, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.CHECKING, E.DUE, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.SAMPLING, E.PICK, ALWAYS, S.SAMPLING, NOTHING),
        (S.SAMPLING, E.SAMPLE, SOME_TO_SAMPLE, S.SAMPLING, NOTHING),
        (S.SAMPLING, E.SAMPLE, ANY_REJECT, S.CONTESTED, NOTHING),
        (S.SAMPLING, E.SAMPLE, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.SAMPLING, E.SAMPLE, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.SAMPLING, E.DUE, ANY_REJECT, S.CONTESTED, NOTHING),  # J74: silence is no way out of a dispute
        (S.SAMPLING, E.DUE, PROVIDER_NOT_SAMPLED, S.VOID, _end(Outcome.PROVIDER_SILENT_AT_REVEAL)),
        (S.SAMPLING, E.DUE, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.SAMPLING, E.DUE, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.CONTESTED, E.CLAIM, ALWAYS, S.DISPUTED, NOTHING),
        (S.CONTESTED, E.CANARY, NONE_ACCEPTS, S.VOID, END_AS_CANARY),
        (S.CONTESTED, E.CANARY, ALWAYS, S.CONTESTED, NOTHING),
        (S.CONTESTED, E.DUE, PROVIDER_NOT_SAMPLED, S.VOID, _end(Outcome.PROVIDER_SILENT_AT_REVEAL)),  # J74
        (S.CONTESTED, E.DUE, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.CONTESTED, E.DUE, ALWAYS, S.VOID, _end(Outcome.REJECTED)),
        (S.UNVERIFIED, E.CLAIM, ALWAYS, S.DISPUTED, NOTHING),
        (S.UNVERIFIED, E.CANARY, ALWAYS, S.VOID, END_AS_CANARY),
        (S.UNVERIFIED, E.DUE, ALWAYS, S.PAST_CHALLENGE, _end(Outcome.UNCHALLENGED)),  # J55
        (S.SETTLED, E.CLAIM, ALWAYS, S.DISPUTED, NOTHING),
        (S.SETTLED, E.CANARY, ALWAYS, S.SETTLED, NOTHING),
        (S.SETTLED, E.DUE, ALWAYS, S.PAST_CHALLENGE, RELEASE_BONDS),
        (S.DISPUTED, E.CLAIM, ALWAYS, S.DISPUTED, NOTHING),
        (S.DISPUTED, E.CANARY, ALWAYS, S.DISPUTED, NOTHING),
        (S.DISPUTED, E.VERDICT, _ruled(Outcome.CANARY), S.VOID, END_AS_CANARY),
        *(
            (S.DISPUTED, E.VERDICT, _ruled(outcome), S.VOID, _end(outcome))
            for outcome in (Outcome.CONVICTED, Outcome.GREY, Outcome.UNDECIDED, Outcome.ILL_CONDITIONED)
        ),
        (S.DISPUTED, E.VERDICT, PAID_BEFORE, S.PAST_CHALLENGE, RELEASE_BONDS),
        (S.DISPUTED, E.VERDICT, ALWAYS, S.PAST_CHALLENGE, _end(Outcome.CLEARED)),
        *((state, E.WITHHOLD, ALWAYS, S.VOID, _end(Outcome.WITHHELD)) for state in WITHHELD_STATES),
    ),
)
CHALLENGEABLE = (S.CONTESTED, S.UNVERIFIED, S.SETTLED)
"""In which anybody may open the first dispute."""
SLOT_STATES = (S.ACCEPTED, S.COMMITTED, S.VERIFYING, S.REVEALING, S.CHECKING, S.SAMPLING)
"""In which the parties of a job hold a slot each (J45)."""


def time_allowed(parameters: Parameters, state: JobState, run_ms: int) -> int | None:
    """Return how long a job may stay in a state, in milliseconds of live time; None in a final state (J2).

    None while it is DISPUTED, too: each of its disputes has deadlines of its own, and the last one that ends moves it.

    `run_ms` is what a run may take: it is added wherever somebody runs the job (J7).
    """
    allowed = {
        JobState.OPEN: parameters.accept_ms + run_ms,
        JobState.ACCEPTED: parameters.commit_ms + run_ms,
        JobState.COMMITTED: parameters.draw_ms,
        JobState.VERIFYING: parameters.verify_ms + run_ms,
        JobState.REVEALING: parameters.reveal_ms,
        JobState.CHECKING: parameters.check_ms,
        JobState.SAMPLING: parameters.sample_ms,
        JobState.CONTESTED: parameters.contest_ms + run_ms,
        JobState.UNVERIFIED: parameters.challenge_ms,
        JobState.SETTLED: parameters.challenge_ms,
    }
    return allowed.get(state)


def expect(job: Job, event: JobEvent) -> None:
    """Raise Refused JOB_WRONG_STATE unless the job is in a state that knows the event (J3)."""
    LIFE_CYCLE.expect(job.state, event, Reason.JOB_WRONG_STATE)


def start(moment: Moment, job_id: bytes, job: Job) -> None:
    """Write a new job, in the state that it was built with."""
    _enter(moment, job_id, job, JobEvent.SUBMIT, job.client)


def advance(moment: Moment, job_id: bytes, job: Job, event: JobEvent, *, who: bytes | None = None) -> Job:
    """Write and return the job after `event`, which is already noted in `job`; `who` caused it, None: the chain."""
    row = LIFE_CYCLE.row(moment, job, job.state, event)
    after = row.effect.act(moment, job_id, job)
    if row.next is job.state and event is not JobEvent.REDRAW:
        return _enter(moment, job_id, after, event, who)
    if job.due_live_ms is not None:
        moment.state.put(deadline_key(job.due_live_ms, job_id), None)
    if job.state is JobState.COMMITTED:
        moment.state.put(draw_key(job.commit_height, job_id), None)
    if job.state is JobState.SAMPLING and job.picked is None:
        moment.state.put(sample_key(job_id), None)
    if job.state in SLOT_STATES and row.next not in SLOT_STATES:
        bonds.free_slots(moment.state, job_id, job)
    after = change(after, state=row.next, due_live_ms=None)
    if after.state is JobState.REVEALING and after.provider is not None:
        moment.events.append(RevealOpened(job=job_id, provider=after.provider))
    if after.outcome is not None and after.outcome is not job.outcome:
        moment.events.append(JobEnded(job=job_id, outcome=after.outcome))
    return _enter(moment, job_id, after, event, who)


def _enter(moment: Moment, job_id: bytes, job: Job, event: JobEvent, who: bytes | None) -> Job:
    """Write the job with its history and, where its state is new, its deadline and place in the queue."""
    due = job.due_live_ms
    allowed = time_allowed(moment.parameters, job.state, job.run_ms)
    if due is None and allowed is not None:
        due = moment.live_ms + allowed
        moment.state.put(deadline_key(due, job_id), Due(kind=DueKind.JOB))
        if job.state is JobState.COMMITTED:
            moment.state.put(draw_key(job.commit_height, job_id), Marker())
    entry = Happened(
        event=event,
        who=who,
        state=job.state,
        height=moment.height,
        time_ms=moment.time_ms,
        live_ms=moment.live_ms,
    )
    written = change(job, due_live_ms=due, history=[*job.history, entry])
    moment.state.put(job_key(job_id), written)
    return written


def postpone(moment: Moment, job_id: bytes, job: Job, by_ms: int) -> Job:
    """Move the deadline of the state that a job is in, by milliseconds of live time, and return the job.

    It is written with it, and what else was changed in it is kept: who stops a clock bounds for how long.
    """
    assert job.due_live_ms is not None
    due = job.due_live_ms + by_ms
    moment.state.put(deadline_key(job.due_live_ms, job_id), None)
    moment.state.put(deadline_key(due, job_id), Due(kind=DueKind.JOB))
    written = change(job, due_live_ms=due)
    moment.state.put(job_key(job_id), written)
    return written


def challengeable_until(parameters: Parameters, job: Job) -> int:
    """Return until when, in live time, a job that has come so far may be challenged: no dispute cuts that short."""
    since = next(each.live_ms for each in job.history if each.state in CHALLENGEABLE)
    return since + parameters.challenge_ms


def hold(moment: Moment, job_id: bytes, job: Job, until_live_ms: int) -> None:
    """Let a job without open disputes stay DISPUTED until its challenge window is over (X50)."""
    if job.due_live_ms is not None:
        moment.state.put(deadline_key(job.due_live_ms, job_id), None)
    moment.state.put(deadline_key(until_live_ms, job_id), Due(kind=DueKind.JOB))
    moment.state.put(job_key(job_id), change(job, due_live_ms=until_live_ms))
