"""Models of few nodes, lowered and run, for the tests of lowering."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vm.canonical import interpreter
from vm.canonical.arrays import DTYPE_OF, normal
from vm.program import Op
from vm.sandbox.lower.lowering import Lowered, lower

Array = NDArray[Any]


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Array],
    outputs: Sequence[str],
    weights: dict[str, Array] | None = None,
) -> onnx.GraphProto:
    """Return a graph whose inputs have the types and shapes of arrays."""
    ports = [helper.make_tensor_value_info(n, int(DTYPE_OF[a.dtype]), list(a.shape)) for n, a in inputs.items()]
    held = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    return helper.make_graph(nodes, "g", ports, [onnx.ValueInfoProto(name=name) for name in outputs], held)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Array],
    outputs: Sequence[str],
    weights: dict[str, Array] | None = None,
    *,
    opset: int = 19,
) -> onnx.ModelProto:
    """Return a model whose inputs have the types and shapes of arrays."""
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph(nodes, inputs, outputs, weights), opset_imports=imports, ir_version=9)


def lowered(proto: onnx.ModelProto, inputs: dict[str, Array]) -> Lowered:
    """Return what a model means for inputs of the shapes of arrays."""
    return lower(proto, [list(array.shape) for array in inputs.values()])


def results(found: Lowered, inputs: dict[str, Array]) -> list[Array]:
    """Return the outputs that the canonical interpreter computes."""
    values = interpreter.run(found.program, found.constants, [normal(array) for array in inputs.values()])
    return [values[number] for number in found.program.outputs]


def ops(found: Lowered) -> list[Op]:
    """Return the operators of a program, in order."""
    return [operation.op for operation in found.program.operations]


def floats(*shape: int, seed: int = 1) -> Array:
    """Return float32 numbers around 0."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def float_port(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    """Return a port of a graph within a graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
