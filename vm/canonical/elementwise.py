"""Elementwise operators that are exactly defined: arithmetic, comparison, logic, rounding, casts (G3)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vm.canonical.arrays import BLOCK, NUMPY_OF, Array
from vm.canonical.trapped import Trapped
from vm.program import Operation, TrapCode

Exact = Callable[[Operation, list[Array]], Array]


def simple(function: Callable[..., Array]) -> Exact:
    """Return the operator that is one function of numpy, each element of which IEEE 754 or arithmetic defines."""

    def applied(_: Operation, operands: list[Array]) -> Array:
        return function(*operands)

    return applied


def divide(_: Operation, operands: list[Array]) -> Array:
    """Return x / y; integers truncated towards zero (G22). Raises Trapped DIVISION."""
    x, y = operands
    if x.dtype.kind == "f":
        return np.divide(x, y)
    x, y = _divisible(x, y)
    quotient: Array = np.floor_divide(x, y)
    if x.dtype.kind == "u":
        return quotient
    rest = x - quotient * y
    shortfall: Array = ((rest != 0) & ((x < 0) != (y < 0))).astype(x.dtype)
    return np.add(quotient, shortfall)


def modulo(operation: Operation, operands: list[Array]) -> Array:
    """Return the rest of x / y, with the sign of y or that of x (G23). Raises Trapped DIVISION."""
    x, y = operands
    if x.dtype.kind == "f":
        return np.fmod(x, y)
    x, y = _divisible(x, y)
    rest = np.remainder(x, y)
    if operation.ints[0] == 0 or x.dtype.kind == "u":
        return rest
    return np.where((rest != 0) & ((x < 0) != (y < 0)), rest - y, rest)


def _divisible(x: Array, y: Array) -> tuple[Array, Array]:
    """Return integers of the same quotient and rest (mod y) without the one case that overflows, min / -1."""
    if x.size and (y == 0).any():  # beside nothing, nothing is divided
        raise Trapped(TrapCode.DIVISION)
    if x.dtype.kind == "u":
        return x, y
    return np.where(y == -1, np.negative(x), x), np.where(y == -1, y.dtype.type(1), y)


def power_of_integers(x: Array, y: Array) -> Array:
    """Return x to the power y by squaring, wrapping; truncated towards zero if y < 0 (G25). Raises Trapped DIVISION."""
    x, y = np.broadcast_arrays(x, y)
    one = x.dtype.type(1)
    negative = y < 0
    if (negative & (x == 0)).any():
        raise Trapped(TrapCode.DIVISION)
    # 1 / x^|y| is x^|y| itself for x = ±1, and less than 1 for all others; and only y's parity counts then
    left = np.where(negative, y & one, y)
    result, square = np.ones(x.shape, x.dtype), np.array(x)
    while left.any():
        result = np.where(left & one, result * square, result)
        square, left = square * square, left >> one
    return np.where(negative & (x != one) & (np.abs(x) != one), x.dtype.type(0), result)


def shift(operation_of_numpy: Callable[..., Array]) -> Exact:
    """Return the operator that shifts unsigned integers; by their width or more it gives 0 (G27)."""

    def applied(_: Operation, operands: list[Array]) -> Array:
        x, by = operands
        width = x.dtype.type(8 * x.dtype.itemsize)
        fits = by < width
        return np.where(fits, operation_of_numpy(x, np.where(fits, by, 0).astype(x.dtype)), x.dtype.type(0))

    return applied


def infinite(operation: Operation, operands: list[Array]) -> Array:
    """Return where x is an infinity of the signs that count (G29)."""
    x = operands[0]
    negative, positive = operation.ints
    return np.isinf(x) & (((x < 0) & bool(negative)) | ((x > 0) & bool(positive)))


def cast(operation: Operation, operands: list[Array]) -> Array:
    """Return x in the result's type (G30)."""
    x, to = operands[0], NUMPY_OF[operation.result.dtype]
    if to.kind == "b":
        return x.astype(to)  # NaN is not zero
    if x.dtype.kind != "f" or to.kind == "f":
        return x.astype(to)
    flat = x.reshape(-1)
    result = np.empty(flat.shape, to)
    for at in range(0, flat.size, BLOCK):
        result[at : at + BLOCK] = _whole(flat[at : at + BLOCK].astype(np.float64), to)
    return result.reshape(x.shape)


def _whole(x: Array, to: np.dtype[Any]) -> Array:
    """Return float64 truncated to integers, the nearest there are; 0 for NaN."""
    limits = np.iinfo(to)
    least, beyond = float(limits.min), float(int(limits.max) + 1)  # exact: powers of two
    fits = (x > least - 1) & (x < beyond)  # for 64 bits least - 1 is least, which is told just below
    whole = np.trunc(np.where(fits, x, 0)).astype(to)
    return np.where(x >= beyond, to.type(limits.max), np.where(x <= least, to.type(limits.min), whole))
