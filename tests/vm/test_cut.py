import onnx
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.build import MAGIKA_CUT, classifier, magika_model, model, node, value, weight
from vm.sandbox import policy
from vm.sandbox.cut import check_cut


def judge(held: onnx.ModelProto, *cut: str) -> None:
    policy.check_wiring(held.graph)
    check_cut(held.graph, list(cut))


def reason_of(held: onnx.ModelProto, *cut: str) -> Reason:
    with pytest.raises(Refused) as caught:
        judge(held, *cut)
    return caught.value.reason


SQUARE = weight("w", [1.0] * 16, [4, 4])


def test_the_input_of_the_last_softmax_is_a_cut() -> None:
    judge(classifier(), "logits")
    judge(onnx.load_from_string(magika_model()), MAGIKA_CUT.decode())


def test_any_value_between_the_last_contraction_and_the_outputs_is_a_cut() -> None:
    judge(classifier(), "m")
    judge(classifier(), "y")


def test_a_value_that_the_graph_lacks_is_unknown() -> None:
    assert reason_of(classifier(), "logit") is Reason.CUT_UNKNOWN


@pytest.mark.parametrize("name", ["x", "w"])
def test_an_input_or_a_weight_is_no_cut(name: str) -> None:
    assert reason_of(classifier(), name) is Reason.CUT_REFUSED


def test_a_value_computed_from_weights_alone_is_no_cut() -> None:
    held = model([node("Abs", "w", "v"), node("MatMul", "x v", "y")], weights=[SQUARE])
    assert reason_of(held, "v") is Reason.CUT_REFUSED


def test_a_value_named_twice_is_no_cut() -> None:
    assert reason_of(classifier(), "logits", "logits") is Reason.CUT_REFUSED


def test_a_contraction_after_the_cut_is_refused() -> None:
    nodes = [node("MatMul", "x w", "early"), node("Relu", "early", "r"), node("MatMul", "r w", "late")]
    held = model([*nodes, node("Softmax", "late", "y")], weights=[SQUARE])
    assert reason_of(held, "early") is Reason.CUT_REFUSED
    assert reason_of(held, "r") is Reason.CUT_REFUSED
    judge(held, "late")


def test_an_output_that_reaches_a_contraction_around_the_cut_is_refused() -> None:
    nodes = [node("MatMul", "x w", "left"), node("Gemm", "x w", "right"), node("Add", "left right", "y")]
    held = model(nodes, weights=[SQUARE])
    assert reason_of(held, "left") is Reason.CUT_REFUSED
    judge(held, "left", "right")
    judge(held, "y")


def test_a_shape_carries_no_values_around_the_cut() -> None:
    nodes = [
        node("MatMul", "x w", "m"),
        node("Shape", "m", "shape"),
        node("Relu", "m", "logits"),
        node("Reshape", "logits shape", "y"),
    ]
    judge(model(nodes, weights=[SQUARE]), "logits")


def test_a_discontinuous_operator_on_computed_values_before_the_cut_needs_class_exact() -> None:
    for step in (node("Round", "m", "r"), node("Cast", "m", "r", to=6), node("Greater", "m x", "r")):
        held = model(
            [node("MatMul", "x w", "m"), step, node("Cast", "r", "f", to=1), node("Exp", "f", "y")], weights=[SQUARE]
        )
        assert reason_of(held, "f") is Reason.CLASS_NOT_YET
        judge(held, "m")


def test_a_discontinuous_operator_on_the_input_itself_is_allowed() -> None:
    held = model([node("Round", "x", "r"), node("MatMul", "r w", "y")], weights=[SQUARE])
    judge(held, "y")


def test_a_label_after_the_cut_is_allowed() -> None:
    nodes = [node("MatMul", "x w", "logits"), node("ArgMax", "logits", "y", axis=1)]
    judge(model(nodes, weights=[SQUARE], outputs=[value("y", ["n", 1], 7)]), "logits")
