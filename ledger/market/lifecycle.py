"""The life of a job as a table: transitions, the diagram in the docs and the test for dead ends come from it (J1)."""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.events import JobEnded, RevealOpened
from ledger.market import bonds
from ledger.moment import Moment
from ledger.parameters import ACCEPTS_MIN, VERIFIERS, Parameters
from ledger.records import Happened, Job, JobEvent, JobState, Marker, Outcome
from ledger.state import change, deadline_key, draw_key, job_key
from ledger.transaction import Decision
from primitives.reasons import Reason, Refused


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What must hold of the job, the event already noted in it."""

    words: str
    holds: Callable[[Job], bool]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a transition does to bonds, slots and money."""

    words: str
    act: Callable[[Moment, bytes, Job], Job]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One transition. Of the rows with one state and event, the first whose guard holds is taken."""

    state: JobState
    event: JobEvent
    guard: Guard
    next: JobState
    effect: Effect


def _accepts(job: Job) -> int:
    return sum(each.verdict is Decision.ACCEPT for each in job.verifiers)


ALWAYS = Guard(words="", holds=lambda _: True)
ALL_COMMITTED = Guard(
    words="all k committed", holds=lambda job: all(each.commitment is not None for each in job.verifiers)
)
NONE_COMMITTED = Guard(
    words="no verifier committed", holds=lambda job: all(each.commitment is None for each in job.verifiers)
)
SOME_TO_REVEAL = Guard(
    words="a verifier who committed has not revealed",
    holds=lambda job: any(each.commitment is not None and each.verdict is None for each in job.verifiers),
)
ANY_REJECT = Guard(
    words="a verdict is reject", holds=lambda job: any(each.verdict is Decision.REJECT for each in job.verifiers)
)
ENOUGH_ACCEPTS = Guard(
    words=f"at least {ACCEPTS_MIN} of {VERIFIERS} accept", holds=lambda job: _accepts(job) >= ACCEPTS_MIN
)

NAMED_DECLINED = Guard(
    words="the worker who declines is the one named", holds=lambda job: job.declined[-1].worker == job.named
)

NOTHING = Effect(words="", act=lambda _moment, _job_id, job: job)
LOCK_PROVIDER = Effect(words="lock the provider's bond and slot", act=bonds.lock_provider)
LOCK_VERIFIERS = Effect(words="lock the verifiers' bonds and slots", act=bonds.lock_verifiers)
RELEASE_BONDS = Effect(words="release the bonds", act=bonds.release_bonds)


def _end(outcome: Outcome) -> Effect:
    def act(moment: Moment, job_id: bytes, job: Job) -> Job:
        return bonds.end(moment, job_id, job, outcome)

    return Effect(words=f"end as {outcome.name}", act=act)


S, E = JobState, JobEvent
LIFE_CYCLE = tuple(
    Row(state=state, event=event, guard=guard, next=after, effect=effect)
    for state, event, guard, after, effect in (
        (S.OPEN, E.ACCEPT, ALWAYS, S.ACCEPTED, LOCK_PROVIDER),
        (S.OPEN, E.DUE, ALWAYS, S.VOID, _end(Outcome.NOT_ACCEPTED)),
        (S.OPEN, E.DECLINE, NAMED_DECLINED, S.VOID, _end(Outcome.DECLINED)),
        (S.OPEN, E.DECLINE, ALWAYS, S.OPEN, NOTHING),
        (S.ACCEPTED, E.COMMIT, ALWAYS, S.COMMITTED, NOTHING),
        (S.ACCEPTED, E.DUE, ALWAYS, S.VOID, _end(Outcome.PROVIDER_SILENT_AFTER_ACCEPT)),
        (S.COMMITTED, E.DRAW, ALWAYS, S.VERIFYING, LOCK_VERIFIERS),
        (S.COMMITTED, E.DUE, ALWAYS, S.VOID, _end(Outcome.NOT_DRAWN)),
        (S.VERIFYING, E.VERIFIER_COMMIT, ALL_COMMITTED, S.REVEALING, NOTHING),
        (S.VERIFYING, E.VERIFIER_COMMIT, ALWAYS, S.VERIFYING, NOTHING),
        (S.VERIFYING, E.DUE, NONE_COMMITTED, S.VOID, _end(Outcome.NO_VERIFIER_COMMITTED)),
        (S.VERIFYING, E.DUE, ALWAYS, S.REVEALING, NOTHING),
        (S.REVEALING, E.PROVIDER_REVEAL, ALWAYS, S.CHECKING, NOTHING),
        (S.REVEALING, E.DUE, ALWAYS, S.VOID, _end(Outcome.PROVIDER_SILENT_AT_REVEAL)),
        (S.CHECKING, E.VERIFIER_REVEAL, SOME_TO_REVEAL, S.CHECKING, NOTHING),
        (S.CHECKING, E.VERIFIER_REVEAL, ANY_REJECT, S.VOID, _end(Outcome.REJECTED)),
        (S.CHECKING, E.VERIFIER_REVEAL, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.CHECKING, E.VERIFIER_REVEAL, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.CHECKING, E.DUE, ANY_REJECT, S.VOID, _end(Outcome.REJECTED)),
        (S.CHECKING, E.DUE, ENOUGH_ACCEPTS, S.SETTLED, _end(Outcome.SETTLED)),
        (S.CHECKING, E.DUE, ALWAYS, S.VOID, _end(Outcome.TOO_FEW_REVEALS)),
        (S.SETTLED, E.DUE, ALWAYS, S.PAST_CHALLENGE, RELEASE_BONDS),
    )
)
FINAL_STATES = (JobState.PAST_CHALLENGE, JobState.VOID)


def time_allowed(parameters: Parameters, state: JobState, run_ms: int) -> int | None:
    """Return how long a job may stay in a state, in milliseconds of live time; None in a final state (J2).

    `run_ms` is what a run may take: it is added wherever somebody runs the job (J7).
    """
    allowed = {
        JobState.OPEN: parameters.accept_ms + run_ms,
        JobState.ACCEPTED: parameters.commit_ms + run_ms,
        JobState.COMMITTED: parameters.draw_ms,
        JobState.VERIFYING: parameters.verify_ms + run_ms,
        JobState.REVEALING: parameters.reveal_ms,
        JobState.CHECKING: parameters.check_ms,
        JobState.SETTLED: parameters.challenge_ms,
    }
    return allowed.get(state)


def expect(job: Job, event: JobEvent) -> None:
    """Raise Refused JOB_WRONG_STATE unless the job is in a state that knows the event (J3)."""
    states = [row.state for row in LIFE_CYCLE if row.event is event]
    if job.state not in states:
        wanted = " or ".join(dict.fromkeys(state.name.lower() for state in states))
        raise Refused(Reason.JOB_WRONG_STATE, seen=job.state.name.lower(), wanted=wanted)


def start(moment: Moment, job_id: bytes, job: Job) -> None:
    """Write a new job, in the state that it was built with."""
    _enter(moment, job_id, job, JobEvent.SUBMIT, job.client)


def advance(moment: Moment, job_id: bytes, job: Job, event: JobEvent, *, who: bytes | None = None) -> Job:
    """Write and return the job after `event`, which is already noted in `job`; `who` caused it, None: the chain."""
    rows = (row for row in LIFE_CYCLE if row.state is job.state and row.event is event and row.guard.holds(job))
    row = next(rows, None)
    assert row is not None
    after = row.effect.act(moment, job_id, job)
    if row.next is job.state:
        return _enter(moment, job_id, after, event, who)
    if job.due_live_ms is not None:
        moment.state.put(deadline_key(job.due_live_ms, job_id), None)
    if job.state is JobState.COMMITTED:
        moment.state.put(draw_key(job.commit_height, job_id), None)
    after = change(after, state=row.next, due_live_ms=None)
    if after.state is JobState.REVEALING and after.provider is not None:
        moment.events.append(RevealOpened(job=job_id, provider=after.provider))
    if after.outcome is not None and job.outcome is None:
        moment.events.append(JobEnded(job=job_id, outcome=after.outcome))
    return _enter(moment, job_id, after, event, who)


def _enter(moment: Moment, job_id: bytes, job: Job, event: JobEvent, who: bytes | None) -> Job:
    """Write the job with its history and, where its state is new, its deadline and place in the queue."""
    due = job.due_live_ms
    allowed = time_allowed(moment.parameters, job.state, job.run_ms)
    if due is None and allowed is not None:
        due = moment.live_ms + allowed
        moment.state.put(deadline_key(due, job_id), Marker())
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
