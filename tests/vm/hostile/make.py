"""What hostile models are made of. Each takes four float32 `x` and gives `y`, unless it says otherwise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.vm.models.case import Array
from tests.vm.models.graph import Graph

X = [4]
OPSET = 17


@dataclass(frozen=True)
class Hostile:
    """A model made to harm whoever reads, lowers or runs it."""

    name: str
    build: Callable[[], bytes]
    shapes: tuple[tuple[int, ...], ...] = ((4,),)


def one(op: str, *more: Array | str, x: str = "x", opset: int = OPSET, domain: str = "", **attributes: Any) -> bytes:
    """Return a model of one node, whose operands after `x` are these weights or names ("" leaves one out)."""
    graph = Graph(opset)
    graph.input("x", [4])
    names = [each if isinstance(each, str) else graph.weight(each) for each in more]
    graph.node(op, *([x] if x else []), *names, gives="y", domain=domain, **attributes)
    graph.output("y", ["n"])
    return graph.model()


def ints(*values: int) -> Array:
    """Return a weight of int64."""
    return np.array(values, np.int64)


def scalar(value: int) -> Array:
    """Return a weight of int64 without dimensions."""
    return np.array(value, np.int64)


def floats(*shape: int) -> Array:
    """Return a weight of float32 zeros."""
    return np.zeros(shape, np.float32)


def edited(change: Callable[[onnx.ModelProto], None], model: Callable[[], bytes] | None = None) -> bytes:
    """Return a harmless model, or another, with something changed."""
    held = onnx.ModelProto.FromString((model or harmless)())
    change(held)
    raw: bytes = held.SerializeToString()
    return raw


def harmless() -> bytes:
    """Return a model that multiplies by a weight and adds one."""
    graph = Graph(OPSET)
    product = graph.node("Mul", graph.input("x", [4]), graph.weight(floats(4) + 2))
    graph.output(graph.node("Add", product, graph.weight(floats(4) + 1), gives="y"), [4])
    return graph.model()


def chain(steps: int, op: str, *, seed: list[int], twice: bool = False, **attributes: Any) -> bytes:
    """Return a model that spreads `x` to a shape, then repeats an operator of one operand, or of the same one twice."""
    graph = Graph(OPSET)
    x = graph.node("Expand", graph.node("ReduceSum", graph.input("x", [4])), graph.weight(ints(*seed)))
    for _ in range(steps):
        x = graph.node(op, *([x, x] if twice else [x]), **attributes)
    graph.output(graph.node("ReduceSum", x, gives="y", keepdims=0), [])
    return graph.model()


def port(name: str, kind: int, shape: list[int | str] | None = None) -> onnx.ValueInfoProto:
    """Return a declared input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def external(*entries: tuple[str, str], name: str = "w") -> onnx.TensorProto:
    """Return a tensor that says where else its data lies."""
    held = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in entries:
        held.external_data.append(onnx.StringStringEntryProto(key=key, value=value))
    return held


def weight(name: str, array: Array) -> onnx.TensorProto:
    """Return a weight by name."""
    return numpy_helper.from_array(array, name)
