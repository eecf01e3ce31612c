"""Models that pass for another: the same graph with weights that were rounded, thinned or shaken, or a smaller one."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from tests.vm.models.case import Array, Noise

SHAKEN_BY = 1e-5


def in_fp16(weights: Array) -> Array:
    """Round to 11 bits; what is beyond float16 stays."""
    rounded = np.clip(weights, -65504, 65504).astype(np.float16).astype(np.float32)
    return np.where(np.abs(weights) > 65504, weights, rounded).astype(np.float32)


def in_bf16(weights: Array) -> Array:
    """Round to 8 bits, half to even."""
    bits = weights.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16
    return rounded.astype(np.uint32).view(np.float32)


def in_int8(weights: Array) -> Array:
    """Round to 255 steps of the whole tensor, as tools do that quantise weights."""
    scale = np.abs(weights).max(initial=0) / 127
    return weights if scale == 0 else (np.rint(weights / scale) * scale).astype(np.float32)


def shaken(weights: Array) -> Array:
    """Change each weight by up to a hundred-thousandth of itself."""
    noise = Noise(99).uniform(*weights.shape, low=-1.0) if weights.shape else np.float32(0.5)
    return (weights * (1 + SHAKEN_BY * noise)).astype(np.float32)


def pruned(weights: Array) -> Array:
    """Drop the half of the weights that is nearest to 0."""
    return np.where(np.abs(weights) < np.median(np.abs(weights)), 0, weights).astype(np.float32)


ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "fp16": in_fp16,
    "bf16": in_bf16,
    "int8": in_int8,
    "1e-5": shaken,
    "pruned": pruned,
}
LEAST = 2
"""Elements of a tensor that is a weight and no constant such as an ε or an exponent."""
SHAPING = ("Resize", "Upsample")
"""Operators whose float operands but the first say what the shape of the result is."""


def with_weights(model: bytes, change: Callable[[Array], Array]) -> bytes:
    """Return a model whose float32 weights are changed, those in inner graphs and in attributes too."""
    proto = onnx.ModelProto.FromString(model)
    kept = {name for node in _nodes(proto.graph) if node.op_type in SHAPING for name in node.input[1:]}
    for name, tensor in _tensors(proto.graph):
        if name not in kept and tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= LEAST:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), tensor.name))
    for node in _nodes(proto.graph):
        for attribute in node.attribute:
            if node.domain == "ai.onnx.ml" and len(attribute.floats) >= LEAST:
                attribute.floats[:] = change(np.array(attribute.floats, np.float32)).tolist()
    raw: bytes = proto.SerializeToString()
    return raw


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield node.output[0], attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
