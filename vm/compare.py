"""Comparison by value of what two machines computed, in exact integer arithmetic on bit patterns.

Every finite float is an integer times the smallest subnormal of its type, so nothing here rounds, and every validator
decides alike. The reference is the tensor of the party that judges: a verifier compares the provider's values with
its own.
"""

import math

from primitives.record import Record
from vm.manifest import Ratio
from vm.tensor import FLOATS, FRACTION_BITS, ITEM_BYTES, Bundle, DType, Tensor, words

SPREAD = 2**10
"""How far from the median magnitude an element may lie and still count for the scale (V23)."""
SCALE_ELEMENTS_MIN = 16
"""With fewer elements than this a row's scale is the tensor's (V23)."""
PARTS = 10**9
"""Deviations are told in billionths."""
DEVIATION_MAX = 2**63 - 1
"""Told where no finite number says it: other integers, a NaN or infinity on one side, another shape."""

_Value = int | str
"""A finite float in units of its type's smallest subnormal, or 'nan', '+inf', '-inf'."""


class Verdict(Record):
    """Whether two tensors (or bundles) agree, and where they differ most."""

    within: bool
    deviation: int
    """The largest deviation of an element from the reference, in billionths of its scale, rounded up."""
    tensor: int
    """The tensor of the bundle in which that element stands, from 0."""
    element: int
    """The element's place in C order, from 0."""


_ONE = {DType.FLOAT16: 24, DType.FLOAT32: 149, DType.FLOAT64: 1074}
"""The number 1 is two to this power of smallest subnormals."""
_OTHER_SHAPE = Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=0)


def _values(tensor: Tensor) -> list[_Value]:
    """Return the elements of a float tensor as exact integers (V21)."""
    fraction_bits, width = FRACTION_BITS[tensor.dtype], 8 * ITEM_BYTES[tensor.dtype]
    top = (1 << width - 1 - fraction_bits) - 1
    fraction_mask, hidden = (1 << fraction_bits) - 1, 1 << fraction_bits
    out: list[_Value] = []
    for word in words(tensor):
        fraction = word & fraction_mask
        exponent = word >> fraction_bits & top
        if exponent == top:
            out.append("nan" if fraction else "-inf" if word >> width - 1 else "+inf")
            continue
        magnitude = (hidden | fraction) << exponent - 1 if exponent else fraction
        out.append(-magnitude if word >> width - 1 else magnitude)
    return out


def _scale_set(values: list[_Value]) -> list[int]:
    """Return the finite nonzero magnitudes within 2¹⁰ of their lower median (V23)."""
    magnitudes = sorted(abs(value) for value in values if isinstance(value, int) and value)
    if not magnitudes:
        return []
    median = magnitudes[(len(magnitudes) - 1) // 2]
    return [each for each in magnitudes if each <= median * SPREAD and each * SPREAD >= median]


def _mean_square(chosen: list[int], one: int) -> tuple[int, int]:
    """Return S² as sum of squares and count; S is 1 where there is nothing to measure (V23)."""
    return (sum(each * each for each in chosen), len(chosen)) if chosen else (one * one, 1)


def _compare_floats(reference: Tensor, other: Tensor, tolerance: Ratio) -> Verdict:
    one = 1 << _ONE[reference.dtype]
    left, right = _values(reference), _values(other)
    row_length = max(1, reference.shape[-1] if reference.shape else 1)
    whole = _mean_square(_scale_set(left), one)
    square_num, square_den = tolerance.numerator**2, tolerance.denominator**2
    within, worst, where = True, -1, 0
    for start in range(0, len(left), row_length):
        row = left[start : start + row_length]
        if row == right[start : start + row_length]:
            continue  # V22: equal values, specials included, deviate by nothing
        chosen = _scale_set(row)
        total, count = _mean_square(chosen, one) if len(chosen) >= SCALE_ELEMENTS_MIN else whole
        for at, ref in enumerate(row, start):
            value = right[at]
            if value == ref:
                continue
            if isinstance(ref, str) or isinstance(value, str):
                return Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=at)  # V22
            # V24: |d| ≤ t·max(|ref|, S), both sides squared and multiplied by the count of the elements in S
            error = (value - ref) ** 2 * count
            scale = max(ref * ref * count, total)
            within = within and error * square_den <= scale * square_num
            deviation = -(-error * PARTS**2 // scale)
            if deviation > worst:
                worst, where = deviation, at
    return Verdict(within=within, deviation=min(_root_up(worst), DEVIATION_MAX), tensor=0, element=where)


def _root_up(square: int) -> int:
    return math.isqrt(square - 1) + 1 if square > 0 else 0


def compare(reference: Tensor, other: Tensor, tolerance: Ratio) -> Verdict:
    """Return whether every element of `other` is within `tolerance` of `reference` (V20).

    Tensors of another type or shape never agree; integers and bools agree only where they are equal (V25).
    """
    if (reference.dtype, reference.shape, len(reference.data)) != (other.dtype, other.shape, len(other.data)):
        return _OTHER_SHAPE
    if reference.data == other.data:
        return Verdict(within=True, deviation=0, tensor=0, element=0)
    if reference.dtype in FLOATS:
        return _compare_floats(reference, other, tolerance)
    size = ITEM_BYTES[reference.dtype]
    pairs = zip(reference.data, other.data, strict=True)
    first = next(at for at, (left, right) in enumerate(pairs) if left != right) // size
    return Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=first)


def compare_bundles(reference: Bundle, other: Bundle, tolerance: Ratio) -> Verdict:
    """Return the verdict on the worst tensor of a bundle; other names, or another order, never agree (V26)."""
    if [each.name for each in reference.tensors] != [each.name for each in other.tensors]:
        return _OTHER_SHAPE
    within, worst = True, Verdict(within=True, deviation=0, tensor=0, element=0)
    for at, (left, right) in enumerate(zip(reference.tensors, other.tensors, strict=True)):
        found = compare(left.tensor, right.tensor, tolerance)
        within = within and found.within
        if found.deviation > worst.deviation:
            worst = Verdict(within=found.within, deviation=found.deviation, tensor=at, element=found.element)
    return Verdict(within=within, deviation=worst.deviation, tensor=worst.tensor, element=worst.element)
