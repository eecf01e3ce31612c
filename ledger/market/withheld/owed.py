"""What is owed to whom, and by whom, at each stage of a job (H2 to H8)."""

from typing import assert_never

from ledger.market.dispute.parties import revealed_of
from ledger.market.dispute.payloads import SubjectKind
from ledger.market.dispute.records import Claimant, Dispute, DisputeStage, Role
from ledger.market.dispute.rivals import standing
from ledger.market.dispute.rows import disputes_of
from ledger.market.withheld.payloads import Stage
from ledger.records import Job, JobState, Verifier
from ledger.state import State
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering

SEALED_IS_OWED = (JobState.SETTLED, JobState.UNVERIFIED, JobState.DISPUTED)
"""In which the client may ask for its result: a dispute, which anybody may open, takes that from nobody (H5)."""


def owed(state: State, job_id: bytes, stage: Stage, holder: bytes, filer: bytes) -> ContentId:
    """Return what `holder` owes `filer` at a stage of a job. Raises Refused JOB_UNKNOWN, NOTHING_OWED (H6, H10)."""
    job = state.job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    disputes = [each for _, each in disputes_of(state, job_id)] if job.state is JobState.DISPUTED else []
    match stage:
        case Stage.MODEL | Stage.INPUT:
            due = job.provider == holder and (_verifies(job, filer) or any(_is_drawn(each, filer) for each in disputes))
            content = _to_run(state, job, stage) if due else None
        case Stage.CUT:
            whole = _meant(state, job).cut_is_whole(job.class_)
            content = None if whole else _cut(job, disputes, holder, filer)
        case Stage.OUTPUT:
            content = None if _meant(state, job).outputs_are_whole else _output(job, disputes, holder, filer)
        case _:
            assert_never(stage)
    if content is None:
        raise Refused(Reason.NOTHING_OWED, stage=stage.name.lower(), state=job.state.name.lower(), holder=holder)
    return content


def _to_run(state: State, job: Job, stage: Stage) -> ContentId:
    entry = state.model(job.model)
    assert entry is not None
    return entry.model.file if stage is Stage.MODEL else job.input


def _verifies(job: Job, filer: bytes) -> bool:
    """Tell whether somebody is a drawn verifier that still has to run the job (H2, H3)."""
    mine = _part(job, filer)
    return job.state is JobState.VERIFYING and mine is not None and mine.commitment is None


def _is_drawn(dispute: Dispute, filer: bytes) -> bool:
    """Tell whether somebody is drawn for a dispute and still has to run the job (H7)."""
    mine = _claim(dispute, filer)
    waits = dispute.stage is DisputeStage.CLAIMING and mine is not None
    return waits and mine is not None and mine.role is Role.DRAWN and mine.commitment is None


def _judges(dispute: Dispute, filer: bytes) -> bool:
    """Tell whether somebody may prove what a party's values are, by a trace that stands (H8)."""
    mine = _claim(dispute, filer)
    waits = dispute.stage is DisputeStage.JUDGING and mine is not None
    return waits and mine is not None and mine.trace in standing(dispute)


def _cut(job: Job, disputes: list[Dispute], holder: bytes, filer: bytes) -> ContentId | None:
    """Return the values at the cut that a party owes (H4, H7, H8)."""
    shown = revealed_of(job, holder)
    judged = any(_judges(each, filer) or (_is_tail_of(each, holder) and _is_drawn(each, filer)) for each in disputes)
    if shown is None or not (judged or (job.provider == holder and _compares(job, filer))):
        return None
    return shown[0]


def _output(job: Job, disputes: list[Dispute], holder: bytes, filer: bytes) -> ContentId | None:
    """Return the output that a party owes: sealed to the client (H5), in the open to who judges it (H8)."""
    shown = revealed_of(job, holder)
    if shown is not None and any(_judges(each, filer) for each in disputes):
        return shown[1]
    if job.client != filer or job.state not in SEALED_IS_OWED:
        return None
    mine = _part(job, holder)
    return job.sealed if job.provider == holder else None if mine is None else mine.sealed


def _meant(state: State, job: Job) -> Lowering:
    """Return what tells which values of a job do not stand on the chain whole (J70)."""
    entry = state.lowering(job.model, job.lowering)
    assert entry is not None
    return entry.lowering


def _compares(job: Job, filer: bytes) -> bool:
    """Tell whether somebody is a verifier that still has to compare (H4)."""
    mine = _part(job, filer)
    waits = job.state is JobState.CHECKING and mine is not None
    return waits and mine is not None and mine.commitment is not None and mine.verdict is None


def _is_tail_of(dispute: Dispute, holder: bytes) -> bool:
    return dispute.subject.kind is SubjectKind.TAIL and dispute.subject.party == holder


def _part(job: Job, filer: bytes) -> Verifier | None:
    return next((each for each in job.verifiers if each.worker == filer), None)


def _claim(dispute: Dispute, filer: bytes) -> Claimant | None:
    return next((each for each in dispute.claims if each.who == filer), None)
