"""How far one element of a party's values at the cut is off, by the true trace and its noise (V135).

It alone proves "beyond": what nobody proves is within (DESIGN 6.10c). Exact integers throughout.
"""

from typing import Annotated

import msgspec

from primitives import codec, merkle
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32, U64
from vm.manifest import Ratio
from vm.noise import Row, ill_conditioned, in_sigma, is_sound, unit_of
from vm.program import Outline, outline_root
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Opened, Proof, opened_root, shown_bytes
from vm.referee.source import Held, Piece, held_bytes
from vm.scale import Value, values
from vm.tensor import FLOATS, Tensor, TensorType, element_count
from vm.trace import Run, Trace


class Measure(Record):
    """An element of a value at the cut in both runs of a trace, with the record of its row."""

    outline: Outline
    place: U32
    """Among the values of the cut."""
    element: U64
    values: Annotated[list[Opened], msgspec.Meta(min_length=2, max_length=2)]
    """In the first run, and in the second, at the element."""
    proofs: Annotated[list[Proof], msgspec.Meta(min_length=2, max_length=2)]
    """Of the two, among the results of their runs."""
    row: Row
    row_proof: Proof
    """Of its record among those of the value's rows."""


class DeviationProof(Record, tag=5):
    """The element in the true trace, and in a party's bundle."""

    measure: Measure
    piece: Piece


class ConditionProof(Record, tag=8):
    """An element of the true trace whose noise makes the job ill-conditioned."""

    measure: Measure


def judge_deviation(trace: Trace, shown: DeviationProof, cut: Held, tolerance: Ratio) -> int:
    """Return how far a party's element is off, in thousandths of σ, rounded up (V104, V135).

    `cut` is what the party committed to, `tolerance` the lowering's. Raises Refused BAD_PROOF or CONTENT_MISMATCH
    where the proof does not show what it should.
    """
    check_known_answers()
    measure = shown.measure
    type_, first, second = _measured(trace, measure)
    if measure.place >= len(cut.layout.types) or cut.layout.types[measure.place] != type_:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=measure.place, wanted="the party's")
    raw = held_bytes(cut, measure.place, (measure.element, 1), shown.piece)
    seen = _value(type_, raw)
    unit = unit_of(measure.row, first, second, tolerance)
    return in_sigma(measure.row, unit, first, seen)


def judge_condition(trace: Trace, shown: ConditionProof, tolerance: Ratio) -> bool:
    """Return whether an element makes the job ill-conditioned (V105). Raises Refused as `judge_deviation` does."""
    check_known_answers()
    _, first, second = _measured(trace, shown.measure)
    return ill_conditioned(unit_of(shown.measure.row, first, second, tolerance))


def _value(type_: TensorType, raw: bytes) -> Value:
    [found] = values(Tensor(dtype=type_.dtype, shape=[1], data=raw))
    return found


def _measured(trace: Trace, measure: Measure) -> tuple[TensorType, Value, Value]:
    """Return type and element, in both runs, that a measure shows. Raises Refused BAD_PROOF."""
    told, place = measure.outline, measure.place
    if outline_root(told) != trace.program:
        raise Refused(Reason.BAD_PROOF, what="program", seen=outline_root(told), wanted=trace.program)
    if place >= min(len(told.cut), len(trace.noise)) or trace.perturbed is None:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=place, wanted=f"below {len(trace.noise)}")
    number = told.cut[place] - len(told.inputs) - told.constants
    type_ = measure.values[0].type
    if type_ != measure.values[1].type or type_.dtype not in FLOATS or measure.element >= element_count(type_.shape):
        raise Refused(Reason.BAD_PROOF, what="element", seen=measure.element, wanted="one of a float value, twice")
    shown = [
        _shown(run, number, opened, proof, measure.element)
        for run, opened, proof in zip((trace.first, trace.perturbed), measure.values, measure.proofs, strict=True)
    ]
    length = max(1, type_.shape[-1] if type_.shape else 1)
    rows = element_count(type_.shape) // length
    leaf, at = codec.encode(measure.row), [measure.element // length]
    root = merkle.root_from_set([leaf], places=at, count=rows, proof=measure.row_proof)
    if root != trace.noise[place]:
        raise Refused(Reason.BAD_PROOF, what="noise", seen=root, wanted=trace.noise[place])
    if not is_sound(measure.row):  # nobody has disputed it, but nothing can be divided by it
        raise Refused(Reason.BAD_PROOF, what="noise", seen=measure.row.members, wanted="a scale above 0")
    return type_, shown[0], shown[1]


def _shown(run: Run, number: int, opened: Opened, proof: list[bytes], element: int) -> Value:
    ranges = [(element, 1)]
    root = opened_root(opened, ranges)
    if number < 0:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=number, wanted="a result")
    seen = merkle.root_from_set([root], places=[number], count=run.count, proof=proof)
    if seen != run.root:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=seen, wanted=run.root)
    return _value(opened.type, shown_bytes(opened, ranges))
