"""The contractions for compilation: matrix products and convolutions as sums over runs of consecutive elements."""

from collections.abc import Callable
from typing import Any

from numba import types

from vm.canonical.fast_code_tile import tile
from vm.canonical.fast_code_words import clean, pointer, shifted

BLOCK = 64
"""Rows that are computed for all panels before the next: what they read stays in the nearest caches."""


def contraction(kind: Any, rows: int, lanes: int, *, descending: bool, side: bool) -> Callable[..., int]:
    """Return the kernel that computes rows of sums, panel by panel of `lanes` columns.

    Words: x, starts, number of rows, runs, number of runs, length of a run, packed [panels, runs, length, lanes],
    panels, out, its stride between rows, its columns, scratch of rows · lanes elements. As in `tile`; with `side` each
    panel's lanes follow those of the panel before in x too.
    """
    many = tile(rows, lanes, descending=descending, side=side)
    one = tile(1, lanes, descending=descending, side=side)
    skip = lanes if side else 0
    elements, indices = pointer(kind), pointer(types.int64)

    def contract(words):
        x, starts, count, runs, run_count = elements(words[0]), indices(words[1]), words[2], indices(words[3]), words[4]
        length, packed, panels, out, stride = words[5], elements(words[6]), words[7], elements(words[8]), words[9]
        columns, scratch = words[10], elements(words[11])
        size = run_count * length * lanes
        for block in range(0, count, BLOCK):
            end = min(count, block + BLOCK)
            for panel in range(panels):
                weights = shifted(packed, panel * size)
                source = shifted(x, panel * skip)
                column = panel * lanes
                width = min(lanes, columns - column)
                row = block
                while row < end:
                    done = rows if row + rows <= end else 1
                    if done == rows:
                        many(scratch, source, shifted(starts, row), runs, run_count, length, weights)
                    else:
                        one(scratch, source, shifted(starts, row), runs, run_count, length, weights)
                    for r in range(done):
                        for lane in range(width):
                            out[(row + r) * stride + column + lane] = clean(scratch[r * lanes + lane])
                    row += done
        return 0

    return contract
