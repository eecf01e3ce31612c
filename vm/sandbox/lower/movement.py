"""Rules for shapes and data movement: what rearranges, repeats, joins and parts values without arithmetic."""

import math
from itertools import accumulate, pairwise

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF
from vm.program import Op
from vm.sandbox.lower.builder import COUNTED_MAX, Builder, Value
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.table import lowers
from vm.tensor import DIMENSION_MAX, FLOATS, DType

AXES_AS_INPUT = 13
"""The version from which axes and parts are an operand instead of an attribute."""


def axis_of(node: Node, rank: int, default: int | None = None, name: str = "axis") -> int:
    """Return an axis attribute as a number from 0. Raises Refused GRAPH_INVALID."""
    return checked_axis(node, node.integer(name, default), rank)


def checked_axis(node: Node, axis: int, rank: int) -> int:
    """Return an axis as a number from 0. Raises Refused GRAPH_INVALID."""
    if not -rank <= axis < rank:
        raise node.refused(f"axis {axis} of rank {rank}", reason=Reason.GRAPH_INVALID)
    return axis % rank


def axes_of(node: Node, axes: list[int], rank: int) -> list[int]:
    """Return axes as ascending numbers from 0. Raises Refused GRAPH_INVALID, also if one occurs twice."""
    found = sorted(checked_axis(node, axis, rank) for axis in axes)
    if any(one == other for one, other in pairwise(found)):
        raise node.refused("an axis occurs twice", reason=Reason.GRAPH_INVALID)
    return found


@lowers("Identity")
def _identity(_: Builder, __: Node, operands: Operands) -> list[Value]:
    return [operands[0]]


