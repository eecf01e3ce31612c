"""Normalisations, computed in float64 and rounded once before scale and bias."""

from collections.abc import Sequence

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.moves import Map
from vm.sandbox.lower.pooling import WIDE, mean, powers, root
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import channels_last, channels_second
from vm.tensor import DType

_EPSILON_OF_MVN = 1e-9
"""ONNX fixes it for MeanVarianceNormalization."""


def axis_of(node: Node, rank: int, default: int | None = None) -> int:
    """Return the node's axis, counted from the front. Raises Refused GRAPH_INVALID."""
    axis = node.integer("axis", default)
    if not -rank <= axis < rank:
        raise node.refused(f"axis {axis} of a tensor of rank {rank}", reason=Reason.GRAPH_INVALID)
    return axis % rank


def centred(b: Builder, x: Value, axes: Sequence[int]) -> tuple[Value, Value, Value]:
    """Return the mean over axes, the differences from it, and the mean of their squares, in float64."""
    wide = b.cast(x, WIDE)
    middle = mean(b, wide, axes)
    off = b.sub(wide, middle)
    return middle, off, mean(b, b.mul(off, off), axes)


def deviation(b: Builder, variance: Value, epsilon: float) -> Value:
    """Return √(variance + epsilon)."""
    return b.unary(Op.SQRT, b.add(variance, epsilon))


def along(b: Builder, x: Value, rank: int, axis: int) -> Value:
    """Return a vector as a value of `rank` that extends along one axis."""
    return b.reshape(x, [x.size if at == axis else 1 for at in range(rank)])


def scaled(b: Builder, x: Value, scale: Value | None, bias: Value | None, dtype: DType) -> Value:
    """Return x · scale + bias, each rounded in `dtype`."""
    x = b.cast(x, dtype)
    if scale is not None:
        x = b.mul(x, b.cast(scale, dtype))
    return x if bias is None else b.add(x, b.cast(bias, dtype))


@lowers("BatchNormalization")
def _batch_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Scale and shift each channel; in training by the batch's own mean and variance, which are averaged in."""
    x, given, epsilon = operands[0], [operands[at] for at in range(1, 5)], node.number("epsilon")
    training, momentum = node.flag("training_mode", 0), node.number("momentum")
    if not node.flag("spatial", 1):
        raise node.declined("spatial", wanted="1")
    if not node.flag("is_test", 1):  # of before opset 7
        raise node.declined("is_test", wanted="1")
    if not training:
        factor, shift = _affine(b, given, epsilon)
        return [scaled(b, x, along(b, factor, x.rank, 1), along(b, shift, x.rank, 1), x.dtype)]
    middle, off, spread = centred(b, x, [0, *range(2, x.rank)])
    y = b.div(off, deviation(b, spread, epsilon))
    running: list[Value] = []
    for old, new in ((given[2], middle), (given[3], spread)):
        kept, fresh = b.mul(b.cast(old, WIDE), momentum), b.mul(b.reshape(new, old.shape), 1 - momentum)
        running.append(b.cast(b.add(kept, fresh), old.dtype))
    return [scaled(b, y, along(b, given[0], x.rank, 1), along(b, given[1], x.rank, 1), x.dtype), *running]


def _affine(b: Builder, given: Sequence[Value], epsilon: float) -> tuple[Value, Value]:
    """Return factor and shift of a batch normalisation in float64: constants, if what they come from is."""
    scale, bias, average, variance = [b.cast(each, WIDE) for each in given]
    factor = b.div(scale, deviation(b, variance, epsilon))
    return factor, b.sub(bias, b.mul(average, factor))


