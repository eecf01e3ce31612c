"""Rules for sequences, which are lists of values while a file is lowered and leave nothing in the program."""

from primitives.reasons import Reason
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.movement import axis_of
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

NUMBERLESS = -1
"""In the place of a value's number: no operation reads a sequence."""
ITEMS_MAX = 10_000
"""Tensors in one: each is at least one operation, and there are 100,000 of these."""


def _sequence(dtype: DType, items: list[Value]) -> list[Value]:
    """Return a sequence as the result of a rule."""
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
    if len(items) == ITEMS_MAX:
        raise node.refused("one tensor more", wanted=f"at most {ITEMS_MAX}")
    given, count = operands.get_ints(2), len(items)
    place = given[0] if given else count
    if not -count <= place <= count:
        raise node.refused(f"place {place} of {count}", reason=Reason.GRAPH_INVALID)
    items.insert(place, value)  # before the element of that place, as in Python
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
    if given is not None and operands[1].rank:
        sizes = given
    else:
        each = 1 if given is None else given[0]
        if each < 1:
            raise node.refused(f"parts of {each}", reason=Reason.GRAPH_INVALID)
        sizes = [min(each, size - at) for at in range(0, size, each)[: ITEMS_MAX + 1]]
    if len(sizes) > ITEMS_MAX:
        raise node.refused("more parts than that", wanted=f"at most {ITEMS_MAX}")
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise node.refused(f"parts of {sizes} of {size}", reason=Reason.GRAPH_INVALID)
    items: list[Value] = []
    start = 0
    for length in sizes:
        part = builder.narrow(x, axis, start, length)
        items.append(part if given is not None or keep else builder.reshape(part, x.shape[:axis] + x.shape[axis + 1 :]))
        start += length
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
