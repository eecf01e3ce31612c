"""Models and inputs made to part honest machines or to hide an impostor: masks, zeros, outliers, cancellations."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tests.vm.models.case import Array, Case, Feeds, Noise
from tests.vm.models.graph import Graph
from tests.vm.models.text import TOKENS, WORDS, encoder

WIDTH, OUT = 48, 32
_Shape = Callable[[Graph, str], str]


def _between(shape: _Shape, *, scale: float = 1.0, plant: Callable[[Array], None] | None = None) -> bytes:
    """Return two layers with something in between, which has the cut after the second."""
    noise, graph = Noise(50), Graph()
    first = noise.weights(WIDTH, WIDTH, fan_in=WIDTH)
    second = noise.weights(WIDTH, OUT, fan_in=WIDTH) * np.float32(scale)
    if plant is not None:
        plant(second)
    x = graph.node("MatMul", graph.input("x", [1, WIDTH]), graph.weight(first))
    x = graph.node("MatMul", shape(graph, x), graph.weight(second), gives="logits")
    graph.output(graph.node("Softmax", x, gives="y"), [1, OUT])
    return graph.model()


def _number(graph: Graph, value: float) -> str:
    return graph.weight(np.array(value, np.float32))


def _plain(_: Graph, x: str) -> str:
    return x


def _difference(graph: Graph, x: str) -> str:
    """Return (tanh(x) − tanh(x + 1e-7)) · 1e7: almost nothing of it is left but rounding."""
    moved = graph.node("Tanh", graph.node("Add", x, _number(graph, 1e-7)))
    return graph.node("Mul", graph.node("Sub", graph.node("Tanh", x), moved), _number(graph, 1e7))


def _cancelled(graph: Graph, x: str) -> str:
    """Return x + 1000 − 1000 of which the last places are gone."""
    return graph.node("Sub", graph.node("Add", x, _number(graph, 1000.0)), _number(graph, 1000.0))


def _exploded(graph: Graph, x: str) -> str:
    """Return sin(10⁶ · x): the last bits of x decide."""
    return graph.node("Sin", graph.node("Mul", x, _number(graph, 1e6)))


def _steep(graph: Graph, x: str) -> str:
    """Return a sigmoid so steep that it is a step but for values near 0."""
    return graph.node("Sigmoid", graph.node("Mul", x, _number(graph, 1e5)))


def _gated(graph: Graph, x: str) -> str:
    """Return x where it is above 1, else 0: a jump without an operator that says so."""
    raised = graph.node("Mul", graph.node("Sub", x, _number(graph, 1.0)), _number(graph, 1e9))
    return graph.node("Mul", x, graph.node("Clip", raised, _number(graph, 0.0), _number(graph, 1.0)))


def _exponential(graph: Graph, x: str) -> str:
    """Return exp(30 · x): numbers of every size."""
    return graph.node("Exp", graph.node("Mul", x, _number(graph, 30.0)))


def _normalised_nothing(graph: Graph, x: str) -> str:
    """Return a layer normalisation of values that are almost alike."""
    even = graph.node("Add", graph.node("Mul", x, _number(graph, 1e-5)), _number(graph, 1.0))
    d = graph.node("Sub", even, graph.node("ReduceMean", even, axes=[-1]))
    variance = graph.node("ReduceMean", graph.node("Mul", d, d), axes=[-1])
    return graph.node("Div", d, graph.node("Sqrt", variance))


def _twice_the_same(seed: int = 51) -> bytes:
    """Return the difference of two products that are equal but for the order of their terms."""
    noise, graph = Noise(seed), Graph()
    w = noise.weights(WIDTH, OUT, fan_in=WIDTH)
    x = graph.input("x", [1, WIDTH])
    back = graph.node("Gather", x, graph.weight(np.arange(WIDTH)[::-1].copy()), axis=1)
    forward, turned = graph.node("MatMul", x, graph.weight(w)), graph.node("MatMul", back, graph.weight(w[::-1].copy()))
    graph.node("Sub", forward, turned, gives="logits")
    square = graph.node("MatMul", "logits", graph.weight(np.eye(OUT, dtype=np.float32)), gives="cut")
    graph.output(graph.node("Softmax", square, gives="y"), [1, OUT])
    return graph.model()


def _pairs(seed: int = 52, column: int = 9) -> bytes:
    """Return a product to one element of which 15,000 times a difference is added that is 0 but for fused additions.

    Sums of two products are the same in either order, so the second run sees such a difference by its factors alone.
    """
    noise, graph, width = Noise(seed), Graph(), 64
    x, w = graph.input("x", [1, WIDTH]), noise.normal(2, width)
    ends = [graph.node("Gather", x, graph.weight(np.array(order)), axis=1) for order in ([0, 1], [1, 0])]
    left, right = (
        graph.node("MatMul", end, graph.weight(each)) for end, each in zip(ends, (w, w[::-1].copy()), strict=True)
    )
    pick = np.zeros((width, OUT), np.float32)
    pick[column, 0] = 15_000
    planted = graph.node("MatMul", graph.node("Sub", left, right), graph.weight(pick))
    plain = graph.node("MatMul", x, graph.weight(noise.weights(WIDTH, OUT, fan_in=WIDTH)))
    y = graph.node("Add", plain, planted)
    square = graph.node("MatMul", y, graph.weight(noise.weights(OUT, OUT, fan_in=OUT)), gives="cut")
    graph.output(graph.node("Softmax", square, gives="y"), [1, OUT])
    return graph.model()


def _outlier(weights: Array) -> None:
    weights[:, 0] *= 1e8


def _outliers_within(weights: Array) -> None:
    weights[:, ::2] *= 500


def _dead(weights: Array) -> None:
    weights[:, 3:] = 0


def _tiny(weights: Array) -> None:
    weights *= np.float32(1e-38)


def _spread(weights: Array) -> None:
    weights *= np.float32(2.0) ** np.linspace(-40, 40, OUT, dtype=np.float32)


def _row(change: Callable[[Array], Array] = lambda x: x) -> Callable[[Noise], Feeds]:
    return lambda noise: {"x": change(noise.normal(1, WIDTH)).astype(np.float32)}


def _one_hot(x: Array) -> Array:
    kept = np.zeros_like(x)
    kept[0, 5] = x[0, 5]
    return kept


def _with(value: float) -> Callable[[Array], Array]:
    def change(x: Array) -> Array:
        x[0, 7] = value
        return x

    return change


def _words(seen: int) -> Callable[[Noise], Feeds]:
    def draw(noise: Noise) -> Feeds:
        mask = (np.arange(TOKENS) < seen).astype(np.int64)[None]
        return {"ids": noise.integers(1, TOKENS, low=0, high=WORDS), "mask": mask}

    return draw


def crafted() -> list[Case]:
    """Return the crafted models, each with ten inputs."""

    def case(name: str, build: Callable[[], bytes], draw: Callable[[Noise], Feeds]) -> Case:
        feeds = [draw(Noise(200 + at)) for at in range(10)]
        return Case(name, build, feeds, "of this project", "made by onnx.helper", draw=draw)

    plain = partial(_between, _plain)
    return [
        case("mask-1e4-one-token", partial(encoder, 2), _words(1)),
        case("mask-1e4-no-token", partial(encoder, 2), _words(0)),
        case("mask-infinite-one-token", partial(encoder, 2, far=-np.inf), _words(1)),
        case("mask-infinite-no-token", partial(encoder, 2, far=-np.inf), _words(0)),
        case("mask-lowest", partial(encoder, 2, far=-3.4e38), _words(2)),
        case("rows-mostly-zero", partial(_between, lambda g, x: g.node("Relu", x), plant=_dead), _row()),
        case("input-mostly-zero", plain, _row(_one_hot)),
        case("input-zero", plain, _row(np.zeros_like)),
        case("outlier-of-1e8", partial(_between, _plain, plant=_outlier), _row()),
        case("half-outliers-of-500", partial(_between, _plain, plant=_outliers_within), _row()),
        case("spread-over-2-to-the-80", partial(_between, _plain, plant=_spread), _row()),
        case("cancelled", partial(_between, _cancelled), _row()),
        case("cancelled-products", _twice_the_same, _row()),
        case("cancelled-pairs", _pairs, _row()),
        case("difference-of-tanh", partial(_between, _difference), _row()),
        case("sine-of-a-million", partial(_between, _exploded), _row()),
        case("steep-sigmoid", partial(_between, _steep), _row()),
        case("steep-sigmoid-near-0", partial(_between, _steep), _row(lambda x: x * np.float32(1e-6))),
        case("hidden-jump", partial(_between, _gated), _row()),
        case("exponentials", partial(_between, _exponential), _row()),
        case("almost-alike", partial(_between, _normalised_nothing), _row()),
        case("subnormal-weights", partial(_between, _plain, plant=_tiny), _row()),
        case("subnormal-input", plain, _row(lambda x: x * np.float32(1e-42))),
        case("huge-input", plain, _row(lambda x: x * np.float32(1e37))),
        case("overflowing-input", partial(_between, _plain, scale=100.0), _row(lambda x: x * np.float32(1e37))),
        case("nan-input", plain, _row(_with(float("nan")))),
        case("infinite-input", plain, _row(_with(float("inf")))),
    ]
