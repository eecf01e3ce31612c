"""Rules for reading and writing at computed places: gather, scatter, one-hot, top-k, and what is like them."""

import math

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import Array
from vm.program import STEPS_MAX, Op
from vm.sandbox.lower.builder import COUNTED_MAX, Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.movement import axis_of
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

_REDUCTIONS = {"none": 0, "add": 1, "mul": 2, "max": 3, "min": 4}


@lowers("Gather")
def _gather(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    data = operands[0]
    return [builder.take(data, builder.cast(operands[1], DType.INT64), axis_of(node, data.rank, 0))]


def _in_bounds(builder: Builder, indices: Value, size: int, beyond: int) -> Value:
    """Return indices from 0, and `beyond` for those outside of [-size, size - 1]: it is to be out of range, too."""
    raised = builder.select(builder.binary(Op.LESS, indices, 0), builder.add(indices, size), indices)
    low = builder.binary(Op.LESS_EQUAL, builder.scalar(0, DType.INT64), raised)
    good = builder.binary(Op.AND, low, builder.binary(Op.LESS, raised, size))
    return builder.select(good, raised, builder.scalar(beyond, DType.INT64))


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[at + 1 :]) for at in range(len(shape))]


def flat_places(builder: Builder, shape: tuple[int, ...], indices: Value, axis: int) -> Value:
    """Return where in a flat value of this shape the elements are that int64 indices along an axis name.

    What is out of range becomes a number that is out of range for TAKE and SCATTER.
    """
    strides, total = _strides(shape), math.prod(shape)
    places = builder.mul(_in_bounds(builder, indices, shape[axis], total + 1), strides[axis])
    for at, size in enumerate(indices.shape):
        if at != axis and size > 1:
            steps = builder.reshape(builder.counting(size), [size] + [1] * (indices.rank - at - 1))
            places = builder.add(places, builder.mul(steps, strides[at]))
    return places


def gather_elements(builder: Builder, data: Value, indices: Value, axis: int) -> Value:
    """Return for each index the element of `data` there along an axis, at the index's own place along the others."""
    if indices.rank != data.rank or any(at != axis and size > data.shape[at] for at, size in enumerate(indices.shape)):
        raise builder.refused(f"indices {list(indices.shape)} into {list(data.shape)}")
    places = flat_places(builder, data.shape, builder.cast(indices, DType.INT64), axis)
    return builder.take(builder.reshape(data, (data.size,)), places, 0)


