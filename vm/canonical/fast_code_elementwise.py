"""Elementwise operators and folds for compilation, on boxes of five dimensions with any steps."""

from collections.abc import Callable
from typing import Any

from numba import njit, types

from vm.canonical.fast_code_words import clean, pointer, shifted


def _line(function: Any, result: Any) -> Any:
    """Return what applies an operator along one dimension."""

    @njit(error_model="numpy")
    def line(a, left, b, right, out, count):
        # three cases with steps that the compiler knows, which it makes instructions on vectors of
        if left == 1 and right == 1:
            for at in range(count):
                out[at] = clean(result(function(a[at], b[at])))
        elif left == 1 and right == 0:
            y = b[0]
            for at in range(count):
                out[at] = clean(result(function(a[at], y)))
        elif left == 0 and right == 1:
            x = a[0]
            for at in range(count):
                out[at] = clean(result(function(x, b[at])))
        else:
            for at in range(count):
                out[at] = clean(result(function(a[at * left], b[at * right])))

    return line


def binary(function: Any, kind: Any, result: Any) -> Callable[..., int]:
    """Return the kernel of an operator on two operands. Words: a, b, out, five sizes, steps in a, steps in b."""
    elements, results, line = pointer(kind), pointer(result), _line(function, result)

    def kernel(words):
        first, second, to = elements(words[0]), elements(words[1]), results(words[2])
        count, left, right = words[7], words[12], words[17]
        for i in range(words[3]):
            for j in range(words[4]):
                for k in range(words[5]):
                    for m in range(words[6]):
                        a = shifted(first, i * words[8] + j * words[9] + k * words[10] + m * words[11])
                        b = shifted(second, i * words[13] + j * words[14] + k * words[15] + m * words[16])
                        out = shifted(to, (((i * words[4] + j) * words[5] + k) * words[6] + m) * count)
                        line(a, left, b, right, out, count)
        return 0

    return kernel


def unary(function: Any, kind: Any, result: Any) -> Callable[..., int]:
    """Return the kernel of an operator on one operand. Words: x, out, how many."""
    elements, results = pointer(kind), pointer(result)

    def kernel(words):
        x, out = elements(words[0]), results(words[1])
        for at in range(words[2]):
            out[at] = clean(result(function(x[at])))
        return 0

    return kernel


def select(kind: Any) -> Callable[..., int]:
    """Return the kernel of SELECT. Words: condition, x, y, out, five sizes, steps in condition, in x, in y."""
    elements, flags = pointer(kind), pointer(types.uint8)

    def kernel(words):
        conditions, xs, ys, to = flags(words[0]), elements(words[1]), elements(words[2]), elements(words[3])
        count, turn, left, right = words[8], words[13], words[18], words[23]
        for i in range(words[4]):
            for j in range(words[5]):
                for k in range(words[6]):
                    for m in range(words[7]):
                        c = shifted(conditions, i * words[9] + j * words[10] + k * words[11] + m * words[12])
                        x = shifted(xs, i * words[14] + j * words[15] + k * words[16] + m * words[17])
                        y = shifted(ys, i * words[19] + j * words[20] + k * words[21] + m * words[22])
                        out = shifted(to, (((i * words[5] + j) * words[6] + k) * words[7] + m) * count)
                        for at in range(count):
                            out[at] = x[at * left] if c[at * turn] != 0 else y[at * right]
        return 0

    return kernel


def fold(function: Any, kind: Any) -> Callable[..., int]:
    """Return the kernel of a sum or product of floats. Words: x, out (float64), rows, n > 0, scratch of n float64."""
    elements, wide = pointer(kind), pointer(types.float64)

    def kernel(words):
        xs, out, rows, n, scratch = elements(words[0]), wide(words[1]), words[2], words[3], wide(words[4])
        top = 1
        while 2 * top < n:
            top *= 2
        for row in range(rows):
            x = shifted(xs, row * n)
            if n == 1:
                out[row] = clean(types.float64(x[0]))
                continue
            for at in range(n - top):
                scratch[at] = function(types.float64(x[at]), types.float64(x[top + at]))
            for at in range(n - top, top):
                scratch[at] = types.float64(x[at])
            half = top // 2
            while half > 0:
                for at in range(half):
                    scratch[at] = function(scratch[at], scratch[half + at])
                half //= 2
            out[row] = clean(scratch[0])
        return 0

    return kernel


def extreme(function: Any, kind: Any) -> Callable[..., int]:
    """Return the kernel of REDUCE_MAX or REDUCE_MIN. Words: x, out, rows, n > 0."""
    elements = pointer(kind)

    def kernel(words):
        xs, out, rows, n = elements(words[0]), elements(words[1]), words[2], words[3]
        for row in range(rows):
            x = shifted(xs, row * n)
            value = x[0]
            for at in range(1, n):
                value = function(value, x[at])
            out[row] = value
        return 0

    return kernel
