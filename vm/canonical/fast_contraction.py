"""Matrix products and convolutions by the compiled kernels.

Both are sums over *runs* of consecutive elements of x: a matrix product has one run per row, a convolution one per tap,
or one per row of taps where these lie side by side. A convolution reads a copy of x that is padded with zeros, which
add nothing to a sum while all weights are finite: no sum that begins with +0 is ever -0.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vm.canonical.arrays import Array
from vm.canonical.fast_library import FLOATS, LANES, ROWS_MAX, Library
from vm.program import Operation, Program, convolution

_ELEMENTS = {"<f4": "f4", "<f8": "f8", "<i4": "i4", "<u4": "i4"}
"""By numpy's name of a type, that of the kernel: without signs, wrapping sums have the same bits."""
SIDE_ROOM = max(max(widths) for widths in LANES.values())
"""Elements behind a padded x, for the lanes of a last panel that is not full."""
_SHARE_ROWS_MIN = 64
"""Fewer rows for each thread do not pay."""
_SMALL_BATCH = 64
_SMALL_WORK = 4096
"""More products than this, each of less work than this: numpy does them sooner, all at once."""


@dataclass(frozen=True, slots=True)
class Panels:
    """Columns of weights, re-laid [panels, steps, lanes]."""

    column: int
    columns: int
    lanes: int
    weights: Array


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one group."""

    columns: int
    panels: list[Panels]
    finite: bool


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution reads x: what follows from the shapes."""

    padded: list[int]
    inner: tuple[slice, ...]
    """Where in the padded copy x stands, or what is needed of it."""
    taken: tuple[slice, ...]
    """Which part of x that is."""
    copied: bool
    """False: all taps lie inside of x, which is read where it is."""
    starts: Array
    runs: Array
    length: int


