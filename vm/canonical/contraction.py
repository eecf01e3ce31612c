"""Contractions: for k ascending, acc = round(acc + round(a_k · b_k)), in the result's type."""

import itertools

import numpy as np

from vm.canonical.arrays import Array
from vm.program import Convolution, Operation, convolution


def matmul(operation: Operation, operands: list[Array], *, backwards: bool = False) -> Array:
    """Return the contraction of the last axes of a and b (G50); with k descending if `backwards` (G80)."""
    a, b = operands
    result = np.zeros(operation.result.shape, a.dtype)
    product = np.empty_like(result)
    columns = np.asarray(np.moveaxis(a, -1, 0), order="C")[..., None]
    rows = np.asarray(np.moveaxis(b, -1, 0), order="C")[..., None, :]
    order = range(a.shape[-1])
    for k in reversed(order) if backwards else order:
        np.multiply(columns[k], rows[k], out=product)
        np.add(result, product, out=result)
    return result


def conv(operation: Operation, operands: list[Array], *, backwards: bool = False) -> Array:
    """Return the convolution, channels last (G51); with taps and channels descending if `backwards` (G80)."""
    told = convolution(operation)
    x, w = operands
    groups, channels, taps = told.groups, w.shape[-1], w.shape[1:-1]
    spaced = x.reshape(*x.shape[:-1], groups, channels)
    weights = np.asarray(w.reshape(groups, -1, *taps, channels), order="C")
    filters, by_tap = weights.shape[1], np.moveaxis(weights, (0, 1), (-3, -2))
    shape = operation.result.shape
    result = np.zeros([*shape[:-1], groups, filters], x.dtype)
    order = [*itertools.product(*(range(size) for size in taps))]
    for tap in reversed(order) if backwards else order:
        box = _box(told, tap, x.shape[1:-1], shape[1:-1])
        if box is None:
            continue
        outside, inside = box
        part, seen = result[(slice(None), *outside)], spaced[(slice(None), *inside)]
        at_tap = by_tap[tap]
        for channel in reversed(range(channels)) if backwards else range(channels):
            part += seen[..., channel, None] * at_tap[..., channel]
    return result.reshape(shape)


def _box(
    told: Convolution, tap: tuple[int, ...], sizes: tuple[int, ...], results: list[int]
) -> tuple[list[slice], list[slice]] | None:
    """Return the part of the result for which a tap lies inside of x, and what of x that is; None if there is none."""
    outside, inside = [], []
    for at, size, result, stride, dilation, pad in zip(
        tap, sizes, results, told.strides, told.dilations, told.pads, strict=True
    ):
        shift = at * dilation - pad
        start, stop = max(0, -(shift // stride)), min(result, (size - 1 - shift) // stride + 1)
        if start >= stop:
            return None
        outside.append(slice(start, stop))
        inside.append(slice(start * stride + shift, (stop - 1) * stride + shift + 1, stride))
    return outside, inside
