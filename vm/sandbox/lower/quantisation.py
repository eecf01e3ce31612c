"""Quantised operators, exactly as ONNX defines them: half to even, saturating, sums in int32."""

import math

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.contraction import product
from vm.sandbox.lower.convolution import biased, convolve
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.normalisation import along, or_one
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import channels_last, channels_second, windows
from vm.tensor import FLOATS, DType

_QUANTISED = (DType.UINT8, DType.INT8, DType.UINT16, DType.INT16)
_LEVELS = 255
"""Steps between the ends of uint8."""


def _spread(b: Builder, node: Node, x: Value, given: Value) -> Value:
    """Return a scale or zero point such that it broadcasts to x: one, one along an axis, or one for each block."""
    axis, block = node.integer("axis", 1), node.integer("block_size", 0)
    if given.size == 1 and given.rank < 2:
        return b.reshape(given, [])
    if not -x.rank <= axis < x.rank:
        raise node.refused(f"axis {axis} of a tensor of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    axis %= x.rank
    if given.rank == 1 and given.size == x.shape[axis] and block == 0:
        return along(b, given, x.rank, axis)
    shape = [-(-size // block) if at == axis and block > 0 else size for at, size in enumerate(x.shape)]
    if block <= 0 or list(given.shape) != shape:
        raise node.refused(f"a scale of shape {list(given.shape)} for {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    apart = b.reshape(given, [*shape[: axis + 1], 1, *shape[axis + 1 :]])
    repeated = b.broadcast(apart, [*shape[: axis + 1], block, *shape[axis + 1 :]])
    joined = b.reshape(repeated, [*shape[:axis], shape[axis] * block, *shape[axis + 1 :]])
    return b.narrow(joined, axis, 0, x.shape[axis])


def _rounded(b: Builder, x: Value, zero: Value | None, dtype: DType) -> Value:
    """Return floats rounded half to even, plus a zero point, as integers of a type, saturated."""
    whole = b.unary(Op.ROUND, x)
    if zero is not None:
        wide = DType.FLOAT64 if x.dtype is DType.FLOAT64 else DType.FLOAT32  # float16 has no room for 16 bits
        whole = b.add(b.cast(whole, wide), b.cast(zero, wide))
    return b.cast(whole, dtype)


@lowers("QuantizeLinear")
def _quantize_linear(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """saturate(round(x / scale) + zero point), the quotient in the scale's type or `precision`."""
    x, scale, zero = operands[0], operands[1], operands.get(2)
    node.ignore("saturate")  # of the types of 8 bits that are floats
    told = node.integer("output_dtype", 0)
    dtype = zero.dtype if zero is not None else element_type(told, node.place) if told else DType.UINT8
    if dtype not in _QUANTISED:
        raise node.declined("output_dtype", wanted="uint8, int8, uint16 or int16")
    precision = node.integer("precision", 0)
    wide = element_type(precision, node.place) if precision else scale.dtype
    if wide not in FLOATS:
        raise node.refused("a scale that is no float", wanted="a float scale, or precision")
    quotient = b.div(b.cast(x, wide), b.cast(_spread(b, node, x, scale), wide))
    return [_rounded(b, quotient, None if zero is None else _spread(b, node, x, zero), dtype)]


@lowers("DequantizeLinear")
def _dequantize_linear(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """(x − zero point) · scale."""
    x, scale, zero = operands[0], operands[1], operands.get(2)
    told = node.integer("output_dtype", 0)
    dtype = element_type(told, node.place) if told else scale.dtype
    scales = _spread(b, node, x, scale)
    less = x
    if zero is not None:
        less = centred_integers(b, x, _spread(b, node, x, zero))
    return [b.cast(b.mul(b.cast(less, DType.FLOAT32), b.cast(scales, DType.FLOAT32)), dtype)]


def centred_integers(b: Builder, x: Value, zero: Value | None) -> Value:
    """Return x less its zero point, in int32."""
    wide = b.cast(x, DType.INT32)
    if zero is None or (zero.array is not None and not zero.array.any()):
        return wide
    return b.sub(wide, b.cast(zero, DType.INT32))


def dynamically(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """Return floats as uint8 by their range, which always holds 0, and the scale and zero point."""
    axes = range(x.rank)
    high = b.binary(Op.MAX, b.reduce(Op.REDUCE_MAX, x, axes), 0)
    low = b.binary(Op.MIN, b.reduce(Op.REDUCE_MIN, x, axes), 0)
    scale = or_one(b, b.div(b.sub(high, low), _LEVELS))
    zero = b.cast(b.unary(Op.ROUND, b.unary(Op.NEG, b.div(low, scale))), DType.UINT8)
    return _rounded(b, b.div(x, scale), zero, DType.UINT8), scale, zero


@lowers("DynamicQuantizeLinear")
def _dynamic_quantize_linear(b: Builder, node: Node, operands: Operands) -> list[Value]:
    return list(dynamically(b, operands[0]))


def _by_rows(b: Builder, given: Value) -> Value:
    """Return a zero point or scale of A such that it broadcasts: a vector is one for each row."""
    return b.reshape(given, [*given.shape, 1]) if given.rank == 1 and given.size > 1 else _flat(b, given)


def _flat(b: Builder, given: Value) -> Value:
    return b.reshape(given, []) if given.size == 1 else given


def _integer_product(b: Builder, x: Value, x_zero: Value | None, y: Value, y_zero: Value | None) -> Value:
    left = centred_integers(b, x, None if x_zero is None else _by_rows(b, x_zero))
    return product(b, left, centred_integers(b, y, None if y_zero is None else _flat(b, y_zero)))


@lowers("MatMulInteger")
def _matmul_integer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    return [_integer_product(b, operands[0], operands.get(2), operands[1], operands.get(3))]


def _requantised(b: Builder, total: Value, factor: Value, zero: Value) -> Value:
    """Return sums of int32 scaled in float32, rounded, and as integers around a zero point."""
    return _rounded(b, b.mul(b.cast(total, DType.FLOAT32), factor), zero, zero.dtype)


@lowers("QLinearMatMul")
def _qlinear_matmul(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, x_scale, x_zero, y, y_scale, y_zero, scale, zero = (operands[at] for at in range(8))
    total = _integer_product(b, x, x_zero, y, y_zero)
    x_scale, y_scale, scale = (b.cast(each, DType.FLOAT32) for each in (x_scale, y_scale, scale))
    factor = b.div(b.mul(_by_rows(b, x_scale), _flat(b, y_scale)), _by_rows(b, scale))
    return [_requantised(b, total, factor, _by_rows(b, zero))]


def _integer_conv(b: Builder, node: Node, x: Value, x_zero: Value | None, w: Value, w_zero: Value | None) -> Value:
    """Return the convolution of integers less their zero points, [N, *O, F] in int32. Raises Refused GRAPH_INVALID."""
    groups = node.integer("group")
    given = node.integers("kernel_shape")
    if x.rank != w.rank or x.rank < 3 or (given and list(w.shape[2:]) != given):
        raise node.refused(f"a kernel of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    if groups < 1 or w.shape[1] * groups != x.shape[1] or w.shape[0] % groups or math.prod(w.shape) == 0:
        raise node.declined("group", wanted=f"groups that part {x.shape[1]} channels")
    window = windows(node, x.shape[2:], w.shape[2:])
    last = channels_last(b, centred_integers(b, x, None if x_zero is None else b.reshape(x_zero, [])))
    zeros = None if w_zero is None else _flat(b, w_zero)
    if zeros is not None and zeros.rank:
        zeros = along(b, zeros, w.rank, 0)
    return convolve(b, last, channels_last(b, centred_integers(b, w, zeros)), window, groups)


@lowers("ConvInteger")
def _conv_integer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    y = _integer_conv(b, node, operands[0], operands.get(2), operands[1], operands.get(3))
    return [channels_second(b, y)]


@lowers("QLinearConv")
def _qlinear_conv(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, x_scale, x_zero, w, w_scale, w_zero, scale, zero = (operands[at] for at in range(8))
    total = biased(b, _integer_conv(b, node, x, x_zero, w, w_zero), operands.get(8))
    factor = b.div(b.mul(_flat(b, x_scale), _flat(b, w_scale)), _flat(b, scale))  # one, or one for each result
    return [channels_second(b, _requantised(b, total, factor, _flat(b, zero)))]
