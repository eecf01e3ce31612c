"""Folds over the last axis, each in a stated order (G40)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vm.canonical.arrays import BLOCK, NUMPY_OF, Array
from vm.program import Op, Operation

_BINARY = {Op.REDUCE_SUM: np.add, Op.REDUCE_PRODUCT: np.multiply}


def reduce(operation: Operation, operands: list[Array]) -> Array:
    """Return the sum or product over the last axis: floats by halves in float64, integers wrapping (G41)."""
    x, combine = operands[0], _BINARY[operation.op]
    if x.dtype.kind != "f":
        whole: Array = combine.reduce(x, axis=-1, dtype=x.dtype)
        return whole  # exact in any order
    return _by_rows(x, _halved(combine))


def _halved(combine: np.ufunc) -> Callable[[Array], Array]:
    def folded(x: Array) -> Array:
        wide, n = x.astype(np.float64), x.shape[-1]
        while n > 1:
            half = 1 << (n - 1).bit_length() - 1
            left = wide[:, : n - half]
            combine(left, wide[:, half:n], out=left)
            n = half
        return wide[:, 0] if n else np.full(len(x), combine.identity, np.float64)

    return folded


def reduce_perturbed(operation: Operation, operands: list[Array]) -> Array:
    """Return the sum or product of floats one after the other in float32: the second run's (G81)."""
    combine = _BINARY[operation.op]

    def folded(x: Array) -> Array:
        columns = np.asarray(x.T, dtype=np.float32, order="C")
        total = np.full(len(x), combine.identity, np.float32)
        for column in columns:
            combine(total, column, out=total)
        return total

    return _by_rows(operands[0], folded)


def _by_rows(x: Array, fold: Callable[[Array], Array]) -> Array:
    """Return float64 folds of the last axis, some rows at a time."""
    rows = x.reshape(-1, x.shape[-1]) if x.size else np.zeros([int(np.prod(x.shape[:-1])), x.shape[-1]], x.dtype)
    step = max(1, BLOCK // max(1, rows.shape[1]))
    result = np.empty(len(rows), np.float64)
    for at in range(0, len(rows), step):
        result[at : at + step] = fold(rows[at : at + step])
    return result.reshape(x.shape[:-1])


def extreme(operation: Operation, operands: list[Array]) -> Array:
    """Return the largest or smallest over the last axis; a NaN wins (G42). In normal form no order shows."""
    combine = np.maximum if operation.op is Op.REDUCE_MAX else np.minimum
    found: Array = combine.reduce(operands[0], axis=-1)
    return found


def place(operation: Operation, operands: list[Array]) -> Array:
    """Return where the last axis has its largest or smallest element (G43)."""
    x, last = operands[0], operation.ints[0] == 1
    keys = _keys(x) if operation.op is Op.ARG_MAX else ~_keys(x)
    nan = np.isnan(x) if x.dtype.kind == "f" else None
    if nan is not None and operation.op is Op.ARG_MIN:
        keys[nan] = np.iinfo(keys.dtype).max
    found: Array = np.argmax(keys, axis=-1)
    if not last:
        return found
    found = x.shape[-1] - 1 - np.argmax(keys[..., ::-1], axis=-1)
    return found if nan is None else np.where(nan.any(axis=-1), np.argmax(nan, axis=-1), found)


def sort(operation: Operation, operands: list[Array]) -> Array:
    """Return the order of the last axis: a stable sort of integers, so exact (G45)."""
    keys = _keys(operands[0])
    return np.argsort(~keys if operation.ints[0] == 1 else keys, axis=-1, kind="stable")


def _keys(x: Array) -> Array:
    """Return integers in the order of the elements, NaN the largest."""
    if x.dtype.kind != "f":
        return x.view(np.uint8) if x.dtype.kind == "b" else np.array(x)
    words = np.asarray(x, order="C").view(f"<i{x.dtype.itemsize}")
    return np.where(words < 0, words ^ np.iinfo(words.dtype).max, words)


def cumulate(operation: Operation, operands: list[Array]) -> Array:
    """Return running sums of the last axis: floats in float64, each told rounded to the result's type (G44)."""
    return _cumulated(operation, operands[0], np.float64)


def cumulate_perturbed(operation: Operation, operands: list[Array]) -> Array:
    """Return running sums of floats in float32: the second run's (G81)."""
    return _cumulated(operation, operands[0], np.float32)


def _cumulated(operation: Operation, x: Array, accumulator: type[np.float32 | np.float64]) -> Array:
    exclusive, backwards = operation.ints
    dtype: np.dtype[Any] = np.dtype(accumulator) if x.dtype.kind == "f" else x.dtype
    result = np.empty(x.shape, NUMPY_OF[operation.result.dtype])
    total, wide = np.zeros(x.shape[:-1], dtype), x.astype(dtype)
    order = range(x.shape[-1])
    for at in reversed(order) if backwards else order:
        if exclusive:
            result[..., at] = total
        total = total + wide[..., at]
        if not exclusive:
            result[..., at] = total
    return result