@lowers("Dropout")
def _dropout(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    node.ignore("ratio", "seed", "is_test")
    training = operands.get(2)
    if training is not None and (training.array is None or training.array.any()):
        wanted = "an export in evaluation mode: model.eval() before it, for PyTorch"
        raise node.refused("it drops at random in training mode", reason=Reason.NONDETERMINISTIC, wanted=wanted)
    x = operands[0]
    mask_dtype = x.dtype if node.version < 10 else DType.BOOL
    return [x, builder.full(1, mask_dtype, x.shape)] if node.wants(1) else [x]


@lowers("Constant")
def _constant(builder: Builder, node: Node, _: Operands) -> list[Value]:
    tensor = node.tensor("value")
    if tensor is not None:
        return [builder.constant(tensor)]
    for name in ("value_float", "value_floats"):
        if node.has(name):
            numbers = node.numbers(name) if name.endswith("s") else node.number(name)
            return [builder.constant(np.array(numbers, np.float32))]
    for name in ("value_int", "value_ints"):
        if node.has(name):
            integers = node.integers(name) if name.endswith("s") else node.integer(name)
            return [builder.constant(np.array(integers, np.int64))]
    raise node.refused("neither value nor numbers", wanted="a dense tensor of numbers")


@lowers("ConstantOfShape")
def _constant_of_shape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    tensor = node.tensor("value")
    one = builder.constant(np.zeros(1, np.float32) if tensor is None else tensor)
    return [builder.broadcast(builder.reshape(one, ()), operands.ints(0))]


@lowers("Shape")
def _shape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    shape = operands[0].shape
    start = node.integer("start", 0) if node.has("start") else 0
    end = node.integer("end", 0) if node.has("end") else len(shape)
    return [builder.constant(np.array(shape[start:end] if start or end != len(shape) else shape, np.int64))]


@lowers("Size")
def _size(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.constant(np.array(operands[0].size, np.int64))]


@lowers("Reshape")
def _reshape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, wanted = operands[0], operands.ints(1)
    keeps_zero = node.flag("allowzero", 0)
    shape = [x.shape[at] if size == 0 and not keeps_zero else size for at, size in enumerate(wanted)]
    if -1 in shape:
        rest = math.prod(size for size in shape if size != -1)
        if rest == 0 or shape.count(-1) > 1:
            raise node.refused(f"{x.size} elements in the shape {wanted}", reason=Reason.GRAPH_INVALID)
        shape[shape.index(-1)] = x.size // rest
    return [builder.reshape(x, shape)]


@lowers("Flatten")
def _flatten(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, axis = operands[0], node.integer("axis", 1)
    if not -x.rank <= axis <= x.rank:
        raise node.refused(f"axis {axis} of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    split = axis + x.rank if axis < 0 else axis
    return [builder.reshape(x, (math.prod(x.shape[:split]), math.prod(x.shape[split:])))]


def _axes(node: Node, operands: Operands) -> list[int] | None:
    return node.integers("axes") if node.version < AXES_AS_INPUT else operands.get_ints(1)


@lowers("Squeeze")
def _squeeze(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], _axes(node, operands)
    axes = [at for at, size in enumerate(x.shape) if size == 1] if given is None else axes_of(node, given, x.rank)
    if any(x.shape[axis] != 1 for axis in axes):
        raise node.refused(f"axes {axes} of shape {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    return [builder.reshape(x, [size for at, size in enumerate(x.shape) if at not in axes])]


@lowers("Unsqueeze")
def _unsqueeze(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], _axes(node, operands) or []
    axes = axes_of(node, given, x.rank + len(given))
    sizes = iter(x.shape)
    return [builder.reshape(x, [1 if at in axes else next(sizes) for at in range(x.rank + len(given))])]


@lowers("Transpose")
def _transpose(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, order = operands[0], node.integers("perm")
    given = list(reversed(range(x.rank))) if order is None else order
    if sorted(given) != list(range(x.rank)):
        raise node.refused(f"perm {given} of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    return [builder.transpose(x, given)]


@lowers("Concat")
def _concat(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    values = operands.all()
    return [builder.concat(values, axis_of(node, values[0].rank, 1))]


@lowers("Split")
def _split(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, count = operands[0], len(node.outputs)
    axis = axis_of(node, x.rank, 0)
    sizes = node.integers("split") if node.version < AXES_AS_INPUT else operands.get_ints(1)
    if sizes is None:
        asked = node.integer("num_outputs", count)
        if asked != count:
            raise node.refused(f"{count} outputs for {asked} parts", reason=Reason.GRAPH_INVALID)
        each = -(-x.shape[axis] // count)
        sizes = [max(min(each, x.shape[axis] - at * each), 0) for at in range(count)]
    if len(sizes) != count or sum(sizes) != x.shape[axis] or min(sizes) < 0:
        raise node.refused(f"parts of {sizes} of {x.shape[axis]}", reason=Reason.GRAPH_INVALID)
    starts = accumulate([0, *sizes[:-1]])
    return [builder.narrow(x, axis, start, size) for start, size in zip(starts, sizes, strict=True)]


@lowers("Slice")
def _slice(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    if node.version < 10:
        starts, ends, axes = node.integers("starts") or [], node.integers("ends") or [], node.integers("axes")
        steps: list[int] | None = None
    else:
        starts, ends = operands.ints(1), operands.ints(2)
        axes, steps = operands.get_ints(3), operands.get_ints(4)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    axes_of(node, axes, x.rank)
    begins, sizes, strides = [0] * x.rank, list(x.shape), [1] * x.rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step == 0:
            raise node.refused("a step of 0", reason=Reason.GRAPH_INVALID)
        size = x.shape[axis]
        first, last = (start + size if start < 0 else start), (end + size if end < 0 else end)
        if step > 0:
            kept = range(max(min(first, size), 0), max(min(last, size), 0), step)
        else:  # unlike in Python, a start before the first element is the first one
            kept = range(max(min(first, size - 1), 0), max(min(last, size - 1), -1), step)
        begins[axis], sizes[axis], strides[axis] = (kept[0] if kept else 0), len(kept) if size else 0, step
    return [builder.slice(x, begins, sizes, strides)]


@lowers("Expand")
def _expand(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    return [builder.broadcast(x, builder.common_shape([x.shape, tuple(operands.ints(1))]))]


@lowers("Tile")
def _tile(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, repeats = operands[0], operands.ints(1)
    if len(repeats) != x.rank or min(repeats, default=0) < 0:
        raise node.refused(f"repeats {repeats} of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    for axis, count in enumerate(repeats):
        if count != 1:
            x = repeated(builder, x, axis, count)
    return [x]


def repeated(builder: Builder, x: Value, axis: int, count: int) -> Value:
    """Return `x` again and again along an axis."""
    before, size, after = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    each = builder.reshape(x, (before, 1, size, after))
    shape = (*x.shape[:axis], size * count, *x.shape[axis + 1 :])
    return builder.reshape(builder.broadcast(each, (before, count, size, after)), shape)


@lowers("Pad")
def _pad(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, mode = operands[0], node.text("mode")
    given = (node.integers("pads") if node.version < 11 else operands.ints(1)) or []
    fill = operands.get(2) if node.version >= 11 else builder.scalar(node.number("value"), x.dtype)
    chosen = operands.get_ints(3)
    axes = list(range(x.rank)) if chosen is None else [checked_axis(node, axis, x.rank) for axis in chosen]
    if len(given) != 2 * len(axes):
        raise node.refused(f"{len(given)} pads for {len(axes)} axes", reason=Reason.GRAPH_INVALID)
    begins, ends = [0] * x.rank, [0] * x.rank
    for at, axis in enumerate(axes):
        begins[axis], ends[axis] = given[at], given[len(axes) + at]
    if mode == "constant":
        return [_padded(builder, x, begins, ends, fill)]
    if mode not in ("reflect", "edge", "wrap"):
        raise node.declined("mode", wanted="constant, reflect, edge or wrap")
    for axis in axes:
        x = _mirrored(builder, node, x, axis, (begins[axis], ends[axis]), mode)
    return [x]


def _padded(builder: Builder, x: Value, begins: list[int], ends: list[int], fill: Value | None) -> Value:
    if fill is None or fill.array is not None:
        return builder.pad(x, begins, ends, 0 if fill is None or fill.array is None else fill.array.reshape(-1)[0])
    inside = builder.pad(builder.full(1, DType.BOOL, x.shape), begins, ends)
    return builder.select(inside, builder.pad(x, begins, ends), builder.reshape(fill, ()))


def _mirrored(builder: Builder, node: Node, x: Value, axis: int, pads: tuple[int, int], mode: str) -> Value:
    size = x.shape[axis]
    before, after = (max(each, 0) for each in pads)
    if size + before + after > COUNTED_MAX:
        raise node.refused(f"{size + before + after} along an axis", wanted=f"at most {COUNTED_MAX}")
    cut = slice(max(-pads[0], 0), size - max(-pads[1], 0))
    kept = np.arange(size)[cut]
    if not kept.size:
        raise node.refused("pads of what has no elements", reason=Reason.GRAPH_INVALID)
    places = np.arange(-before, len(kept) + after)
    match mode:
        case "edge":
            places = np.clip(places, 0, len(kept) - 1)
        case "wrap":
            places = places % len(kept)
        case _:
            places = places % max(2 * len(kept) - 2, 1)
            places = np.minimum(places, 2 * len(kept) - 2 - places)
    indices = kept[places]
    return builder.take(x, builder.constant(indices.astype(np.int64)), axis)


@lowers("DepthToSpace")
def _depth_to_space(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, size, mode = operands[0], node.integer("blocksize"), node.text("mode", "DCR")
    n, depth, height, width = x.shape
    if size < 1 or depth % (size * size):
        raise node.refused(f"{depth} channels in blocks of {size}", reason=Reason.GRAPH_INVALID)
    channels = depth // (size * size)
    if mode == "DCR":
        parted = builder.reshape(x, (n, size, size, channels, height, width))
        moved = builder.transpose(parted, (0, 3, 4, 1, 5, 2))
    elif mode == "CRD":
        parted = builder.reshape(x, (n, channels, size, size, height, width))
        moved = builder.transpose(parted, (0, 1, 4, 2, 5, 3))
    else:
        raise node.declined("mode", wanted="DCR or CRD")
    return [builder.reshape(moved, (n, channels, height * size, width * size))]


@lowers("SpaceToDepth")
def _space_to_depth(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, size = operands[0], node.integer("blocksize")
    n, channels, height, width = x.shape
    if node.text("mode", "DCR") not in ("DCR", "CRD"):
        raise node.declined("mode", wanted="DCR or CRD")
    if size < 1 or height % size or width % size:
        raise node.refused(f"{height} by {width} in blocks of {size}", reason=Reason.GRAPH_INVALID)
    parted = builder.reshape(x, (n, channels, height // size, size, width // size, size))
    order = (0, 3, 5, 1, 2, 4) if node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    moved = builder.transpose(parted, order)
    return [builder.reshape(moved, (n, channels * size * size, height // size, width // size))]


@lowers("Range")
def _range(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    start, limit, delta = (operands.known(at).reshape(-1)[0] for at in range(3))
    if delta == 0:
        raise node.refused("a step of 0", reason=Reason.GRAPH_INVALID)
    if operands[0].dtype in FLOATS:
        count = math.ceil((float(limit) - float(start)) / float(delta))
    else:
        count = -((int(start) - int(limit)) // int(delta))
    if count > COUNTED_MAX:
        raise node.refused(f"{count} elements", reason=Reason.VALUE_TOO_LARGE, wanted=f"at most {COUNTED_MAX}")
    dtype = operands[0].dtype
    steps = np.arange(max(count, 0)).astype(NUMPY_OF[dtype])
    return [builder.constant((steps * delta + start).astype(NUMPY_OF[dtype]))]


@lowers("EyeLike")
def _eye_like(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, offset = operands[0], node.integer("k", 0)
    dtype = element_type(node.integer("dtype"), node.place) if node.has("dtype") else x.dtype
    rows, columns = x.shape
    return [builder.cast(_diagonals(builder, rows, columns, offset, offset), dtype)]


def _diagonals(builder: Builder, rows: int, columns: int, first: int, last: int) -> Value:
    """Return bools: whether the column is `first` to `last` right of the row."""
    row = builder.reshape(builder.counting(rows), (rows, 1))
    right = builder.sub(builder.counting(columns), row)
    low = builder.binary(Op.LESS_EQUAL, builder.scalar(first, DType.INT64), right)
    return builder.binary(Op.AND, low, builder.binary(Op.LESS_EQUAL, right, builder.scalar(last, DType.INT64)))


@lowers("Trilu")
def _trilu(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], operands.get_ints(1)
    offset = max(min(given[0] if given else 0, DIMENSION_MAX), -DIMENSION_MAX)
    rows, columns = x.shape[-2:]
    limits = (offset, columns) if node.flag("upper") else (-rows, offset)
    kept = _diagonals(builder, rows, columns, *limits)
    return [builder.select(kept, x, builder.scalar(0, x.dtype))]
