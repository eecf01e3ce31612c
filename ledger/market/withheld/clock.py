"""The clock of who files: it stands while the holder may answer (H15)."""

from ledger.market.lifecycle import postpone, time_allowed
from ledger.moment import Moment
from ledger.records import JobState

ANSWER_IS_NEEDED = (JobState.VERIFYING, JobState.CHECKING, JobState.SAMPLING)
"""States in which the filer has something to do with what it lacks; in others the bonds stay locked, and no more."""


def stop_until(moment: Moment, job_id: bytes, until_live_ms: int) -> None:
    """Leave whoever acts in the job's state its whole time after `until_live_ms`, unless it has that anyway (H15)."""
    job = moment.state.job(job_id)
    assert job is not None
    allowed = time_allowed(moment.parameters, job.state, job.run_ms)
    if job.due_live_ms is None or allowed is None:
        return
    # One more than the filing's own deadline: the filing is swept first.
    due = until_live_ms + (allowed if job.state in ANSWER_IS_NEEDED else 1)
    if due > job.due_live_ms:
        postpone(moment, job_id, job, due - job.due_live_ms)
