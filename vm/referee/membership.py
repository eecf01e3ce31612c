"""Whether an operation is in the tail, shown by one leaf of the bits that say so (V132)."""

from typing import Annotated

import msgspec

from primitives import merkle
from primitives.hashing import Hash
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32
from vm.program import TAIL_LEAF_BYTES, Outline, outline_root
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Proof
from vm.trace import ABSENT, Trace, ends_early


class TailProof(Record):
    """The bits of a thousand operations, with the proof that they are the program's."""

    leaf: Annotated[bytes, msgspec.Meta(max_length=TAIL_LEAF_BYTES)]
    proof: Proof


class AbsentProof(Record, tag=4):
    """That an operation is neither in the tail nor at the cut, and the digest that a trace of the tail has of it."""

    outline: Outline
    number: U32
    tail: TailProof
    digest: Hash
    run_proof: Proof


def is_in_tail(told: Outline, number: int, shown: TailProof) -> bool:
    """Tell whether operation `number` is in the tail. Raises Refused BAD_PROOF if that is not shown."""
    size = -(-told.operations // 8)
    place, bit = divmod(number, 8 * TAIL_LEAF_BYTES)
    wanted = min(TAIL_LEAF_BYTES, size - place * TAIL_LEAF_BYTES)
    if number >= told.operations or len(shown.leaf) != wanted:
        raise Refused(Reason.BAD_PROOF, what="bits of the tail", seen=len(shown.leaf), wanted=wanted)
    count = -(-size // TAIL_LEAF_BYTES)
    root = merkle.root_from_set([shown.leaf], places=[place], count=count, proof=shown.proof)
    if root != told.tail:
        raise Refused(Reason.BAD_PROOF, what="tail", seen=root, wanted=told.tail)
    return bool(shown.leaf[bit // 8] & 0x80 >> bit % 8)


def is_at_cut(told: Outline, number: int) -> bool:
    """Tell whether the result of operation `number` is a value of the cut."""
    return len(told.inputs) + told.constants + number in told.cut


def judge_absent(trace: Trace, shown: AbsentProof) -> bool:
    """Return whether the trace of a tail is right about an operation before the cut (V132).

    It is right to have ABSENT if the operation is neither in the tail nor at the cut, and wrong otherwise, or if it
    ends there. Raises Refused BAD_PROOF if the proof does not show what it should, or the trace has something else.
    """
    check_known_answers()
    told, number = shown.outline, shown.number
    if outline_root(told) != trace.program:
        raise Refused(Reason.BAD_PROOF, what="program", seen=outline_root(told), wanted=trace.program)
    run = trace.first
    root = merkle.root_from_set([shown.digest], places=[number], count=run.count, proof=shown.run_proof)
    if root != run.root:
        raise Refused(Reason.BAD_PROOF, what="results", seen=root, wanted=run.root)
    if shown.digest != ABSENT:
        raise Refused(Reason.BAD_PROOF, what="digest", seen=shown.digest, wanted=ABSENT)
    belongs = is_in_tail(told, number, shown.tail) or is_at_cut(told, number)
    return not belongs and not ends_early(run, number, told)
