"""Small models and tensors for the tests of the AI VM."""

import struct
from collections.abc import Sequence
from pathlib import Path

import magika
import onnx
from onnx import TensorProto, helper

from primitives import codec
from vm.tensor import Bundle, DType, NamedTensor, Tensor, element_count

_CODES = {
    DType.FLOAT32: "f",
    DType.FLOAT64: "d",
    DType.UINT8: "B",
    DType.INT8: "b",
    DType.INT32: "i",
    DType.INT64: "q",
    DType.BOOL: "?",
}


def tensor(values: Sequence[float], shape: list[int] | None = None, dtype: DType = DType.FLOAT32) -> Tensor:
    wanted = [len(values)] if shape is None else shape
    assert element_count(wanted) == len(values)
    return Tensor(dtype=dtype, shape=wanted, data=struct.pack(f"<{len(values)}{_CODES[dtype]}", *values))


def values(held: Tensor) -> list[float]:
    return list(struct.unpack(f"<{element_count(held.shape)}{_CODES[held.dtype]}", held.data))


def bundle(**tensors: Tensor) -> bytes:
    return codec.encode(Bundle(tensors=[NamedTensor(name=n.encode(), tensor=t) for n, t in tensors.items()]))


def value(name: str, shape: list[int | str] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def node(op: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def weight(name: str, numbers: Sequence[float], dims: list[int], kind: int = TensorProto.FLOAT) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, dims, list(numbers))


def model(
    nodes: list[onnx.NodeProto],
    *,
    inputs: list[onnx.ValueInfoProto] | None = None,
    outputs: list[onnx.ValueInfoProto] | None = None,
    weights: list[onnx.TensorProto] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", ["n", 4])] if inputs is None else inputs,
        [value("y", ["n", 3])] if outputs is None else outputs,
        weights or [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def classifier() -> onnx.ModelProto:
    """Four features, three classes: MatMul, Add, then Softmax; the cut is `logits`."""
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "logits"), node("Softmax", "logits", "y")]
    weights = [weight("w", [(at % 5 - 2) / 3 for at in range(12)], [4, 3]), weight("b", [0.1, -0.2, 0.3], [3])]
    return model(nodes, weights=weights)


def magika_model() -> bytes:
    return (Path(magika.__file__).parent / "models" / "standard_v3_3" / "model.onnx").read_bytes()
