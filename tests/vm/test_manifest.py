import pytest

from primitives import codec
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, tensor
from vm.manifest import (
    MODEL_BYTES_MAX,
    Model,
    Port,
    Provenance,
    check_inputs,
    check_model,
    model_id,
)
from vm.tensor import DType, Tensor, decode_bundle

NOTHING = Provenance(parents=[], datasets=[], training_jobs=[])


def a_model(**changes: object) -> Model:
    fields: dict[str, object] = {
        "file": content_id(b"an ONNX file"),
        "inputs": [Port(name=b"x", dtype=DType.FLOAT32, shape=[-1, 4])],
        "outputs": [Port(name=b"y", dtype=DType.FLOAT32, shape=[-1, 3])],
        "licence": b"Apache-2.0",
        "provenance": NOTHING,
        "publisher": bytes(20),
    }
    return Model(**(fields | changes))  # type: ignore[arg-type]  # fields by name


def test_the_id_of_a_model_is_as_it_was_written_down() -> None:
    assert model_id(a_model()).hex() == "8e1a08bff94ad302473c765670a50bc48b4ccb68840ca00171e33ca1ff3e9301"


def test_the_id_is_of_file_and_interface_alone() -> None:
    same = a_model(
        licence=b"MIT", publisher=b"p" * 20, provenance=Provenance(parents=[bytes(32)], datasets=[], training_jobs=[])
    )
    assert model_id(same) == model_id(a_model())
    for change in (
        {"file": content_id(b"another file")},
        {"inputs": [Port(name=b"z", dtype=DType.FLOAT32, shape=[-1, 4])]},
        {"outputs": [Port(name=b"y", dtype=DType.FLOAT32, shape=[1, 3])]},
    ):
        assert model_id(a_model(**change)) != model_id(a_model())


def test_a_model_decodes_to_what_was_encoded() -> None:
    raw = codec.encode(a_model())
    assert codec.decode(Model, raw, at_most=len(raw)) == a_model()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"file": ContentId(root=bytes(32), length=MODEL_BYTES_MAX + 1)}, Reason.MODEL_TOO_LARGE),
        ({"inputs": [Port(name=b"x", dtype=DType.BOOL, shape=[])] * 2}, Reason.GRAPH_INVALID),
        ({"outputs": [Port(name=b"x", dtype=DType.BOOL, shape=[])] * 2}, Reason.GRAPH_INVALID),
    ],
)
def test_an_unsound_model_is_refused(changes: dict[str, object], reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        check_model(a_model(**changes))
    assert caught.value.reason is reason


def test_a_sound_model_is_not_refused() -> None:
    check_model(a_model())


@pytest.mark.parametrize(
    ("given", "reason", "seen", "wanted"),
    [
        ({"z": tensor([1] * 4, [1, 4])}, Reason.INPUT_WRONG_NAME, "z", "x"),
        ({}, Reason.INPUT_WRONG_NAME, "", "x"),
        ({"x": tensor([1] * 4, [1, 4]), "z": tensor([1])}, Reason.INPUT_WRONG_NAME, "x, z", "x"),
        ({"x": tensor([1] * 4, [1, 4], DType.INT32)}, Reason.INPUT_WRONG_TYPE, "int32", "float32"),
        ({"x": tensor([1] * 4, [4])}, Reason.INPUT_WRONG_SHAPE, "[4]", "[?,4]"),
        ({"x": tensor([1] * 5, [1, 5])}, Reason.INPUT_WRONG_SHAPE, "[1,5]", "[?,4]"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_seen_and_wanted(
    given: dict[str, Tensor], reason: Reason, seen: str, wanted: str
) -> None:
    with pytest.raises(Refused) as caught:
        check_inputs(a_model().inputs, decode_bundle(bundle(**given)))
    assert (caught.value.reason, caught.value.facts["seen"], caught.value.facts["wanted"]) == (reason, seen, wanted)


def test_a_free_dimension_takes_any_size() -> None:
    for size in (0, 1, 7):
        check_inputs(a_model().inputs, decode_bundle(bundle(x=tensor([1] * 4 * size, [size, 4]))))
