"""Floats as exact integers, and the scale of a row: what deviations are measured by (V21, V23).

Every finite float is an integer times the smallest subnormal of its type, so nothing here rounds.
"""

from typing import NamedTuple

from vm.tensor import FRACTION_BITS, ITEM_BYTES, DType, Tensor, words

SPREAD = 2**10
"""How far from the row's typical magnitude an element may lie and still count (V23)."""
TYPICAL = 8
"""The typical magnitude is the one that an eighth of the elements stay below: masks are large, and may be many."""
ELEMENTS_MIN = 16
"""With fewer elements than this a row's scale is the tensor's (V23)."""

Value = int | str
"""A finite float in units of its type's smallest subnormal, or 'nan', '+inf', '-inf'."""

_ONE = {DType.FLOAT16: 24, DType.FLOAT32: 149, DType.FLOAT64: 1074}
"""The number 1 is two to this power of smallest subnormals."""


class Scale(NamedTuple):
    """The scale S of a row, as S² = total / members, and the magnitudes that have a part in it."""

    total: int
    members: int
    least: int
    most: int
    own: bool
    """Whether it is the row's own; else it is the tensor's."""

    def counts(self, value: Value) -> bool:
        """Tell whether a value has a part in the scale."""
        return isinstance(value, int) and self.least <= abs(value) <= self.most


def values(tensor: Tensor) -> list[Value]:
    """Return the elements of a float tensor as exact integers (V21)."""
    fraction_bits, width = FRACTION_BITS[tensor.dtype], 8 * ITEM_BYTES[tensor.dtype]
    top = (1 << width - 1 - fraction_bits) - 1
    fraction_mask, hidden = (1 << fraction_bits) - 1, 1 << fraction_bits
    out: list[Value] = []
    for word in words(tensor):
        fraction = word & fraction_mask
        exponent = word >> fraction_bits & top
        if exponent == top:
            out.append("nan" if fraction else "-inf" if word >> width - 1 else "+inf")
            continue
        magnitude = (hidden | fraction) << exponent - 1 if exponent else fraction
        out.append(-magnitude if word >> width - 1 else magnitude)
    return out


def row_length(tensor: Tensor) -> int:
    """Return how many elements a row has: the length of the last axis, at least 1."""
    return max(1, tensor.shape[-1] if tensor.shape else 1)


def scale(numbers: list[Value], dtype: DType, *, own: bool) -> Scale:
    """Return the scale of these numbers by themselves (V23)."""
    magnitudes = sorted(abs(value) for value in numbers if isinstance(value, int) and value)
    if not magnitudes:
        one = 1 << _ONE[dtype]
        return Scale(total=one * one, members=1, least=1, most=0, own=own)
    typical = magnitudes[(len(magnitudes) - 1) // TYPICAL]
    least, most = -(-typical // SPREAD), typical * SPREAD
    chosen = [each for each in magnitudes if least <= each <= most]
    return Scale(total=sum(each * each for each in chosen), members=len(chosen), least=least, most=most, own=own)


class Scales:
    """The scales of a tensor's rows, each worked out when it is asked for."""

    def __init__(self, numbers: list[Value], length: int, dtype: DType) -> None:
        self._numbers, self._length, self._dtype = numbers, length, dtype
        self._whole: Scale | None = None

    @property
    def whole(self) -> Scale:
        """The tensor's scale."""
        if self._whole is None:
            self._whole = scale(self._numbers, self._dtype, own=False)
        return self._whole

    def of(self, start: int) -> Scale:
        """Return the scale of the row that starts at element `start`: its own, or the tensor's (V23)."""
        found = scale(self._numbers[start : start + self._length], self._dtype, own=True)
        few = found.members < ELEMENTS_MIN or found.most == 0
        return self.whole if few else found
