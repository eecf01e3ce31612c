"""What a worker owes a job in the state that it is in: decided from the chain alone, without waiting (D1)."""

import enum

from ledger.market.asking import asked
from ledger.market.draw import can_run
from ledger.market.sampling import is_owed
from ledger.market.settlement import provider_lock
from ledger.records import Job, JobState, ModelEntry, Verifier, Worker
from ledger.state import State
from primitives.hashing import tagged

STEP_IN_MS = 3_000
"""Live time for each place in the ranking: enough to fetch a model and accept; ten places fit into the deadline."""


class Duty(enum.Enum):
    """What to do next."""

    NONE = enum.auto()
    """Nothing, now or later."""
    WAIT = enum.auto()
    """Nothing before the next block."""
    ACCEPT = enum.auto()
    PROVIDE = enum.auto()
    """Run, and commit as the provider."""
    REVEAL = enum.auto()
    VERIFY = enum.auto()
    """Run, and commit as a verifier."""
    JUDGE = enum.auto()
    """Compare, and reveal as a verifier."""
    SAMPLE = enum.auto()
    """Open the leaves of our large values that the beacon has picked."""


def duty_of(me: bytes, job_id: bytes, job: Job, state: State, *, live_ms: int) -> Duty:
    """Return what the worker `me` (20-byte address) owes a job."""
    match job.state:
        case JobState.OPEN:
            return _offer(me, job_id, job, state, live_ms=live_ms)
        case JobState.ACCEPTED:
            return Duty.PROVIDE if job.provider == me else Duty.NONE
        case JobState.COMMITTED:
            return Duty.WAIT if job.provider == me else Duty.NONE
        case JobState.REVEALING if job.provider == me:
            return Duty.REVEAL
        case JobState.VERIFYING | JobState.REVEALING | JobState.CHECKING:
            return _part(me, job)
        case JobState.SAMPLING if is_owed(job, me):
            return Duty.WAIT if job.picked is None else Duty.SAMPLE
        case _:
            return Duty.NONE


def _part(me: bytes, job: Job) -> Duty:
    """Return what a party owes between draw and verdict."""
    if job.provider == me:
        return Duty.NONE if job.state is JobState.CHECKING and not job.large else Duty.WAIT
    mine = verifier_of(me, job)
    if mine is None:
        return Duty.NONE
    if mine.verdict is not None:
        return Duty.WAIT if job.large else Duty.NONE  # leaves of what we revealed will be picked
    if mine.commitment is None:
        return Duty.VERIFY if job.state is JobState.VERIFYING else Duty.NONE
    return Duty.JUDGE if job.state is JobState.CHECKING else Duty.WAIT


def _offer(me: bytes, job_id: bytes, job: Job, state: State, *, live_ms: int) -> Duty:
    """Return whether to accept an open job: one that names us, or one that is our turn (D2, D3)."""
    worker, entry = state.worker(me), state.model(job.model)
    if worker is None or entry is None or job.named not in (None, me):
        return Duty.NONE
    if price_of(worker, job, state) > job.max_price or not can_run(worker, entry.model, job.class_):
        return Duty.NONE
    if job.client == me or any(each.worker == me for each in job.declined):
        return Duty.NONE  # whoever pays himself proves nothing
    if not has_room(worker, job, state):
        return Duty.WAIT
    if job.named is None:
        place = ranking(job_id, job, entry, state).index(me)
        if live_ms < job.history[0].live_ms + place * STEP_IN_MS:  # D3
            return Duty.WAIT
    return Duty.ACCEPT


def price_of(worker: Worker, job: Job, state: State) -> int:
    """Return what a worker asks for a job."""
    meant = state.lowering(job.model, job.lowering)
    assert meant is not None  # a job names one that is registered
    return asked(worker, meant.lowering.cost, job.class_)


def has_room(worker: Worker, job: Job, state: State) -> bool:
    """Tell whether a worker has a slot and bond free to provide a job at its own price."""
    lock = provider_lock(job, price_of(worker, job, state))
    return worker.providing < worker.capacity and worker.free_bond >= lock


def ranking(job_id: bytes, job: Job, entry: ModelEntry, state: State) -> list[bytes]:
    """Return the workers that could provide an unnamed job, in an order that is the job's own (D3)."""
    able = [
        address
        for address, worker in state.workers()
        if worker.capacity
        and price_of(worker, job, state) <= job.max_price
        and can_run(worker, entry.model, job.class_)
    ]
    return sorted(able, key=lambda address: tagged("assay/rank", job_id, address))


def verifier_of(me: bytes, job: Job) -> Verifier | None:
    """Return the part of a drawn verifier."""
    return next((each for each in job.verifiers if each.worker == me), None)
