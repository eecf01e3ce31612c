"""What is due: whatever has a deadline moves by it, the longest overdue first, under one cap for all (J2, L43)."""

from typing import assert_never

from ledger.limits import REDRAWS_MAX, SWEEP_JOBS_MAX
from ledger.market.dispute import hearing, judgement
from ledger.market.drawing import can_redraw, redraw
from ledger.market.lifecycle import advance
from ledger.market.withheld.filing import lapse
from ledger.moment import Moment
from ledger.records import Due, DueKind, JobEvent, JobState
from ledger.state import deadline_key


def sweep(moment: Moment) -> None:
    """Move what has a deadline that has passed."""
    redraws = 0
    for due, kind, identity in list(moment.state.deadlines(limit=SWEEP_JOBS_MAX)):
        if due > moment.live_ms:
            return
        if moment.state.find(Due, deadline_key(due, identity)) is None:
            continue  # what was due before it has ended or postponed it
        match kind:
            case DueKind.JOB:
                redraws += _move_job(moment, identity, redraws)
            case DueKind.WITHHELD:
                lapse(moment, identity)
            case DueKind.DISPUTE:
                hearing.lapse(moment, identity)
            case DueKind.BATCH:
                raise AssertionError(f"nothing writes deadlines of {kind.name} yet")
            case _:
                assert_never(kind)


def _move_job(moment: Moment, job_id: bytes, redraws: int) -> int:
    """Move a job, and return how many draws that took; where the block has made its share, it moves in the next."""
    job = moment.state.job(job_id)
    assert job is not None
    if job.state is JobState.DISPUTED:
        judgement.resume(moment, job_id, job)
        return 0
    tried = 0
    if job.state is JobState.VERIFYING and can_redraw(job):
        if redraws == REDRAWS_MAX:
            return 0
        if redraw(moment, job_id, job):
            return 1
        tried = 1
    advance(moment, job_id, job, JobEvent.DUE)
    return tried
