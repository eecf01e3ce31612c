"""Comparison by value of what two machines computed, in exact integer arithmetic on bit patterns.

Every finite float is an integer times the smallest subnormal of its type, so nothing here rounds, and every validator
decides alike. The reference is the tensor of the party that judges: a verifier compares the provider's values with
its own.
"""

import math
from collections.abc import Iterable

from primitives.record import Record
from vm.manifest import Ratio
from vm.scale import Scales, row_length, values
from vm.tensor import FLOATS, ITEM_BYTES, Bundle, Tensor, element_count

PARTS = 10**9
"""Deviations are told in billionths."""
DEVIATION_MAX = 2**63 - 1
"""Told where no finite number says it: other integers, a NaN or infinity on one side, another shape."""


class Verdict(Record):
    """Whether two tensors (or bundles) agree, and where they differ most."""

    within: bool
    deviation: int
    """The largest deviation of an element from the reference, in billionths of its scale, rounded up."""
    tensor: int
    """The tensor of the bundle in which that element stands, from 0."""
    element: int
    """The element's place in C order, from 0."""


_OTHER_SHAPE = Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=0)


def compare_elements(reference: Tensor, other: Tensor, tolerance: Ratio, elements: Iterable[int]) -> Verdict:
    """Return the verdict that these elements of two float tensors of one type and shape give, which are in order."""
    left, right, length = values(reference), values(other), row_length(reference)
    scales = Scales(left, length, reference.dtype)
    square_num, square_den = tolerance.numerator**2, tolerance.denominator**2
    within, worst, where = True, -1, 0
    start, total, count = -1, 0, 0
    for at in elements:
        ref, value = left[at], right[at]
        if value == ref:
            continue  # V22: equal values, specials included, deviate by nothing
        if isinstance(ref, str) or isinstance(value, str):
            return Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=at)  # V22
        if start != at - at % length:
            start = at - at % length
            total, count, *_ = scales.of(start)
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
        return compare_elements(reference, other, tolerance, range(element_count(reference.shape)))
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
