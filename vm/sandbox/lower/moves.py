"""The algebra of MOVE: affine maps from the elements of a result to those of an operand, and their composition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Map:
    """Element o of a result of shape `shape` is element base + rows·o of the operand seen in the shape `view`."""

    view: Shape
    base: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    shape: Shape

    @property
    def ints(self) -> list[int]:
        """Return what MOVE takes beside its operand."""
        return [len(self.view), *self.view, *self.base, *(each for row in self.rows for each in row)]

    @cached_property
    def in_range(self) -> bool:
        """Return whether no element of the result lies outside of the operand."""
        return all(self.stays_within(dimension) for dimension in range(len(self.view)))

    def stays_within(self, dimension: int) -> bool:
        """Return whether no element of the result lies outside of the operand along one dimension of the view."""
        row, start = self.rows[dimension], self.base[dimension]
        reach = [factor * (count - 1) for factor, count in zip(row, self.shape, strict=True)]
        lowest, highest = start + sum(min(each, 0) for each in reach), start + sum(max(each, 0) for each in reach)
        return lowest >= 0 and highest < self.view[dimension]

    @property
    def is_reshape(self) -> bool:
        """Return whether elements keep their order: the result is the operand in another shape."""
        return self.view == self.shape and self.base == (0,) * len(self.view) and self.rows == _unit(len(self.view))

    @property
    def permutation(self) -> list[int] | None:
        """Return for each dimension of the result the one of the view that it is, if that is all there is to it."""
        if len(self.view) != len(self.shape) or any(self.base):
            return None
        order = [-1] * len(self.shape)
        for dimension, row in enumerate(self.rows):
            ones = [at for at, factor in enumerate(row) if factor]
            if (
                len(ones) != 1
                or row[ones[0]] != 1
                or order[ones[0]] >= 0
                or self.shape[ones[0]] != self.view[dimension]
            ):
                return None
            order[ones[0]] = dimension
        return order


def _unit(rank: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(row == column) for column in range(rank)) for row in range(rank))


def reshaping(shape: Sequence[int]) -> Map:
    """Return the map that shows an operand in another shape."""
    return Map(tuple(shape), (0,) * len(shape), _unit(len(shape)), tuple(shape))


def transposing(view: Sequence[int], order: Sequence[int]) -> Map:
    """Return the map whose result has the operand's dimensions in another order, as in numpy.transpose."""
    rows = tuple(tuple(int(source == dimension) for source in order) for dimension in range(len(view)))
    return Map(tuple(view), (0,) * len(view), rows, tuple(view[each] for each in order))


def slicing(view: Sequence[int], starts: Sequence[int], steps: Sequence[int], shape: Sequence[int]) -> Map:
    """Return the map that takes every step-th element from a start, along each dimension; outside is the fill."""
    rows = tuple(tuple(step * int(row == column) for column in range(len(view))) for row, step in enumerate(steps))
    return Map(tuple(view), tuple(starts), rows, tuple(shape))


def broadcasting(view: Sequence[int], shape: Sequence[int]) -> Map:
    """Return the map of numpy.broadcast_to."""
    more = len(shape) - len(view)
    rows = tuple(
        tuple(int(column == row + more and view[row] != 1) for column in range(len(shape))) for row in range(len(view))
    )
    return Map(tuple(view), (0,) * len(view), rows, tuple(shape))


def composed(inner: Map, inner_fill: bytes, outer: Map, outer_fill: bytes) -> tuple[Map, bytes] | None:
    """Return the one map that does what `outer` does to the result of `inner`, or None where there is none."""
    if inner.is_reshape:
        return outer, outer_fill
    within = outer.in_range
    if outer.view == inner.shape:
        if not within and inner.permutation is None:
            return None
        return _chained(inner, outer, outer.base, outer.rows), (inner_fill if within else outer_fill)
    groups = _groups(inner.shape, outer.view) if within else None
    merged = None if groups is None else _merged(inner, [group for group, _ in groups])
    if groups is None or merged is None:
        return None
    base: list[int] = []
    rows: list[tuple[int, ...]] = []
    for _, parts in groups:
        strides = list(accumulate((outer.view[each] for each in reversed(parts[1:])), lambda a, b: a * b, initial=1))
        weights = list(zip(parts, reversed(strides), strict=True))
        base.append(sum(outer.base[each] * stride for each, stride in weights))
        rows.append(
            tuple(sum(outer.rows[each][at] * stride for each, stride in weights) for at in range(len(outer.shape)))
        )
    return _chained(merged, outer, tuple(base), tuple(rows)), inner_fill


def _chained(inner: Map, outer: Map, base: Sequence[int], rows: Sequence[Sequence[int]]) -> Map:
    """Return inner after outer, whose base and rows index the dimensions of inner's result."""
    start = tuple(
        b + sum(f * o for f, o in zip(row, base, strict=True)) for b, row in zip(inner.base, inner.rows, strict=True)
    )
    product = tuple(
        tuple(sum(f * each[at] for f, each in zip(row, rows, strict=True)) for at in range(len(outer.shape)))
        for row in inner.rows
    )
    return Map(inner.view, start, product, outer.shape)


def _groups(left: Shape, right: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Return runs of dimensions of two shapes that hold the same elements, dimensions of 1 left out."""
    if 0 in left or 0 in right:
        return None
    lefts = [at for at, size in enumerate(left) if size != 1]
    rights = [at for at, size in enumerate(right) if size != 1]
    found: list[tuple[list[int], list[int]]] = []
    while lefts or rights:
        one, other = [lefts.pop(0)], [rights.pop(0)]
        while (a := math.prod(left[at] for at in one)) != (b := math.prod(right[at] for at in other)):
            if a < b:
                one.append(lefts.pop(0))
            else:
                other.append(rights.pop(0))
        found.append((one, other))
    return found


def _merged(inner: Map, groups: list[list[int]]) -> Map | None:
    """Return `inner` with each run of dimensions of its result as one, if its steps along them allow that."""
    for group in groups:
        for first, second in pairwise(group):
            inner = _flattened(inner, first, second)
    columns: list[list[int]] = []
    for group in groups:
        if any(not _is_steady(inner, first, second) for first, second in pairwise(group)):
            return None
        columns.append([row[group[-1]] for row in inner.rows])
    rows = tuple(tuple(column[at] for column in columns) for at in range(len(inner.view)))
    shape = tuple(math.prod(inner.shape[at] for at in group) for group in groups)
    return Map(inner.view, inner.base, rows, shape)


def _is_steady(inner: Map, first: int, second: int) -> bool:
    """Return whether a step along one dimension of the result is as many steps along the next as that has elements."""
    return all(row[first] == row[second] * inner.shape[second] for row in inner.rows)


def _flattened(inner: Map, first: int, second: int) -> Map:
    """Return the same map with two dimensions of the view as one, if these are what keeps two of the result apart."""
    if _is_steady(inner, first, second):
        return inner
    for at in range(len(inner.view) - 1):
        upper, lower = inner.rows[at], inner.rows[at + 1]
        if upper[first] and lower[second] and inner.stays_within(at) and inner.stays_within(at + 1):
            size = inner.view[at + 1]
            row = tuple(size * a + b for a, b in zip(upper, lower, strict=True))
            return Map(
                (*inner.view[:at], inner.view[at] * size, *inner.view[at + 2 :]),
                (*inner.base[:at], inner.base[at] * size + inner.base[at + 1], *inner.base[at + 2 :]),
                (*inner.rows[:at], row, *inner.rows[at + 2 :]),
                inner.shape,
            )
    return inner
