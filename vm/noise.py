"""A job's own noise: how far the second run moves each row of a value at the cut, and deviations in units of that.

Exact integer arithmetic on bit patterns: squares of deviations are kept in units of 2^-80, rounded as each rule says,
so that every judge gets the same number (V100-V104).
"""

import math
from collections.abc import Iterable
from typing import Annotated

import msgspec

from primitives.record import Record
from primitives.units import U32, U64
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Ratio
from vm.scale import ELEMENTS_MIN, Scale, Scales, Value, row_length, values
from vm.tensor import FLOATS, Tensor

UNIT_BITS = 80
"""Squares of deviations are told in units of 2^-80, the square of 2^-40: a millionth of the floor of σ."""
FLOOR = 1 << UNIT_BITS - 40
"""σ² is at least (2^-20)²: machines are not asked to agree more closely than float32 rounds."""
NOISE_MAX = 2**63 - 1
"""Told for everything above, σ of 1/362 and more: a job is ill-conditioned long before."""
OWN = 16
"""An element that the second run moves by more than 4 σ is judged by a quarter of that; squared."""
IN_SIGMA_MAX = 2**63 - 1
"""Told where no number of σ says it: a NaN or an infinity on one side."""
THOUSANDTHS = 1000
HONEST_SIGMA = 8
"""No honest machine deviates by more, as measured: a verifier must accept it (DESIGN 6.10c)."""
PAID_SIGMA = 16
"""What is within is paid; the tolerance between workers, who may deviate to both sides."""
SLASHED_SIGMA = 64
ILL_CONDITIONED = 1000
"""A job is ill-conditioned if 16 σ is more than a thousandth (DESIGN 6.10d)."""
_TOTAL_BYTES_MAX = 540
"""Sum of squares of float64 in units of its smallest subnormal: 2 · 2098 bits, and some for the sum."""


class Row(Record):
    """Scale and noise of one row of a value at the cut, as the trace of a canonical run holds them."""

    total: Annotated[bytes, msgspec.Meta(max_length=_TOTAL_BYTES_MAX)]
    """With `members`: S² = total / members, in the square of the type's smallest subnormal; big-endian, shortest."""
    members: U32
    noise: U64
    """σ² in units of 2^-80."""


def total_of(row: Row) -> int:
    """Return the sum of squares of a row's record."""
    return int.from_bytes(row.total, "big")


def is_sound(row: Row) -> bool:
    """Tell whether a record can be one: with a scale above 0, and noise within its bounds (V100, V102)."""
    return row.members > 0 and total_of(row) > 0 and FLOOR <= row.noise <= NOISE_MAX


