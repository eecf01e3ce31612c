"""The rule for GridSample: elements at computed places between others, in two or three dimensions."""

from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

_MODES = {"bilinear": "linear", "bicubic": "cubic", "linear": "linear", "nearest": "nearest", "cubic": "cubic"}
_PADDINGS = ("zeros", "border", "reflection")
_CUBIC = -0.75


@dataclass(frozen=True)
class _Tap:
    """One neighbour along a dimension, for each place: its index, its weight, and whether it is there at all."""

    index: Value
    weight: Value | None
    inside: Value | None


@lowers("GridSample")
def _grid_sample(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, grid = operands[0], operands[1]
    mode, padding, aligned = node.text("mode"), node.text("padding_mode"), node.flag("align_corners")
    depth = x.rank - 2
    if mode not in _MODES or (_MODES[mode] == "cubic" and depth != 2):
        raise node.declined("mode", wanted="linear, nearest, or cubic in two dimensions")
    if padding not in _PADDINGS:
        raise node.declined("padding_mode", wanted=", ".join(_PADDINGS))
    if depth not in (2, 3) or grid.rank != x.rank or grid.shape[-1] != depth or grid.shape[0] != x.shape[0]:
        raise node.refused(f"grid {list(grid.shape)} for {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    shape = (x.shape[0], x.shape[1], *grid.shape[1:-1])
    if 0 in shape or 0 in x.shape:
        return [builder.full(0, x.dtype, shape)]
    wide = grid if grid.dtype is DType.FLOAT64 else builder.cast(grid, DType.FLOAT32)
    taps: list[list[_Tap]] = []
    for at, size in enumerate(x.shape[2:]):
        place = builder.reshape(builder.narrow(wide, grid.rank - 1, depth - 1 - at, 1), grid.shape[:-1])
        taps.append(_taps(builder, place, size, _MODES[mode], padding, aligned=aligned))
    last = builder.transpose(x, [0, *range(2, x.rank), 1])
    flat = builder.reshape(last, (x.size // x.shape[1], x.shape[1]))
    if _MODES[mode] != "nearest" and x.dtype is not wide.dtype:
        flat = builder.cast(flat, wide.dtype)
    batch = builder.constant(np.arange(x.shape[0], dtype=np.int64).reshape([-1] + [1] * depth))
    sampled = _blended(builder, flat, builder.broadcast(batch, grid.shape[:-1]), taps, x.shape[2:])
    order = [0, sampled.rank - 1, *range(1, sampled.rank - 1)]
    return [builder.cast(builder.transpose(sampled, order), x.dtype)]


def _blended(builder: Builder, flat: Value, row: Value, taps: list[list[_Tap]], sizes: tuple[int, ...]) -> Value:
    """Return, for each place, sums over the taps of each dimension in turn, one channel beside the other."""
    if not taps:
        return builder.take(flat, row, 0)
    total: Value | None = None
    for tap in taps[0]:
        inner = _blended(builder, flat, builder.add(builder.mul(row, sizes[0]), tap.index), taps[1:], sizes[1:])
        if tap.inside is not None:
            inner = builder.select(_beside(builder, tap.inside), inner, builder.scalar(0, inner.dtype))
        if tap.weight is not None:
            inner = builder.mul(inner, _beside(builder, tap.weight))
        total = inner if total is None else builder.add(total, inner)
    assert total is not None
    return total


def _beside(builder: Builder, value: Value) -> Value:
    return builder.reshape(value, (*value.shape, 1))


def _taps(builder: Builder, n: Value, size: int, mode: str, padding: str, *, aligned: bool) -> list[_Tap]:
    """Return the neighbours of normalised places along a dimension."""
    one = builder.add(n, 1)
    if aligned:
        place = builder.mul(builder.div(one, 2), size - 1)
        borders = (0.0, size - 1.0)
    else:
        place = builder.div(builder.sub(builder.mul(one, size), 1), 2)
        borders = (-0.5, size - 0.5)
    if mode == "nearest":
        place = builder.unary(Op.ROUND, place)
    if mode != "cubic" or padding != "border":  # as ONNX Runtime and PyTorch have it: only the elements are moved
        place = _within(builder, place, size, padding, borders)
    if mode == "nearest":
        return [_tap(builder, place, None, size, padding, borders)]
    base = builder.unary(Op.FLOOR, place)
    between = builder.sub(place, base)
    weights = _linear(builder, between) if mode == "linear" else _cubic(builder, between)
    first = 0 if mode == "linear" else -1
    return [
        _tap(builder, builder.add(base, first + at), weight, size, padding, borders)
        for at, weight in enumerate(weights)
    ]


def _within(builder: Builder, place: Value, size: int, padding: str, borders: tuple[float, float]) -> Value:
    """Return places, those beyond the borders moved inside as the padding says."""
    if padding == "zeros":
        return place
    below = builder.binary(Op.LESS, place, borders[0])
    above = builder.binary(Op.LESS, builder.scalar(borders[1], place.dtype), place)
    if padding == "border":
        moved = builder.binary(Op.MIN, builder.binary(Op.MAX, place, 0), size - 1)
    else:
        moved = _reflected(builder, place, below, borders)
    return builder.select(builder.binary(Op.OR, below, above), moved, place)


def _reflected(builder: Builder, place: Value, below: Value, borders: tuple[float, float]) -> Value:
    low, high = borders
    span = high - low
    if span == 0:
        return builder.full(low, place.dtype, place.shape)
    beyond = builder.select(below, builder.sub(builder.scalar(low, place.dtype), place), builder.sub(place, high))
    turns = builder.unary(Op.FLOOR, builder.div(beyond, span))
    rest = builder.sub(beyond, builder.mul(turns, span))
    half = builder.div(turns, 2)
    even = builder.binary(Op.EQUAL, builder.unary(Op.FLOOR, half), half)
    from_low = builder.binary(Op.EQUAL, even, below)
    up = builder.add(rest, low)
    return builder.select(from_low, up, builder.sub(builder.scalar(high, place.dtype), rest))


def _tap(
    builder: Builder, at: Value, weight: Value | None, size: int, padding: str, borders: tuple[float, float]
) -> _Tap:
    """Return the neighbour at a whole place, which may still lie outside."""
    inside = None
    if padding == "zeros":
        low = builder.binary(Op.LESS_EQUAL, builder.scalar(0, at.dtype), at)
        inside = builder.binary(Op.AND, low, builder.binary(Op.LESS, at, size))
    elif padding == "reflection":
        at = _within(builder, at, size, padding, borders)
    index = builder.cast(at, DType.INT64)
    clipped = builder.binary(Op.MIN, builder.binary(Op.MAX, index, 0), size - 1)
    return _Tap(clipped, weight, inside)


def _linear(builder: Builder, t: Value) -> list[Value]:
    return [builder.sub(builder.scalar(1, t.dtype), t), t]


def _cubic(builder: Builder, t: Value) -> list[Value]:
    def polynomial(x: Value, *coefficients: float) -> Value:
        total = builder.mul(x, coefficients[0])
        for each in coefficients[1:-1]:
            total = builder.mul(builder.add(total, each) if each else total, x)
        return builder.add(total, coefficients[-1]) if coefficients[-1] else total

    a, back = _CUBIC, builder.sub(builder.scalar(1, t.dtype), t)
    far, near = (a, -5 * a, 8 * a, -4 * a), (a + 2, -(a + 3), 0.0, 1.0)
    return [
        polynomial(builder.add(t, 1), *far),
        polynomial(t, *near),
        polynomial(back, *near),
        polynomial(builder.add(back, 1), *far),
    ]
