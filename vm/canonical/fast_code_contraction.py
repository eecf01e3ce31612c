"""The contractions for compilation: matrix products and convolutions as sums over runs of consecutive elements."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from vm.canonical.fast_code_tile import tile

BLOCK = 64
"""Rows that are computed for all panels before the next: what they read stays in the nearest caches."""


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def shifted(_: Any, pointer: Any, offset: Any) -> Any:
    """Return a pointer moved by some elements."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        return build.gep(arguments[0], [arguments[1]])

    return pointer(pointer, offset), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def clean(_: Any, value: Any) -> Any:
    """Return a number with NaN in its one form."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        if not isinstance(value, types.Float):
            return arguments[0]
        wrong = build.fcmp_unordered("uno", arguments[0], arguments[0])
        return build.select(wrong, ir.Constant(arguments[0].type, float("nan")), arguments[0])

    return value(value), generate


def contraction(rows: int, lanes: int, *, descending: bool, side: bool) -> Callable[..., None]:
    """Return the function that computes rows of sums, panel by panel of `lanes` columns.

    Arguments: x, starts, number of rows, runs, number of runs, length of a run, packed [panels, runs, length, lanes],
    panels, out, its stride between rows, its columns, scratch of rows · lanes elements. As in `tile`; with `side` each
    panel's lanes follow those of the panel before in x too. Floats: NaN in its one form; -0 cannot arise.
    """
    many = tile(rows, lanes, descending=descending, side=side)
    one = tile(1, lanes, descending=descending, side=side)
    skip = lanes if side else 0

    def contract(  # type: ignore[no-untyped-def]  # numba has no types
        x, starts, count, runs, run_count, length, packed, panels, out, stride, columns, scratch
    ):
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

    made: Callable[..., None] = contract
    return made
