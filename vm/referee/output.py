"""Whether a party's outputs are what a trace gives, by one leaf of one of them (V136)."""

from primitives import merkle
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32
from vm.program import Outline, outline_root
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Opened, Proof, opened_root
from vm.referee.source import Held, Piece, leaf_range, told_bytes
from vm.trace import Trace


class OutputProof(Record, tag=7):
    """A leaf of an output in the true trace, of the whole or of the party's tail, and in the party's bundle."""

    outline: Outline
    place: U32
    """Among the outputs."""
    leaf: U32
    opened: Opened
    proof: Proof
    """Of the value among results or constants; of an input none."""
    piece: Piece


def judge_output(trace: Trace, shown: OutputProof, outputs: Held) -> bool:
    """Return whether a leaf of a party's output is other than the trace has it (V136).

    Raises Refused BAD_PROOF or CONTENT_MISMATCH where the proof does not show what it should.
    """
    check_known_answers()
    told, place = shown.outline, shown.place
    if outline_root(told) != trace.program:
        raise Refused(Reason.BAD_PROOF, what="program", seen=outline_root(told), wanted=trace.program)
    if place >= min(len(told.outputs), len(outputs.layout.types)):
        raise Refused(Reason.BAD_PROOF, what="output", seen=place, wanted=f"below {len(told.outputs)}")
    wanted = outputs.layout.types[place]
    if shown.opened.type != wanted:
        raise Refused(Reason.BAD_PROOF, what="type of an output", wanted="the lowering's")
    span = leaf_range(wanted, shown.leaf)
    _check_value(trace, told, told.outputs[place], opened_root(shown.opened, [span]), shown.proof)
    # Not in normal form: outputs that say the same in other bytes are rejected for their id (J24, J25).
    return shown.opened.leaves[0] != told_bytes(outputs, place, span, shown.piece)


def _check_value(trace: Trace, told: Outline, value: int, root: bytes, proof: list[bytes]) -> None:
    """Raise Refused BAD_PROOF unless this is the root that a trace has of a value: input, constant or result."""
    split, first = len(told.inputs), len(told.inputs) + told.constants
    if value < split:
        seen, wanted = root, trace.inputs[value]
    elif value < first:
        seen = merkle.root_from_set([root], places=[value - split], count=told.constants, proof=proof)
        wanted = told.constants_root
    else:
        run = trace.first
        seen = merkle.root_from_set([root], places=[value - first], count=run.count, proof=proof)
        wanted = run.root
    if seen != wanted:
        raise Refused(Reason.BAD_PROOF, what="value", seen=seen, wanted=wanted)
