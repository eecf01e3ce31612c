"""Convolutions of any rank, channels last inside, and their transposes by phases."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from primitives.reasons import Reason
from vm.program import STEPS_MAX, Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import Window, channels_last, channels_second, padding_mode, windows
from vm.tensor import DType

PHASES_MAX = 1024
"""Convolutions of which a transposed one is made: 32 by 32, the largest stride of a segmenter that we know."""


def convolve(b: Builder, x: Value, w: Value, window: Window, groups: int) -> Value:
    """Return the convolution of x [N, *S, G·C] with w [G·F, *T, C]: [N, *O, G·F].

    Sums that are too long are parted by channels, or by taps where one channel is too long; float16 is summed in
    float32 and rounded once (G106).
    """
    if x.dtype is DType.FLOAT16:
        wide = convolve(b, b.cast(x, DType.FLOAT32), b.cast(w, DType.FLOAT32), window, groups)
        return b.cast(wide, DType.FLOAT16)
    taps, channels = math.prod(window.kernel), w.shape[-1]
    shape = [x.shape[0], *window.out, w.shape[0]]
    if taps * channels == 0:
        return b.full(0, x.dtype, shape)
    if taps > STEPS_MAX:
        return _by_taps(b, x, w, window, groups)
    ints = [window.rank, *window.strides, *window.dilations, *window.begins, groups]
    step = STEPS_MAX // taps
    total: Value | None = None
    for start in range(0, channels, step):
        size = min(step, channels - start)
        operands = [_channels(b, x, groups, start, size), b.narrow(w, w.rank - 1, start, size)]
        part = b.emit(Op.CONV, operands, x.dtype, shape, ints)
        total = part if total is None else b.add(total, part)
    assert total is not None
    return total


def _channels(b: Builder, x: Value, groups: int, start: int, size: int) -> Value:
    """Return some channels of each group."""
    inner = x.shape[-1] // groups
    if size == inner:
        return x
    parted = b.reshape(x, [*x.shape[:-1], groups, inner])
    return b.reshape(b.narrow(parted, x.rank, start, size), [*x.shape[:-1], groups * size])


def _by_taps(b: Builder, x: Value, w: Value, window: Window, groups: int) -> Value:
    """Part a convolution along the longest dimension of its kernel."""
    axis = max(range(window.rank), key=lambda at: window.kernel[at])
    step = max(STEPS_MAX * window.kernel[axis] // math.prod(window.kernel), 1)
    total: Value | None = None
    for start in range(0, window.kernel[axis], step):
        size = min(step, window.kernel[axis] - start)
        kernel, begins = list(window.kernel), list(window.begins)
        kernel[axis] = size
        begins[axis] -= start * window.dilations[axis]
        moved, begins = _cropped(b, x, begins)
        some = replace(window, kernel=kernel, begins=begins)
        part = convolve(b, moved, b.narrow(w, 1 + axis, start, size), some, groups)
        total = part if total is None else b.add(total, part)
    assert total is not None
    return total


def _cropped(b: Builder, x: Value, begins: Sequence[int]) -> tuple[Value, list[int]]:
    """Return x [N, *S, C] without what negative padding takes away, and the padding that is left."""
    for at, begin in enumerate(begins):
        if begin < 0:
            length = x.shape[1 + at]
            gone = min(-begin, length)
            x = b.narrow(x, 1 + at, gone, length - gone)
    return x, [max(begin, 0) for begin in begins]


@lowers("Conv")
def _conv(b: Builder, node: Node, operands: Operands) -> list[Value]:
    return [channels_second(b, biased(b, conv_last(b, node, operands[0], operands[1]), operands.get(2)))]


def biased(b: Builder, y: Value, bias: Value | None) -> Value:
    """Return [N, *O, F] plus a bias [F], if there is one."""
    return y if bias is None else b.add(y, bias)


def conv_last(b: Builder, node: Node, x: Value, w: Value) -> Value:
    """Return the convolution that a node of the kind of Conv describes, channels last. Raises Refused GRAPH_INVALID."""
    groups = node.integer("group")
    if x.rank != w.rank or x.rank < 3 or (node.integers("kernel_shape") or list(w.shape[2:])) != list(w.shape[2:]):
        raise node.refused(f"a kernel of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    if groups < 1 or w.shape[1] * groups != x.shape[1] or w.shape[0] % groups:
        raise node.declined("group", wanted=f"groups that part {x.shape[1]} channels and {w.shape[0]} results")
    window = windows(node, x.shape[2:], w.shape[2:])
    return convolve(b, channels_last(b, x), channels_last(b, w), window, groups)


# --- transposed -------------------------------------------------------------------------------------------------------


PHASES_MAX = 4096
"""Convolutions that a transposed one becomes: strides of 64 by 64."""


@dataclass(frozen=True)
class _Phase:
    """In one dimension, the outputs at one remainder of the stride: a convolution with some of the taps."""

    taps: tuple[int, ...]
    """The last tap first."""
    dilation: int
    begin: int
    """Padding at the begin; negative crops."""


def _phase(remainder: int, kernel: int, stride: int, dilation: int, pad: int) -> _Phase:
    """Return the phase of outputs o = remainder + stride · q, where o + pad = stride · i + dilation · tap."""
    taps = tuple(tap for tap in reversed(range(kernel)) if (remainder + pad - tap * dilation) % stride == 0)
    if not taps:
        return _Phase((), 1, 0)
    return _Phase(taps, dilation // math.gcd(stride, dilation), (taps[0] * dilation - remainder - pad) // stride)


@dataclass(frozen=True)
class Geometry:
    """Where the outputs of a transposed convolution lie."""

    strides: list[int]
    dilations: list[int]
    begins: list[int]
    out: list[int]
    groups: int


@lowers("ConvTranspose")
def _conv_transpose(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Turn a convolution round: outputs at one remainder of the strides are a convolution with some of the taps."""
    x, w = operands[0], operands[1]
    groups = node.integer("group")
    if x.rank < 3 or w.rank != x.rank or (node.integers("kernel_shape") or list(w.shape[2:])) != list(w.shape[2:]):
        raise node.refused(f"a kernel of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    if groups < 1 or w.shape[0] != x.shape[1] or x.shape[1] % groups:
        raise node.declined("group", wanted=f"groups that part {x.shape[1]} channels")
    geometry = _transposed(node, x.shape[2:], w.shape[2:], groups)
    # [G·C, F, *T] to [G·F, *T, C]
    grouped = b.reshape(w, [groups, w.shape[0] // groups, *w.shape[1:]])
    turned = b.transpose(grouped, [0, 2, *range(3, x.rank + 1), 1])
    weights = b.reshape(turned, [groups * w.shape[1], *w.shape[2:], w.shape[0] // groups])
    return [channels_second(b, biased(b, phases(b, channels_last(b, x), weights, geometry), operands.get(2)))]


def _transposed(node: Node, spatial: Sequence[int], kernel: Sequence[int], groups: int) -> Geometry:
    """Return where the outputs lie, by output_shape, auto_pad or pads. Raises Refused GRAPH_INVALID."""
    rank = len(spatial)
    strides, dilations = node.integers("strides") or [1] * rank, node.integers("dilations") or [1] * rank
    extra, pads = node.integers("output_padding") or [0] * rank, node.integers("pads") or [0] * (2 * rank)
    wanted, mode = node.integers("output_shape"), padding_mode(node)
    if not len(strides) == len(dilations) == len(extra) == len(pads) / 2 == rank or (wanted and len(wanted) < rank):
        raise node.refused(f"strides, dilations or pads not of rank {rank}", reason=Reason.GRAPH_INVALID)
    if min([*strides, *dilations, *kernel]) < 1:
        raise node.refused("a kernel, stride or dilation below 1", reason=Reason.GRAPH_INVALID)
    begins: list[int] = []
    out: list[int] = []
    for at in range(rank):
        full = strides[at] * (spatial[at] - 1) + extra[at] + dilations[at] * (kernel[at] - 1) + 1
        if wanted or mode in ("SAME_UPPER", "SAME_LOWER"):
            size = wanted[len(wanted) - rank + at] if wanted else spatial[at] * strides[at]
            if full < size and not wanted:
                raise node.declined("auto_pad", wanted="output_padding: engines disagree where a stride leaves gaps")
            total = max(full - size, 0)
            begins.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
            out.append(size)
        else:
            begin, end = (0, 0) if mode == "VALID" else (pads[at], pads[rank + at])
            begins.append(begin)
            out.append(full - begin - end)
    if min(out) < 0:
        raise node.refused(f"an output of shape {out}", reason=Reason.GRAPH_INVALID)
    if math.prod(strides) > PHASES_MAX:
        raise node.declined("strides", wanted=f"a product of at most {PHASES_MAX}")
    return Geometry(strides, dilations, begins, out, groups)


def phases(b: Builder, x: Value, w: Value, at: Geometry) -> Value:
    """Return the outputs, channels last, the phases interleaved."""
    rank, features = len(at.out), w.shape[0]
    if math.prod(at.strides) > PHASES_MAX:
        raise b.refused(f"strides {at.strides}", reason=Reason.OPERATOR_REFUSED, wanted=f"at most {PHASES_MAX} in all")
    rows = [-(-length // stride) for length, stride in zip(at.out, at.strides, strict=True)]
    table = [
        [
            _phase(remainder, w.shape[1 + each], at.strides[each], at.dilations[each], at.begins[each])
            for remainder in range(at.strides[each])
        ]
        for each in range(rank)
    ]
    phases = list(itertools.product(*table))
    shape = [x.shape[0], *rows, features]
    alike = {tuple((len(each.taps), each.dilation, each.begin) for each in phase) for phase in phases}
    if len(alike) == 1 and at.groups == 1 and all(each.taps for each in phases[0]):
        # the same taps of x for every phase, as where the kernel is the stride: one convolution to all their features
        joined = b.concat([_weights_of(b, w, phase) for phase in phases], 0)
        together = b.reshape(_convolved(b, x, joined, phases[0], rows, 1), [*shape[:-1], len(phases), features])
        stacked = b.transpose(together, [rank + 1, *range(rank + 1), rank + 2])
    else:
        parts = [_phase_of(b, x, w, phase, rows, at.groups) for phase in phases]
        stacked = b.concat([b.reshape(part, [1, *shape]) for part in parts], 0)
    apart = b.reshape(stacked, [*at.strides, *shape])
    pairs = [place for each in range(rank) for place in (rank + 1 + each, each)]
    woven = b.transpose(apart, [rank, *pairs, 2 * rank + 1])
    sizes = [row * stride for row, stride in zip(rows, at.strides, strict=True)]
    whole = b.reshape(woven, [x.shape[0], *sizes, features])
    return b.slice(whole, [0] * whole.rank, [x.shape[0], *at.out, features])


def _phase_of(b: Builder, x: Value, w: Value, phase: Sequence[_Phase], rows: list[int], groups: int) -> Value:
    """Return the outputs of one phase, [N, *rows, F]."""
    if any(not each.taps for each in phase):
        return b.full(0, x.dtype, [x.shape[0], *rows, w.shape[0]])
    return _convolved(b, x, _weights_of(b, w, phase), phase, rows, groups)


def _weights_of(b: Builder, w: Value, phase: Sequence[_Phase]) -> Value:
    """Return the taps of one phase, of [F, *T, C]."""
    sizes = [len(each.taps) for each in phase]
    starts = [each.taps[0] for each in phase]
    steps = [each.taps[1] - each.taps[0] if len(each.taps) > 1 else 1 for each in phase]
    return b.slice(w, [0, *starts, 0], [w.shape[0], *sizes, w.shape[-1]], [1, *steps, 1])


def _convolved(b: Builder, x: Value, w: Value, phase: Sequence[_Phase], rows: list[int], groups: int) -> Value:
    moved, begins = _cropped(b, x, [each.begin for each in phase])
    sizes, ones, none = [len(each.taps) for each in phase], [1] * len(phase), [0] * len(phase)
    return convolve(b, moved, w, Window(sizes, ones, [each.dilation for each in phase], begins, none, rows), groups)
