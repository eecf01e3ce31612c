"""Graphs of nodes drawn at random, valid by construction: what one node leaves behind, the next ones look through."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.vm.lower.graphs import Array, model

OPSETS = (13, 15, 17, 18, 20, 22)
ELEMENTS_MAX = 2000
RANK_MAX = 5
Shape = tuple[int, ...]


class Draw:
    """A graph of float32 that grows by one node at a time."""

    def __init__(self, seed: int) -> None:
        self.rng, self._numbers = random.Random(seed), np.random.default_rng(seed)
        self.opset = self.rng.choice(OPSETS)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, Array] = {}
        self.inputs: dict[str, Array] = {}
        self.shapes: dict[str, Shape] = {}
        for name in ("x", "z"):
            self.inputs[name] = self.floats(tuple(self.rng.choice([1, 2, 3, 4, 6]) for _ in range(3)))
            self.shapes[name] = self.inputs[name].shape

    def floats(self, shape: Shape) -> Array:
        return self._numbers.standard_normal(shape).astype(np.float32)

    def weight(self, array: Array) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = array
        return name

    def whole(self, numbers: list[int]) -> str:
        return self.weight(np.array(numbers, np.int64))

    def value(self, least: int = 0) -> tuple[str, Shape]:
        """Return a value of at least this rank, a late one more often."""
        found = [name for name, shape in self.shapes.items() if len(shape) >= least]
        name = found[max(self.rng.randrange(len(found)), self.rng.randrange(len(found)))]
        return name, self.shapes[name]

    def add(self, op: str, operands: list[str], *shapes: Shape, **attributes: Any) -> None:
        names = [f"v{len(self.nodes)}_{at}" for at in range(len(shapes))]
        self.nodes.append(helper.make_node(op, operands, names, **attributes))
        self.shapes.update(zip(names, shapes, strict=True))

    def axis(self, shape: Shape) -> int:
        return self.rng.randrange(-len(shape), len(shape))

    def proto(self) -> onnx.ModelProto:
        """Return the model, every value of which is an output."""
        outputs = [name for node in self.nodes for name in node.output]
        return model(self.nodes, self.inputs, outputs, self.weights, opset=self.opset)


def unary(draw: Draw) -> None:
    name, shape = draw.value()
    smooth = ["Abs", "Neg", "Sin", "Cos", "Tanh", "Sigmoid", "Relu", "Softplus", "Erf", "Elu", "LeakyRelu", "Identity"]
    draw.add(draw.rng.choice(smooth), [name], shape)


def binary(draw: Draw) -> None:
    name, shape = draw.value()
    broadcast = tuple(size if draw.rng.random() < 0.7 else 1 for size in shape)[draw.rng.randint(0, len(shape)) :]
    others = [other for other, own in draw.shapes.items() if own in (shape, broadcast)]
    other = draw.rng.choice(others) if others and draw.rng.random() < 0.6 else draw.weight(draw.floats(broadcast))
    operands = [name, other] if draw.rng.random() < 0.7 else [other, name]
    draw.add(draw.rng.choice(["Add", "Sub", "Mul", "Max", "Min"]), operands, shape)


def choice(draw: Draw) -> None:
    name, shape = draw.value()
    chosen = draw.weight(draw.floats(shape) > 0)
    draw.add("Where", [chosen, name, draw.weight(np.array(draw.rng.choice([0, 1, -2]), np.float32))], shape)


def transpose(draw: Draw) -> None:
    name, shape = draw.value()
    order = draw.rng.sample(range(len(shape)), len(shape))
    draw.add("Transpose", [name], tuple(shape[axis] for axis in order), perm=order)


def reshape(draw: Draw) -> None:
    name, shape = draw.value()
    left, wanted = math.prod(shape), list[int]()
    for _ in range(draw.rng.randint(0, 3)):
        wanted.append(draw.rng.choice([each for each in range(1, left + 1) if left % each == 0]))
        left //= wanted[-1]
    wanted.append(left)
    told = [-1 if at == len(wanted) - 1 else size for at, size in enumerate(wanted)]
    draw.add("Reshape", [name, draw.whole(told)], tuple(wanted))


def unsqueeze(draw: Draw) -> None:
    name, shape = draw.value()
    at = draw.rng.randint(0, len(shape))
    draw.add("Unsqueeze", [name, draw.whole([at])], (*shape[:at], 1, *shape[at:]))


def cut(draw: Draw) -> None:
    name, shape = draw.value(1)
    axis, step = draw.axis(shape), draw.rng.choice([1, 1, 2, -1, -2])
    size = shape[axis]
    start, stop = draw.rng.randint(-size - 1, size), draw.rng.randint(-size - 1, size)
    left = len(range(size)[start:stop:step])
    if left:
        wanted = list(shape)
        wanted[axis] = left
        told = [draw.whole([each]) for each in (start, stop, axis, step)]
        draw.add("Slice", [name, *told], tuple(wanted))


def split(draw: Draw) -> None:
    name, shape = draw.value(1)
    axis = draw.axis(shape)
    if shape[axis] > 1:
        first = draw.rng.randrange(1, shape[axis])
        parts = [list(shape), list(shape)]
        parts[0][axis], parts[1][axis] = first, shape[axis] - first
        sizes = draw.whole([first, shape[axis] - first])
        draw.add("Split", [name, sizes], tuple(parts[0]), tuple(parts[1]), axis=axis)


def concat(draw: Draw) -> None:
    name, shape = draw.value(1)
    axis = draw.axis(shape)
    wanted = list(shape)
    wanted[axis] = 2 * shape[axis] + 1
    piece = list(shape)
    piece[axis] = 1
    twin = draw.rng.choice([other for other, own in draw.shapes.items() if own == shape])
    draw.add("Concat", [name, draw.weight(draw.floats(tuple(piece))), twin], tuple(wanted), axis=axis)


def pad(draw: Draw) -> None:
    name, shape = draw.value(1)
    way = draw.rng.choice(["constant", "edge", "reflect"])
    most = [2 if way != "reflect" else min(2, size - 1) for size in shape]
    pads = [draw.rng.randint(0, each) for each in most * 2]
    wanted = tuple(size + a + b for size, a, b in zip(shape, pads, pads[len(shape) :], strict=False))
    fill = [draw.weight(np.array(2, np.float32))] if way == "constant" else []
    draw.add("Pad", [name, draw.whole(pads), *fill], wanted, mode=way)


def repeat(draw: Draw) -> None:
    name, shape = draw.value(1)
    if draw.rng.random() < 0.5:
        times = [draw.rng.choice([1, 1, 2, 3]) for _ in shape]
        wanted = tuple(size * time for size, time in zip(shape, times, strict=True))
        draw.add("Tile", [name, draw.whole(times)], wanted)
    else:
        wanted = tuple(size if size > 1 else draw.rng.choice([1, 2, 3]) for size in shape)
        draw.add("Expand", [name, draw.whole(list(wanted))], wanted)


def gather(draw: Draw) -> None:
    name, shape = draw.value(1)
    axis = draw.axis(shape) % len(shape)
    indices = [draw.rng.randrange(-shape[axis], shape[axis]) for _ in range(draw.rng.randint(1, 3))]
    draw.add("Gather", [name, draw.whole(indices)], (*shape[:axis], len(indices), *shape[axis + 1 :]), axis=axis)


def reduce(draw: Draw) -> None:
    name, shape = draw.value(1)
    op, axis = draw.rng.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"]), draw.axis(shape)
    at, keep = axis % len(shape), draw.rng.random() < 0.5
    wanted = (*shape[:at], *([1] if keep else []), *shape[at + 1 :])
    if op == "ReduceSum" or draw.opset >= 18:
        draw.add(op, [name, draw.whole([axis])], wanted, keepdims=keep)
    else:
        draw.add(op, [name], wanted, axes=[axis], keepdims=keep)


def normalise(draw: Draw) -> None:
    name, shape = draw.value(1)
    op = draw.rng.choice(["Softmax", "LogSoftmax", "CumSum"])
    if op == "CumSum":
        draw.add(op, [name, draw.whole([draw.axis(shape)])], shape, reverse=draw.rng.randint(0, 1))
    else:
        draw.add(op, [name], shape, axis=draw.axis(shape))


def product(draw: Draw) -> None:
    name, shape = draw.value(2)
    columns = draw.rng.randint(1, 5)
    draw.add("MatMul", [name, draw.weight(draw.floats((shape[-1], columns)))], (*shape[:-1], columns))


def convolve(draw: Draw) -> None:
    name, shape = draw.value(3)
    channels = shape[1]
    groups, filters = draw.rng.choice([1, channels]), draw.rng.randint(1, 2)
    kernel = [draw.rng.randint(1, 3) for _ in shape[2:]]
    strides = [draw.rng.randint(1, 2) for _ in shape[2:]]
    wanted = [(size + 2 - k) // stride + 1 for size, k, stride in zip(shape[2:], kernel, strides, strict=True)]
    if min(wanted) > 0:
        weights = draw.weight(draw.floats((filters * groups, channels // groups, *kernel)))
        pads = [1] * 2 * len(kernel)
        draw.add(
            "Conv", [name, weights], (shape[0], filters * groups, *wanted), group=groups, pads=pads, strides=strides
        )


STEPS: list[Callable[[Draw], None]] = [
    unary, unary, binary, binary, choice, transpose, transpose, reshape, unsqueeze, cut, cut, split, concat, pad,
    repeat, gather, reduce, normalise, product, convolve,
]  # fmt: skip


def drawn(seed: int, nodes: int) -> Draw:
    """Return a graph of so many nodes; a step that makes too large a value is taken back."""
    draw = Draw(seed)
    while len(draw.nodes) < nodes:
        draw.rng.choice(STEPS)(draw)
        made = list(draw.nodes[-1].output) if draw.nodes else []
        if any(math.prod(draw.shapes[name]) > ELEMENTS_MAX or len(draw.shapes[name]) > RANK_MAX for name in made):
            draw.nodes.pop()
            for name in made:
                del draw.shapes[name]
    return draw
