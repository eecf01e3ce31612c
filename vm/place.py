"""Where two traces differ first: what the duel about them has come to, and what either has to show (V131)."""

from primitives.record import Record
from primitives.units import U32, U64


class InputPlace(Record, tag=1):
    """A leaf of an input."""

    input: U32
    leaf: U32
    """0 where the types differ."""


class ResultPlace(Record, tag=2):
    """An element of an operation's result."""

    perturbed: bool
    number: U32
    """Of the operation."""
    element: U64
    """The first that differs in the leaf that differs first; 0 where types differ, where the digest of one side is
    that of no value (but of no trap), and at the last result of a run that ends before the program does."""


class TrapPlace(Record, tag=3):
    """An operation that traps on one side alone. Only that side defends itself, and with that the other is judged."""

    perturbed: bool
    number: U32


class EndPlace(Record, tag=5):
    """Results that are the same, with noise on one side alone. The other defends itself: a run of both ends in a trap.

    Only that side does, and with that the other is judged.
    """


class NoisePlace(Record, tag=4):
    """A row of a value at the cut."""

    place: U32
    """Among the values of the cut."""
    row: U32


Place = InputPlace | ResultPlace | TrapPlace | NoisePlace | EndPlace
