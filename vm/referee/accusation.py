"""What is put before the referee: one element of one operation, and all that it is computed from."""

import enum
from typing import Annotated

import msgspec

from primitives import codec
from primitives.record import Record
from primitives.units import U32, U64
from vm.program import OPERANDS_MAX, Operation, Outline
from vm.referee.membership import TailProof
from vm.referee.opening import Opened, Proof
from vm.tiles import PROOF_BYTES_MAX


class Claim(enum.IntEnum):
    """What is said of an operation in somebody's trace."""

    VALUE = 1
    """That an element of its result is not, or is, what the operands give."""
    TRAP = 2
    """That it traps, by the element of what is looked up or divided by."""


class Accusation(Record, tag=1):
    """An element of an operation in a trace, with its operands opened where it reads them (V86)."""

    outline: Outline
    operation: Operation
    number: U32
    operation_proof: Proof
    """In the outline's operations."""
    perturbed: bool
    """Whether the second run is meant."""
    claim: Claim
    element: U64
    """Of the result, in C order. Of a TRAP: of the indices (TAKE, SCATTER), of the divisor (DIV, MOD), of the result
    (POW)."""
    result: Opened | None
    """As the trace has it; None where the trace says that the operation traps."""
    operands: Annotated[list[Opened], msgspec.Meta(max_length=OPERANDS_MAX)]
    """All of them; without leaves where nothing is read."""
    constants_proof: Proof
    """Of the operands that are constants, among the roots of all."""
    run_proof: Proof
    """Of the operands that are results, and of this operation's own digest, among those of the run."""
    tail: TailProof | None
    """That the operation is in the tail; in the trace of a tail alone."""


def decode_accusation(raw: bytes) -> Accusation:
    """Return the accusation that `raw` encodes. Raises Refused TOO_LARGE above 256 KiB, or MALFORMED (V90)."""
    return codec.decode(Accusation, raw, at_most=PROOF_BYTES_MAX)
