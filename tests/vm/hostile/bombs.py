"""Models that ask for more memory or time than there is: each is small as a file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.vm.hostile.make import Hostile, chain, edited, floats, ints, one, port, scalar, weight
from tests.vm.models.graph import BOOL, INT64, Graph

FAR = 2**40


def _loop(body: Callable[[Graph], None], trips: int | None, *, opset: int = 17) -> bytes:
    """Return a model with a Loop whose body is built on the carried value `held`."""
    graph, inner = Graph(opset), Graph(opset)
    inner.input("at", [], INT64)
    inner.input("going", [], BOOL)
    inner.input("held", ["m"])
    inner.output(inner.node("Identity", "going", gives="goes_on"), [], BOOL)
    body(inner)
    inner.output("next", ["m"])
    count = "" if trips is None else graph.weight(scalar(trips))
    going = graph.weight(np.array(True))
    graph.node("Loop", count, going, graph.input("x", [4]), gives="y", body=inner.inner("body"))
    graph.output("y", ["n"])
    return graph.model()


def _sines(inner: Graph) -> None:
    inner.node("Sin", "held", gives="next")


def _doubles(inner: Graph) -> None:
    inner.node("Concat", "held", "held", gives="next", axis=0)


def _nested(depth: int) -> bytes:
    """Return loops of a million steps within each other."""

    def body(inner: Graph, level: int) -> None:
        if level == 0:
            _sines(inner)
            return
        deeper = Graph()
        for name, kind in ((f"at{level}", INT64), (f"going{level}", BOOL)):
            deeper.input(name, [], kind)
        deeper.input(f"held{level}", ["m"])
        deeper.output(deeper.node("Identity", f"going{level}", gives=f"on{level}"), [], BOOL)
        deeper.output(deeper.node("Sin", f"held{level}", gives=f"next{level}"), ["m"])
        count, going = inner.weight(scalar(10**6)), inner.weight(np.array(True))
        inner.node("Loop", count, going, "held", gives="next", body=deeper.inner(f"body{level}"))

    return _loop(lambda inner: body(inner, depth), 10**6)


def _ifs(depth: int) -> bytes:
    """Return choices within choices, none of which is known before the run: each level doubles the work."""
    leaf = helper.make_graph([helper.make_node("Neg", ["x"], ["b0"])], "g0", [], [port("b0", 1, [4])])
    return _nested_ifs(depth, leaf, lambda inner: inner)


def _ifs_in_one_branch(depth: int) -> bytes:
    """Return choices within choices in one branch alone: as deep as a file may be, and small."""
    leaf = helper.make_graph([helper.make_node("Abs", ["x"], ["leaf"])], "leaf", [], [port("leaf", 1, [4])])
    return _nested_ifs(depth, leaf, lambda _: leaf)


def _nested_ifs(depth: int, leaf: onnx.GraphProto, other: Callable[[onnx.GraphProto], onnx.GraphProto]) -> bytes:
    inner = leaf
    for level in range(1, depth):
        node = helper.make_node("If", ["going"], [f"b{level}"], then_branch=inner, else_branch=other(inner))
        inner = helper.make_graph([node], f"g{level}", [], [port(f"b{level}", 1, [4])])
    graph = Graph()
    graph.node("Cast", graph.node("ReduceSum", graph.input("x", [4]), keepdims=0), gives="going", to=BOOL)
    graph.node("If", "going", gives="y", then_branch=inner, else_branch=other(inner))
    graph.output("y", [4])
    return graph.model()


def _scan() -> bytes:
    inner = Graph()
    state, each = inner.input("state", [1]), inner.input("each", [1])
    inner.output(inner.node("Add", state, each, gives="next"), [1])
    inner.output(inner.node("Identity", "next", gives="told"), [1])
    graph = Graph()
    graph.input("x", [4])
    long = graph.node("Expand", "x", graph.weight(ints(1_000_000, 4)))
    start = graph.weight(floats(1))
    column = graph.node("Slice", long, graph.weight(ints(0)), graph.weight(ints(1)), graph.weight(ints(1)))
    graph.nodes("Scan", start, column, gives=["last", "y"], body=inner.inner("body"), num_scan_inputs=1)
    graph.output("y", ["n", 1])
    return graph.model()


def _folded(steps: int) -> bytes:
    """Return arithmetic on a large constant, which a compiler would do before the run."""
    graph = Graph()
    large = graph.node("Expand", graph.weight(floats(1) + 1.5), graph.weight(ints(100_000_000)))
    for _ in range(steps):
        large = graph.node("Exp", graph.node("Sin", large))
    top = graph.node("ReduceMax", large)
    graph.output(graph.node("Add", graph.input("x", [4]), top, gives="y"), [4])
    return graph.model()


def _folded_product() -> bytes:
    """Return products of constant matrices, which a compiler would do before the run."""
    graph = Graph()
    large = graph.node("Expand", graph.weight(floats(1, 1) + 1.0), graph.weight(ints(4000, 4000)))
    for _ in range(100):
        large = graph.node("MatMul", large, large)
    graph.output(graph.node("Add", graph.input("x", [4]), graph.node("ReduceMax", large), gives="y"), ["n", "m"])
    return graph.model()


def _many_folded() -> bytes:
    """Return thousands of constants of 4 MB, each of which would be kept."""
    graph = Graph()
    x = graph.input("x", [4])
    one_ = graph.weight(floats(1) + 1.0)
    for at in range(5000):
        shape = graph.weight(ints(1_000_000 + at))
        x = graph.node("Add", x, graph.node("ReduceSum", graph.node("Expand", one_, shape), keepdims=1))
    graph.output(graph.node("Neg", x, gives="y"), [4])
    return graph.model()


def _einsum() -> bytes:
    graph = Graph()
    x = graph.node("Expand", graph.input("x", [4]), graph.weight(ints(100, 4)))
    for _ in range(1):
        x = graph.node("Einsum", x, x, x, x, x, x, equation="ab,cd,ef,gh,ij,kl->acegik")
    graph.output(graph.node("ReduceSum", x, gives="y"), ["n"])
    return graph.model()


def _recurrence(steps: int, hidden: int) -> bytes:
    graph = Graph()
    x = graph.node("Expand", graph.input("x", [4]), graph.weight(ints(steps, 1, 4)))
    w, r = graph.weight(floats(1, 4 * hidden, 4)), graph.weight(floats(1, 4 * hidden, hidden))
    graph.node("LSTM", x, w, r, gives="y", hidden_size=hidden)
    graph.output("y", ["n", 1, 1, hidden])
    return graph.model()


def _convolution(pads: int, kernel: int = 3) -> bytes:
    graph = Graph()
    x = graph.node("Reshape", graph.input("x", [4]), graph.weight(ints(1, 1, 2, 2)))
    w = graph.weight(floats(1, 1, kernel, kernel))
    graph.output(graph.node("Conv", x, w, gives="y", pads=[pads] * 4), ["n", "c", "h", "w"])
    return graph.model()


def _pool(op: str, **attributes: Any) -> Callable[[], bytes]:
    def build() -> bytes:
        graph = Graph(19)
        x = graph.node("Reshape", graph.input("x", [4]), graph.weight(ints(1, 1, 2, 2)))
        graph.output(graph.node(op, x, gives="y", **attributes), ["n", "c", "h", "w"])
        return graph.model()

    return build


def _transposed(**attributes: Any) -> Callable[[], bytes]:
    def build() -> bytes:
        graph = Graph()
        x = graph.node("Reshape", graph.input("x", [4]), graph.weight(ints(1, 1, 2, 2)))
        graph.output(graph.node("ConvTranspose", x, graph.weight(floats(1, 1, 2, 2)), gives="y", **attributes), [1] * 4)
        return graph.model()

    return build


def _wide(side: int, steps: int) -> bytes:
    return chain(steps, "MatMul", seed=[side, side], twice=True)


def _keeps_everything() -> bytes:
    """Return a model whose values are all needed at the end, half a gigabyte each."""
    graph = Graph()
    held = [graph.node("Expand", graph.input("x", [4]), graph.weight(ints(32_000_000, 4)))]
    for _ in range(60):
        held.append(graph.node("Sin", held[-1]))
    x = held[-1]
    for each in reversed(held):
        x = graph.node("Add", x, each)
    graph.output(graph.node("ReduceSum", x, gives="y"), ["n", "m"])
    return graph.model()


def _gathers() -> bytes:
    graph = Graph()
    x = graph.input("x", [4])
    for _ in range(6):
        x = graph.node("Gather", x, graph.weight(np.zeros((100,), np.int64)), axis=0)
        x = graph.node("Expand", x, graph.weight(ints(1000, *[1] * 1)))
    graph.output(graph.node("ReduceSum", x, gives="y"), ["n"])
    return graph.model()


def _resize(factor: float) -> bytes:
    graph = Graph()
    x = graph.node("Reshape", graph.input("x", [4]), graph.weight(ints(1, 1, 2, 2)))
    scales = graph.weight(np.array([1, 1, factor, factor], np.float32))
    graph.output(graph.node("Resize", x, "", scales, gives="y", mode="cubic"), ["n", "c", "h", "w"])
    return graph.model()


def _splits() -> bytes:
    graph = Graph()
    x = graph.node("Expand", graph.input("x", [8]), graph.weight(ints(50_000, 8)))
    names = graph.nodes("Split", x, gives=[f"s{at}" for at in range(50_000)], axis=0)
    graph.output(graph.node("Concat", *names, gives="y", axis=0), ["n", "m"])
    return graph.model()


def _fibonacci() -> bytes:
    """Return operands used again and again: as a tree it has 2 to the 200 leaves."""
    graph = Graph()
    x, y = graph.input("x", [4]), graph.node("Neg", "x")
    for _ in range(200):
        x, y = y, graph.node("Add", x, y)
    graph.output(graph.node("Sub", x, y, gives="y"), [4])
    return graph.model()


def _attention() -> bytes:
    graph = Graph(23)
    x = graph.node("Expand", graph.input("x", [4]), graph.weight(ints(1, 8, 100_000, 4)))
    graph.node("Attention", x, x, x, gives="a")
    graph.output(graph.node("ReduceSum", "a", gives="y"), ["n", "m", "k", "l"])
    return graph.model()


def _huge_attribute() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["z"], domain="ai.onnx.ml")
        node.attribute.append(helper.make_attribute("nodes_featureids", [0] * 5_000_000))
        model.graph.node.append(node)
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))

    return edited(change)


def _sorts() -> bytes:
    graph = Graph()
    x = graph.node("Expand", graph.input("x", [4]), graph.weight(ints(2_000_000, 4)))
    names = graph.nodes("TopK", x, graph.weight(ints(2_000_000)), gives=["y", "places"], axis=0)
    graph.output(names[0], ["n", "m"])
    return graph.model()


def _weights_spread() -> bytes:
    """Return a zero-filled weight that a header makes out of nothing."""

    def change(model: onnx.ModelProto) -> None:
        node = helper.make_node("ConstantOfShape", ["long"], ["z"], value=weight("v", floats(1)))
        model.graph.initializer.append(weight("long", ints(2**20, 2**20)))
        model.graph.node.append(node)

    return edited(change)


BOMBS = [
    Hostile("expands-to-8-gb", lambda: chain(1, "Neg", seed=[2**10, 2**21])),
    Hostile("expands-beyond-64-bits", lambda: one("Expand", ints(2**40, 2**40))),
    Hostile("tiles", lambda: one("Tile", ints(FAR))),
    Hostile("tiles-negatively", lambda: one("Tile", ints(-3))),
    Hostile("constant-of-shape", lambda: one("ConstantOfShape", ints(FAR), x="")),
    Hostile("constant-nobody-needs", _weights_spread),
    Hostile("pads", lambda: one("Pad", ints(0, FAR))),
    Hostile("pads-away", lambda: one("Pad", ints(-FAR, 0))),
    Hostile("resizes", lambda: _resize(1e6)),
    Hostile("resizes-to-infinity", lambda: _resize(float("inf"))),
    Hostile("resizes-to-nan", lambda: _resize(float("nan"))),
    Hostile("one-hot", lambda: one("OneHot", scalar(2**40), floats(2), x="x")),
    Hostile("range", lambda: one("Range", scalar(FAR), scalar(1), x="")),
    Hostile("long-range", lambda: one("Range", scalar(0), scalar(FAR), scalar(1), x="")),
    Hostile("range-without-step", lambda: one("Range", scalar(0), scalar(9), scalar(0), x="")),
    Hostile("folds-constants", lambda: _folded(50)),
    Hostile("folds-products", _folded_product),
    Hostile("folds-many", _many_folded),
    Hostile("multiplies-for-hours", lambda: _wide(2048, 1000)),
    Hostile("multiplies-large", lambda: _wide(30_000, 1)),
    Hostile("convolves-padding", lambda: _convolution(50_000)),
    Hostile("convolves-a-large-kernel", lambda: _convolution(1000, kernel=500)),
    Hostile("convolves-negative-padding", lambda: _convolution(-5)),
    Hostile("loops-for-ever", lambda: _loop(_sines, None)),
    Hostile("loops-2-to-the-60", lambda: _loop(_sines, 2**60)),
    Hostile("loops-a-negative-number", lambda: _loop(_sines, -(2**63))),
    Hostile("loops-a-million", lambda: _loop(_sines, 10**6)),
    Hostile("loops-doubling", lambda: _loop(_doubles, 60)),
    Hostile("loops-in-loops", lambda: _nested(1)),
    Hostile("choices-in-both-branches", lambda: _ifs(14)),
    Hostile("choices-17-deep", lambda: _ifs_in_one_branch(17)),
    Hostile("choices-30-deep", lambda: _ifs_in_one_branch(30)),
    Hostile("scans-a-million", _scan),
    Hostile("einsum", _einsum),
    Hostile("einsum-nonsense", lambda: one("Einsum", equation="->->,,...a")),
    Hostile("einsum-long", lambda: one("Einsum", equation="a" * 100_000 + "->a")),
    Hostile("recurs-100000-steps", lambda: _recurrence(100_000, 8)),
    Hostile("recurs-wide", lambda: _recurrence(3000, 500)),
    Hostile("pools-a-large-window", _pool("AveragePool", kernel_shape=[2**30, 2**30], pads=[2**29] * 4)),
    Hostile("pools-nothing", _pool("MaxPool", kernel_shape=[0, 0])),
    Hostile("pools-by-steps-of-0", _pool("MaxPool", kernel_shape=[2, 2], strides=[0, 0])),
    Hostile("pools-dilated-by-0", _pool("MaxPool", kernel_shape=[2, 2], dilations=[0, 0])),
    Hostile("transposes-by-large-steps", _transposed(strides=[2**30, 2**30])),
    Hostile("transposes-large-padding", _transposed(output_padding=[2**40, 2**40])),
    Hostile("keeps-everything", _keeps_everything),
    Hostile("gathers", _gathers),
    Hostile("splits-50000", _splits),
    Hostile("concatenates-60-times", lambda: chain(60, "Concat", seed=[2], twice=True, axis=0)),
    Hostile("attends-to-100000", _attention),
    Hostile("attribute-of-5-million", _huge_attribute),
    Hostile("sorts-8-million", _sorts),
    Hostile("window-of-2-to-the-40", lambda: one("HannWindow", scalar(FAR), x="")),
    Hostile("mel-matrix", lambda: one("MelWeightMatrix", *map(scalar, (2**31, 2**31, 8000)), x="")),
    Hostile("eye", lambda: chain(1, "EyeLike", seed=[2**17, 2**17])),
    Hostile("top-k-of-2-to-the-62", lambda: one("TopK", ints(2**62))),
]
"""Of which `used-again-and-again` is harmless if each operation is done once."""
HARMLESS = [Hostile("used-again-and-again", _fibonacci)]