class Contractions:
    """MATMUL and CONV; what follows from a program's constants and shapes is kept."""

    def __init__(self, library: Library, program: Program | None, threads: int) -> None:
        self._library, self._threads = library, threads
        self._constants = range(len(program.inputs), program.first_result) if program else range(0)
        self._weights: dict[int, tuple[Array, list[Weights]]] = {}
        self._windows: dict[tuple[int, ...], Window] = {}
        self._keeps_windows = program is not None
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def matmul(self, operation: Operation, operands: list[Array], perturbed: bool) -> Array | None:  # noqa: FBT001
        """Contract the last axes of a and b; None for other types, and for many small products."""
        a, b = operands
        if a.dtype.str not in _ELEMENTS:
            return None
        (*batch, rows, columns), steps = operation.result.shape, a.shape[-1]
        out = np.empty([*batch, rows, columns], a.dtype)
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        if math.prod(b.shape[:-2]) == 1 and math.prod(a.shape[:-2]) == math.prod(batch):
            count = math.prod(batch) * rows
            [weights] = self._relaid(operation, b, (1, columns, steps))
            self._sum(a, _starts(count, steps), _FIRST, steps, weights, out.reshape(count, columns), back=perturbed)
            return out
        many = math.prod(batch)
        if many > _SMALL_BATCH and rows * columns * steps < _SMALL_WORK:
            return None
        lefts = np.broadcast_to(a, [*batch, rows, steps]).reshape(many, rows, steps)
        rights = np.broadcast_to(b, [*batch, columns, steps]).reshape(many, columns, steps)
        starts = _starts(rows, steps)
        for left, right, part in zip(lefts, rights, out.reshape(many, rows, columns), strict=True):
            weights = relaid(right)
            self._sum(np.ascontiguousarray(left), starts, _FIRST, steps, weights, part, back=perturbed)
        return out

    def conv(self, operation: Operation, operands: list[Array], perturbed: bool) -> Array | None:  # noqa: FBT001
        """Convolve, channels last; None for other types, and for weights that are not finite."""
        x, w = operands
        if x.dtype.str not in _ELEMENTS:
            return None
        told, steps = convolution(operation), math.prod(w.shape[1:])
        groups, channels, filters = told.groups, w.shape[-1], w.shape[0] // told.groups
        side = channels == 1 and filters == 1 and groups > 1
        parts = self._relaid(operation, w, (1, w.shape[0], steps) if side else (groups, filters, steps))
        window = self._window(operation, x.shape, w.shape, side=side)
        if window.copied and not all(part.finite for part in parts):
            return None
        source = _padded(x, window) if window.copied else np.ascontiguousarray(x)
        out = np.empty(operation.result.shape, x.dtype)
        rows, flat = out.reshape(-1, out.shape[-1]), source.reshape(-1)
        for group, weights in enumerate(parts):
            to = rows[:, group * filters :]
            self._sum(
                flat[group * channels :], window.starts, window.runs, window.length, weights, to,
                back=perturbed, side=side,
            )  # fmt: skip
        return out

    def _relaid(self, operation: Operation, w: Array, shape: tuple[int, int, int]) -> list[Weights]:
        """Return the weights of each group re-laid, by groups, columns and steps; those of constants are kept."""
        number = operation.operands[1]
        found = self._weights.get(number)
        if found is not None and found[0] is w and len(found[1]) == shape[0]:
            return found[1]
        made = [relaid(part) for part in w.reshape(shape)]
        if number in self._constants:
            self._weights[number] = w, made
        return made

    def _window(self, operation: Operation, x: tuple[int, ...], w: tuple[int, ...], *, side: bool) -> Window:
        """Return how a convolution reads x; kept for a program, in which an operand has one shape."""
        if not self._keeps_windows:
            return window_of(operation, x, w, side=side)
        key = (*operation.operands, *operation.ints, *operation.result.shape)
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = window_of(operation, x, w, side=side)
        return found

    def _sum(
        self, x: Array, starts: Array, runs: Array, length: int, weights: Weights, out: Array,
        *, back: bool, side: bool = False,
    ) -> None:  # fmt: skip
        """Fill the first columns of `out`, as many as there are weights, in shares of rows."""
        element = _ELEMENTS[x.dtype.str]
        turned = back and element in FLOATS

        def share(first: int, count: int) -> None:
            for panels in weights.panels:
                name = f"contract_{element}_{panels.lanes}{'_descending' * turned}{'_side' * side}"
                scratch = np.empty(ROWS_MAX * panels.lanes, x.dtype)
                words = [
                    x.ctypes.data + side * panels.column * x.itemsize, starts.ctypes.data + first * starts.itemsize,
                    count, runs.ctypes.data, len(runs), length, panels.weights.ctypes.data, len(panels.weights),
                    out.ctypes.data + first * out.strides[0] + panels.column * out.itemsize,
                    out.strides[0] // out.itemsize, panels.columns, scratch.ctypes.data,
                ]  # fmt: skip
                self._library.call(name, np.array(words, np.int64))

        rows = len(starts)
        each = max(_SHARE_ROWS_MIN, -(-rows // self._threads))
        if self._pool is None or rows <= each:
            share(0, rows)
            return
        for done in [self._pool.submit(share, first, min(each, rows - first)) for first in range(0, rows, each)]:
            done.result()


_FIRST = np.zeros(1, np.int64)


def _starts(rows: int, steps: int) -> Array:
    return np.arange(rows, dtype=np.int64) * steps


def relaid(w: Array) -> Weights:
    """Return weights [columns, steps] in panels: wide ones, then one that is just wide enough for the rest."""
    columns, steps = w.shape
    widths = LANES[_ELEMENTS[w.dtype.str]]
    wide = widths[-1]
    whole = columns // wide
    panels = []
    if whole:
        split = w[: whole * wide].reshape(whole, wide, steps)
        panels.append(Panels(0, whole * wide, wide, np.ascontiguousarray(split.transpose(0, 2, 1))))
    rest = columns - whole * wide
    if rest:
        lanes = next(lanes for lanes in widths if lanes >= rest)
        last = np.zeros((1, steps, lanes), w.dtype)
        last[0, :, :rest] = w[whole * wide :].T
        panels.append(Panels(whole * wide, rest, lanes, last))
    return Weights(columns, panels, bool(np.isfinite(w).all()))


def _padded(x: Array, window: Window) -> Array:
    """Return a copy of x within zeros, and room behind it for the lanes of a last panel that is not full."""
    size = math.prod(window.padded)
    copy = np.zeros(size + SIDE_ROOM, x.dtype)[:size].reshape(window.padded)
    copy[window.inner] = x[window.taken]
    return copy


def window_of(operation: Operation, x: tuple[int, ...], w: tuple[int, ...], *, side: bool) -> Window:
    """Work out which elements of x, padded, each row of sums reads."""
    told, taps, results = convolution(operation), w[1:-1], operation.result.shape[1:-1]
    padded, inner, taken, copied = [x[0]], [slice(None)], [slice(None)], side and x[-1] % SIDE_ROOM != 0
    for size, result, tap, stride, dilation, pad in zip(
        x[1:-1], results, taps, told.strides, told.dilations, told.pads, strict=True
    ):
        needed = (result - 1) * stride + (tap - 1) * dilation + 1 if result else 0
        inside = pad == 0 and needed <= size
        first, lead = max(0, -pad), max(0, pad)
        count = size if inside else max(0, min(size - first, needed - lead))
        padded.append(size if inside else needed)
        inner.append(slice(lead, lead + count))
        taken.append(slice(first, first + count))
        copied = copied or not inside
    padded.append(x[-1])
    steps = [math.prod(padded[at + 1 :]) for at in range(len(padded))]
    strides = [steps[0], *(step * stride for step, stride in zip(steps[1:-1], told.strides, strict=True))]
    between = [step * dilation for step, dilation in zip(steps[1:-1], told.dilations, strict=True)]
    joined = told.groups == 1 and told.dilations[-1] == 1  # the taps of a row lie side by side
    return Window(
        padded=padded, inner=(*inner, slice(None)), taken=(*taken, slice(None)), copied=copied,
        starts=_places([x[0], *results], strides), runs=_places(taps[:-1] if joined else taps, between),
        length=taps[-1] * w[-1] if joined else w[-1],
    )  # fmt: skip


def _places(shape: Sequence[int], steps: Sequence[int]) -> Array:
    """Return the sum of coordinates times steps, for all coordinates of a shape in C order."""
    places = np.zeros(1, np.int64)
    for size, step in zip(shape, steps, strict=False):
        places = (places[:, None] + np.arange(size, dtype=np.int64) * step).reshape(-1)
    return places
