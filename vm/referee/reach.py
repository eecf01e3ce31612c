"""Which elements of its operands one element of a result is computed from."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vm.program import Op, Operation, convolution, movement
from vm.tensor import ITEM_BYTES, ROOT_LEAF_BYTES, TensorType, element_count

Range = tuple[int, int]
"""First element, and how many."""


class Reach(NamedTuple):
    """What is read of one operand: ranges of elements that do not overlap, ascending."""

    operand: int
    """Its place among the operands."""
    ranges: list[Range]


def coordinates(flat: int, shape: list[int]) -> list[int]:
    """Return where element `flat` stands, in C order."""
    found = []
    for dimension in reversed(shape):
        flat, rest = divmod(flat, dimension)
        found.append(rest)
    return found[::-1]


def flat_of(at: list[int], shape: list[int]) -> int:
    """Return the number of the element that stands at these coordinates."""
    flat = 0
    for place, dimension in zip(at, shape, strict=True):
        flat = flat * dimension + place
    return flat


def broadcast(at: list[int], shape: list[int]) -> int:
    """Return the element of an operand that meets coordinates of the result: dimensions of 1 are repeated."""
    tail = at[len(at) - len(shape) :]
    return flat_of([0 if dimension == 1 else place for place, dimension in zip(tail, shape, strict=True)], shape)


def moved(operation: Operation, element: int) -> int | None:
    """Return which element of MOVE's operand an element of the result is, or None where it is the fill."""
    told = movement(operation)
    at = coordinates(element, operation.result.shape)
    place = [
        base + sum(factor * coordinate for factor, coordinate in zip(row, at, strict=True))
        for base, row in zip(told.base, told.matrix, strict=True)
    ]
    inside = all(0 <= each < dimension for each, dimension in zip(place, told.shape, strict=True))
    return flat_of(place, told.shape) if inside else None


def joined(operation: Operation, types: list[TensorType], element: int) -> tuple[int, int]:
    """Return from which operand of CONCAT an element comes, and which of it."""
    at, axis = coordinates(element, operation.result.shape), operation.ints[0]
    for slot, type_ in enumerate(types):
        if at[axis] < type_.shape[axis]:
            return slot, flat_of(at, type_.shape)
        at[axis] -= type_.shape[axis]
    raise AssertionError("the shapes of what is joined add up to the result's")


def taken(operation: Operation, types: list[TensorType], element: int) -> int:
    """Return which index decides about an element of TAKE."""
    axis, rank = operation.ints[0], len(types[1].shape)
    at = coordinates(element, operation.result.shape)
    return flat_of(at[axis : axis + rank], types[1].shape)


def taken_from(operation: Operation, types: list[TensorType], element: int, index: int) -> int:
    """Return which element of TAKE's data an index, counted from the front, picks."""
    axis, rank = operation.ints[0], len(types[1].shape)
    at = coordinates(element, operation.result.shape)
    return flat_of([*at[:axis], index, *at[axis + rank :]], types[0].shape)


def scattered(operation: Operation, types: list[TensorType], element: int, indices: list[int]) -> list[int]:
    """Return which elements of SCATTER's updates meet an element; of those that replace, only the last counts."""
    inner = element_count(types[0].shape[1:])
    row, place = divmod(element, inner)
    meeting = [at * inner + place for at, index in enumerate(indices) if index == row]
    return meeting[-1:] if operation.ints[0] == 0 else meeting


def taps(operation: Operation, types: list[TensorType], element: int) -> Iterator[tuple[int, int]]:
    """Yield for each tap of a CONV inside of x its number and the first of its elements in x, in order."""
    x, w = types
    told, at = convolution(operation), coordinates(element, operation.result.shape)
    group, channels = at[-1] // (w.shape[0] // told.groups), w.shape[-1]
    inside: list[list[tuple[int, int]]] = []
    for axis, (size, length) in enumerate(zip(w.shape[1:-1], x.shape[1:-1], strict=True)):
        start = at[1 + axis] * told.strides[axis] - told.pads[axis]
        line = [(step, start + step * told.dilations[axis]) for step in range(size)]
        inside.append([(step, place) for step, place in line if 0 <= place < length])
    for chosen in itertools.product(*inside):
        tap = flat_of([step for step, _ in chosen], w.shape[1:-1])
        yield tap, flat_of([at[0], *(place for _, place in chosen), group * channels], x.shape)


def cumulated(operation: Operation, element: int) -> Range:
    """Return the range of the row that CUMULATE has added up at an element, the order aside."""
    exclusive, backwards = operation.ints
    length = operation.result.shape[-1]
    row, place = divmod(element, length)
    first, stop = (place + exclusive, length) if backwards else (0, place + 1 - exclusive)
    return row * length + first, stop - first


def needs(operation: Operation, types: list[TensorType], element: int, indices: list[int] | None = None) -> list[Reach]:
    """Return what an element is computed from, in the order in which operands are opened.

    TAKE and SCATTER read indices first: without `indices` (from the front, inside of the axis) they alone are told.
    """
    match operation.op:
        case Op.MOVE:
            source = moved(operation, element)
            return [] if source is None else [Reach(0, [(source, 1)])]
        case Op.CONCAT:
            slot, source = joined(operation, types, element)
            return [Reach(slot, [(source, 1)])]
        case Op.TAKE:
            first = Reach(1, [(taken(operation, types, element), 1)])
            if indices is None:
                return [first]
            return [first, Reach(0, [(taken_from(operation, types, element, indices[0]), 1)])]
        case Op.SCATTER:
            first = Reach(1, [(0, types[1].shape[0])])
            if indices is None:
                return [first]
            updates = [(at, 1) for at in scattered(operation, types, element, indices)]
            return [first, Reach(0, [(element, 1)]), Reach(2, updates)]
        case Op.MATMUL:
            return _matmul(operation, types, element)
        case Op.CONV:
            whole = element_count(types[1].shape[1:])
            feature = element % types[1].shape[0]
            image = [(first, types[1].shape[-1]) for _, first in taps(operation, types, element)]
            return [Reach(0, image), Reach(1, [(feature * whole, whole)])]
        case Op.CUMULATE:
            return [Reach(0, [cumulated(operation, element)])]
        case Op.SORT:
            length = types[0].shape[-1]
            return [Reach(0, [(element // length * length, length)])]
        case _ if Op.REDUCE_SUM <= operation.op <= Op.ARG_MIN:
            length = types[0].shape[-1]
            return [Reach(0, [(element * length, length)])]
        case _:  # elementwise
            at = coordinates(element, operation.result.shape)
            return [Reach(slot, [(broadcast(at, type_.shape), 1)]) for slot, type_ in enumerate(types)]


def _matmul(operation: Operation, types: list[TensorType], element: int) -> list[Reach]:
    at = coordinates(element, operation.result.shape)
    reaches = []
    for slot, (type_, line) in enumerate(zip(types, at[-2:], strict=True)):
        length = type_.shape[-1]
        row = broadcast([*at[:-2], line], type_.shape[:-1])
        # A dimension of 1 here is not broadcast: then the line is 0 anyway.
        reaches.append(Reach(slot, [(row * length, length)]))
    return reaches


def places(type_: TensorType, ranges: Sequence[Range]) -> list[int]:
    """Return which leaves of a tensor's tree hold the elements of ascending ranges."""
    item, found = ITEM_BYTES[type_.dtype], list[int]()
    for first, count in ranges:
        if count:
            start, stop = first * item // ROOT_LEAF_BYTES, -(-(first + count) * item // ROOT_LEAF_BYTES)
            found.extend(range(max(start, found[-1] + 1) if found else start, stop))
    return found
