"""Operators that ONNX Runtime adds to ONNX, as its quantiser and optimiser write them; see `schemas`."""

import math

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.contraction import product, swapped
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.normalisation import centred, deviation, scaled
from vm.sandbox.lower.quantisation import centred_integers, dynamically
from vm.sandbox.lower.schemas import MICROSOFT
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

_TANH_GELU = math.sqrt(2 / math.pi)
_CUBE = 0.044715
"""Of the approximation of GELU by a tanh."""


def _converted(b: Builder, total: Value, factor: Value, bias: Value | None) -> Value:
    y = b.mul(b.cast(total, DType.FLOAT32), factor)
    return y if bias is None else b.add(y, bias)


@lowers("MatMulIntegerToFloat", domain=MICROSOFT)
def _matmul_integer_to_float(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Return (A − zero) · (B − zero), times both scales, plus a bias."""
    x, y = centred_integers(b, operands[0], operands.get(4)), centred_integers(b, operands[1], operands.get(5))
    return [_converted(b, product(b, x, y), b.mul(operands[2], operands[3]), operands.get(6))]


@lowers("DynamicQuantizeMatMul", domain=MICROSOFT)
def _dynamic_quantize_matmul(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Quantise A by its range, multiply integers, and scale the result back."""
    rounded, scale, zero = dynamically(b, operands[0])
    total = product(b, centred_integers(b, rounded, zero), centred_integers(b, operands[1], operands.get(3)))
    return [_converted(b, total, b.mul(operands[2], scale), operands.get(4))]


@lowers("FusedMatMul", domain=MICROSOFT)
def _fused_matmul(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """alpha · A · B, their last two dimensions exchanged on demand."""
    x, y, alpha = operands[0], operands[1], node.number("alpha")
    for name in ("transBatchA", "transBatchB"):
        if node.flag(name):
            raise node.declined(name, wanted="0")
    left = swapped(b, x) if node.flag("transA") else x
    total = product(b, left, swapped(b, y) if node.flag("transB") else y)
    return [total if alpha == 1 else b.mul(total, alpha)]


def _gelu(b: Builder, x: Value) -> Value:
    return b.mul(b.mul(x, 0.5), b.add(b.unary(Op.ERF, b.mul(x, math.sqrt(0.5))), 1))


@lowers("Gelu", "BiasGelu", domain=MICROSOFT)
def _exact_gelu(b: Builder, node: Node, operands: Operands) -> list[Value]:
    bias = operands.get(1)
    return [_gelu(b, operands[0] if bias is None else b.add(operands[0], bias))]


@lowers("FastGelu", domain=MICROSOFT)
def _fast_gelu(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Approximate GELU of x, plus a bias, by a tanh."""
    bias = operands.get(1)
    x = operands[0] if bias is None else b.add(operands[0], bias)
    inner = b.mul(b.mul(x, b.add(b.mul(b.mul(x, x), _CUBE), 1)), _TANH_GELU)
    return [b.mul(b.mul(x, 0.5), b.add(b.unary(Op.TANH, inner), 1))]


@lowers("QuickGelu", domain=MICROSOFT)
def _quick_gelu(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    return [b.mul(x, b.unary(Op.SIGMOID, b.mul(x, node.number("alpha"))))]


@lowers("SkipLayerNormalization", domain=MICROSOFT)
def _skip_layer_normalization(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Normalise the sum of two inputs, and a bias, over the last axis; the sum is the fourth output."""
    if node.wants(1) or node.wants(2):
        raise node.refused("mean or inverse deviation asked for", reason=Reason.OPERATOR_REFUSED, wanted="outputs 0, 3")
    total = b.add(operands[0], operands[1])
    bias = operands.get(4)
    if bias is not None:
        total = b.add(total, bias)
    _, off, variance = centred(b, total, [total.rank - 1])
    spread = deviation(b, variance, node.number("epsilon"))
    y = scaled(b, b.div(off, spread), operands[2], operands.get(3), total.dtype)
    return [y, y, y, total]
