"""Rules for shapes and data movement: what rearranges, repeats, joins and parts values without arithmetic."""

import math
from itertools import pairwise

import numpy as np

from primitives.reasons import Reason
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

AXES_AS_INPUT = 13
"""The version from which axes and parts are an operand instead of an attribute."""


def axis_of(node: Node, rank: int, default: int | None = None, name: str = "axis") -> int:
    """Return an axis attribute as a number from 0. Raises Refused GRAPH_INVALID."""
    return checked_axis(node, node.integer(name, default), rank)


def checked_axis(node: Node, axis: int, rank: int) -> int:
    """Return an axis as a number from 0. Raises Refused GRAPH_INVALID."""
    if not -rank <= axis < rank:
        raise node.refused(f"axis {axis} of rank {rank}", reason=Reason.GRAPH_INVALID)
    return axis % rank


def axes_of(node: Node, axes: list[int], rank: int) -> list[int]:
    """Return axes as ascending numbers from 0. Raises Refused GRAPH_INVALID, also if one occurs twice."""
    found = sorted(checked_axis(node, axis, rank) for axis in axes)
    if any(one == other for one, other in pairwise(found)):
        raise node.refused("an axis occurs twice", reason=Reason.GRAPH_INVALID)
    return found


@lowers("Identity")
def _identity(_: Builder, __: Node, operands: Operands) -> list[Value]:
    return [operands[0]]


@lowers("Dropout")
def _dropout(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    node.ignore("ratio", "seed", "is_test")
    training = operands.get(2)
    if training is not None and (training.array is None or training.array.any()):
        raise node.refused("it drops at random in training mode", reason=Reason.NONDETERMINISTIC)
    x = operands[0]
    mask_dtype = x.dtype if node.version < 10 else DType.BOOL
    return [x, builder.full(1, mask_dtype, x.shape)] if node.wants(1) else [x]


@lowers("Constant")
def _constant(builder: Builder, node: Node, _: Operands) -> list[Value]:
    tensor = node.tensor("value")
    if tensor is not None:
        return [builder.constant(tensor)]
    for name in ("value_float", "value_floats"):
        if node.has(name):
            numbers = node.numbers(name) if name.endswith("s") else node.number(name)
            return [builder.constant(np.array(numbers, np.float32))]
    for name in ("value_int", "value_ints"):
        if node.has(name):
            integers = node.integers(name) if name.endswith("s") else node.integer(name)
            return [builder.constant(np.array(integers, np.int64))]
    raise node.refused("neither value nor numbers", wanted="a dense tensor of numbers")


@lowers("ConstantOfShape")
def _constant_of_shape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    tensor = node.tensor("value")
    one = builder.constant(np.zeros(1, np.float32) if tensor is None else tensor)
    return [builder.broadcast(builder.reshape(one, ()), operands.ints(0))]


@lowers("Shape")
def _shape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    shape = operands[0].shape
    start = node.integer("start", 0) if node.has("start") else 0
    end = node.integer("end", 0) if node.has("end") else len(shape)
    return [builder.constant(np.array(shape[start:end] if start or end != len(shape) else shape, np.int64))]


@lowers("Size")
def _size(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.constant(np.array(operands[0].size, np.int64))]


@lowers("Reshape")
def _reshape(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, wanted = operands[0], operands.ints(1)
    keeps_zero = node.flag("allowzero", 0)
    shape = [x.shape[at] if size == 0 and not keeps_zero else size for at, size in enumerate(wanted)]
    if -1 in shape:
        rest = math.prod(size for size in shape if size != -1)
        if rest == 0 or shape.count(-1) > 1:
            raise node.refused(f"{x.size} elements in the shape {wanted}", reason=Reason.GRAPH_INVALID)
        shape[shape.index(-1)] = x.size // rest
    return [builder.reshape(x, shape)]


@lowers("Flatten")
def _flatten(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, axis = operands[0], node.integer("axis", 1)
    if not -x.rank <= axis <= x.rank:
        raise node.refused(f"axis {axis} of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    split = axis + x.rank if axis < 0 else axis
    return [builder.reshape(x, (math.prod(x.shape[:split]), math.prod(x.shape[split:])))]


def _axes(node: Node, operands: Operands) -> list[int] | None:
    return node.integers("axes") if node.version < AXES_AS_INPUT else operands.get_ints(1)


@lowers("Squeeze")
def _squeeze(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], _axes(node, operands)
    axes = [at for at, size in enumerate(x.shape) if size == 1] if given is None else axes_of(node, given, x.rank)
    if any(x.shape[axis] != 1 for axis in axes):
        raise node.refused(f"axes {axes} of shape {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    return [builder.reshape(x, [size for at, size in enumerate(x.shape) if at not in axes])]


@lowers("Unsqueeze")
def _unsqueeze(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], _axes(node, operands) or []
    axes = axes_of(node, given, x.rank + len(given))
    sizes = iter(x.shape)
    return [builder.reshape(x, [1 if at in axes else next(sizes) for at in range(x.rank + len(given))])]


@lowers("Transpose")
def _transpose(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, order = operands[0], node.integers("perm")
    given = list(reversed(range(x.rank))) if order is None else order
    if sorted(given) != list(range(x.rank)):
        raise node.refused(f"perm {given} of rank {x.rank}", reason=Reason.GRAPH_INVALID)
    return [builder.transpose(x, given)]
