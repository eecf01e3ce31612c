"""What is due: whatever has a deadline moves by it, the longest overdue first, under one cap for all (J2, L43)."""

from typing import assert_never

from ledger.limits import SWEEP_JOBS_MAX
from ledger.market.lifecycle import advance
from ledger.market.withheld.filing import lapse
from ledger.moment import Moment
from ledger.records import DueKind, JobEvent


def sweep(moment: Moment) -> None:
    """Move what has a deadline that has passed."""
    for due, kind, identity in list(moment.state.deadlines(limit=SWEEP_JOBS_MAX)):
        if due > moment.live_ms:
            return
        match kind:
            case DueKind.JOB:
                _move_job(moment, identity)
            case DueKind.WITHHELD:
                lapse(moment, identity)
            case DueKind.DISPUTE | DueKind.BATCH:
                raise AssertionError(f"nothing writes deadlines of {kind.name} yet")
            case _:
                assert_never(kind)


def _move_job(moment: Moment, job_id: bytes) -> None:
    job = moment.state.job(job_id)
    assert job is not None
    advance(moment, job_id, job, JobEvent.DUE)