@lowers("GatherElements")
def _gather_elements(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [gather_elements(builder, operands[0], operands[1], axis_of(node, operands[0].rank, 0))]


def _linear(builder: Builder, shape: tuple[int, ...], indices: Value) -> Value:
    """Return the number of the slice that each row of indices into the first dimensions of a shape names."""
    depth, total = indices.shape[-1], math.prod(shape[: indices.shape[-1]])
    strides = _strides(shape[:depth])
    places: Value | None = None
    for at in range(depth):
        column = builder.reshape(builder.narrow(indices, indices.rank - 1, at, 1), indices.shape[:-1])
        step = builder.mul(_in_bounds(builder, column, shape[at], total + 1), strides[at])
        places = step if places is None else builder.add(places, step)
    return builder.full(0, DType.INT64, indices.shape[:-1]) if places is None else places


@lowers("GatherND")
def _gather_nd(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    data, indices = operands[0], operands[1]
    batch = node.integer("batch_dims", 0)
    depth = indices.shape[-1]
    if (
        not 0 <= batch < min(data.rank, indices.rank)
        or batch + depth > data.rank
        or (data.shape[:batch] != indices.shape[:batch])
    ):
        raise node.refused(f"indices {list(indices.shape)} into {list(data.shape)}", reason=Reason.GRAPH_INVALID)
    shape = data.shape[batch : batch + depth]
    places = _linear(builder, shape, indices)
    for at in range(batch):
        steps = builder.reshape(builder.counting(data.shape[at]), [data.shape[at]] + [1] * (places.rank - at - 1))
        places = builder.add(places, builder.mul(steps, math.prod(data.shape[at + 1 : batch + depth])))
    rest = data.shape[batch + depth :]
    flat = builder.reshape(data, (math.prod(data.shape[: batch + depth]), *rest))
    return [builder.take(flat, places, 0)]


def _scattered(builder: Builder, data: Value, places: Value, updates: Value, way: int) -> Value:
    """Return rows of `data`, in order, combined with `updates`, at int64 places: [R, …], [U], [U, …]."""
    if not places.size or not data.size:
        return data
    if way == 0 and places.array is not None and (where := _last_writer(places.array, data.shape[0])) is not None:
        return builder.take(builder.concat([data, updates], 0), builder.constant(where), 0)
    for start in range(0, places.size, STEPS_MAX):
        size = min(STEPS_MAX, places.size - start)
        parts = [data, builder.narrow(places, 0, start, size), builder.narrow(updates, 0, start, size)]
        data = builder.emit(Op.SCATTER, parts, data.dtype, data.shape, [way])
    return data


def _last_writer(places: Array, rows: int) -> Array | None:
    """Return for each row its number, or that of the last update of it, which come after the rows."""
    if rows + len(places) > COUNTED_MAX or ((places < -rows) | (places >= rows)).any():
        return None
    where = np.arange(rows, dtype=np.int64)
    for at, place in enumerate(places.tolist()):
        where[place] = rows + at
    return where


@lowers("ScatterND")
def _scatter_nd(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    data, indices, updates = operands[0], operands[1], operands[2]
    depth, way = indices.shape[-1], _way(node)
    if depth > data.rank or updates.shape != indices.shape[:-1] + data.shape[depth:]:
        raise node.refused(f"updates {list(updates.shape)} of {list(data.shape)}", reason=Reason.GRAPH_INVALID)
    places = _linear(builder, data.shape, indices)
    rows, rest = math.prod(data.shape[:depth]), data.shape[depth:]
    parts = (
        builder.reshape(data, (rows, *rest)),
        builder.reshape(places, (places.size,)),
        builder.reshape(updates, (places.size, *rest)),
    )
    return [builder.reshape(_scattered(builder, *parts, way), data.shape)]


def _way(node: Node) -> int:
    reduction = node.text("reduction", "none") if node.version >= 16 else "none"
    if reduction not in _REDUCTIONS:
        raise node.declined("reduction", wanted=", ".join(_REDUCTIONS))
    return _REDUCTIONS[reduction]


@lowers("Scatter", "ScatterElements")
def _scatter_elements(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    data, indices, updates = operands[0], operands[1], operands[2]
    axis, way = axis_of(node, data.rank, 0), _way(node)
    if indices.rank != data.rank or updates.shape != indices.shape:
        raise node.refused(f"updates {list(updates.shape)} of {list(data.shape)}", reason=Reason.GRAPH_INVALID)
    places = flat_places(builder, data.shape, builder.cast(indices, DType.INT64), axis)
    flat = [builder.reshape(each, (each.size,)) for each in (data, places, updates)]
    return [builder.reshape(_scattered(builder, flat[0], flat[1], flat[2], way), data.shape)]


@lowers("OneHot")
def _one_hot(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    indices, depth = builder.cast(operands[0], DType.INT64), int(operands.known(1).reshape(-1)[0])
    axis = node.integer("axis", -1)
    rank = indices.rank + 1
    if not -rank <= axis < rank or depth < 0:
        raise node.refused(f"axis {axis}, depth {depth}", reason=Reason.GRAPH_INVALID)
    axis %= rank
    off, on = (builder.reshape(builder.narrow(operands[2], 0, at, 1), ()) for at in range(2))
    shape = (*indices.shape[:axis], 1, *indices.shape[axis:])
    raised = builder.select(builder.binary(Op.LESS, indices, 0), builder.add(indices, depth), indices)
    numbers = builder.reshape(builder.counting(depth), [depth] + [1] * (indices.rank - axis))
    return [builder.select(builder.binary(Op.EQUAL, builder.reshape(raised, shape), numbers), on, off)]


@lowers("TopK")
def _top_k(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    axis = axis_of(node, x.rank, -1)
    node.ignore("sorted")  # sorted is one of the orders that unsorted allows
    largest = node.flag("largest", 1)
    count = node.integer("k") if node.version < 10 else operands.ints(1)[0]
    if not 0 <= count <= x.shape[axis]:
        raise node.refused(f"the first {count} of {x.shape[axis]}", reason=Reason.GRAPH_INVALID)
    order = [at for at in range(x.rank) if at != axis] + [axis]
    back = [order.index(at) for at in range(x.rank)]
    values, places = best(builder, builder.transpose(x, order), count, largest=largest)
    return [builder.transpose(values, back), builder.transpose(places, back)]


def best(builder: Builder, x: Value, count: int, *, largest: bool) -> tuple[Value, Value]:
    """Return the first `count` of the last axis as sorted, and where they were; long axes part by part."""
    length, last = x.shape[-1], x.rank - 1
    if length > STEPS_MAX:
        if 2 * count > STEPS_MAX:
            raise builder.refused(
                f"the first {count} of {length}", reason=Reason.OPERATOR_REFUSED, wanted=f"at most {STEPS_MAX // 2}"
            )
        values: list[Value] = []
        places: list[Value] = []
        for start in range(0, length, STEPS_MAX):
            part = builder.narrow(x, last, start, min(STEPS_MAX, length - start))
            some, where = best(builder, part, min(count, part.shape[-1]), largest=largest)
            values.append(some)
            places.append(builder.add(where, start))
        joined, offsets = builder.concat(values, last), builder.concat(places, last)
        chosen, at = best(builder, joined, count, largest=largest)
        return chosen, gather_elements(builder, offsets, at, last)
    order = builder.emit(Op.SORT, [x], DType.INT64, x.shape, [int(largest)])
    first = builder.narrow(order, last, 0, count)
    return gather_elements(builder, x, first, last), first


@lowers("Compress")
def _compress(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, kept = operands[0], operands.known(1).reshape(-1)
    places = builder.constant(np.flatnonzero(kept).astype(np.int64))
    if node.has("axis"):
        return [builder.take(x, places, axis_of(node, x.rank))]
    return [builder.take(builder.reshape(x, (x.size,)), places, 0)]


@lowers("NonZero")
def _non_zero(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    array = operands.known(0)
    return [builder.constant(np.array(np.nonzero(np.atleast_1d(array)), np.int64))]


@lowers("ReverseSequence")
def _reverse_sequence(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, lengths = operands[0], operands[1]
    batch, time = node.integer("batch_axis"), node.integer("time_axis")
    if sorted((batch, time)) != [0, 1]:
        raise node.declined("batch_axis", wanted="batch_axis and time_axis that are 0 and 1")
    steps, rows = x.shape[time], x.shape[batch]
    forward = builder.transpose(x, [time, batch, *range(2, x.rank)])
    step = builder.reshape(builder.counting(steps), (steps, 1))
    turned = builder.sub(builder.sub(builder.reshape(lengths, (1, rows)), step), 1)
    inside = builder.binary(Op.LESS, step, builder.reshape(lengths, (1, rows)))
    source = builder.select(inside, turned, step)
    places = builder.add(builder.mul(source, rows), builder.counting(rows))
    flat = builder.reshape(forward, (steps * rows, *x.shape[2:]))
    taken = builder.take(flat, places, 0)
    return [builder.transpose(taken, [time, batch, *range(2, x.rank)])]
