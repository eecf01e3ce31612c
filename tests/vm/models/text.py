"""Small transformers and recurrent networks."""

from typing import Any

import numpy as np

from tests.vm.models.case import Noise
from tests.vm.models.graph import BOOL, INT64, Graph

WORDS = 100
TOKENS, WIDTH, HEADS = 12, 32, 4
PAST = 6
"""Tokens in the cache of the decoder."""


def _scalar(graph: Graph, value: float) -> str:
    return graph.weight(np.array(value, np.float32))


def _linear(graph: Graph, noise: Noise, x: str, before: int, after: int, *, gives: str = "") -> str:
    w, b = graph.weight(noise.weights(before, after, fan_in=before)), graph.weight(noise.normal(after, scale=0.05))
    return graph.node("Add", graph.node("MatMul", x, w), b, gives=gives)


def _layer_norm(graph: Graph, noise: Noise, x: str, width: int) -> str:
    """Add a layer normalisation as PyTorch used to write it, operator by operator."""
    d = graph.node("Sub", x, graph.node("ReduceMean", x, axes=[-1]))
    variance = graph.node("ReduceMean", graph.node("Pow", d, _scalar(graph, 2.0)), axes=[-1])
    x = graph.node("Div", d, graph.node("Sqrt", graph.node("Add", variance, _scalar(graph, 1e-5))))
    scale, bias = graph.weight(noise.uniform(width, low=0.5, high=1.5)), graph.weight(noise.normal(width, scale=0.1))
    return graph.node("Add", graph.node("Mul", x, scale), bias)


def _gelu(graph: Graph, x: str) -> str:
    half = graph.node("Erf", graph.node("Div", x, _scalar(graph, 2**0.5)))
    return graph.node("Mul", graph.node("Mul", x, graph.node("Add", half, _scalar(graph, 1.0))), _scalar(graph, 0.5))


