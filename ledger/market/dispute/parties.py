"""The parties of a job in dispute, and what each has committed to."""

from ledger.records import Job
from primitives.content import ContentId
from vm.layout import Layout
from vm.lowering import TOLERANCE_LEAST, Lowering
from vm.manifest import Model
from vm.referee.defence import Grounds, Party
from vm.referee.source import Held


def parties(job: Job) -> list[bytes]:
    """Return provider and verifiers of a job, who have come to reveal or not."""
    assert job.provider is not None
    return [job.provider, *(each.worker for each in job.verifiers)]


def is_party(job: Job, who: bytes) -> bool:
    """Tell whether somebody provides or verifies a job."""
    return who in parties(job)


def revealed_of(job: Job, who: bytes) -> tuple[ContentId, ContentId] | None:
    """Return what a party revealed: content ids of its bundle of the cut and of its outputs; None if nothing."""
    if who == job.provider:
        return None if job.cut is None or job.outputs is None else (job.cut, job.outputs)
    for each in job.verifiers:
        if each.worker == who and each.cut is not None and each.outputs is not None:
            return each.cut, each.outputs
    return None


def can_be_judged(job: Job, who: bytes) -> bool:
    """Tell whether a party has revealed anything that can be held against it (X40)."""
    return is_party(job, who) and revealed_of(job, who) is not None


def judged_party(job: Job, model: Model, lowering: Lowering, who: bytes) -> Party:
    """Return what the referee needs of a party that has revealed."""
    shown = revealed_of(job, who)
    assert shown is not None
    return Party(
        cut=_held_cut(job, lowering, shown[0]),
        outputs=Held(Layout([port.name for port in model.outputs], lowering.outputs), shown[1]),
        tolerance=lowering.tolerance or TOLERANCE_LEAST,
    )


def grounds(job: Job, model: Model, lowering: Lowering, tail_of: bytes | None) -> Grounds:
    """Return what stands before any trace of a dispute: the input, and of a tail the party's values at the cut."""
    inputs = Held(Layout([port.name for port in model.inputs], lowering.inputs), job.input)
    if tail_of is None:
        return Grounds(inputs=inputs, cut=None)
    shown = revealed_of(job, tail_of)
    assert shown is not None
    return Grounds(inputs=inputs, cut=_held_cut(job, lowering, shown[0]))


def _held_cut(job: Job, lowering: Lowering, content: ContentId) -> Held:
    values = lowering.cut_of(job.class_)
    return Held(Layout([value.name for value in values], [value.type for value in values]), content)
