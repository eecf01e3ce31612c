"""Softmax and its kin, and the losses that are made of it."""

import numpy as np

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.normalisation import axis_of
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

_ALONG_ONE = 13
"""From this opset on softmax runs along one axis; before, along all from `axis` on."""


def exponentials(b: Builder, x: Value, axis: int) -> tuple[Value, Value, Value]:
    """Return x less its maximum along an axis, the exponentials of that, and their sum in float64."""
    less = b.sub(x, b.reduce(Op.REDUCE_MAX, x, [axis], keep=True))
    powers = b.unary(Op.EXP, less)
    return less, powers, b.reduce(Op.REDUCE_SUM, powers, [axis], keep=True)


def softmax_along(b: Builder, x: Value, axis: int) -> Value:
    """Return the softmax of floats along one axis."""
    _, powers, total = exponentials(b, x, axis)
    return b.div(powers, b.cast(total, x.dtype))


def log_softmax_along(b: Builder, x: Value, axis: int) -> Value:
    """Return the logarithm of the softmax of floats along one axis."""
    less, _, total = exponentials(b, x, axis)
    return b.cast(b.sub(b.cast(less, DType.FLOAT64), b.unary(Op.LOG, total)), x.dtype)


def first_largest(b: Builder, x: Value, axis: int) -> Value:
    """Return 1 at the first largest element along an axis, else 0, in the type of x; all 0 where there is a NaN."""
    shape = [x.shape[axis] if at == axis else 1 for at in range(x.rank)]
    places = b.constant(np.arange(x.shape[axis], dtype=np.int64).reshape(shape))
    largest = b.binary(Op.EQUAL, x, b.reduce(Op.REDUCE_MAX, x, [axis], keep=True))
    candidates = b.select(largest, places, b.scalar(x.shape[axis], DType.INT64))
    chosen = b.reduce(Op.REDUCE_MIN, candidates, [axis], keep=True)
    return b.cast(b.binary(Op.EQUAL, places, chosen), x.dtype)


_ALONG = {"Softmax": softmax_along, "LogSoftmax": log_softmax_along, "Hardmax": first_largest}


@lowers("Softmax", "LogSoftmax", "Hardmax")
def _softmax(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, along = operands[0], _ALONG[node.op]
    if node.version >= _ALONG_ONE:
        return [along(b, x, axis_of(node, x.rank))]
    axis = node.integer("axis")
    axis = axis + x.rank if axis < 0 else axis
    rows = int(np.prod(x.shape[:axis], dtype=np.int64))
    flat = b.reshape(x, [rows, x.size // max(rows, 1)])
    return [b.reshape(along(b, flat, 1), x.shape)]


@lowers("SoftmaxCrossEntropyLoss")
def _softmax_cross_entropy_loss(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Compute the negative log-likelihood of the log-softmax along dimension 1; the latter is the second output."""
    logs = log_softmax_along(b, operands[0], 1)
    return [_likelihood(b, node, logs, operands[1], operands.get(2)), logs]


@lowers("NegativeLogLikelihoodLoss")
def _negative_log_likelihood_loss(b: Builder, node: Node, operands: Operands) -> list[Value]:
    return [_likelihood(b, node, operands[0], operands[1], operands.get(2))]


def _likelihood(b: Builder, node: Node, x: Value, target: Value, weight: Value | None) -> Value:
    """Return −x[n, target[n, …], …], weighed and reduced as the node's attributes say."""
    if x.rank < 2 or target.shape != (x.shape[0], *x.shape[2:]):
        raise node.refused(f"targets {list(target.shape)} for {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    target = b.cast(target, DType.INT64)
    ignored: Value | None = None
    if node.has("ignore_index"):
        ignored = b.binary(Op.EQUAL, target, node.integer("ignore_index"))
        target = b.select(ignored, b.scalar(0, DType.INT64), target)
    loss = b.unary(Op.NEG, _picked(b, b.transpose(x, [0, *range(2, x.rank), 1]), target))
    weights: Value | None = None
    if weight is not None:
        weights = b.take(weight, target, 0)
    elif ignored is not None:
        weights = b.full(1, x.dtype, target.shape)
    if weights is not None:
        if ignored is not None:
            zero = b.scalar(0, x.dtype)
            weights, loss = b.select(ignored, zero, weights), b.select(ignored, zero, loss)
        loss = b.mul(loss, weights)
    return _reduced(b, node, loss, weights)


def _picked(b: Builder, x: Value, places: Value) -> Value:
    """Return x[…, places[…]]: one element of each row. A place below 0 counts from the end."""
    length = x.shape[-1]
    starts = b.constant((np.arange(places.size, dtype=np.int64) * length).reshape(places.shape))
    wrapped = b.select(b.binary(Op.LESS, places, 0), b.add(places, length), places)
    return b.take(b.reshape(x, [x.size]), b.add(starts, wrapped), 0)


def _reduced(b: Builder, node: Node, loss: Value, weights: Value | None) -> Value:
    kind = node.text("reduction")
    if kind == "none":
        return loss
    if kind not in ("sum", "mean"):
        raise node.declined("reduction", wanted="none, sum or mean")
    total = b.reduce(Op.REDUCE_SUM, loss, range(loss.rank))
    if kind == "mean" and weights is None:
        total = b.div(total, loss.size)
    elif kind == "mean" and weights is not None:
        total = b.div(total, b.reduce(Op.REDUCE_SUM, weights, range(weights.rank)))
    return b.cast(total, loss.dtype)
