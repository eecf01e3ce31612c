"""Pooling, one spatial dimension after the other, channels last inside."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import STEPS_MAX, Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.moves import Map
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import Window, channels_last, channels_second, windows
from vm.tensor import FLOATS, DType

WIDE = DType.FLOAT64


def _window(node: Node, x: Value) -> Window:
    kernel = node.integers("kernel_shape")
    if kernel is None or x.rank < 3:
        raise node.refused("no kernel_shape, or no spatial dimensions", reason=Reason.GRAPH_INVALID)
    found = windows(node, x.shape[2:], kernel, ceil_mode=node.flag("ceil_mode", 0))
    if node.text("auto_pad").startswith("SAME"):
        lasts = zip(found.out, found.strides, found.kernel, x.shape[2:], strict=True)
        if max(found.dilations) > 1 or any((out - 1) * stride + size < length for out, stride, size, length in lasts):
            raise node.declined("auto_pad", wanted="pads: engines disagree on them with dilations or gaps")
    return found


def _folded(b: Builder, x: Value, window: Window, op: Op, fill: float) -> Value:
    """Return x [N, *S, C] folded over its windows, [N, *O, C], one dimension after the other."""
    for at in range(window.rank):
        shape = [*x.shape, window.kernel[at]]
        shape[1 + at] = window.out[at]
        base, rows = [0] * x.rank, [[int(row == column) for column in range(x.rank + 1)] for row in range(x.rank)]
        base[1 + at] = -window.begins[at]
        rows[1 + at][1 + at], rows[1 + at][x.rank] = window.strides[at], window.dilations[at]
        taps = b.move(x, Map(x.shape, tuple(base), tuple(map(tuple, rows)), tuple(shape)), fill)
        x = b.reshape(taps, shape[:-1]) if window.kernel[at] == 1 and op is Op.REDUCE_MAX else b.fold(op, taps)
    return x


def _lowest(dtype: DType) -> float:
    """Return what padding counts as: the least finite number, as in ONNX Runtime, not an infinity (G107)."""
    return float(np.finfo(NUMPY_OF[dtype]).min) if dtype in FLOATS else int(np.iinfo(NUMPY_OF[dtype]).min)


@lowers("MaxPool")
def _max_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Take the largest of each window; its index in the input, too, if asked for."""
    x = operands[0]
    window = _window(node, x)
    column_major = node.flag("storage_order", 0)
    last = channels_last(b, x)
    found = [channels_second(b, _folded(b, last, window, Op.REDUCE_MAX, _lowest(x.dtype)))]
    if node.wants(1):
        found.append(_indices(b, node, x, window, column_major=column_major))
    return found


def _indices(b: Builder, node: Node, x: Value, window: Window, *, column_major: bool) -> Value:
    """Return for each window the index of its first largest element in the flat input [N, C, *S]."""
    rank, spatial = window.rank, x.shape[2:]
    if math.prod(window.kernel) > STEPS_MAX:
        raise node.declined("kernel_shape", wanted=f"at most {STEPS_MAX} taps where Indices are asked for")
    width = 2 + 2 * rank
    rows = [[int(row == column) for column in range(width)] for row in range(2 + rank)]
    for at in range(rank):
        rows[2 + at][2 + at], rows[2 + at][2 + rank + at] = window.strides[at], window.dilations[at]
    shape = (*x.shape[:2], *window.out, *window.kernel)
    base = (0, 0, *(-begin for begin in window.begins))
    taps = b.move(x, Map(x.shape, base, tuple(map(tuple, rows)), shape), _lowest(x.dtype))
    flat = b.reshape(taps, [*shape[: 2 + rank], math.prod(window.kernel)])
    tap = b.emit(Op.ARG_MAX, [flat], DType.INT64, flat.shape[:-1], [0])
    steps = [math.prod(spatial[:at]) if column_major else math.prod(spatial[at + 1 :]) for at in range(rank)]
    offsets = [
        sum(place * dilation * step for place, dilation, step in zip(places, window.dilations, steps, strict=True))
        for places in itertools.product(*map(range, window.kernel))
    ]
    found = b.take(b.constant(np.array(offsets, np.int64)), tap, 0)
    for at in range(rank):
        starts = (np.arange(window.out[at]) * window.strides[at] - window.begins[at]) * steps[at]
        found = b.add(found, b.constant(starts.reshape([-1 if each == at else 1 for each in range(rank)])))
    planes = np.arange(math.prod(x.shape[:2])) * math.prod(spatial)
    return b.add(found, b.constant(planes.reshape([*x.shape[:2], *[1] * rank])))


@lowers("AveragePool")
def _average_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Average each window; padding counts if the node says so."""
    x = operands[0]
    window = _window(node, x)
    padded = node.flag("count_include_pad", 0)
    total = _folded(b, channels_last(b, x), window, Op.REDUCE_SUM, 0)
    mean, whole = total, 1
    for at in range(window.rank):
        own = _counts(window, at, x.shape[2 + at], padded=padded)
        if (own == own[:1]).all():
            whole *= int(own[0]) if own.size else 1
        else:
            mean = b.div(mean, b.constant(own.reshape([-1 if each == 1 + at else 1 for each in range(total.rank)])))
    return [channels_second(b, b.cast(b.div(mean, whole), x.dtype))]


def _counts(window: Window, at: int, length: int, *, padded: bool) -> Array:
    """Return how many taps of each window along one dimension count, in float64; 1 for none, as 0 is their sum."""
    low, high = (-window.begins[at], length + window.ends[at]) if padded else (0, length)
    starts = np.arange(window.out[at], dtype=np.int64) * window.strides[at] - window.begins[at]
    size, dilation = window.kernel[at], window.dilations[at]
    first = np.clip(-((starts - low) // dilation), 0, size)  # the first tap at or beyond low
    beyond = np.clip(-((starts - high) // dilation), 0, size)
    counts: Array = np.maximum(beyond - first, 1).astype(np.float64)
    return counts


@lowers("LpPool")
def _lp_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Take the p-norm of each window."""
    x, p = operands[0], node.integer("p")
    total = _folded(b, powers(b, channels_last(b, x), p), _window(node, x), Op.REDUCE_SUM, 0)
    return [channels_second(b, b.cast(root(b, total, p), x.dtype))]


def powers(b: Builder, x: Value, p: int) -> Value:
    """Return |x| to the power p in float64."""
    wide = b.cast(x, WIDE)
    if p == 2:
        return b.mul(wide, wide)
    size = b.unary(Op.ABS, wide)
    return size if p == 1 else b.binary(Op.POW, size, p)


def root(b: Builder, x: Value, p: int) -> Value:
    """Return the p-th root of float64 values that are not negative."""
    if p == 1:
        return x
    return b.unary(Op.SQRT, x) if p == 2 else b.binary(Op.POW, x, 1 / p)


@lowers("GlobalMaxPool")
def _global_max_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    return [b.reduce(Op.REDUCE_MAX, x, range(2, x.rank), keep=True)]


@lowers("GlobalAveragePool")
def _global_average_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    return [b.cast(mean(b, x, range(2, x.rank)), x.dtype)]


def mean(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """Return the mean over axes, which stay as 1, in float64."""
    total = b.reduce(Op.REDUCE_SUM, x, axes, keep=True)
    return b.div(total, math.prod(x.shape[axis] for axis in axes))


@lowers("GlobalLpPool")
def _global_lp_pool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, p = operands[0], node.integer("p")
    total = b.reduce(Op.REDUCE_SUM, powers(b, x, p), range(2, x.rank), keep=True)
    return [b.cast(root(b, total, p), x.dtype)]
