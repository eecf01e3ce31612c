"""Small networks in 8 bits, as the usual tools write them."""

import numpy as np

from tests.vm.models.case import Array, Noise
from tests.vm.models.graph import Graph

STEP = 0.05
"""Of activations: they reach from −6.4 to 6.35."""


def _int8(weights: Array) -> tuple[Array, Array]:
    scale = np.float32(np.abs(weights).max() / 127)
    return np.rint(weights / scale).astype(np.int8), np.array(scale)


def qdq(seed: int = 20) -> bytes:
    """Classify 1 × 8 × 8 pixels, with a rounding to 8 bits before and after each layer, weights per tensor."""
    noise, graph = Noise(seed), Graph(opset=13)
    step, zero = graph.weight(np.array(STEP, np.float32)), graph.weight(np.array(0, np.int8))

    def rounded(x: str) -> str:
        return graph.node("DequantizeLinear", graph.node("QuantizeLinear", x, step, zero), step, zero)

    def weights(array: Array) -> str:
        held, scale = _int8(array)
        return graph.node("DequantizeLinear", graph.weight(held), graph.weight(scale), zero)

    x = rounded(graph.input("image", ["n", 1, 8, 8]))
    x = graph.node("Conv", x, weights(noise.weights(8, 1, 3, 3, fan_in=9)), pads=[1, 1, 1, 1])
    x = rounded(graph.node("MaxPool", graph.node("Relu", x), kernel_shape=[2, 2], strides=[2, 2]))
    x = graph.node("Flatten", x)
    x = rounded(graph.node("MatMul", x, weights(noise.weights(128, 4, fan_in=128))))
    graph.output(graph.node("Identity", x, gives="scores"), ["n", 4])
    return graph.model()


def dynamic(seed: int = 21) -> bytes:
    """Classify 16 features with activations rounded by their own range: DynamicQuantizeLinear, MatMulInteger."""
    noise, graph = Noise(seed), Graph(opset=13)
    x, before = graph.input("x", ["n", 16]), 16
    for layer, after in enumerate((24, 3)):
        held, scale = _int8(noise.weights(before, after, fan_in=before))
        names = [f"x{layer}", f"scale{layer}", f"zero{layer}"]
        x, factor, zero = graph.nodes("DynamicQuantizeLinear", x, gives=names)
        x = graph.node("MatMulInteger", x, graph.weight(held), zero)
        factor = graph.node("Mul", factor, graph.weight(scale))
        x = graph.node("Mul", graph.node("Cast", x, to=1), factor, gives="" if layer == 0 else "scores")
        x, before = graph.node("Relu", x) if layer == 0 else x, after
    graph.output(x, ["n", 3])
    return graph.model()


def integers(seed: int = 22) -> bytes:
    """Classify 8-bit pixels by QLinearConv and QLinearMatMul: no float value but the scales."""
    noise, graph = Noise(seed), Graph(opset=13)
    step, zero = graph.weight(np.array(STEP, np.float32)), graph.weight(np.array(128, np.uint8))
    held, scale = _int8(noise.weights(6, 2, 3, 3, fan_in=18))
    none = graph.weight(np.array(0, np.int8))
    x = graph.input("image", [1, 2, 8, 8], kind=2)
    bias = graph.weight(noise.integers(6, low=-100, high=100, dtype=np.int32))
    x = graph.node("QLinearConv", x, step, zero, graph.weight(held), graph.weight(scale), none, step, zero, bias)
    x = graph.node("Reshape", x, graph.weight(np.array([1, -1])))
    held, scale = _int8(noise.weights(216, 4, fan_in=216))
    x = graph.node("QLinearMatMul", x, step, zero, graph.weight(held), graph.weight(scale), none, step, zero, gives="q")
    graph.output(x, [1, 4], kind=2)
    graph.output(graph.node("ArgMax", x, gives="label", axis=1), [1, 1], kind=7)
    return graph.model()
