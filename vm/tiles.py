"""The worst that a referee may have to look at: budgets of one element, told before any run."""

from primitives.record import Record
from primitives.units import U32, U64


class Tile(Record):
    """What recomputing the worst single element of a program takes."""

    proof_bytes: U64
    steps: U32
    """Sequential ones."""
    flops: U64
    operation: U32
    """The operation whose element it is."""
