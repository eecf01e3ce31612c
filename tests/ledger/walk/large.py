"""What people do for jobs with large values: show them by their ids, and open leaves of them (J70 to J76)."""

import random
from typing import assert_never

from ledger.market.sampling import is_owed
from ledger.market.withheld.payloads import CHUNK_BYTES, FILING_CHUNKS_MAX, Stage
from ledger.parameters import Tier
from ledger.records import Job, JobState
from ledger.state import change
from ledger.transaction import Decision, JobCommit, Payload, VerifierCommit
from testnet.kit.large_builders import (
    LargeJob,
    a_large_lowering,
    a_large_submission,
    a_seal,
    large_values,
    provider_reveal,
    verifier_reveal,
)
from testnet.kit.ledger_builders import Values, World, a_model
from tests.ledger.walk.people import character, is_silent
from vm.lowering import lowering_id
from vm.manifest import Class, model_id

FILE = bytes(range(256)) * (FILING_CHUNKS_MAX * CHUNK_BYTES // 256)
"""As many chunks as one filing may name."""
INPUT = b"an input"
MODEL = a_model(file=FILE)
LOWERING = change(a_large_lowering(), model=model_id(MODEL))
WRONG = 40
"""Of 256 parties, so many compute something else."""


def large_order(chance: random.Random, named: str | None, tier: Tier) -> Payload:
    """Return a new job with large values."""
    wanted = a_large_submission(chance.choice(list(Class)), provider=named)
    return change(wanted, model=model_id(MODEL), lowering=lowering_id(LOWERING), tier=tier)


def _values(job_id: bytes, name: str, class_: Class) -> Values:
    number = character(job_id, name)
    label = 1.0 if number < WRONG else 0.0
    return large_values(name, shift=0.01 if number < WRONG // 2 else 0.0, label=label, class_=class_)


def large_move(world: World, chance: random.Random, job_id: bytes, job: Job) -> tuple[str, Payload] | None:
    """Return what one of the parties does next; None if nobody does anything."""
    assert job.provider is not None
    waiting = [each for each in (job.provider, *(part.worker for part in job.verifiers)) if _is_awaited(job, each)]
    about = job_id + b"sampling" if job.state is JobState.SAMPLING else job_id
    if not waiting or is_silent(about, name := world.name(chance.choice(waiting))):
        return None
    mine = _values(job_id, name, job.class_)
    match job.state:
        case JobState.ACCEPTED:
            return name, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, name))
        case JobState.VERIFYING:
            return name, VerifierCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, name))
        case JobState.REVEALING:
            return name, provider_reveal(job_id, mine, class_=job.class_)
        case JobState.CHECKING:
            return name, _verdict(world, job_id, job, mine)
        case _:
            return name, LargeJob(world=world, class_=job.class_, job=job_id).opening(mine)


def _is_awaited(job: Job, party: bytes) -> bool:
    part = next((each for each in job.verifiers if each.worker == party), None)
    match job.state:
        case JobState.ACCEPTED | JobState.REVEALING:
            return party == job.provider
        case JobState.VERIFYING:
            return part is not None and part.commitment is None
        case JobState.CHECKING:
            return part is not None and part.commitment is not None and part.verdict is None
        case JobState.SAMPLING:
            return job.picked is not None and is_owed(job, party)
        case _:
            return False


def large_content(job_id: bytes, job: Job, holder: str, stage: Stage) -> bytes:
    """Return what somebody owes in a job with large values."""
    mine = _values(job_id, holder, job.class_)
    match stage:
        case Stage.MODEL:
            return FILE
        case Stage.INPUT:
            return INPUT
        case Stage.CUT:
            return mine.cut
        case Stage.OUTPUT:
            return bytes(a_seal(mine).length)
        case _:
            assert_never(stage)


def _own(world: World, job_id: bytes, job: Job) -> Values:
    assert job.provider is not None
    return _values(job_id, world.name(job.provider), job.class_)


def _verdict(world: World, job_id: bytes, job: Job, mine: Values) -> Payload:
    theirs = _own(world, job_id, job)
    same = (theirs.cut, theirs.outputs) == (mine.cut, mine.outputs)
    verdict = Decision.ACCEPT if same else Decision.REJECT
    return verifier_reveal(job_id, mine, verdict, class_=job.class_)
