"""The clock of who files: it stands while the holder may answer (H15)."""

from ledger.market.dispute.lifecycle import time_allowed as dispute_time_allowed
from ledger.market.dispute.records import Dispute, DisputeStage
from ledger.market.dispute.rows import dispute_key, disputes_of
from ledger.market.lifecycle import postpone, time_allowed
from ledger.moment import Moment
from ledger.records import Due, DueKind, Job, JobState
from ledger.state import change, deadline_key

ANSWER_IS_NEEDED = (JobState.VERIFYING, JobState.CHECKING, JobState.SAMPLING)
"""States in which the filer has something to do with what it lacks; in others the bonds stay locked, and no more."""
RUN_OR_JUDGED = (DisputeStage.CLAIMING, DisputeStage.JUDGING)
"""Stages of a dispute in which somebody needs the answer."""


def stop_until(moment: Moment, job_id: bytes, until_live_ms: int) -> None:
    """Leave whoever acts in a job or its disputes its whole time after `until_live_ms`, unless it has that (H15)."""
    job = moment.state.job(job_id)
    assert job is not None
    if job.state is JobState.DISPUTED:
        for identity, dispute in disputes_of(moment.state, job_id):
            if dispute.stage in RUN_OR_JUDGED:
                _stop_dispute(moment, identity, dispute, job, until_live_ms)
        if job.due_live_ms is not None and until_live_ms >= job.due_live_ms:
            postpone(moment, job_id, job, until_live_ms + 1 - job.due_live_ms)
        return
    allowed = time_allowed(moment.parameters, job.state, job.run_ms)
    if job.due_live_ms is None or allowed is None:
        return
    # One more than the filing's own deadline: the filing is swept first.
    due = until_live_ms + (allowed if job.state in ANSWER_IS_NEEDED else 1)
    if due > job.due_live_ms:
        postpone(moment, job_id, job, due - job.due_live_ms)


def _stop_dispute(moment: Moment, identity: bytes, dispute: Dispute, job: Job, until_live_ms: int) -> None:
    allowed = dispute_time_allowed(moment.parameters, dispute.stage, job.run_ms)
    assert allowed is not None
    assert dispute.due_live_ms is not None
    due = max(dispute.due_live_ms, until_live_ms + allowed)
    moment.state.put(deadline_key(dispute.due_live_ms, identity), None)
    moment.state.put(deadline_key(due, identity), Due(kind=DueKind.DISPUTE))
    moment.state.put(dispute_key(identity), change(dispute, due_live_ms=due))
