"""Data movement for compilation: filling, copying between any two regular places, and taking by index."""

from collections.abc import Callable
from typing import Any

from numba import types

from vm.canonical.fast_code_words import pointer, shifted


def fill(kind: Any) -> Callable[..., int]:
    """Return the kernel that sets elements. Words: to, how many, the value's bits."""
    elements = pointer(kind)

    def kernel(words):
        to, count, value = elements(words[0]), words[1], kind(words[2])
        for at in range(count):
            to[at] = value
        return 0

    return kernel


def copy(kind: Any) -> Callable[..., int]:
    """Return the kernel that copies a box. Words: from, to, five sizes, five steps in from, five steps in to."""
    elements = pointer(kind)

    def kernel(words):
        source, to = elements(words[0]), elements(words[1])
        count, step, stride = words[6], words[11], words[16]
        for i in range(words[2]):
            for j in range(words[3]):
                for k in range(words[4]):
                    for m in range(words[5]):
                        x = shifted(source, i * words[7] + j * words[8] + k * words[9] + m * words[10])
                        y = shifted(to, i * words[12] + j * words[13] + k * words[14] + m * words[15])
                        if step == 1 and stride == 1:
                            for at in range(count):
                                y[at] = x[at]
                        elif stride == 1:
                            for at in range(count):
                                y[at] = x[at * step]
                        else:
                            for at in range(count):
                                y[at * stride] = x[at * step]
        return 0

    return kernel


def take(kind: Any) -> Callable[..., int]:
    """Return the kernel that takes by index; it traps where one lies outside.

    Words: from [outer, n, inner], indices, to [outer, count, inner], outer, n, inner, count, trap code.
    """
    elements, indices = pointer(kind), pointer(types.int64)

    def kernel(words):
        source, places, to = elements(words[0]), indices(words[1]), elements(words[2])
        outer, n, inner, count = words[3], words[4], words[5], words[6]
        for at in range(count):
            if places[at] < -n or places[at] >= n:
                return words[7]
        for i in range(outer):
            for at in range(count):
                place = places[at] + n if places[at] < 0 else places[at]
                x, y = shifted(source, (i * n + place) * inner), shifted(to, (i * count + at) * inner)
                for k in range(inner):
                    y[k] = x[k]
        return 0

    return kernel
