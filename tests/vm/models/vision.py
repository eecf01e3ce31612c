"""Small convolutional networks."""

from typing import Any

import numpy as np

from tests.vm.models.case import Noise
from tests.vm.models.graph import Graph


def _conv_bn(graph: Graph, noise: Noise, x: str, c_in: int, c_out: int, *, group: int = 1, **attributes: Any) -> str:
    """Add a 3 × 3 convolution, batch normalisation and ReLU."""
    fan_in = 9 * c_in // group
    w = graph.weight(noise.weights(c_out, c_in // group, 3, 3, fan_in=fan_in))
    x = graph.node("Conv", x, w, kernel_shape=[3, 3], group=group, **attributes)
    scale, bias = noise.uniform(c_out, low=0.5, high=1.5), noise.normal(c_out, scale=0.1)
    mean, variance = noise.normal(c_out, scale=0.1), noise.uniform(c_out, low=0.5, high=1.5)
    x = graph.node("BatchNormalization", x, *map(graph.weight, (scale, bias, mean, variance)), epsilon=1e-5)
    return graph.node("Relu", x)


def cnn(width: int = 16, seed: int = 1) -> bytes:
    """Classify 3 × 32 × 32 pixels: plain, strided, depthwise and pointwise convolutions, pools, a residual."""
    noise, graph = Noise(seed), Graph()
    x = graph.input("image", ["n", 3, 32, 32])
    x = _conv_bn(graph, noise, x, 3, width, pads=[1, 1, 1, 1])
    left = _conv_bn(graph, noise, x, width, width, group=width, pads=[1, 1, 1, 1])
    x = graph.node("Add", x, left)
    x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = _conv_bn(graph, noise, x, width, 2 * width, strides=[2, 2], auto_pad="SAME_UPPER")
    x = _conv_bn(graph, noise, x, 2 * width, 2 * width, dilations=[2, 2], pads=[2, 2, 2, 2])
    x = graph.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    gate = graph.node("HardSigmoid", graph.node("GlobalAveragePool", x), alpha=0.2, beta=0.5)
    x = graph.node("Flatten", graph.node("GlobalAveragePool", graph.node("Mul", x, gate)))
    w, b = graph.weight(noise.weights(10, 2 * width, fan_in=2 * width)), graph.weight(noise.normal(10, scale=0.1))
    logits = graph.node("Gemm", x, w, b, gives="logits", transB=1)
    graph.output(graph.node("Softmax", logits, gives="probabilities", axis=-1), ["n", 10])
    graph.output(graph.node("ArgMax", logits, gives="label", axis=-1, keepdims=0), ["n"], kind=7)
    return graph.model()


def segmenter(width: int = 8, seed: int = 2) -> bytes:
    """Mark pixels: down by strides, up by transposed convolutions and by resizing."""
    noise, graph = Noise(seed), Graph(opset=13)
    image = graph.input("image", [1, 1, 16, 16])
    x = _conv_bn(graph, noise, image, 1, width, strides=[2, 2], pads=[1, 1, 1, 1])
    deep = _conv_bn(graph, noise, x, width, 2 * width, strides=[2, 2], pads=[1, 1, 1, 1])
    w = graph.weight(noise.weights(2 * width, width, 2, 2, fan_in=2 * width))
    x = graph.node("Add", x, graph.node("ConvTranspose", deep, w, strides=[2, 2], kernel_shape=[2, 2]))
    scales = graph.weight(np.array([1, 1, 2, 2], np.float32))
    x = graph.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    x = graph.node("Concat", x, image, axis=1)
    w = graph.weight(noise.weights(1, width + 1, 3, 3, fan_in=9 * (width + 1)))
    x = graph.node("Conv", graph.node("Pad", x, graph.weight(np.array([0, 0, 1, 1, 0, 0, 1, 1]))), w, gives="logits")
    graph.output(graph.node("Sigmoid", x, gives="mask"), [1, 1, 16, 16])
    return graph.model()


def mlp(width: int = 64, seed: int = 3) -> bytes:
    """Classify 32 features by two hidden layers."""
    noise, graph = Noise(seed), Graph()
    x, before = graph.input("x", ["n", 32]), 32
    for after, function in ((width, "Relu"), (width, "Tanh"), (5, "")):
        w, b = graph.weight(noise.weights(before, after, fan_in=before)), graph.weight(noise.normal(after, scale=0.1))
        x = graph.node("Gemm", x, w, b, gives="" if function else "logits")
        x, before = graph.node(function, x) if function else x, after
    graph.output(graph.node("Softmax", x, gives="probabilities"), ["n", 5])
    return graph.model()


def regression(seed: int = 4) -> bytes:
    """Give one number for 8 features."""
    noise, graph = Noise(seed), Graph(opset=9)
    w, b = graph.weight(noise.normal(8, 1)), graph.weight(noise.normal(1))
    x = graph.node("MatMul", graph.input("x", ["n", 8]), w)
    graph.output(graph.node("Add", x, b, gives="y"), ["n", 1])
    return graph.model()
