"""Rules for sequences, which are lists of values while a file is lowered and leave nothing in the program."""

from primitives.reasons import Reason
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.movement import axis_of
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

NUMBERLESS = -1
"""In the place of a value's number: no operation reads a sequence."""


def _sequence(dtype: DType, items: list[Value]) -> list[Value]:
    return [Value(NUMBERLESS, dtype, (), items=tuple(items))]


def _items(operands: Operands) -> list[Value]:
    """Return the tensors of the first operand, which ONNX has be a sequence."""
    return list(operands[0].items or ())


def _place(node: Node, operands: Operands, at: int, count: int, *, default: int) -> int:
    """Return a place in a sequence of `count`, which must be known, as a number from 0."""
    given = operands.get_ints(at)
    place = given[0] if given else default
    if not -count <= place < max(count, 1):
        raise node.refused(f"place {place} of {count}", reason=Reason.GRAPH_INVALID)
    return place % max(count, 1)


@lowers("SequenceEmpty")
def _empty(_: Builder, node: Node, __: Operands) -> list[Value]:
    return _sequence(element_type(node.integer("dtype", int(DType.FLOAT32)), node.place), [])


@lowers("SequenceConstruct")
def _construct(_: Builder, __: Node, operands: Operands) -> list[Value]:
    return _sequence(operands[0].dtype, operands.all())


@lowers("SequenceInsert")
def _insert(_: Builder, node: Node, operands: Operands) -> list[Value]:
    items, value = _items(operands), operands[1]
    if value.dtype is not operands[0].dtype:
        raise node.refused(f"{value.dtype.name} into {operands[0].dtype.name}", reason=Reason.GRAPH_INVALID)
    items.insert(_place(node, operands, 2, len(items) + 1, default=len(items)), value)
    return _sequence(value.dtype, items)


@lowers("SequenceErase")
def _erase(_: Builder, node: Node, operands: Operands) -> list[Value]:
    items = _items(operands)
    del items[_place(node, operands, 1, len(items), default=-1)]
    return _sequence(operands[0].dtype, items)


@lowers("SequenceAt")
def _at(_: Builder, node: Node, operands: Operands) -> list[Value]:
    items = _items(operands)
    if not items:
        raise node.refused("a sequence of nothing", reason=Reason.GRAPH_INVALID)
    return [items[_place(node, operands, 1, len(items), default=0)]]


@lowers("SequenceLength")
def _length(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.reshape(builder.scalar(len(_items(operands)), DType.INT64), ())]


@lowers("SplitToSequence")
def _split(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, given = operands[0], operands.get_ints(1)
    axis, keep = axis_of(node, x.rank), node.flag("keepdims")
    size = x.shape[axis]
    if given is None:
        sizes = [1] * size
    elif operands[1].rank == 0:
        if given[0] < 1:
            raise node.refused(f"parts of {given[0]}", reason=Reason.GRAPH_INVALID)
        sizes = [min(given[0], size - at) for at in range(0, size, given[0])]
    else:
        sizes = given
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise node.refused(f"parts of {sizes} of {size}", reason=Reason.GRAPH_INVALID)
    items: list[Value] = []
    start = 0
    for each in sizes:
        part = builder.narrow(x, axis, start, each)
        items.append(part if given is not None or keep else builder.reshape(part, x.shape[:axis] + x.shape[axis + 1 :]))
        start += each
    return _sequence(x.dtype, items)


@lowers("ConcatFromSequence")
def _concat(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    items = _items(operands)
    if not items:
        raise node.refused("a sequence of nothing", reason=Reason.GRAPH_INVALID)
    if not node.flag("new_axis"):
        return [builder.concat(items, axis_of(node, items[0].rank))]
    axis = axis_of(node, items[0].rank + 1)
    return [builder.concat([builder.reshape(v, (*v.shape[:axis], 1, *v.shape[axis:])) for v in items], axis)]
