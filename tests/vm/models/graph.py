"""Building a graph line by line: each call adds a node and returns the name of its result."""

from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.vm.models.case import Array

FLOAT, INT64, INT32, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL
UINT8, INT8 = TensorProto.UINT8, TensorProto.INT8


class Graph:
    """A graph in the making."""

    def __init__(self, opset: int = 17) -> None:
        self._opset = opset
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: list[int | str], kind: int = FLOAT) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: list[int | str], kind: int = FLOAT) -> str:
        """Declare an output."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, array: Array) -> str:
        """Add a weight."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, *inputs: str, gives: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one result."""
        name = gives or f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], domain=domain, **attributes))
        return name

    def nodes(self, op: str, *inputs: str, gives: list[str], **attributes: Any) -> list[str]:
        """Add a node with several results."""
        self._nodes.append(helper.make_node(op, list(inputs), gives, **attributes))
        return gives

    def inner(self, name: str) -> onnx.GraphProto:
        """Return what was built as the body of a control flow node."""
        return helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._weights)

    def model(self) -> bytes:
        """Return the file."""
        imports = [helper.make_opsetid("", self._opset)]
        if any(node.domain == "ai.onnx.ml" for node in self._nodes):
            imports.append(helper.make_opsetid("ai.onnx.ml", 3))
        raw: bytes = helper.make_model(self.inner("g"), opset_imports=imports, ir_version=8).SerializeToString()
        return raw
