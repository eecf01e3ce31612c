"""Data movement: MOVE, CONCAT, TAKE and SCATTER."""

from collections.abc import Callable

import numpy as np

from vm.canonical.arrays import NUMPY_OF, Array
from vm.canonical.trapped import Trapped
from vm.program import Movement, Operation, TrapCode, movement

_PADDED_MAX = 4
"""A padded copy of x' of so many times the elements of x' and result together; beyond, element by element."""


def move(operation: Operation, operands: list[Array]) -> Array:
    """Return x' at base + M·o for each o, the fill where that lies outside (G10)."""
    told, shape = movement(operation), operation.result.shape
    dtype = NUMPY_OF[operation.result.dtype]
    x = operands[0].reshape(told.shape)
    if 0 not in shape and all(
        low >= 0 and high < n for (low, high), n in zip(reach(told, shape), told.shape, strict=True)
    ):
        return np.asarray(_strided(x, told, shape), order="C")
    fill = np.frombuffer(operation.fill, dtype)[0]
    box = inside(told, shape)
    if box is None:
        return np.full(shape, fill, dtype)
    starts, stops = box
    sizes = [stop - start for start, stop in zip(starts, stops, strict=True)]
    base = [b + sum(m * at for m, at in zip(row, starts, strict=True) if m) for b, row in _rows(told)]
    moved = _moved(x, Movement(told.shape, base, told.matrix), sizes, fill)
    if sizes == shape:
        return np.asarray(moved, order="C")
    result = np.full(shape, fill, dtype)
    result[tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))] = moved
    return result


def _rows(told: Movement) -> list[tuple[int, list[int]]]:
    return list(zip(told.base, told.matrix, strict=True))


def reach(told: Movement, sizes: list[int]) -> list[tuple[int, int]]:
    """Return the smallest and the largest coordinate in each dimension of x', over all elements of the result."""
    found = []
    for base, row in _rows(told):
        low = high = base
        for m, size in zip(row, sizes, strict=True):
            if m > 0:
                high += m * (size - 1)
            elif m:
                low += m * (size - 1)
        found.append((low, high))
    return found


def inside(told: Movement, shape: list[int]) -> tuple[list[int], list[int]] | None:
    """Return the box of the result outside of which everything is fill for one dimension's sake; None if empty."""
    starts, stops = [0] * len(shape), list(shape)
    if 0 in shape:
        return None
    for (base, row), (low, high), n in zip(_rows(told), reach(told, shape), told.shape, strict=True):
        columns = [column for column, m in enumerate(row) if m]
        if (low >= 0 and high < n) or len(columns) > 1:
            continue
        if not columns:
            return None
        column, m = columns[0], row[columns[0]]
        first, last = (-(base // m), (n - 1 - base) // m) if m > 0 else (-((n - 1 - base) // -m), base // -m)
        starts[column], stops[column] = max(starts[column], first), min(stops[column], last + 1)
        if starts[column] >= stops[column]:
            return None
    return starts, stops


def _moved(x: Array, told: Movement, sizes: list[int], fill: object) -> Array:
    """Return x at base + M·o: a view where that never lies outside."""
    ends = reach(told, sizes)
    below = [max(0, -low) for low, _ in ends]
    above = [max(0, high - n + 1) for (_, high), n in zip(ends, told.shape, strict=True)]
    if any(below) or any(above):
        padded = [n + low + high for n, low, high in zip(told.shape, below, above, strict=True)]
        if _count(padded) > _PADDED_MAX * (x.size + _count(sizes)):
            return _picked(x, told, sizes, fill)
        wide = np.full(padded, fill, x.dtype)
        wide[tuple(slice(low, low + n) for low, n in zip(below, told.shape, strict=True))] = x
        x, told = wide, told._replace(base=[base + low for base, low in zip(told.base, below, strict=True)])
    return _strided(x, told, sizes)


def _strided(x: Array, told: Movement, sizes: list[int]) -> Array:
    """Return x at base + M·o, which never lies outside, as a view of x."""
    x = np.asarray(x, order="C")
    offset, steps = 0, [0] * len(sizes)
    for (base, row), step in zip(_rows(told), x.strides, strict=True):
        offset += base * step
        for column, m in enumerate(row):
            if m and sizes[column] > 1:
                steps[column] += m * step
    return np.ndarray(sizes, x.dtype, buffer=x, offset=offset, strides=steps)


def _picked(x: Array, told: Movement, sizes: list[int], fill: object) -> Array:
    """Return x at base + M·o, from the coordinates of each element."""
    inside: Array = np.ones([1] * len(sizes), np.bool_)
    flat: Array = np.zeros([1] * len(sizes), np.int64)
    steps = [_count(told.shape[dimension + 1 :]) for dimension in range(len(told.shape))]
    for (base, row), n, step in zip(_rows(told), told.shape, steps, strict=True):
        at: Array = np.full([1] * len(sizes), base, np.int64)
        for column, (m, size) in enumerate(zip(row, sizes, strict=True)):
            if m:
                line = [size if each == column else 1 for each in range(len(sizes))]
                at = at + m * np.arange(size, dtype=np.int64).reshape(line)
        inside = inside & (at >= 0) & (at < n)
        flat = flat + step * np.clip(at, 0, max(n - 1, 0))
    if x.size == 0:
        return np.full(sizes, fill, x.dtype)
    picked: Array = x.reshape(-1)[np.broadcast_to(flat, sizes)]
    picked[~np.broadcast_to(inside, sizes)] = fill
    return picked


def _count(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def concat(operation: Operation, operands: list[Array]) -> Array:
    """Return the operands joined along an axis (G11)."""
    return np.concatenate(operands, axis=operation.ints[0])


def take(operation: Operation, operands: list[Array]) -> Array:
    """Return data along an axis at the indices (G12). Raises Trapped INDEX."""
    data, indices = operands
    return np.take(data, _counted(indices, data.shape[operation.ints[0]]), axis=operation.ints[0])


def _counted(indices: Array, n: int) -> Array:
    """Return indices from the start. Raises Trapped INDEX."""
    if ((indices < -n) | (indices >= n)).any():
        raise Trapped(TrapCode.INDEX)
    return np.where(indices < 0, indices + n, indices)


_COMBINE: list[Callable[[Array, Array], Array]] = [lambda _, y: y, np.add, np.multiply, np.maximum, np.minimum]
"""By ints[0] of a SCATTER."""


def scatter(operation: Operation, operands: list[Array]) -> Array:
    """Return data with its rows at the indices combined with the updates, in their order (G13). Raises Trapped INDEX.

    Updates of different rows do not meet, so the first updates of all rows are taken at once, then the second.
    """
    data, indices, updates = operands
    rows = _counted(indices, data.shape[0])
    combine = _COMBINE[operation.ints[0]]
    result = np.array(data, order="C")
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    turns = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    for turn in range(int(turns.max(initial=-1)) + 1):
        chosen = order[turns == turn]
        result[rows[chosen]] = combine(result[rows[chosen]], updates[chosen])
    return result
