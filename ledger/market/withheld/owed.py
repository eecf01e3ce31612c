"""What is owed to whom, and by whom, at each stage of a job (H2 to H6)."""

from typing import assert_never

from ledger.limits import REVEAL_BYTES_MAX
from ledger.market.withheld.payloads import Stage
from ledger.records import Job, JobState, Verifier
from ledger.state import State
from primitives.content import ContentId
from primitives.reasons import Reason, Refused


def owed(state: State, job_id: bytes, stage: Stage, holder: bytes, filer: bytes) -> ContentId:
    """Return what `holder` owes `filer` at a stage of a job. Raises Refused JOB_UNKNOWN, NOTHING_OWED (H10)."""
    job = state.job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    match stage:
        case Stage.MODEL | Stage.INPUT:
            content = _to_run(state, job, stage) if _runs(job, holder, filer) else None
        case Stage.CUT:
            content = job.cut if _compares(job, holder, filer) else None
        case Stage.OUTPUT:
            content = job.sealed if _receives(job, holder, filer) else None
        case _:
            assert_never(stage)
    if content is None or (stage is Stage.CUT and content.length <= REVEAL_BYTES_MAX):  # H4: small ones are on chain
        raise Refused(Reason.NOTHING_OWED, stage=stage.name.lower(), state=job.state.name.lower(), holder=holder)
    return content


def _to_run(state: State, job: Job, stage: Stage) -> ContentId:
    entry = state.model(job.model)
    assert entry is not None
    return entry.model.file if stage is Stage.MODEL else job.input


def _runs(job: Job, holder: bytes, filer: bytes) -> bool:
    """Tell whether the filer is a drawn verifier that still has to run the job, and the holder provides (H2, H3)."""
    mine = _part(job, filer)
    waits = job.state is JobState.VERIFYING and mine is not None and mine.commitment is None
    return waits and job.provider == holder


def _compares(job: Job, holder: bytes, filer: bytes) -> bool:
    """Tell whether the filer is a verifier that still has to compare, and the holder provides (H4)."""
    mine = _part(job, filer)
    waits = job.state is JobState.CHECKING and mine is not None and mine.commitment is not None
    return waits and mine is not None and mine.verdict is None and job.provider == holder


def _receives(job: Job, holder: bytes, filer: bytes) -> bool:
    """Tell whether the filer is the client of a job whose result stands, and the holder provided it (H5)."""
    stands = job.state in (JobState.SETTLED, JobState.UNVERIFIED)
    return stands and job.client == filer and job.provider == holder


def _part(job: Job, filer: bytes) -> Verifier | None:
    return next((each for each in job.verifiers if each.worker == filer), None)
