from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from primitives.reasons import Reason, Refused
from tests.vm.build import classifier, magika_model, model, node, value, weight
from vm.manifest import Port
from vm.sandbox import policy
from vm.sandbox.meaning import derive
from vm.tensor import DType

Change = Callable[[onnx.ModelProto], object]


def judge(changed: onnx.ModelProto) -> tuple[list[Port], list[Port]]:
    return policy.check_model(policy.parse(changed.SerializeToString()))


def with_weight(tensor: TensorProto) -> onnx.ModelProto:
    return model([node("Add", "x w", "y")], outputs=[value("y", ["n", 4])], weights=[tensor])


def an_op(op: str, inputs: str = "x", domain: str = "", **attributes: object) -> onnx.ModelProto:
    made = node(op, inputs, "y", **attributes)
    made.domain = domain
    return model([made])


def an_external_weight() -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="/etc/passwd"))
    return with_weight(tensor)


def a_sparse_weight() -> onnx.ModelProto:
    changed = classifier()
    held = helper.make_sparse_tensor(weight("s", [1.0], [1]), weight("at", [0], [1], TensorProto.INT64), [4])
    changed.graph.sparse_initializer.append(held)
    return changed


def a_function() -> onnx.ModelProto:
    changed = classifier()
    opsets = [helper.make_opsetid("", 17)]
    changed.functions.append(helper.make_function("own", "f", ["a"], ["b"], [node("Relu", "a", "b")], opsets))
    return changed


def a_graph_in_an_attribute() -> onnx.ModelProto:
    changed = classifier()
    inner = helper.make_graph([node("Relu", "a", "b")], "inner", [], [value("b", [1])])
    changed.graph.node[0].attribute.append(helper.make_attribute("body", inner))
    return changed


def many_nodes() -> onnx.ModelProto:
    chain = [node("Identity", f"v{at}", f"v{at + 1}") for at in range(policy.NODES_MAX + 1)]
    return model(chain, inputs=[value("v0", [1])], outputs=[value(f"v{policy.NODES_MAX + 1}", [1])])


def raw_weight(dims: list[int], raw: bytes, kind: int = TensorProto.FLOAT) -> TensorProto:
    return TensorProto(name="w", data_type=kind, dims=dims, raw_data=raw)


def sequence_output() -> onnx.ModelProto:
    held = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1])
    return relu(outputs=[held])


def relu(
    *, inputs: list[onnx.ValueInfoProto] | None = None, outputs: list[onnx.ValueInfoProto] | None = None
) -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], inputs=inputs, outputs=outputs)


def nodes(*held: onnx.NodeProto) -> onnx.ModelProto:
    return model(list(held))


def an_opset(version: int, domain: str = "") -> onnx.ModelProto:
    changed = classifier()
    del changed.opset_import[:]
    changed.opset_import.append(helper.make_opsetid(domain, version))
    return changed


def an_ir(version: int) -> onnx.ModelProto:
    changed = classifier()
    changed.ir_version = version
    return changed


