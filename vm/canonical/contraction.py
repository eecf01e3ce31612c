"""Contractions: for k ascending, acc = round(acc + round(a_k · b_k)), in the result's type."""

import itertools

import numpy as np

from vm.canonical.arrays import Array
from vm.program import Convolution, Operation, convolution

_BLOCK = 1 << 15
"""Accumulators that are filled at once: they stay in the cache of a core while k passes."""


def matmul(operation: Operation, operands: list[Array], *, backwards: bool = False) -> Array:
    """Return the contraction of the last axes of a and b (G50); with k descending if `backwards` (G80)."""
    a, b = operands
    shape = operation.result.shape
    result = np.zeros(shape, a.dtype)
    columns = np.asarray(np.moveaxis(a, -1, 0), order="C")[..., None]
    rows = np.asarray(np.moveaxis(b, -1, 0), order="C")[..., None, :]
    ascending = range(a.shape[-1])
    for block in _blocks(shape[-2], result.size):
        part, seen = result[..., block, :], columns[..., block, :]
        product = np.empty(part.shape, a.dtype)
        for k in reversed(ascending) if backwards else ascending:
            np.multiply(seen[k], rows[k], out=product)
            np.add(part, product, out=part)
    return result


def _blocks(lines: int, elements: int) -> list[slice]:
    """Return `lines` that hold so many elements in parts of about the size of a block."""
    step = max(1, _BLOCK * lines // max(1, elements))
    return [slice(start, min(start + step, lines)) for start in range(0, lines, step)]


def conv(operation: Operation, operands: list[Array], *, backwards: bool = False) -> Array:
    """Return the convolution, channels last (G51); with taps and channels descending if `backwards` (G80)."""
    told = convolution(operation)
    x, w = operands
    groups, channels, taps = told.groups, w.shape[-1], w.shape[1:-1]
    shape = operation.result.shape
    spaced = x.reshape(*x.shape[:-1], groups, channels)
    weights = w.reshape(groups, -1, *taps, channels)
    weights = np.asarray(np.moveaxis(weights, (0, 1), (-2, -1)), order="C")  # taps, channel, group, filter
    result = np.zeros([*shape[:-1], groups, weights.shape[-1]], x.dtype)
    for block in _blocks(shape[1], result.size):
        # a part of the lines is a convolution that begins further down
        lower = told._replace(pads=[told.pads[0] - block.start * told.strides[0], *told.pads[1:]])
        _convolve(result[:, block], spaced, weights, lower, backwards=backwards)
    return result.reshape(shape)


def _convolve(result: Array, x: Array, weights: Array, told: Convolution, *, backwards: bool) -> None:
    """Add to the result, tap by tap and channel by channel, what lies inside of x."""
    rank = len(told.strides)
    taps, channels = weights.shape[:rank], range(weights.shape[rank])
    ascending = [*itertools.product(*(range(size) for size in taps))]
    for tap in reversed(ascending) if backwards else ascending:
        box = _box(told, tap, x.shape[1 : 1 + rank], result.shape[1 : 1 + rank])
        if box is None:
            continue
        outside, inside = box
        part, seen, at_tap = result[(slice(None), *outside)], x[(slice(None), *inside)], weights[tap]
        product = np.empty(part.shape, x.dtype)
        for channel in reversed(channels) if backwards else channels:
            np.multiply(seen[..., channel, None], at_tap[channel], out=product)
            np.add(part, product, out=part)


def _box(
    told: Convolution, tap: tuple[int, ...], sizes: tuple[int, ...], results: tuple[int, ...]
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
