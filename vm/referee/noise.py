"""The verdict on scale and noise of one row of a value at the cut, as somebody's trace has them (V89)."""

from typing import Annotated

import msgspec
import numpy as np

from primitives import codec, merkle
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32
from vm.canonical.arrays import tensor_of
from vm.noise import Noise, Row
from vm.program import Outline, outline_root
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Opened, Proof, elements, opened_root
from vm.tensor import CUT_VALUES_BYTES_MAX, FLOATS, Tensor, bytes_of, element_count
from vm.tiles import PROOF_BYTES_MAX
from vm.trace import Run, Trace


class NoiseAccusation(Record, tag=2):
    """One row of a value at the cut, with the whole value in both runs: the scale may be the tensor's."""

    outline: Outline
    place: U32
    """Among the values of the cut."""
    row: U32
    told: Row
    """As the trace has it."""
    told_proof: Proof
    values: Annotated[list[Opened], msgspec.Meta(min_length=2, max_length=2)]
    """In the first run, and in the second, with all leaves."""
    proofs: Annotated[list[Proof], msgspec.Meta(min_length=2, max_length=2)]
    """Of the two, among the results of their runs."""


def decode_noise_accusation(raw: bytes) -> NoiseAccusation:
    """Return the accusation that `raw` encodes. Raises Refused TOO_LARGE or MALFORMED."""
    return codec.decode(NoiseAccusation, raw, at_most=PROOF_BYTES_MAX)


def judge_noise(trace: Trace, accusation: NoiseAccusation) -> tuple[bool, Row]:
    """Return whether the trace is right about a row, and what the row's scale and noise are (V89).

    Raises Refused BAD_PROOF or TOO_LARGE where the accusation does not show what it should.
    """
    check_known_answers()
    told, place = accusation.outline, accusation.place
    if outline_root(told) != trace.program:
        raise Refused(Reason.BAD_PROOF, what="program", seen=outline_root(told), wanted=trace.program)
    if place >= min(len(told.cut), len(trace.noise)) or trace.perturbed is None:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=place, wanted=f"below {len(trace.noise)}")
    number = told.cut[place] - len(told.inputs) - told.constants
    runs = zip((trace.first, trace.perturbed), accusation.values, accusation.proofs, strict=True)
    first, second = (_shown(run, number, opened, proof) for run, opened, proof in runs)
    if (first.dtype, first.shape) != (second.dtype, second.shape) or first.dtype not in FLOATS:
        raise Refused(Reason.BAD_PROOF, what="types of a value", wanted="floats of one type and shape")
    noise = Noise(first, second)
    if accusation.row >= noise.count:
        raise Refused(Reason.BAD_PROOF, what="row", seen=accusation.row, wanted=f"below {noise.count}")
    at = [accusation.row]
    leaf = codec.encode(accusation.told)
    root = merkle.root_from_set([leaf], places=at, count=noise.count, proof=accusation.told_proof)
    if root != trace.noise[place]:
        raise Refused(Reason.BAD_PROOF, what="noise", seen=root, wanted=trace.noise[place])
    found = noise.row(accusation.row)
    return accusation.told == found, found


def _shown(run: Run, number: int, opened: Opened, proof: list[bytes]) -> Tensor:
    """Return a whole value of a run. Raises Refused BAD_PROOF, or TOO_LARGE for more than a cut holds."""
    every = [(0, element_count(opened.type.shape))]
    if bytes_of(opened.type) > CUT_VALUES_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, seen=bytes_of(opened.type), wanted=CUT_VALUES_BYTES_MAX)
    if number < 0:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=number, wanted="a result")
    if not bytes_of(opened.type):  # its other dimensions may be beyond what numpy holds
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=0, wanted="an element")
    root = opened_root(opened, every)
    seen = merkle.root_from_set([root], places=[number], count=run.count, proof=proof)
    if seen != run.root:
        raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=seen, wanted=run.root)
    return tensor_of(np.reshape(elements(opened, every), opened.type.shape))