def _heads(graph: Graph, x: str, tokens: int, width: int, *, last: bool = False) -> str:
    """Split the features among the heads; `last` puts the tokens last, as keys want it."""
    shape = graph.weight(np.array([0, tokens, HEADS, width // HEADS]))
    return graph.node("Transpose", graph.node("Reshape", x, shape), perm=[0, 2, 3, 1] if last else [0, 2, 1, 3])


def _attend(graph: Graph, q: str, k: str, v: str, mask: str, width: int) -> str:
    scores = graph.node("Div", graph.node("MatMul", q, k), _scalar(graph, (width // HEADS) ** 0.5))
    scores = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
    x = graph.node("Transpose", graph.node("MatMul", scores, v), perm=[0, 2, 1, 3])
    return graph.node("Reshape", x, graph.weight(np.array([0, -1, width])))


def encoder(layers: int = 2, width: int = WIDTH, seed: int = 10, far: float = -1e4) -> bytes:
    """Classify tokens as BERT does: embeddings, attention under a mask of `far`, GELU, a pooled token."""
    noise, graph = Noise(seed), Graph(opset=14)
    ids, mask = graph.input("ids", ["n", TOKENS], INT64), graph.input("mask", ["n", TOKENS], INT64)
    x = graph.node("Gather", graph.weight(noise.normal(WORDS, width)), ids)
    x = _layer_norm(graph, noise, graph.node("Add", x, graph.weight(noise.normal(TOKENS, width))), width)
    wide = graph.node("Unsqueeze", graph.node("Cast", mask, to=1), graph.weight(np.array([1, 2])), gives="wide")
    if np.isinf(far):
        hidden = graph.node("Equal", wide, _scalar(graph, 0.0))
        away = graph.node("Where", hidden, _scalar(graph, far), _scalar(graph, 0.0))
    else:
        away = graph.node("Mul", graph.node("Sub", _scalar(graph, 1.0), wide), _scalar(graph, far))
    for _ in range(layers):
        q, k, v = (_linear(graph, noise, x, width, width) for _ in range(3))
        q, v = (_heads(graph, each, TOKENS, width) for each in (q, v))
        seen = _attend(graph, q, _heads(graph, k, TOKENS, width, last=True), v, away, width)
        x = _layer_norm(graph, noise, graph.node("Add", x, _linear(graph, noise, seen, width, width)), width)
        inner = _gelu(graph, _linear(graph, noise, x, width, 4 * width))
        x = _layer_norm(graph, noise, graph.node("Add", x, _linear(graph, noise, inner, 4 * width, width)), width)
    first = graph.node("Gather", x, graph.weight(np.array(0)), axis=1)
    pooled = graph.node("Tanh", _linear(graph, noise, first, width, width))
    logits = _linear(graph, noise, pooled, width, 3, gives="logits")
    graph.output(graph.node("Softmax", logits, gives="probabilities", axis=-1), ["n", 3])
    return graph.model()


def _rms_norm(graph: Graph, noise: Noise, x: str, width: int) -> str:
    mean = graph.node("ReduceMean", graph.node("Mul", x, x), axes=[-1], keepdims=1)
    x = graph.node(
        "Mul", x, graph.node("Reciprocal", graph.node("Sqrt", graph.node("Add", mean, _scalar(graph, 1e-6))))
    )
    return graph.node("Mul", x, graph.weight(noise.uniform(width, low=0.5, high=1.5)))


def _rotated(graph: Graph, x: str, cosines: str, sines: str) -> str:
    """Turn pairs of features by the angle of their place."""
    left, right = graph.nodes("Split", x, gives=[f"{x}_left", f"{x}_right"], axis=-1)
    turned = graph.node("Concat", graph.node("Neg", right), left, axis=-1)
    return graph.node("Add", graph.node("Mul", x, cosines), graph.node("Mul", turned, sines))


def decoder(width: int = WIDTH, seed: int = 11) -> bytes:
    """One step of a language model with a cache: RMS norm, rotary places, causal attention, SwiGLU, next word."""
    noise, graph, head = Noise(seed), Graph(opset=14), width // HEADS
    ids, place = graph.input("ids", [1, 1], INT64), graph.input("place", [1, 1], INT64)
    past = [graph.input(name, [1, HEADS, PAST, head]) for name in ("past_key", "past_value")]
    x = graph.node("Gather", graph.weight(noise.normal(WORDS, width)), ids)
    angles = np.outer(np.arange(PAST + 2), 10_000.0 ** (-np.arange(head // 2) / (head // 2)))
    table = np.concatenate([angles, angles], -1).astype(np.float32)
    cosines, sines = (graph.node("Gather", graph.weight(turn(table)), place) for turn in (np.cos, np.sin))
    y = _rms_norm(graph, noise, x, width)
    q, k, v = (_heads(graph, _linear(graph, noise, y, width, width), 1, width) for _ in range(3))
    q, k = _rotated(graph, q, cosines, sines), _rotated(graph, k, cosines, sines)
    keys = graph.node("Concat", past[0], k, gives="present_key", axis=2)
    held = graph.node("Concat", past[1], v, gives="present_value", axis=2)
    where = graph.weight(np.arange(PAST + 1)[None])
    later = graph.node("Greater", where, place)
    away = graph.node("Where", later, _scalar(graph, -1e9), _scalar(graph, 0.0))
    x = graph.node("Add", x, _attend(graph, q, graph.node("Transpose", keys, perm=[0, 1, 3, 2]), held, away, width))
    y = _rms_norm(graph, noise, x, width)
    gate = _linear(graph, noise, y, width, 2 * width)
    gate = graph.node("Mul", gate, graph.node("Sigmoid", gate))
    inner = graph.node("Mul", gate, _linear(graph, noise, y, width, 2 * width))
    x = _rms_norm(graph, noise, graph.node("Add", x, _linear(graph, noise, inner, 2 * width, width)), width)
    logits = graph.node("MatMul", x, graph.weight(noise.weights(width, WORDS, fan_in=width)), gives="logits")
    graph.output(logits, [1, 1, WORDS])
    graph.output(graph.node("ArgMax", logits, gives="next", axis=-1, keepdims=0), [1, 1], INT64)
    for name in (keys, held):
        graph.output(name, [1, HEADS, PAST + 1, head])
    return graph.model()


def recurrent(op: str, seed: int, *, both: bool = False, hidden: int = 16, **attributes: Any) -> bytes:
    """Classify a series by an LSTM, a GRU or a plain recurrence, in one direction or both."""
    noise, graph, ways = Noise(seed), Graph(opset=14), 2 if both else 1
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    x = graph.node("Transpose", graph.input("series", [1, 10, 6]), perm=[1, 0, 2])
    w = graph.weight(noise.weights(ways, gates * hidden, 6, fan_in=6))
    r = graph.weight(noise.weights(ways, gates * hidden, hidden, fan_in=hidden))
    b = graph.weight(noise.normal(ways, 2 * gates * hidden, scale=0.1))
    direction = "bidirectional" if both else "forward"
    _, last = graph.nodes(op, x, w, r, b, gives=["all", "last"], hidden_size=hidden, direction=direction, **attributes)
    last = graph.node("Reshape", graph.node("Transpose", last, perm=[1, 0, 2]), graph.weight(np.array([1, -1])))
    graph.output(_linear(graph, noise, last, ways * hidden, 4, gives="logits"), [1, 4])
    return graph.model()


def looped(seed: int = 15, steps: int = 5) -> bytes:
    """Repeat a layer by a Loop whose count is a weight, with a choice by If that is known beforehand."""
    noise, graph, body = Noise(seed), Graph(), Graph()
    body.input("at", [], INT64)
    body.input("going", [], BOOL)
    held = body.input("held", [1, 8])
    body.output(body.node("Identity", "going", gives="goes_on"), [], BOOL)
    body.output(body.node("Tanh", body.node("MatMul", held, "layer"), gives="next"), [1, 8])
    yes, no = Graph(), Graph()
    yes.output(yes.node("Neg", "looped", gives="chosen"), [1, 8])
    no.output(no.node("Abs", "looped", gives="chosen_too"), [1, 8])
    graph.node("Identity", graph.weight(noise.weights(8, 8, fan_in=8)), gives="layer")
    x = graph.input("x", [1, 8])
    count, going = graph.weight(np.array(steps)), graph.weight(np.array([True])[0])
    graph.node("Loop", count, going, x, gives="looped", body=body.inner("body"))
    known = graph.node("Greater", graph.node("Size", x), graph.weight(np.array(4)))
    x = graph.node("If", known, then_branch=yes.inner("yes"), else_branch=no.inner("no"))
    graph.output(graph.node("MatMul", x, graph.weight(noise.weights(8, 3, fan_in=8)), gives="y"), [1, 3])
    return graph.model()