REFUSED: list[tuple[str, Callable[[], onnx.ModelProto], Reason]] = [
    ("random numbers", lambda: an_op("RandomNormalLike"), Reason.NONDETERMINISTIC),
    ("random numbers with a seed", lambda: an_op("Bernoulli", seed=1.0), Reason.NONDETERMINISTIC),
    ("a shape that depends on values", lambda: an_op("Unique"), Reason.OPERATOR_REFUSED),
    ("strings", lambda: an_op("StringNormalizer"), Reason.OPERATOR_REFUSED),
    ("a value that may be absent", lambda: an_op("Optional"), Reason.OPERATOR_REFUSED),
    ("an unknown operator", lambda: an_op("Frobnicate"), Reason.OPERATOR_REFUSED),
    ("another domain", lambda: an_op("Relu", domain="com.microsoft"), Reason.OPERATOR_REFUSED),
    ("an operator in the wrong domain", lambda: an_op("Relu", domain="ai.onnx.ml"), Reason.OPERATOR_REFUSED),
    ("functions", a_function, Reason.FUNCTIONS_REFUSED),
    ("a graph in an attribute", a_graph_in_an_attribute, Reason.NESTING_TOO_DEEP),
    ("too many nodes", many_nodes, Reason.TOO_MANY_NODES),
    ("external data", an_external_weight, Reason.EXTERNAL_DATA),
    ("sparse weights", a_sparse_weight, Reason.TYPE_REFUSED),
    ("a weight of bfloat16", lambda: with_weight(raw_weight([4], bytes(8), TensorProto.BFLOAT16)), Reason.TYPE_REFUSED),
    ("a weight of strings", lambda: with_weight(raw_weight([4], b"", TensorProto.STRING)), Reason.TYPE_REFUSED),
    ("fewer bytes than dimensions say", lambda: with_weight(raw_weight([4], bytes(12))), Reason.GRAPH_INVALID),
    ("more bytes than dimensions say", lambda: with_weight(raw_weight([4], bytes(20))), Reason.GRAPH_INVALID),
    ("no bytes for a huge weight", lambda: with_weight(raw_weight([2**31 - 1] * 8, b"")), Reason.GRAPH_INVALID),
    ("a negative dimension", lambda: with_weight(raw_weight([-4, -1], bytes(16))), Reason.GRAPH_INVALID),
    ("a string constant", lambda: model([node("Constant", "", "y", value_string="a")]), Reason.TYPE_REFUSED),
    ("an input of strings", lambda: relu(inputs=[value("x", [1], TensorProto.STRING)]), Reason.TYPE_REFUSED),
    ("an output of bfloat16", lambda: relu(outputs=[value("y", [1], TensorProto.BFLOAT16)]), Reason.TYPE_REFUSED),
    ("an output that is a sequence", sequence_output, Reason.TYPE_REFUSED),
    ("an input of unknown rank", lambda: relu(inputs=[value("x", None)]), Reason.SHAPE_NOT_STATIC),
    ("an input of 256 MiB", lambda: relu(inputs=[value("x", [2**26])]), Reason.INPUT_TOO_LARGE),
    ("no input", lambda: model([node("Constant", "", "y", value_float=1.0)], inputs=[]), Reason.GRAPH_INVALID),
    ("a value used before set", lambda: nodes(node("Relu", "z", "y"), node("Relu", "x", "z")), Reason.GRAPH_INVALID),
    ("a value set twice", lambda: nodes(node("Relu", "x", "y"), node("Abs", "x", "y")), Reason.GRAPH_INVALID),
    ("a node that sets an input", lambda: nodes(node("Relu", "x", "x")), Reason.GRAPH_INVALID),
    ("an output that nothing sets", lambda: nodes(node("Relu", "x", "z")), Reason.GRAPH_INVALID),
    ("an output named twice", lambda: relu(outputs=[value("y", [1])] * 2), Reason.GRAPH_INVALID),
    ("an input named twice", lambda: relu(inputs=[value("x", [1])] * 2), Reason.GRAPH_INVALID),
    ("an opset too old", lambda: an_opset(6), Reason.OPSET_REFUSED),
    ("an opset too new", lambda: an_opset(27), Reason.OPSET_REFUSED),
    ("no opset", lambda: an_opset(1, "own"), Reason.OPSET_REFUSED),
    ("an IR version too old", lambda: an_ir(2), Reason.OPSET_REFUSED),
    ("an IR version of the future", lambda: an_ir(99), Reason.OPSET_REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_model_is_refused_for(build: Callable[[], onnx.ModelProto], reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        judge(build())
    assert caught.value.reason is reason
    assert caught.value.facts


@pytest.mark.parametrize("keep", [0, 1, 8, 40])
def test_a_file_that_is_cut_short_is_unreadable(keep: int) -> None:
    with pytest.raises(Refused) as caught:
        policy.parse(classifier().SerializeToString()[:keep])
    assert caught.value.reason is Reason.MODEL_UNREADABLE


def test_every_prefix_of_a_model_is_refused() -> None:
    whole = classifier().SerializeToString()
    for keep in range(len(whole)):
        with pytest.raises(Refused):
            policy.check_model(policy.parse(whole[:keep]))


@pytest.mark.parametrize("name", [b"logits", b"MatMul", b"x", b"y", b"w"])
def test_a_name_that_is_not_utf_8_is_refused_like_any_other_fault(name: bytes) -> None:
    raw = classifier().SerializeToString().replace(name, b"\xff" * len(name), 1)

    def judge() -> None:
        parsed = policy.parse(raw)
        policy.check_model(parsed)
        derive(parsed, [[1, 4]])

    with pytest.raises(Refused):
        judge()


def test_a_file_in_the_format_of_onnx_runtime_is_refused() -> None:
    with pytest.raises(Refused, match="ORT"):
        policy.parse(b"\x20\x00\x00\x00ORTM" + bytes(100))


def test_the_node_at_fault_is_named() -> None:
    with pytest.raises(Refused) as caught:
        judge(model([node("Relu", "x", "z"), node("Unique", "z", "y", name="the culprit")]))
    assert caught.value.facts["node"] == "1 Unique the culprit"


def test_the_ports_of_a_model_are_those_it_declares() -> None:
    inputs, outputs = judge(classifier())
    assert inputs == [Port(name=b"x", dtype=DType.FLOAT32, shape=[-1, 4])]
    assert outputs == [Port(name=b"y", dtype=DType.FLOAT32, shape=[-1, 3])]


def test_a_weight_that_is_also_declared_as_input_is_no_port() -> None:
    changed = classifier()
    changed.graph.input.append(value("w", [4, 3]))
    assert [port.name for port in judge(changed)[0]] == [b"x"]


def test_a_model_of_every_weight_encoding_is_admitted() -> None:
    for kind, dims, numbers in (
        (TensorProto.FLOAT, [4], [1.0] * 4),
        (TensorProto.DOUBLE, [2, 2], [1.0] * 4),
        (TensorProto.INT64, [4], [1] * 4),
        (TensorProto.INT8, [4], [1] * 4),
        (TensorProto.BOOL, [4], [1] * 4),
        (TensorProto.FLOAT, [0], []),
    ):
        judge(with_weight(helper.make_tensor("w", kind, dims, numbers)))
    judge(with_weight(raw_weight([4], bytes(16))))


def test_magika_is_admitted() -> None:
    parsed = policy.parse(magika_model())
    inputs, outputs = policy.check_model(parsed)
    assert inputs == [Port(name=b"bytes", dtype=DType.INT32, shape=[-1, 2048])]
    assert outputs == [Port(name=b"target_label", dtype=DType.FLOAT32, shape=[-1, 214])]


def test_a_file_without_operators_of_ai_onnx_need_not_import_it() -> None:
    # as files of XGBoost's converter do
    scaler = node("Scaler", "x", "y", domain="ai.onnx.ml", offset=[0.0], scale=[2.0])
    scaled = model([scaler], outputs=[value("y", ["n", 4])])
    del scaled.opset_import[:]
    scaled.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    policy.check_model(scaled)
