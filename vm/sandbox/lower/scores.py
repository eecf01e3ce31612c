"""What classical models make of their scores: the post-transforms of ai.onnx.ml, and labels."""

import numpy as np

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node
from vm.sandbox.lower.softmax import softmax_along
from vm.tensor import DType

_PROBIT_A = 0.147
_PROBIT_PI = 3.14159
"""Constants of Winitzki's approximation, with the digits that ONNX Runtime has."""
_ZERO = 1e-7
"""SOFTMAX_ZERO leaves scores alone that are closer to 0."""


def transformed(b: Builder, node: Node, scores: Value) -> Value:
    """Return scores [N, K] after the node's post_transform. Raises Refused."""
    match node.text("post_transform", "NONE"):
        case "NONE":
            return scores
        case "LOGISTIC":
            return b.unary(Op.SIGMOID, scores)
        case "SOFTMAX":
            return softmax_along(b, scores, 1)
        case "SOFTMAX_ZERO":
            return _softmax_zero(b, scores)
        case "PROBIT":
            return _probit(b, scores)
        case _:
            raise node.declined("post_transform", wanted="NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT")


def _softmax_zero(b: Builder, x: Value) -> Value:
    """Return the softmax of what is not 0; 0 stays 0."""
    largest = b.reduce(Op.REDUCE_MAX, x, [1], keep=True)
    counts = b.binary(Op.LESS, b.scalar(_ZERO, x.dtype), b.unary(Op.ABS, x))
    powers = b.unary(Op.EXP, b.sub(x, largest))
    total = b.reduce(Op.REDUCE_SUM, b.select(counts, powers, b.scalar(0, x.dtype)), [1], keep=True)
    rest = b.mul(x, b.unary(Op.EXP, b.unary(Op.NEG, largest)))
    return b.div(b.select(counts, powers, rest), b.cast(total, x.dtype))


def _probit(b: Builder, x: Value) -> Value:
    """Return √2 · erf⁻¹(2x − 1), approximated."""
    y = b.sub(b.mul(x, 2), 1)
    log = b.unary(Op.LOG, b.mul(b.sub(b.scalar(1, x.dtype), y), b.add(y, 1)))
    v = b.add(b.mul(log, 0.5), 2 / (_PROBIT_PI * _PROBIT_A))
    inner = b.sub(b.unary(Op.SQRT, b.sub(b.mul(v, v), b.mul(log, 1 / _PROBIT_A))), v)
    size = b.unary(Op.SQRT, inner)
    return b.mul(b.select(b.binary(Op.LESS, y, 0), b.unary(Op.NEG, size), size), 2**0.5)


def integer_labels(node: Node, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the labels of a classifier. Raises Refused for strings."""
    labels = node.integers(name)
    if node.texts("classlabels_strings"):
        raise node.refused(
            "its labels are strings", reason=Reason.TYPE_REFUSED, wanted="a model that is trained on integer labels"
        )
    if not labels:
        raise node.refused(f"no {name}", reason=Reason.GRAPH_INVALID)
    return np.array(labels, np.int64)


def rows(node: Node, x: Value, b: Builder, dtype: DType) -> Value:
    """Return samples [N, F] in a type; one sample may come as [F]. Raises Refused GRAPH_INVALID."""
    if x.rank not in (1, 2):
        raise node.refused(f"samples of shape {list(x.shape)}", reason=Reason.GRAPH_INVALID, wanted="a rank of 2")
    return b.cast(b.reshape(x, [1, x.size]) if x.rank == 1 else x, dtype)


def largest_at(b: Builder, scores: Value) -> Value:
    """Return the place of the first largest score of each row, [N] int64; the number of scores where there is a NaN."""
    places = b.counting(scores.shape[1])
    largest = b.binary(Op.EQUAL, scores, b.reduce(Op.REDUCE_MAX, scores, [1], keep=True))
    candidates = b.select(largest, places, b.scalar(scores.shape[1] - 1, DType.INT64))
    return b.reduce(Op.REDUCE_MIN, candidates, [1])
