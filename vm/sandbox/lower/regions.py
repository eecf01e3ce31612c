"""Operators on regions of images: deformed convolutions, aligned regions, and what undoes windows."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import STEPS_MAX, Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.convolution import Geometry, phases
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import Window, channels_last, channels_second, windows
from vm.tensor import DType

SCATTERS_MAX = 256
"""Steps in which MaxUnpool writes its elements: each goes over the whole output."""


def _side(b: Builder, place: Value, size: int) -> list[tuple[Value, Value, Value]]:
    """Return the two whole places about each place of a dimension: index, weight, and whether it is there."""
    base = b.unary(Op.FLOOR, place)
    far = b.sub(place, base)
    found: list[tuple[Value, Value, Value]] = []
    for at, weight in enumerate((b.sub(b.scalar(1, place.dtype), far), far)):
        whole = b.add(base, at)
        low, high = b.binary(Op.LESS_EQUAL, b.scalar(0, place.dtype), whole), b.binary(Op.LESS, whole, size)
        index = b.binary(Op.MIN, b.binary(Op.MAX, b.cast(whole, DType.INT64), 0), size - 1)
        found.append((index, weight, b.binary(Op.AND, low, high)))
    return found


def _corners(
    b: Builder, flat: Value, starts: Value, sides: Sequence[list[tuple[Value, Value, Value]]], width: int
) -> list[Value]:
    """Return rows of `flat` at the four corners about each place, weighed; 0 where there is none."""
    found: list[Value] = []
    for (row, above, there), (column, beside, here) in itertools.product(*sides):
        picked = b.take(flat, b.add(starts, b.add(b.mul(row, width), column)), 0)
        weight = b.select(b.binary(Op.AND, there, here), b.mul(above, beside), b.scalar(0, above.dtype))
        found.append(b.mul(picked, b.reshape(weight, [*weight.shape, 1])))
    return found


def _sum(b: Builder, values: Sequence[Value]) -> Value:
    total = values[0]
    for each in values[1:]:
        total = b.add(total, each)
    return total


@lowers("DeformConv")
def _deform_conv(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Convolve what lies between the elements, at places that are moved by offsets."""
    x, w, offset, bias, mask = operands[0], operands[1], operands[2], operands.get(3), operands.get(4)
    groups, sets = node.integer("group"), node.integer("offset_group")
    if x.rank != 4 or x.dtype is DType.FLOAT16:
        raise node.refused(f"an input of rank {x.rank}", wanted="rank 4 in float32 or float64")
    (samples, channels, height, width), (features, inner, *kernel) = x.shape, w.shape
    window = windows(node, x.shape[2:], node.integers("kernel_shape") or kernel)
    taps, places = math.prod(kernel), math.prod(window.out)
    if groups < 1 or sets < 1 or channels != inner * groups or channels % sets or features % groups:
        raise node.declined("group", wanted=f"groups that part {channels} channels")
    if list(offset.shape) != [samples, sets * taps * 2, *window.out]:
        raise node.refused(f"offsets of shape {list(offset.shape)}", reason=Reason.GRAPH_INVALID)
    moved = b.reshape(offset, [samples, sets, taps, 2, *window.out])
    sides: list[list[tuple[Value, Value, Value]]] = []
    for at, size in enumerate((height, width)):
        own = b.reshape(b.narrow(moved, 3, at, 1), [samples, sets, taps, *window.out])
        regular = b.constant(_regular(window, at).astype(NUMPY_OF[own.dtype]))
        sides.append(_side(b, b.add(own, regular), size))
    flat = b.transpose(b.reshape(x, [samples, sets, channels // sets, height * width]), [0, 1, 3, 2])
    starts = np.arange(samples * sets, dtype=np.int64).reshape(samples, sets, 1, 1, 1) * (height * width)
    rows = b.reshape(flat, [samples * sets * height * width, channels // sets])
    sampled = _sum(b, _corners(b, rows, b.constant(starts), sides, width))  # [N, sets, taps, *O, C of the set]
    if mask is not None:
        sampled = b.mul(sampled, b.reshape(mask, [samples, sets, taps, *window.out, 1]))
    # [N, sets, taps, places, C / sets] to [N, groups, places, taps · C / groups]
    parted = b.reshape(sampled, [samples, sets, taps, places, channels // sets])
    joined = b.reshape(b.transpose(parted, [0, 3, 2, 1, 4]), [samples, places, taps, groups, inner])
    left = b.reshape(b.transpose(joined, [0, 3, 1, 2, 4]), [samples, groups, places, taps * inner])
    right = b.reshape(channels_last(b, w), [groups, features // groups, taps * inner])
    y = b.transpose(b.contract(left, right), [0, 1, 3, 2])
    y = b.reshape(y, [samples, features, *window.out])
    return [y if bias is None else b.add(y, b.reshape(bias, [features, 1, 1]))]


def _regular(window: Window, at: int) -> Array:
    """Return where taps lie without offsets along one of two dimensions, [taps, *O]."""
    places = np.arange(window.out[at]) * window.strides[at] - window.begins[at]
    taps = np.indices(window.kernel)[at].reshape(-1, 1, 1) * window.dilations[at]
    grid = taps + places.reshape([-1, 1] if at == 0 else [1, -1])
    return np.broadcast_to(grid, (len(taps), *window.out))


@lowers("RoiAlign")
def _roi_align(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Average, or take the largest of, samples between the elements in each bin of each region."""
    x, rois, batch = operands[0], operands[1], operands[2]
    mode, ratio = node.text("mode"), node.integer("sampling_ratio")
    centred = node.text("coordinate_transformation_mode", "output_half_pixel") == "half_pixel"
    if mode not in ("avg", "max"):
        raise node.declined("mode", wanted="avg or max")
    if ratio < 1:
        raise node.declined("sampling_ratio", wanted="1 or more: how many samples there are must be known")
    samples, channels, height, width = x.shape
    count, out = rois.shape[0], (node.integer("output_height"), node.integer("output_width"))
    b.check_shape(DType.FLOAT64, (count, out[0] * ratio, out[1] * ratio, channels))
    scaled = b.sub(b.mul(rois, node.number("spatial_scale")), 0.5 if centred else 0.0)
    sides: list[list[tuple[Value, Value, Value]]] = []
    for at, size in enumerate((height, width)):
        low, high = (b.reshape(b.narrow(scaled, 1, each, 1), [count, 1, 1]) for each in (1 - at, 3 - at))
        span = b.sub(high, low) if centred else b.binary(Op.MAX, b.sub(high, low), 1)
        step = b.div(span, out[at])
        parts = np.arange(out[at]).reshape(-1, 1) + (np.arange(ratio) + 0.5) / ratio
        place = b.add(low, b.mul(step, b.constant(parts.astype(NUMPY_OF[x.dtype]))))  # [R, bins, samples]
        sides.append(_inside(b, place, size, (count, out[at] * ratio), at))
    flat = b.reshape(channels_last(b, x), [samples * height * width, channels])
    starts = b.reshape(b.mul(b.cast(batch, DType.INT64), height * width), [count, 1, 1])
    found = _corners(b, flat, starts, sides, width)  # [R, bins · samples, bins · samples, C]
    if mode == "avg":
        each = _sum(b, found)
    else:
        each = found[0]
        for other in found[1:]:
            each = b.binary(Op.MAX, each, other)
    apart = b.reshape(each, [count, out[0], ratio, out[1], ratio, channels])
    folded = b.reduce(Op.REDUCE_SUM if mode == "avg" else Op.REDUCE_MAX, apart, [2, 4])
    if mode == "avg":
        folded = b.div(folded, ratio * ratio)
    return [b.cast(channels_second(b, folded), x.dtype)]


def _inside(b: Builder, place: Value, size: int, shape: tuple[int, int], at: int) -> list[tuple[Value, Value, Value]]:
    """Return the whole places about each sample, those within 1 of the border moved onto it, those beyond not there."""
    shaped = b.reshape(place, [shape[0], shape[1], 1] if at == 0 else [shape[0], 1, shape[1]])
    low = b.binary(Op.LESS_EQUAL, b.scalar(-1, place.dtype), shaped)
    there = b.binary(Op.AND, low, b.binary(Op.LESS_EQUAL, shaped, size))
    held = b.binary(Op.MIN, b.binary(Op.MAX, shaped, 0), size - 1)
    return [
        (index, b.select(there, weight, b.scalar(0, weight.dtype)), b.binary(Op.AND, here, there))
        for index, weight, here in _side(b, held, size)
    ]


@lowers("MaxUnpool")
def _max_unpool(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Put elements back at the places in the flat output that a MaxPool took them from; 0 elsewhere."""
    x, places, told = operands[0], operands[1], operands.get_ints(2)
    kernel = node.integers("kernel_shape") or []
    rank = x.rank - 2
    strides, pads = node.integers("strides") or [1] * rank, node.integers("pads") or [0] * (2 * rank)
    if not len(kernel) == len(strides) == len(pads) / 2 == rank:
        raise node.refused(f"kernel, strides or pads not of rank {rank}", reason=Reason.GRAPH_INVALID)
    sizes = [(x.shape[2 + at] - 1) * strides[at] - pads[at] - pads[rank + at] + kernel[at] for at in range(rank)]
    if told and told[2:] != sizes:
        raise node.refused("output_shape that the windows do not give", wanted=str([*x.shape[:2], *sizes]))
    shape = [*x.shape[:2], *sizes]
    if x.size > SCATTERS_MAX * STEPS_MAX:
        raise node.refused(f"{x.size} elements", wanted=f"at most {SCATTERS_MAX * STEPS_MAX}")
    held = b.full(0, x.dtype, [math.prod(shape)])
    flat, at = b.reshape(x, [x.size]), b.reshape(places, [x.size])
    for start in range(0, x.size, STEPS_MAX):
        size = min(STEPS_MAX, x.size - start)
        parts = [b.narrow(each, 0, start, size) for each in (at, flat)]
        held = b.emit(Op.SCATTER, [held, *parts], x.dtype, held.shape, [0])
    return [b.reshape(held, shape)]


@lowers("Col2Im")
def _col2im(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Add columns [N, C · taps, blocks] up to the images that they are windows of."""
    x, image, block = operands[0], operands.ints(1), operands.ints(2)
    rank = len(image)
    taps, strides = math.prod(block), node.integers("strides") or [1] * rank
    dilations, pads = node.integers("dilations") or [1] * rank, node.integers("pads") or [0] * (2 * rank)
    if x.rank != 3 or not len(block) == len(strides) == len(dilations) == len(pads) / 2 == rank or x.shape[1] % taps:
        raise node.refused(f"columns of shape {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    counts = [
        (image[at] + pads[at] + pads[rank + at] - dilations[at] * (block[at] - 1) - 1) // strides[at] + 1
        for at in range(rank)
    ]
    if math.prod(counts) != x.shape[2]:
        raise node.refused(f"{x.shape[2]} columns", reason=Reason.GRAPH_INVALID, wanted=str(math.prod(counts)))
    groups = x.shape[1] // taps
    # a transposed convolution of each channel, in which each tap writes what is its own
    own = np.eye(taps, dtype=np.float32).reshape(1, *block, taps).repeat(groups, axis=0)
    weights = b.cast(b.constant(own), x.dtype)
    last = channels_last(b, b.reshape(x, [x.shape[0], x.shape[1], *counts]))
    return [channels_second(b, phases(b, last, weights, Geometry(strides, dilations, pads[:rank], image, groups)))]


@lowers("Det")
def _det(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Expand the determinant of small matrices by minors, in float64."""
    x = operands[0]
    if x.rank < 2 or x.shape[-1] != x.shape[-2] or not 1 <= x.shape[-1] <= 4:
        raise node.refused(f"a matrix {list(x.shape[-2:])}", wanted="a square one of at most 4 rows")
    size, rest = x.shape[-1], x.shape[:-2]
    wide = b.cast(x, DType.FLOAT64)

    def element(row: int, column: int) -> Value:
        return b.reshape(b.narrow(b.narrow(wide, x.rank - 2, row, 1), x.rank - 1, column, 1), rest)

    def minor(row: int, columns: tuple[int, ...]) -> Value:
        if len(columns) == 1:
            return element(row, columns[0])
        total: Value | None = None
        for at, column in enumerate(columns):
            part = b.mul(element(row, column), minor(row + 1, columns[:at] + columns[at + 1 :]))
            total = part if total is None else b.sub(total, part) if at % 2 else b.add(total, part)
        assert total is not None
        return total

    return [b.cast(minor(0, tuple(range(size))), x.dtype)]
