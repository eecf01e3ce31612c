"""Nodes that contradict themselves, ask for chance, or for shapes that only the run knows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.vm.hostile.make import Hostile, edited, floats, ints, one, scalar, weight
from tests.vm.models.graph import Graph


def _attribute(change: Callable[[onnx.NodeProto], None], op: str = "LeakyRelu") -> Callable[[], bytes]:
    """Return a maker of a file with one node whose attributes are changed."""
    return lambda: edited(lambda model: change(model.graph.node[0]), lambda: one(op, alpha=0.1))


def _refers(node: onnx.NodeProto) -> None:
    node.attribute[0].ref_attr_name = "other"


def _twice(node: onnx.NodeProto) -> None:
    node.attribute.append(node.attribute[0])


def _other_type(node: onnx.NodeProto) -> None:
    node.attribute[0].CopyFrom(helper.make_attribute("alpha", "text"))


def _unknown(node: onnx.NodeProto) -> None:
    node.attribute.append(helper.make_attribute("colour", 7))


def _typeless(node: onnx.NodeProto) -> None:
    node.attribute[0].type = 0


def _many_inputs(node: onnx.NodeProto) -> None:
    node.input.extend(["x"] * 100_000)


def _many_outputs(node: onnx.NodeProto) -> None:
    node.output.extend([f"z{at}" for at in range(100_000)])


def _no_inputs(node: onnx.NodeProto) -> None:
    node.ClearField("input")


def _tree(**changes: Any) -> Callable[[], bytes]:
    """Return a maker of a tree of three nodes with some lists changed."""
    lists: dict[str, Any] = {
        "n_targets": 1,
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }

    def build() -> bytes:
        graph = Graph()
        x = graph.node("Reshape", graph.input("x", [4]), graph.weight(ints(1, 4)))
        graph.node("TreeEnsembleRegressor", x, gives="y", domain="ai.onnx.ml", **{**lists, **changes})
        graph.output("y", ["n", "m"])
        return graph.model()

    return build


def _deep_tree() -> bytes:
    """Return one tree that is a chain of 20,000 nodes: 20,000 steps for each row."""
    count = 20_000
    inner = range(count)
    return _tree(
        nodes_treeids=[0] * (2 * count + 1),
        nodes_nodeids=list(range(2 * count + 1)),
        nodes_featureids=[0] * (2 * count + 1),
        nodes_modes=["BRANCH_LEQ"] * count + ["LEAF"] * (count + 1),
        nodes_values=[0.5] * (2 * count + 1),
        nodes_truenodeids=[count + at for at in inner] + [0] * (count + 1),
        nodes_falsenodeids=[at + 1 if at + 1 < count else 2 * count for at in inner] + [0] * (count + 1),
        target_treeids=[0] * (count + 1),
        target_nodeids=list(range(count, 2 * count + 1)),
        target_ids=[0] * (count + 1),
        target_weights=[1.0] * (count + 1),
    )()


def _branches_differ() -> bytes:
    def branch(op: str, name: str, shape: list[int], **attributes: Any) -> onnx.GraphProto:
        node = helper.make_node(op, ["x"], [name], **attributes)
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, 1, shape)])

    graph = Graph()
    graph.node("Cast", graph.node("ReduceSum", graph.input("x", [4]), keepdims=0), gives="yes", to=9)
    left, right = branch("Neg", "a", [4]), branch("ReduceSum", "b", [1])
    graph.output(graph.node("If", "yes", gives="y", then_branch=left, else_branch=right), ["n"])
    return graph.model()


def _loop_until_told() -> bytes:
    """Return a loop whose end depends on what it computes."""
    body = Graph()
    body.input("at", [], TensorProto.INT64)
    body.input("going", [], TensorProto.BOOL)
    held = body.input("held", [4])
    total = body.node("ReduceSum", body.node("Sin", held, gives="next"), keepdims=0)
    body.output(body.node("Greater", total, body.weight(np.array(0, np.float32)), gives="goes_on"), [], 9)
    body.output("next", [4])
    graph = Graph()
    graph.node("Loop", graph.weight(scalar(50)), "", graph.input("x", [4]), gives="y", body=body.inner("body"))
    graph.output("y", ["n"])
    return graph.model()


def _training_dropout() -> bytes:
    return one("Dropout", np.array(0.5, np.float32), np.array(True))


def _shape_from_values() -> bytes:
    graph = Graph()
    shape = graph.node("Cast", graph.input("x", [4]), to=7)
    graph.output(graph.node("ConstantOfShape", shape, gives="y"), ["a", "b", "c", "d"])
    return graph.model()


def _sequence() -> bytes:
    graph = Graph()
    graph.node("SequenceConstruct", graph.input("x", [4]), gives="s")
    graph.output(graph.node("SequenceAt", "s", graph.weight(scalar(2**62)), gives="y"), ["n"])
    return graph.model()


def _splits_to_sequence() -> bytes:
    graph = Graph()
    long = graph.node("Expand", graph.input("x", [4]), graph.weight(ints(2_000_000, 4)))
    graph.node("SplitToSequence", long, gives="s", axis=0)
    graph.output(graph.node("ConcatFromSequence", "s", gives="y", axis=0), ["n", "m"])
    return graph.model()


def _no_constant() -> bytes:
    return edited(lambda model: model.graph.node.insert(0, helper.make_node("Constant", [], ["c"])))


def _string_constant() -> bytes:
    node = helper.make_node("Constant", [], ["c"], value_strings=[b"a"] * 5)
    return edited(lambda model: model.graph.node.insert(0, node))


def _sparse_constant() -> bytes:
    held = helper.make_sparse_tensor(weight("v", floats(1)), weight("i", ints(0)), [2**50])
    node = helper.make_node("Constant", [], ["c"], sparse_value=held)
    return edited(lambda model: model.graph.node.insert(0, node))


NODES = [
    Hostile("attribute-refers", _attribute(_refers)),
    Hostile("attribute-twice", _attribute(_twice)),
    Hostile("attribute-of-another-type", _attribute(_other_type)),
    Hostile("attribute-unknown", _attribute(_unknown)),
    Hostile("attribute-without-type", _attribute(_typeless)),
    Hostile("100000-inputs", _attribute(_many_inputs)),
    Hostile("100000-outputs", _attribute(_many_outputs)),
    Hostile("no-inputs", _attribute(_no_inputs)),
    Hostile("tree-in-a-circle", _tree(nodes_truenodeids=[0, 0, 0])),
    Hostile("tree-far-child", _tree(nodes_truenodeids=[2**60, 0, 0])),
    Hostile("tree-far-feature", _tree(nodes_featureids=[2**40, 0, 0])),
    Hostile("tree-far-target", _tree(target_ids=[0, 2**50])),
    Hostile("tree-many-targets", _tree(n_targets=2**50)),
    Hostile("tree-short-lists", _tree(nodes_values=[0.5])),
    Hostile("tree-same-node-twice", _tree(nodes_nodeids=[0, 1, 1])),
    Hostile("tree-unknown-mode", _tree(nodes_modes=["BRANCH_MAYBE", "LEAF", "LEAF"])),
    Hostile("tree-of-20000-levels", _deep_tree),
    Hostile("random-normal", lambda: one("RandomNormal", x="", shape=[4], seed=1.0)),
    Hostile("random-uniform-like", lambda: one("RandomUniformLike")),
    Hostile("bernoulli", lambda: one("Bernoulli")),
    Hostile("multinomial", lambda: one("Multinomial")),
    Hostile("dropout-in-training", _training_dropout),
    Hostile("non-zero", lambda: one("NonZero")),
    Hostile("unique", lambda: one("Unique")),
    Hostile("compress", lambda: one("Compress", x="x", opset=11)),
    Hostile("shape-from-values", _shape_from_values),
    Hostile("branches-differ", _branches_differ),
    Hostile("loop-until-told", _loop_until_told),
    Hostile("sequence", _sequence),
    Hostile("splits-to-a-sequence", _splits_to_sequence),
    Hostile("optional", lambda: one("Optional")),
    Hostile("strings-normalised", lambda: one("StringNormalizer")),
    Hostile("cast-to-type-999", lambda: one("Cast", to=999)),
    Hostile("cast-to-strings", lambda: one("Cast", to=8)),
    Hostile("constant-of-nothing", _no_constant),
    Hostile("constant-of-strings", _string_constant),
    Hostile("constant-sparse", _sparse_constant),
    Hostile("reshape-to-two-unknowns", lambda: one("Reshape", ints(-1, -1))),
    Hostile("reshape-to-less", lambda: one("Reshape", ints(3))),
    Hostile("reshape-beyond-64-bits", lambda: one("Reshape", ints(2**62, 2**62, 4))),
    Hostile("reshape-to-negative", lambda: one("Reshape", ints(-7))),
    Hostile("slice-by-0", lambda: one("Slice", ints(0), ints(4), ints(0), ints(0))),
    Hostile("slice-axis-9", lambda: one("Slice", ints(0), ints(4), ints(9))),
    Hostile("transpose-twice-the-same", lambda: one("Transpose", perm=[0, 0])),
    Hostile("concat-axis-2-to-the-40", lambda: one("Concat", floats(4), axis=2**40)),
    Hostile("gather-beyond", lambda: one("Gather", ints(2**40))),
    Hostile("scatter-beyond", lambda: one("ScatterND", np.array([[2**40]]), floats(1))),
    Hostile("split-negatively", lambda: one("Split", ints(-1, 5))),
    Hostile("squeeze-four", lambda: one("Squeeze", ints(0))),
    Hostile("unsqueeze-300", lambda: one("Unsqueeze", ints(*range(300)))),
    Hostile("add-shapes-that-differ", lambda: one("Add", floats(3))),
    Hostile("matmul-lengths-that-differ", lambda: one("MatMul", floats(5, 2))),
    Hostile("gemm-of-rank-1", lambda: one("Gemm", floats(4, 2))),
    Hostile("quantise-by-0", lambda: one("QuantizeLinear", floats(), np.array(0, np.uint8))),
    Hostile("quantise-axis-9", lambda: one("QuantizeLinear", floats(4) + 1, np.zeros(4, np.uint8), axis=9)),
    Hostile("add-of-types-that-differ", lambda: one("Add", ints(1, 2, 3, 4))),
    Hostile("softmax-axis-9", lambda: one("Softmax", axis=9)),
    Hostile("depth-to-space-by-0", lambda: one("DepthToSpace", blocksize=0)),
    Hostile("local-response-of-size-0", lambda: one("LRN", size=0)),
]
