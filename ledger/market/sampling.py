"""Samples of large values: leaves that the beacon picks of what parties have shown by its id alone (J73 to J75)."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.limits import PICKS_MAX, SAMPLE_QUEUE_MAX
from ledger.market.commitment import forms
from ledger.market.lifecycle import advance, expect
from ledger.moment import Moment
from ledger.records import Job, JobEvent, JobState
from ledger.state import State, change, sample_key
from ledger.transaction import SampleOpen
from primitives.content import LEAF_BYTES, ContentId, Slice, check_slice, leaf_count
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm.layout import Layout, bundle_length, heads, spans


class Picked(NamedTuple):
    """Numbers of the leaves that each party opens, in order; none of a bundle that is on the chain whole."""

    cut: list[int]
    outputs: list[int]


def pick_pending(moment: Moment) -> None:
    """Let the beacon pick leaves for jobs whose reveals are over since an earlier block (J73)."""
    ready = [job_id for job_id in moment.state.unsampled(limit=SAMPLE_QUEUE_MAX) if _shown_before(moment, job_id)]
    for job_id in ready[:PICKS_MAX]:
        job = moment.state.job(job_id)
        assert job is not None
        moment.state.put(sample_key(job_id), None)
        advance(moment, job_id, change(job, picked=moment.beacon), JobEvent.PICK)


def _shown_before(moment: Moment, job_id: bytes) -> bool:
    job = moment.state.job(job_id)
    assert job is not None
    return job.history[-1].height < moment.height


def picked_leaves(state: State, job_id: bytes, job: Job, count: int) -> Picked:
    """Return which leaves each party of a job opens, `count` of each large bundle, once they are picked (J73)."""
    assert job.picked is not None
    found = []
    for bundle, layout in enumerate(_layouts(state, job)):
        leaves = 0 if layout is None else leaf_count(bundle_length(layout))
        seed = tagged("assay/sample", job.picked, job_id, bytes([bundle]))
        found.append(sorted(_picks(seed, min(count, leaves), leaves)))
    return Picked(*found)


def _picks(seed: bytes, count: int, leaves: int) -> list[int]:
    """Return `count` different numbers below `leaves`: each the digest's number among those that are left."""
    left = list(range(leaves))
    numbers = (int.from_bytes(tagged("assay/sample-pick", seed, at.to_bytes(4, "big")), "big") for at in range(count))
    return [left.pop(number % len(left)) for number in numbers]


def _layouts(state: State, job: Job) -> tuple[Layout | None, Layout | None]:
    """Return the layouts of cut and outputs; None of what is on the chain whole."""
    model, lowering = state.model(job.model), state.lowering(job.model, job.lowering)
    assert model is not None
    assert lowering is not None
    cut, outputs = forms(model.model, lowering.lowering, job.class_)
    whole = lowering.lowering.cut_is_whole(job.class_), lowering.lowering.outputs_are_whole
    return None if whole[0] else cut, None if whole[1] else outputs


def open_samples(moment: Moment, sender: bytes, payload: SampleOpen) -> None:
    """Note that a party has opened the leaves that were picked of its bundles (J74).

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, ALREADY_REVEALED, WRONG_SAMPLE, BAD_PROOF,
    CONTENT_MISMATCH, WRONG_SHAPE.
    """
    job = moment.state.job(payload.job)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=payload.job)
    expect(job, JobEvent.SAMPLE)
    if job.picked is None:
        raise Refused(Reason.JOB_WRONG_STATE, seen="not picked yet", wanted="the beacon's pick")
    cut, outputs = _shown_by(job, sender)
    layouts = _layouts(moment.state, job)
    picked = picked_leaves(moment.state, payload.job, job, moment.parameters.sample_leaves)
    _check_samples("cut", payload.cut, cut, picked.cut, layouts[0])
    _check_samples("outputs", payload.outputs, outputs, picked.outputs, layouts[1])
    if sender == job.provider:
        noted = change(job, opened=True)
    else:
        parts = [change(each, opened=True) if each.worker == sender else each for each in job.verifiers]
        noted = change(job, verifiers=parts)
    advance(moment, payload.job, noted, JobEvent.SAMPLE, who=sender)


def is_owed(job: Job, party: bytes) -> bool:
    """Tell whether a party of a job has leaves to open: now, or as soon as they are picked (J74)."""
    if job.state is not JobState.SAMPLING:
        return False
    mine = [each for each in job.verifiers if each.worker == party and each.verdict is not None]
    return not job.opened if party == job.provider else any(not each.opened for each in mine)


def _shown_by(job: Job, sender: bytes) -> tuple[ContentId, ContentId]:
    """Return cut and outputs that a party has revealed. Raises Refused NOT_A_PARTY or ALREADY_REVEALED."""
    if sender == job.provider:
        cut, outputs, opened = job.cut, job.outputs, job.opened
    else:
        mine = next((each for each in job.verifiers if each.worker == sender and each.verdict is not None), None)
        if mine is None:
            raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted="provider, or a verifier that has revealed")
        cut, outputs, opened = mine.cut, mine.outputs, mine.opened
    if opened:
        raise Refused(Reason.ALREADY_REVEALED, what="leaves")
    assert cut is not None
    assert outputs is not None
    return cut, outputs


def _check_samples(
    what: str, pieces: Sequence[Slice], content: ContentId, wanted: list[int], layout: Layout | None
) -> None:
    """Raise Refused unless the pieces are the picked leaves of a bundle of this layout (J74, J75)."""
    seen = [piece.start for piece in pieces]
    if seen != wanted:
        raise Refused(Reason.WRONG_SAMPLE, what=what, seen=_told(seen), wanted=_told(wanted))
    for piece in pieces:
        if len(piece.data) > LEAF_BYTES:
            raise Refused(Reason.WRONG_SAMPLE, what=what, seen=len(piece.data), wanted=f"leaves of {LEAF_BYTES} bytes")
        check_slice(content, piece)
        assert layout is not None
        _check_form(what, piece, layout)


def _check_form(what: str, piece: Slice, layout: Layout) -> None:
    """Raise Refused WRONG_SHAPE where names, types, shapes or lengths in a leaf are not the lowering's (J75)."""
    low = piece.start * LEAF_BYTES
    end = 0
    for head, span in zip(heads(layout), spans(layout), strict=True):
        begin = max(end, low)
        stop = min(span.low, low + len(piece.data))
        if begin < stop and piece.data[begin - low : stop - low] != head[begin - end : stop - end]:
            raise Refused(Reason.WRONG_SHAPE, what=what, seen=f"leaf {piece.start}", wanted="the form of the lowering")
        end = span.high


def _told(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers)) or "none"
