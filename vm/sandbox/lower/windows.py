"""Where the windows of convolutions and poolings lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from primitives.reasons import Reason
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node


@dataclass(frozen=True)
class Window:
    """The windows, per spatial dimension."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    begins: list[int]
    """Padding at the begin."""
    ends: list[int]
    out: list[int]
    """How many windows."""

    @property
    def rank(self) -> int:
        """Return the number of spatial dimensions."""
        return len(self.kernel)


def windows(node: Node, spatial: Sequence[int], kernel: Sequence[int], *, ceil_mode: bool = False) -> Window:
    """Return the windows that a node's attributes describe; auto_pad wins over pads. Raises Refused."""
    rank = len(spatial)
    strides = node.integers("strides") or [1] * rank
    dilations = node.integers("dilations") or [1] * rank
    begins, ends = _pads(node, rank)
    if not len(kernel) == len(strides) == len(dilations) == len(begins) == len(ends) == rank:
        raise node.refused(f"kernel, strides, dilations or pads not of rank {rank}", reason=Reason.GRAPH_INVALID)
    if min([*kernel, *strides, *dilations], default=1) < 1:
        raise node.refused("a kernel, stride or dilation below 1", reason=Reason.GRAPH_INVALID)
    mode = padding_mode(node)
    out: list[int] = []
    for at, (length, stride) in enumerate(zip(spatial, strides, strict=True)):
        span = dilations[at] * (kernel[at] - 1) + 1
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-length // stride) - 1) * stride + span - length, 0)
            begins[at] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            ends[at] = total - begins[at]
        elif mode == "VALID":
            begins[at] = ends[at] = 0
        room = length + begins[at] + ends[at] - span
        count = (-(-room // stride) if ceil_mode else room // stride) + 1
        if ceil_mode and (count - 1) * stride >= length + begins[at]:
            count -= 1  # the last window would begin in the padding at the end
        if count < 1 and length:
            raise node.refused(f"a window of {span} over {length} elements", reason=Reason.GRAPH_INVALID)
        out.append(max(count, 0))
    return Window(list(kernel), strides, dilations, begins, ends, out)


def padding_mode(node: Node) -> str:
    """Return auto_pad. Raises Refused OPERATOR_REFUSED for one that ONNX does not name."""
    mode = node.text("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        raise node.declined("auto_pad", wanted="NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    return mode


def _pads(node: Node, rank: int) -> tuple[list[int], list[int]]:
    pads = node.integers("pads") or [0] * (2 * rank)
    if min(pads) < 0:
        raise node.refused(f"pads {pads}", reason=Reason.GRAPH_INVALID)
    return pads[:rank], pads[rank:]


def channels_last(b: Builder, x: Value) -> Value:
    """Return [N, C, *S] as [N, *S, C]."""
    return b.transpose(x, [0, *range(2, x.rank), 1])


def channels_second(b: Builder, x: Value) -> Value:
    """Return [N, *S, C] as [N, C, *S]."""
    return b.transpose(x, [0, x.rank - 1, *range(1, x.rank - 1)])
