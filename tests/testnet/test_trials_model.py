"""The model that trials run is what this builds."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from testnet.trials.stage import FEATURES, MODEL_FILE

HIDDEN, CLASSES = 64, 24


def small_model() -> bytes:
    """Return two layers and a softmax with weights drawn at random."""
    rng = np.random.default_rng(5)

    def weight(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape, dtype=np.float32), name)

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h1"]),
        helper.make_node("Add", ["h1", "b1"], ["h2"]),
        helper.make_node("Tanh", ["h2"], ["h3"]),
        helper.make_node("MatMul", ["h3", "w2"], ["h4"]),
        helper.make_node("Add", ["h4", "b2"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=-1),
    ]
    weights = [
        weight("w1", FEATURES, HIDDEN),
        weight("b1", HIDDEN),
        weight("w2", HIDDEN, CLASSES),
        weight("b2", CLASSES),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])],
        weights,
    )
    made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def test_the_trials_run_the_model_that_is_built_here() -> None:
    assert Path(MODEL_FILE).read_bytes() == small_model()