@lowers("InstanceNormalization")
def _instance_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Normalise each channel of each sample."""
    x, scale, bias = operands[0], operands[1], operands[2]
    _, off, variance = centred(b, x, range(2, x.rank))
    y = b.div(off, deviation(b, variance, node.number("epsilon")))
    return [scaled(b, y, along(b, scale, x.rank, 1), along(b, bias, x.rank, 1), x.dtype)]


@lowers("LayerNormalization")
def _layer_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Normalise over the axes from `axis` on; mean and inverse deviation, too, if asked for."""
    x, scale, stash = operands[0], operands[1], DType(node.integer("stash_type"))
    middle, off, variance = centred(b, x, range(axis_of(node, x.rank), x.rank))
    spread = deviation(b, variance, node.number("epsilon"))
    y = scaled(b, b.div(off, spread), scale, operands.get(2), x.dtype)
    return [y, b.cast(middle, stash), b.cast(b.div(b.scalar(1, WIDE), spread), stash)]


@lowers("RMSNormalization")
def _rms_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Divide by the root of the mean square over the axes from `axis` on."""
    x, scale = operands[0], operands[1]
    node.ignore("stash_type")
    wide = b.cast(x, WIDE)
    square = mean(b, b.mul(wide, wide), range(axis_of(node, x.rank), x.rank))
    return [scaled(b, b.div(wide, deviation(b, square, node.number("epsilon"))), scale, None, x.dtype)]


@lowers("GroupNormalization")
def _group_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Normalise each group of channels of each sample."""
    x, scale, bias, groups = operands[0], operands[1], operands[2], node.integer("num_groups")
    node.ignore("stash_type")
    if x.rank < 2 or groups < 1 or x.shape[1] % groups:
        raise node.declined("num_groups", wanted="a divisor of the number of channels")
    parted = b.reshape(x, [x.shape[0], groups, x.size // max(x.shape[0] * groups, 1)])
    _, off, variance = centred(b, parted, [2])
    y = b.div(off, deviation(b, variance, node.number("epsilon")))
    if scale.size == x.shape[1]:
        whole = b.reshape(y, x.shape)
        return [scaled(b, whole, along(b, scale, x.rank, 1), along(b, bias, x.rank, 1), x.dtype)]
    # before opset 21 there was one scale for each group
    return [b.reshape(scaled(b, y, along(b, scale, 3, 1), along(b, bias, 3, 1), x.dtype), x.shape)]


@lowers("MeanVarianceNormalization")
def _mean_variance_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Subtract the mean over axes, and divide by the deviation."""
    x = operands[0]
    _, off, variance = centred(b, x, sorted(axis % x.rank for axis in node.integers("axes") or [0, 2, 3]))
    return [b.cast(b.div(off, deviation(b, variance, _EPSILON_OF_MVN)), x.dtype)]


@lowers("LpNormalization")
def _lp_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Divide by the p-norm along an axis; 0 stays 0."""
    x, p = operands[0], node.integer("p")
    if p not in (1, 2):
        raise node.declined("p", wanted="1 or 2")
    norm = root(b, b.reduce(Op.REDUCE_SUM, powers(b, x, p), [axis_of(node, x.rank)], keep=True), p)
    return [b.cast(b.div(b.cast(x, WIDE), or_one(b, norm)), x.dtype)]


def or_one(b: Builder, x: Value) -> Value:
    """Return x, and 1 where it is 0."""
    return b.select(b.binary(Op.EQUAL, x, 0), b.scalar(1, x.dtype), x)


@lowers("LRN")
def _local_response(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """x / (bias + alpha/size · Σ of the squares of neighbouring channels) ** beta."""
    x, size = operands[0], node.integer("size")
    if size < 1 or x.rank < 2:
        raise node.declined("size", wanted="1 or more")
    square = powers(b, channels_last(b, x), 2)
    rank = square.rank
    rows = [[int(row == column) for column in range(rank + 1)] for row in range(rank)]
    rows[-1][rank] = 1
    base = (*[0] * (rank - 1), -((size - 1) // 2))
    near = b.move(square, Map(square.shape, base, tuple(map(tuple, rows)), (*square.shape, size)))
    total = b.fold(Op.REDUCE_SUM, near)
    sums = b.add(b.mul(total, node.number("alpha") / size), node.number("bias"))
    norm = channels_second(b, b.binary(Op.POW, sums, node.number("beta")))
    return [b.cast(b.div(b.cast(x, WIDE), norm), x.dtype)]
