"""Who verifies: the beacon's choice of jobs and verifiers at the end of a block, and one redraw (J30, J51, J54)."""

from ledger.events import JobDrawn
from ledger.limits import DRAW_QUEUE_MAX, DRAWS_MAX
from ledger.market import bonds
from ledger.market.draw import beacon_ready, chooses, draw
from ledger.market.lifecycle import advance
from ledger.moment import Moment
from ledger.parameters import accepts_needed
from ledger.records import Job, JobEvent, Verifier
from ledger.state import change, job_key
from primitives.hashing import tagged
from vm.manifest import Model


def draw_pending(moment: Moment) -> None:
    """Choose the jobs to verify for which the beacon is ready, and draw their verifiers if enough are free (J30)."""
    state = moment.state
    ready = _ready_for_draw(moment)
    # Where more are ready than a block tries, the blocks take turns: some may be such as nobody can verify (L42).
    first = moment.height * DRAWS_MAX % len(ready) if len(ready) > DRAWS_MAX else 0
    for job_id in [*ready[first:], *ready[:first]][:DRAWS_MAX]:
        job = state.job(job_id)
        assert job is not None
        if not job.chosen and not chooses(moment.beacon, job_id, job.audit_bps):
            advance(moment, job_id, job, JobEvent.SKIP)  # J51
            continue
        chosen = change(job, chosen=True)
        seed = tagged("assay/draw", moment.beacon, job_id)
        drawn = draw(moment, chosen, seed, _model(moment, job), count=job.k, least=job.k)
        if drawn is None:
            if not job.chosen:  # the choice holds while it waits for verifiers: no later beacon takes it back
                state.put(job_key(job_id), chosen)
            continue
        moment.events.append(JobDrawn(job=job_id, verifiers=drawn))
        advance(moment, job_id, change(chosen, verifiers=[new_verifier(each) for each in drawn]), JobEvent.DRAW)


def can_redraw(job: Job) -> bool:
    """Tell whether a job whose time to verify is over gets its silent verifiers replaced (J54)."""
    return not job.redrawn and _committed(job) < accepts_needed(job.k)


def redraw(moment: Moment, job_id: bytes, job: Job) -> bool:
    """Replace the silent verifiers of a job, who lose as such, and tell whether there were enough others (J54).

    Enough are as many as it takes, with those who have committed, to settle the job.
    """
    silent = [each for each in job.verifiers if each.commitment is None]
    seed = tagged("assay/redraw", moment.beacon, job_id)
    least = accepts_needed(job.k) - _committed(job)
    drawn = draw(moment, job, seed, _model(moment, job), count=len(silent), least=least)
    if drawn is None:
        return False
    moment.events.append(JobDrawn(job=job_id, verifiers=drawn))
    left = bonds.dismiss(moment, job, silent)
    kept = [each for each in left.verifiers if each.commitment is not None]
    renewed = change(left, redrawn=True, verifiers=[*kept, *(new_verifier(each) for each in drawn)])
    advance(moment, job_id, renewed, JobEvent.REDRAW)
    return True


def _committed(job: Job) -> int:
    return sum(each.commitment is not None for each in job.verifiers)


def new_verifier(worker: bytes) -> Verifier:
    """Return the part of a verifier that has just been drawn."""
    return Verifier(
        worker=worker,
        locked=0,
        commitment=None,
        cut=None,
        outputs=None,
        verdict=None,
        forced=False,
        opened=False,
        holds=False,
        sealed=None,
    )


def _ready_for_draw(moment: Moment) -> list[bytes]:
    """Return the jobs for which the beacon is ready, the earliest commitments first."""
    ready: list[bytes] = []
    looked_at = -1
    for height, job_id in moment.state.draws(limit=DRAW_QUEUE_MAX):
        if height != looked_at and not beacon_ready(moment.state, height):
            break  # later commitments have seen no more reveals than this one
        looked_at = height
        ready.append(job_id)
    return ready


def _model(moment: Moment, job: Job) -> Model:
    entry = moment.state.model(job.model)
    assert entry is not None
    return entry.model