def _record(scale: Scale, noise: int) -> Row:
    total = scale.total.to_bytes((scale.total.bit_length() + 7) // 8, "big")
    return Row(total=total, members=scale.members, noise=noise)


def _square(reference: Value, other: Value, total: int, members: int) -> int | None:
    """Return the square of the deviation in units of 2^-80, rounded down; None if no number says it (V101)."""
    if reference == "nan":
        return None  # V102: engines pass over a NaN, or don't, as their instructions do
    if reference == other:
        return 0
    if isinstance(reference, str) or isinstance(other, str):
        return None
    return _finite_square(reference, other, total, members)


def _finite_square(reference: int, other: int, total: int, members: int) -> int:
    error = (other - reference) ** 2 * members
    return (error << UNIT_BITS) // max(reference * reference * members, total)


def _common_zeros(numbers: Iterable[Value]) -> int:
    """Return how many bits at the end of all finite numbers are 0."""
    bits = 0
    for each in numbers:
        if isinstance(each, int):
            bits |= each
    return (bits & -bits).bit_length() - 1 if bits else 0


def _noise(canonical: list[Value], perturbed: list[Value], scale: Scale) -> int:
    """Return σ² over the elements that make the scale, within its bounds (V102)."""
    squares: list[int] = []
    # What all are multiples of changes no ratio, and shorter integers are faster.
    shift = _common_zeros((*canonical, *perturbed))
    total = scale.total >> 2 * shift
    for reference, moved in zip(canonical, perturbed, strict=True):
        if isinstance(reference, str) or isinstance(moved, str):
            if reference == "nan" or reference != moved:
                return NOISE_MAX
        elif scale.counts(reference):
            squares.append(_finite_square(reference >> shift, moved >> shift, total, scale.members))
    return min(max(sum(squares) // len(squares) if squares else 0, FLOOR), NOISE_MAX)


def unit_of(row: Row, canonical: Value, perturbed: Value, tolerance: Ratio) -> int:
    """Return the square of σ by which an element of a row is judged, in units of 2^-80 (V103).

    `canonical` and `perturbed` are the element in the two runs, `row` is sound.
    """
    own = _square(canonical, perturbed, total_of(row), row.members)
    if own is None:
        return NOISE_MAX
    least = square_of_sixteenth(tolerance) if row.members < ELEMENTS_MIN else FLOOR
    return min(max(row.noise, own // OWN, least), NOISE_MAX)


def in_sigma(row: Row, unit: int, reference: Value, seen: Value) -> int:
    """Return how far a value is off, in thousandths of the σ whose square is `unit`, rounded up (V104)."""
    if seen == reference:
        return 0
    if isinstance(reference, str) or isinstance(seen, str):
        return IN_SIGMA_MAX
    # The square of |seen − reference| / max(|reference|, S) / σ, rounded up only once.
    above = ((seen - reference) ** 2 * row.members << UNIT_BITS) * THOUSANDTHS**2
    below = max(reference * reference * row.members, total_of(row)) * unit
    return min(math.isqrt(-(-above // below) - 1) + 1, IN_SIGMA_MAX)


class Noise:
    """What the two canonical runs say of one float value: the noise of each of its rows (V102)."""

    def __init__(self, canonical: Tensor, perturbed: Tensor, tolerance: Ratio = TOLERANCE_LEAST) -> None:
        """Take the two runs, and the tolerance of the job's lowering: it says how noisy the publisher's samples were.

        Of fewer than 16 values σ is found by luck: the second run may move them hardly, or all together.
        """
        assert canonical.dtype in FLOATS
        self._tolerance = tolerance
        assert (canonical.dtype, canonical.shape) == (perturbed.dtype, perturbed.shape)
        self._dtype = canonical.dtype
        self._canonical, self._perturbed = values(canonical), values(perturbed)
        self._length = row_length(canonical)
        self._scales = Scales(self._canonical, self._length, canonical.dtype)
        self._whole: int | None = None
        self._rows: dict[int, Row] = {}

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._canonical) // self._length

    def rows(self) -> list[Row]:
        """Return the record of each row, in order."""
        return [self.row(at) for at in range(self.count)]

    def row(self, number: int) -> Row:
        """Return the record of a row."""
        start = number * self._length
        if start not in self._rows:
            scale = self._scales.of(start)
            if scale.own:
                end = start + self._length
                noise = _noise(self._canonical[start:end], self._perturbed[start:end], scale)
            else:
                if self._whole is None:
                    self._whole = _noise(self._canonical, self._perturbed, scale)
                noise = self._whole
            self._rows[start] = _record(scale, noise)
        return self._rows[start]

    def unit(self, at: int) -> int:
        """Return the square of σ by which an element is judged (V103)."""
        return unit_of(self.row(self.row_of(at)), self._canonical[at], self._perturbed[at], self._tolerance)

    def row_of(self, at: int) -> int:
        """Return in which row an element stands."""
        return at // self._length

    def noisiest(self) -> tuple[int, int]:
        """Return the largest σ² of an element, in units of 2^-80, and the first element that has it."""
        worst, where = FLOOR, 0
        for at in range(len(self._canonical)):
            unit = self.unit(at)
            if unit > worst:
                worst, where = unit, at
        return worst, where

    def largest(self) -> int:
        """Return the largest σ² of an element, in units of 2^-80."""
        return self.noisiest()[0]

    def in_sigma(self, at: int, seen: Value) -> int:
        """Return how far a value for element `at` is off, in thousandths of σ, rounded up (V104)."""
        return in_sigma(self.row(self.row_of(at)), self.unit(at), self._canonical[at], seen)

    def worst(self, seen: Tensor) -> tuple[int, int]:
        """Return the largest deviation of a tensor in thousandths of σ, and the first element that has it (V104).

        A tensor of another type or shape is off by IN_SIGMA_MAX at element 0.
        """
        found = values(seen) if seen.dtype is self._dtype else []
        if len(found) != len(self._canonical):
            return IN_SIGMA_MAX, 0
        worst, where = 0, 0
        for at, value in enumerate(found):
            off = 0 if value == self._canonical[at] else self.in_sigma(at, value)
            if off > worst:
                worst, where = off, at
        return worst, where


def square_of_sixteenth(tolerance: Ratio) -> int:
    """Return the square of a sixteenth of a tolerance in units of 2^-80, rounded down: of the least one, FLOOR."""
    return (tolerance.numerator**2 << UNIT_BITS) // (tolerance.denominator * PAID_SIGMA) ** 2


def ill_conditioned(noise: int) -> bool:
    """Tell whether a job with a σ² of this size is ill-conditioned: 16 σ above a thousandth (V105)."""
    return noise * (PAID_SIGMA * ILL_CONDITIONED) ** 2 > 1 << UNIT_BITS


def billionths(noise: int) -> int:
    """Return σ in billionths, rounded up, from its square in units of 2^-80."""
    square = noise * 10**18
    return -(-(math.isqrt(square - 1) + 1) // (1 << UNIT_BITS // 2)) if square else 0
