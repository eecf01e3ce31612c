"""Fourier transforms, as products with tables of cosines and sines in float64."""

import math

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import Array
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.moves import Map
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

LENGTH_MAX = 4096
"""Of a transform: its tables have the square of it, 256 MiB."""
WIDE = DType.FLOAT64


def _waves(b: Builder, op: Op, turns: Array, length: int) -> Value:
    """Return the cosine or sine of 2π · turns / length, for whole turns."""
    angles = b.mul(b.constant(np.arange(length, dtype=np.float64)), 2 * math.pi / length)
    return b.take(b.unary(op, angles), b.constant(turns % length), 0)


def _forward(b: Builder, x: Value, length: int, bins: int) -> Value:
    """Return the first bins of the transform of [R, L, 1 or 2] in float64: [R, bins, 2]."""
    turns = np.arange(bins, dtype=np.int64).reshape(-1, 1) * np.arange(length, dtype=np.int64)
    cos, sin = _waves(b, Op.COS, turns, length), _waves(b, Op.SIN, turns, length)
    parts = [b.reshape(b.narrow(x, 2, at, 1), x.shape[:2]) for at in range(x.shape[2])]
    real, imaginary = b.contract(parts[0], cos), b.unary(Op.NEG, b.contract(parts[0], sin))
    if len(parts) > 1:
        real = b.add(real, b.contract(parts[1], sin))
        imaginary = b.add(imaginary, b.contract(parts[1], cos))
    return b.concat([b.reshape(each, [*each.shape, 1]) for each in (real, imaginary)], 2)


def _backward(b: Builder, x: Value, length: int) -> Value:
    """Return the inverse transform of [R, L, 1 or 2] in float64: [R, L, 2]."""
    flipped = x if x.shape[2] == 1 else b.concat([b.narrow(x, 2, 0, 1), b.unary(Op.NEG, b.narrow(x, 2, 1, 1))], 2)
    signs = b.constant(np.array([1.0, -1.0]) / length)
    return b.mul(_forward(b, flipped, length, length), signs)


def _real(b: Builder, x: Value, length: int) -> Value:
    """Return the real signal [R, L, 1] of which [R, bins, 2] is one side of the transform."""
    bins = x.shape[1]
    turns = np.arange(length, dtype=np.int64).reshape(-1, 1) * np.arange(bins, dtype=np.int64)
    twice = np.where((np.arange(bins) == 0) | (np.arange(bins) * 2 == length), 1.0, 2.0) / length
    shares = b.constant(twice.reshape(1, bins, 1))
    both = b.mul(x, shares)
    real, imaginary = (b.reshape(b.narrow(both, 2, at, 1), x.shape[:2]) for at in range(2))
    waves = b.contract(real, _waves(b, Op.COS, turns, length))
    signal = b.sub(waves, b.contract(imaginary, _waves(b, Op.SIN, turns, length)))
    return b.reshape(signal, [*signal.shape, 1])


def _fitted(b: Builder, x: Value, size: int) -> Value:
    """Return [R, n, C] cut, or filled up with 0, to [R, size, C]."""
    return b.pad(x, [0, 0, 0], [0, size - x.shape[1], 0])


@lowers("DFT")
def _dft(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Transform along an axis of [..., 1 or 2], the last dimension real and imaginary part."""
    x, one_sided, inverse = operands[0], node.flag("onesided"), node.flag("inverse")
    told = operands.get_ints(2)
    axis = told[0] if told else node.integer("axis", -2)
    if x.rank < 2 or x.shape[-1] not in (1, 2) or not -x.rank <= axis < x.rank or axis % x.rank == x.rank - 1:
        raise node.refused(f"axis {axis} of a tensor {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    axis %= x.rank
    given = operands.get_ints(1)
    natural = 2 * (x.shape[axis] - 1) if inverse and one_sided else x.shape[axis]
    length = given[0] if given else natural
    if not 1 <= length <= LENGTH_MAX:
        raise node.refused(f"a transform of {length} elements", wanted=f"1 to {LENGTH_MAX}")
    order = [at for at in range(x.rank - 1) if at != axis] + [axis, x.rank - 1]
    turned = b.cast(b.transpose(x, order), WIDE)
    flat = b.reshape(turned, [math.prod(turned.shape[:-2]), *turned.shape[-2:]])
    bins = length // 2 + 1
    if inverse and one_sided:
        if x.shape[-1] != 2:
            raise node.declined("onesided", wanted="0 for a real input")
        found = _real(b, _fitted(b, flat, bins), length)
    elif inverse:
        found = _backward(b, _fitted(b, flat, length), length)
    else:
        found = _forward(b, _fitted(b, flat, length), length, bins if one_sided else length)
    shaped = b.reshape(found, [*turned.shape[:-2], *found.shape[1:]])
    return [b.cast(b.transpose(shaped, [order.index(at) for at in range(x.rank)]), x.dtype)]


@lowers("STFT")
def _stft(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Transform frames of a signal [B, T] or [B, T, 1 or 2], each weighed by a window."""
    x, step, window, length = operands[0], operands.ints(1)[0], operands.get(2), operands.get_ints(3)
    if x.rank == 2:
        x = b.reshape(x, [*x.shape, 1])
    size = length[0] if length else window.shape[0] if window is not None else 0
    if x.rank != 3 or step < 1 or not 1 <= size <= min(x.shape[1], LENGTH_MAX):
        raise node.refused(f"frames of {size} of a signal {list(x.shape)}", wanted=f"1 to {LENGTH_MAX} in the signal")
    if window is not None and window.shape != (size,):
        raise node.refused(f"a window of shape {list(window.shape)}", reason=Reason.GRAPH_INVALID)
    frames = (x.shape[1] - size) // step + 1
    rows = ((1, 0, 0, 0), (0, step, 1, 0), (0, 0, 0, 1))
    parted = b.move(x, Map(x.shape, (0, 0, 0), rows, (x.shape[0], frames, size, x.shape[2])))
    weighed = b.cast(parted, WIDE)
    if window is not None:
        weighed = b.mul(weighed, b.reshape(b.cast(window, WIDE), [size, 1]))
    bins = size // 2 + 1 if node.flag("onesided") else size
    found = _forward(b, b.reshape(weighed, [x.shape[0] * frames, size, x.shape[2]]), size, bins)
    return [b.cast(b.reshape(found, [x.shape[0], frames, bins, 2]), x.dtype)]
