"""Graphs drawn at random mean what ONNX Runtime computes, value by value."""

import numpy as np
import onnxruntime as ort
import pytest

from tests.vm.lower.graphs import lowered, results
from tests.vm.lower.random_graphs import drawn
from vm.wellformed import check_program

ort.set_default_logger_severity(4)
WITHIN = 1e-4
"""Of a value's largest element: a dozen nodes, each adding to what those before it differ by."""


def compare(seed: int) -> None:
    """Assert that every value of a graph agrees, and so do the outputs when nothing else is one."""
    draw = drawn(seed, nodes=12)
    proto = draw.proto()
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = dict(zip([port.name for port in proto.graph.output], session.run(None, draw.inputs), strict=True))
    for kept in ([port.name for port in proto.graph.output], list(draw.nodes[-1].output)):
        del proto.graph.output[:]
        proto.graph.output.extend(type(proto.graph.input[0])(name=name) for name in kept)
        found = lowered(proto, draw.inputs)
        check_program(found.program)
        for name, mine in zip(kept, results(found, draw.inputs), strict=True):
            assert mine.dtype == np.float32
            assert mine.shape == theirs[name].shape == draw.shapes[name]
            largest = max(float(np.abs(theirs[name]).max(initial=0)), 0.1)
            assert float(np.abs(mine - theirs[name]).max(initial=0)) <= WITHIN * largest, (seed, name)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_random_graphs_mean_what_onnx_runtime_computes(first: int) -> None:
    for seed in range(first, first + 25):
        compare(seed)
