"""Lowering: what a program keeps of its file, and what is refused by name."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

from primitives.reasons import Reason, Refused
from tests.vm.lower.graphs import Array, float_port, floats, graph, lowered, model, ops, results
from vm.canonical.interpreter import Trapped
from vm.program import STEPS_MAX, Op
from vm.sandbox.lower import builder, lowering
from vm.sandbox.lower.lowering import Lowered
from vm.wellformed import check_program

node = helper.make_node
X = {"x": floats(2, 3, 4)}


def checked(proto: onnx.ModelProto, inputs: dict[str, Array]) -> Lowered:
    found = lowered(proto, inputs)
    check_program(found.program)
    return found


def refusal(proto: onnx.ModelProto, inputs: dict[str, Array]) -> Refused:
    with pytest.raises(Refused) as caught:
        lowered(proto, inputs)
    return caught.value


def test_shapes_and_what_follows_from_them_are_constants() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "two"], ["last"]),
        node("Concat", ["minus", "last"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["y"]),
    ]
    weights = {"two": np.array([2]), "minus": np.array([-1])}
    found = checked(model(nodes, X, ["y"], weights), X)
    assert ops(found) == [Op.MOVE]
    assert results(found, X)[0].shape == (6, 4)


def test_transpositions_that_undo_each_other_vanish_with_work_between_them() -> None:  # G102
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[2, 0, 1]),
        node("Relu", ["a"], ["b"]),
        node("Add", ["b", "w"], ["c"]),
        node("Mul", ["c", "v"], ["d"]),
        node("Transpose", ["d"], ["y"], perm=[1, 2, 0]),
    ]
    weights = {"w": floats(3), "v": floats(4, 1, 1)}
    found = checked(model(nodes, X, ["y"], weights), X)
    assert ops(found) == [Op.MAX, Op.ADD, Op.MUL]
    wanted = (np.maximum(X["x"], 0) + weights["w"][:, None]) * weights["v"][:, 0, 0]
    assert np.array_equal(results(found, X)[0], wanted)


def test_values_have_the_names_of_the_file_and_operations_their_places() -> None:
    nodes = [node("Exp", ["x"], ["e"], name="first"), node("Identity", ["e"], ["same"]), node("Neg", ["same"], ["y"])]
    found = checked(model(nodes, X, ["y"]), X)
    assert found.names == {0: "x", 1: "e", 2: "y"}
    assert found.places == ["0 Exp first", "2 Neg"]
    assert [operation.origin for operation in found.program.operations] == [0, 2]


def test_what_no_output_needs_is_dropped() -> None:
    nodes = [node("Exp", ["x"], ["e"]), node("Sin", ["x"], ["unused"]), node("Neg", ["e"], ["y"])]
    assert ops(checked(model(nodes, X, ["y"]), X)) == [Op.EXP, Op.NEG]


def test_equal_weights_are_one_constant() -> None:
    nodes = [node("Add", ["x", "v"], ["a"]), node("Mul", ["a", "w"], ["y"])]
    found = checked(model(nodes, X, ["y"], {"v": floats(4), "w": floats(4)}), X)
    assert len(found.constants) == 1


@pytest.mark.parametrize("after", ["Softmax", "Relu", "GlobalAveragePool", "Transpose", "Identity", "Flatten"])
def test_what_follows_the_last_contraction_reads_values_with_names(after: str) -> None:  # G103
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("Conv", ["r", "w2"], ["d"]),
        node(after, ["d"], ["t"]),
        node("Sigmoid", ["t"], ["y"]),
    ]
    inputs = {"x": floats(1, 2, 5, 5)}
    found = checked(model(nodes, inputs, ["y"], {"w": floats(3, 2, 3, 3), "w2": floats(3, 3, 1, 1)}), inputs)
    program, first = found.program, found.program.first_result
    tail = [operation for operation in program.operations if operation.origin > 2]
    read = {value for operation in tail for value in operation.operands if value >= first}
    from_before = [value for value in sorted(read) if program.operations[value - first].origin <= 2]
    assert from_before
    assert all(found.names[value] in ("d", "t") for value in from_before)
    assert Op.MOVE not in [o.op for o in program.operations if o.origin == 1]


def test_the_same_bytes_are_lowered_alike_whatever_the_hash_seed() -> None:  # G100
    code = (
        "from tests.vm.models.catalogue import small_models\n"
        "from vm.canonical.arrays import tensor_of\n"
        "from vm.program import program_root\n"
        "from vm.sandbox.lower.lowering import lower\n"
        "from vm.tensor import tensor_root\n"
        "for name in ('cnn', 'encoder', 'looped', 'lstm'):\n"
        "    (case,) = [each for each in small_models() if each.name == name]\n"
        "    found = lower(case.proto, [list(array.shape) for array in case.feeds[0].values()])\n"
        "    roots = [tensor_root(tensor_of(array)) for array in found.constants]\n"
        "    print(name, program_root(found.program, roots).hex(), sorted(found.names.items()))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert told[0].count("\n") == 4


def test_a_known_branch_is_taken_and_an_unknown_one_blended() -> None:  # G104
    yes = graph([node("Neg", ["x"], ["a"])], {}, ["a"])
    no = graph([node("Exp", ["x"], ["b"])], {}, ["b"])
    branch = node("If", ["c"], ["y"], then_branch=yes, else_branch=no)
    assert ops(checked(model([branch], X, ["y"], {"c": np.array(True)}), X)) == [Op.NEG]
    for condition in (True, False):
        inputs = {**X, "c": np.array(condition)}
        (y,) = results(checked(model([branch], inputs, ["y"]), inputs), inputs)
        assert np.allclose(y, -X["x"] if condition else np.exp(X["x"]), rtol=1e-6)


def test_a_branch_that_does_not_fit_the_shapes_traps_when_it_is_asked_for() -> None:
    yes = graph([node("Neg", ["x"], ["a"])], {}, ["a"])
    no = graph([node("Add", ["x", "w"], ["b"])], {}, ["b"], {"w": floats(7)})
    inputs = {**X, "c": np.array(True)}
    found = checked(model([node("If", ["c"], ["y"], then_branch=yes, else_branch=no)], inputs, ["y"]), inputs)
    assert np.array_equal(results(found, inputs)[0], -X["x"])
    with pytest.raises(Trapped):
        results(found, {**X, "c": np.array(False)})


def body_of_a_loop() -> onnx.GraphProto:
    ports = [
        helper.make_tensor_value_info("i", 7, []),
        helper.make_tensor_value_info("go", 9, []),
        float_port("v", [2]),
    ]
    nodes = [
        node("Add", ["v", "v"], ["w"]),
        node("Cast", ["i"], ["f"], to=1),
        node("Add", ["w", "f"], ["z"]),
        node("Less", ["f", "end"], ["on"]),
        node("Identity", ["z"], ["scan"]),
    ]
    ends = [onnx.ValueInfoProto(name=name) for name in ("on", "z", "scan")]
    return helper.make_graph(nodes, "body", ports, ends)


def test_a_loop_is_unrolled_until_its_condition_fails() -> None:
    inputs = {"x": floats(2)}
    loop = node("Loop", ["", "", "x"], ["last", "all"], body=body_of_a_loop())
    found = checked(model([loop], inputs, ["last", "all"], {"end": np.array(2, np.float32)}), inputs)
    wanted, x = [], inputs["x"]
    for step in range(3):
        x = x + x + np.float32(step)
        wanted.append(x)
    last, scanned = results(found, inputs)
    assert np.array_equal(last, x)
    assert np.array_equal(scanned, np.stack(wanted))


def test_a_loop_whose_end_hangs_on_the_input_is_refused_if_it_stacks_results() -> None:
    inputs = {"x": floats(2), "end": np.array(2, np.float32)}
    loop = node("Loop", ["m", "", "x"], ["last", "all"], body=body_of_a_loop())
    refused = refusal(model([loop], inputs, ["all"], {"m": np.array(5)}), inputs)
    assert refused.reason is Reason.SHAPE_NOT_STATIC
    assert "the number of steps" in str(refused)


def test_a_loop_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "NODES_LOWERED_MAX", 1000)  # the true limit takes seconds
    ports = [
        helper.make_tensor_value_info("i", 7, []),
        helper.make_tensor_value_info("go", 9, []),
        float_port("v", [2]),
    ]
    body = helper.make_graph([], "body", ports, [onnx.ValueInfoProto(name=name) for name in ("go", "v")])
    inputs = {"x": floats(2)}
    loop = node("Loop", ["", "", "x"], ["y"], body=body)
    assert refusal(model([loop], inputs, ["y"]), inputs).reason is Reason.TOO_MANY_NODES


def test_a_scan_runs_over_slices_forwards_and_backwards() -> None:
    body = helper.make_graph(
        [node("Add", ["state", "item"], ["next"]), node("Identity", ["next"], ["told"])],
        "body", [float_port("state", [3]), float_port("item", [3])],
        [onnx.ValueInfoProto(name=name) for name in ("next", "told")],
    )  # fmt: skip
    inputs = {"s": floats(3), "x": floats(4, 3)}
    for backwards in (0, 1):
        scan = node(
            "Scan", ["s", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_directions=[backwards]
        )
        last, told = results(checked(model([scan], inputs, ["last", "all"]), inputs), inputs)
        total, wanted = inputs["s"], []
        for row in inputs["x"][::-1] if backwards else inputs["x"]:
            total = total + row
            wanted.append(total)
        assert np.array_equal(told, np.stack(wanted))
        assert np.array_equal(last, total)


def test_an_operator_without_a_rule_is_refused_by_name_and_place() -> None:
    refused = refusal(model([node("NonMaxSuppression", ["x", "x"], ["y"], name="boxes")], X, ["y"]), X)
    assert refused.reason is Reason.OPERATOR_REFUSED
    assert refused.facts["node"] == "0 NonMaxSuppression boxes"
    assert refused.facts["why"] == "operator NonMaxSuppression is not served"
    assert "outputs" in str(refused.facts["wanted"])


def test_an_attribute_that_is_not_served_is_refused_by_name_and_value() -> None:  # G105
    refused = refusal(model([node("Pad", ["x", "p"], ["y"], mode="mirror")], X, ["y"], {"p": np.zeros(6, np.int64)}), X)
    assert refused.facts["attribute"] == "mode=mirror"
    assert refused.facts["wanted"] == "constant, reflect, edge or wrap"


def test_an_attribute_that_the_operator_does_not_have_is_refused() -> None:
    refused = refusal(model([node("Relu", ["x"], ["y"], alpha=1.0)], X, ["y"]), X)
    assert refused.reason is Reason.GRAPH_INVALID
    assert refused.facts["attribute"] == "alpha"


def test_a_shape_that_comes_from_the_input_is_refused_with_what_to_change() -> None:
    inputs = {**X, "s": np.array([24])}
    refused = refusal(model([node("Reshape", ["x", "s"], ["y"])], inputs, ["y"]), inputs)
    assert refused.reason is Reason.SHAPE_NOT_STATIC
    assert refused.facts["needs"] == "input 1 (shape) before the run"
    assert "constant" in str(refused.facts["wanted"])


def test_a_place_within_a_branch_is_told() -> None:
    branch = graph([node("Neg", ["x"], ["a"]), node("Unique", ["a"], ["b"])], {}, ["b"])
    holder = node("If", ["c"], ["y"], name="choose", then_branch=branch, else_branch=branch)
    refused = refusal(model([holder], X, ["y"], {"c": np.array(True)}), X)
    assert refused.facts["node"] == "0 If choose / then_branch / 1 Unique"


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Add", ["x", "w"], ["y"])], {"w": floats(7)}),
        ([node("Add", ["x", "w"], ["y"])], {"w": np.zeros(4, np.int64)}),
        ([node("Add", ["x"], ["y"])], {}),
        ([node("Transpose", ["x"], ["y"], perm=[0, 0, 1])], {}),
        ([node("Squeeze", ["x", "w"], ["y"])], {"w": np.array([9])}),
        ([node("Split", ["x", "w"], ["y", "z"], axis=0)], {"w": np.array([-1, 3])}),
        ([node("Concat", ["x", "w"], ["y"], axis=0)], {"w": floats(2, 2)}),
        ([node("Slice", ["x", "w", "w", "w", "v"], ["y"])], {"w": np.array([0]), "v": np.array([0])}),
        ([node("Relu", ["nowhere"], ["y"])], {}),
        ([node("DepthToSpace", ["x"], ["y"], blocksize=2)], {}),
        ([node("Einsum", ["x"], ["y"], equation="ab->q")], {}),
        ([node("Range", ["w", "w", "v"], ["y"])], {"w": np.array(1), "v": np.array(0)}),
        ([node("GatherND", ["x", "w"], ["y"])], {"w": np.zeros((1, 9), np.int64)}),
    ],
)
def test_nodes_that_contradict_their_inputs_are_refused(nodes: list[onnx.NodeProto], weights: dict[str, Array]) -> None:
    assert refusal(model(nodes, X, ["y"], weights), X).reason is Reason.GRAPH_INVALID


def test_a_value_beyond_the_limit_is_refused_before_it_is_made() -> None:
    refused = refusal(model([node("Expand", ["x", "s"], ["y"])], X, ["y"], {"s": np.array([2**28, 2, 3, 4])}), X)
    assert refused.reason is Reason.VALUE_TOO_LARGE


def test_constants_that_nodes_make_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:  # G101
    nodes = [helper.make_node("Range", ["zero", end, "one"], [f"to-{end}"]) for end in ("thousand", "more", "thousand")]
    nodes[2].output[0] = "again"
    nodes.append(helper.make_node("Concat", ["to-thousand", "to-more", "again", "x"], ["y"], axis=0))
    weights = {"zero": np.int64(0), "one": np.int64(1), "thousand": np.int64(1000), "more": np.int64(1001)}
    given = {"x": np.zeros(1, np.int64)}
    proto = model(nodes, given, ["y"], {name: np.array(value) for name, value in weights.items()})
    monkeypatch.setattr(builder, "CONSTANTS_BYTES_MAX", 8 * 2001 + 2 * 8 * 2 + 1000)
    assert results(lowered(proto, given), given)[0].size == 3002
    monkeypatch.setattr(builder, "CONSTANTS_BYTES_MAX", 8 * 2000)
    with pytest.raises(Refused) as refused:
        lowered(proto, given)
    assert refused.value.reason is Reason.VALUE_TOO_LARGE
    assert refused.value.facts["node"] == "1 Range"


def test_a_large_fill_is_left_to_the_run() -> None:  # G101
    nodes = [node("Expand", ["w", "s"], ["e"]), node("Add", ["e", "x"], ["y"])]
    inputs = {"x": floats(1)}
    found = checked(model(nodes, inputs, ["y"], {"w": floats(1), "s": np.array([1 << 20])}), inputs)
    assert ops(found) == [Op.MOVE, Op.ADD]
    assert sum(array.nbytes for array in found.constants) < 100


def test_division_by_a_constant_zero_traps_in_the_run_and_not_in_lowering() -> None:
    nodes = [node("Div", ["a", "b"], ["q"]), node("Add", ["q", "x"], ["y"])]
    inputs = {"x": np.array([1])}
    found = checked(model(nodes, inputs, ["y"], {"a": np.array([1]), "b": np.array([0])}), inputs)
    assert ops(found) == [Op.DIV, Op.ADD]


def test_long_folds_go_in_parts() -> None:
    inputs = {"x": floats(2, 3 * STEPS_MAX + 5), "w": floats(3 * STEPS_MAX + 5, 2)}
    nodes = [
        node("ReduceSum", ["x", "one"], ["s"], keepdims=0),
        node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0),
        node("ArgMax", ["x"], ["a"], axis=1, keepdims=0),
        node("MatMul", ["x", "w"], ["p"]),
    ]
    found = checked(model(nodes, inputs, ["s", "m", "a", "p"], {"one": np.array([1])}, opset=13), inputs)
    s, m, a, p = results(found, inputs)
    x = inputs["x"]
    assert np.allclose(s, x.astype(np.float64).sum(1), rtol=1e-6)
    assert np.array_equal(m, x.max(1))
    assert np.array_equal(a, x.argmax(1))
    assert np.allclose(p, x @ inputs["w"], rtol=1e-3, atol=1e-3)


def test_sequences_leave_nothing_in_the_program() -> None:
    nodes = [
        node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0),
        node("SequenceAt", ["s", "last"], ["a"]),
        node("SequenceErase", ["s", "first"], ["t"]),
        node("SequenceInsert", ["t", "a", "first"], ["u"]),
        node("SequenceLength", ["u"], ["n"]),
        node("ConcatFromSequence", ["u"], ["y"], axis=0, new_axis=1),
    ]
    found = checked(model(nodes, X, ["y", "n"], {"last": np.array(-1), "first": np.array(0)}), X)
    y, n = results(found, X)
    x = X["x"]
    assert np.array_equal(y, np.stack([x[:, 2], x[:, 1], x[:, 2]]))
    assert n == 3
    assert set(ops(found)) <= {Op.MOVE, Op.CONCAT}


def test_a_loop_gathers_a_sequence() -> None:
    ports = [
        helper.make_tensor_value_info("i", 7, []),
        helper.make_tensor_value_info("go", 9, []),
        helper.make_tensor_sequence_value_info("held", 1, None),
    ]
    nodes = [node("Gather", ["x", "i"], ["row"]), node("SequenceInsert", ["held", "row"], ["more"])]
    body = helper.make_graph(nodes, "body", ports, [onnx.ValueInfoProto(name=name) for name in ("go", "more")])
    outer = [
        node("SequenceEmpty", [], ["none"]),
        node("Loop", ["two", "", "none"], ["rows"], body=body),
        node("ConcatFromSequence", ["rows"], ["y"], axis=1),
    ]
    (y,) = results(checked(model(outer, X, ["y"], {"two": np.array(2)}), X), X)
    assert np.array_equal(y, np.concatenate(list(X["x"]), 1))


def test_a_sequence_as_output_is_refused() -> None:
    refused = refusal(model([node("SequenceConstruct", ["x"], ["y"])], X, ["y"]), X)
    assert refused.facts == {"node": "output y", "seen": "a sequence", "wanted": "a tensor"}
