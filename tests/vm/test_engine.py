import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.reasons import Reason, Refused
from tests.vm.build import MAGIKA_CUT, bundle, classifier, magika_model, model, node, tensor, value, values
from vm.canonical.arrays import normal
from vm.manifest import Class
from vm.sandbox.engine import Engine, warm_up
from vm.sandbox_protocol import MODELS_KEPT, Admit, Load, Optimisation, Run, Settings
from vm.tensor import DType, Tensor, decode_small_bundle, normalised

SETTINGS = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=0, parent=0)
KEY = bytes(32)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=8), st.sampled_from([DType.FLOAT32, DType.FLOAT64]))
def test_numpy_and_plain_python_agree_on_the_normal_form(patterns: list[int], dtype: DType) -> None:
    raw = struct.pack(f"<{len(patterns)}Q", *patterns)
    size = 4 if dtype is DType.FLOAT32 else 8
    held = Tensor(dtype=dtype, shape=[len(raw) // size], data=raw)
    array = np.frombuffer(raw, dtype="<f4" if size == 4 else "<f8")
    assert normal(array).tobytes() == normalised(held).data


def test_special_values_agree_on_the_normal_form() -> None:
    for dtype, name in ((DType.FLOAT32, "<f4"), (DType.FLOAT64, "<f8")):
        array = np.array([-0.0, 0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45], dtype=name)
        held = Tensor(dtype=dtype, shape=[8], data=array.tobytes())
        assert normal(array).tobytes() == normalised(held).data


def test_integers_scalars_and_arrays_out_of_order_keep_their_values() -> None:
    assert normal(np.array(-0.0, dtype=np.float32)).tobytes() == bytes(4)
    assert normal(np.array([[1, 2], [3, 4]], dtype=np.int64).T).tolist() == [[1, 3], [2, 4]]
    assert normal(np.array([1.5], dtype=">f8")).tobytes() == struct.pack("<d", 1.5)


def loaded(raw: bytes, *cut: bytes) -> Engine:
    engine = Engine(SETTINGS)
    engine.load(Load(key=KEY, model=raw, cut=list(cut)))
    return engine


def test_a_run_returns_the_cut_and_the_outputs_by_name() -> None:
    engine = loaded(classifier().SerializeToString(), b"logits", b"m")
    ran = engine.run(Run(key=KEY, bundle=bundle(x=tensor([1, 2, 3, 4], [1, 4]))))
    cut, outputs = decode_small_bundle(ran.cut), decode_small_bundle(ran.outputs)
    assert [each.name for each in cut.tensors] == [b"logits", b"m"]
    assert [each.name for each in outputs.tensors] == [b"y"]
    logits = values(cut.tensors[0].tensor)
    softmax = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(values(outputs.tensors[0].tensor), softmax, rtol=1e-6)


def test_a_cut_that_is_also_an_output_is_returned_as_both() -> None:
    ran = loaded(classifier().SerializeToString(), b"y").run(Run(key=KEY, bundle=bundle(x=tensor([1] * 4, [1, 4]))))
    assert ran.cut == ran.outputs


def test_negative_zero_and_nan_in_an_input_are_read_in_normal_form() -> None:
    inverse = model([node("Reciprocal", "x", "y")], outputs=[value("y", ["n", 4])]).SerializeToString()
    ran = loaded(inverse, b"y").run(Run(key=KEY, bundle=bundle(x=tensor([-0.0, 0.0, 1.0, float("nan")], [1, 4]))))
    seen = values(decode_small_bundle(ran.outputs).tensors[0].tensor)
    assert seen[:3] == [float("inf"), float("inf"), 1.0]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.INPUT_UNREADABLE),
        (b"\x91", Reason.INPUT_UNREADABLE),
        (bundle(z=tensor([1] * 4, [1, 4])), Reason.INPUT_WRONG_NAME),
        (bundle(x=tensor([1] * 4, [1, 4], DType.FLOAT64)), Reason.INPUT_WRONG_TYPE),
        (bundle(x=tensor([1] * 3, [1, 3])), Reason.INPUT_WRONG_SHAPE),
        (bundle(x=tensor([1] * 4 * 400, [400, 4])), Reason.CUT_REFUSED),
    ],
)
def test_an_input_is_refused_with_a_typed_reason(raw: bytes, reason: Reason) -> None:
    engine = loaded(classifier().SerializeToString(), b"logits")
    with pytest.raises(Refused) as caught:
        engine.run(Run(key=KEY, bundle=raw))
    assert caught.value.reason is reason
    engine.run(Run(key=KEY, bundle=bundle(x=tensor([1] * 4, [1, 4]))))


def admit(raw: bytes, *cut: bytes, sample: bytes = b"", class_: Class = Class.NATIVE) -> Refused:
    with pytest.raises(Refused) as caught:
        Engine(SETTINGS).admit(Admit(model=raw, cut=list(cut), class_=class_, sample=sample))
    return caught.value


def test_magika_is_admitted_with_its_types_and_sizes() -> None:
    found = Engine(SETTINGS).admit(Admit(model=magika_model(), cut=[MAGIKA_CUT], class_=Class.NATIVE, sample=b""))
    assert [(each.dtype, each.shape) for each in found.cut] == [(DType.FLOAT32, [1, 214])]
    assert (found.cut_bytes, found.output_bytes, found.nodes) == (856, 856, 95)
    assert sum(each.count for each in found.operators) == 95


def test_an_output_above_4_kib_is_refused_at_admission() -> None:
    wide = model(
        [node("Relu", "x", "c"), node("ReduceMax", "c", "y", keepdims=1)],
        inputs=[value("x", [1025])],
        outputs=[value("y", [1])],
    ).SerializeToString()
    assert admit(wide, b"c").reason is Reason.CUT_REFUSED
    long = model(
        [node("ReduceMax", "x", "c", keepdims=1), node("Add", "x c", "y")],
        inputs=[value("x", [1025])],
        outputs=[value("y", [1025])],
    ).SerializeToString()
    refusal = admit(long, b"c")
    assert (refusal.reason, refusal.facts["seen"]) == (Reason.OUTPUT_TOO_LARGE, 4100)


def test_a_free_dimension_is_judged_by_the_sample() -> None:
    raw = classifier().SerializeToString()
    sample = bundle(x=tensor([1] * 4 * 400, [400, 4]))
    assert admit(raw, b"logits", sample=sample).reason is Reason.CUT_REFUSED


def test_an_output_of_another_shape_than_declared_is_refused() -> None:
    raw = model([node("Relu", "x", "y")], outputs=[value("y", ["n", 5])]).SerializeToString()
    assert admit(raw, b"y").reason is Reason.GRAPH_INVALID


def test_an_output_whose_shape_depends_on_the_input_is_judged_in_each_run() -> None:
    inputs = [value("x", ["n", 4]), value("size", [2], 7)]
    nodes = [node("Reshape", "x size", "y")]
    raw = model(nodes, inputs=inputs, outputs=[value("y", ["n", 4])]).SerializeToString()
    engine = loaded(raw, b"y")
    job = bundle(x=tensor([1] * 8, [2, 4]), size=tensor([2, 4], dtype=DType.INT64))
    assert decode_small_bundle(engine.run(Run(key=KEY, bundle=job)).outputs).tensors[0].tensor.shape == [2, 4]
    job = bundle(x=tensor([1] * 8, [2, 4]), size=tensor([4, 2], dtype=DType.INT64))
    with pytest.raises(Refused) as caught:
        engine.run(Run(key=KEY, bundle=job))
    assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.GRAPH_INVALID, "[4,2]")


def test_a_cut_of_integers_is_refused() -> None:
    raw = model([node("ArgMax", "x", "y", axis=1)], outputs=[value("y", ["n", 1], 7)]).SerializeToString()
    assert admit(raw, b"y").reason is Reason.CUT_REFUSED


def test_class_exact_is_not_served_yet() -> None:
    assert admit(classifier().SerializeToString(), b"logits", class_=Class.EXACT).reason is Reason.CLASS_NOT_YET


def test_a_graph_that_the_engine_does_not_accept_is_refused() -> None:
    raw = model([node("Relu", "x x", "y")]).SerializeToString()
    assert admit(raw, b"y").reason is Reason.GRAPH_INVALID


def test_an_engine_keeps_the_models_used_last() -> None:
    engine, raw = Engine(SETTINGS), classifier().SerializeToString()
    keys = [bytes([at]) * 32 for at in range(MODELS_KEPT + 1)]
    job = bundle(x=tensor([1] * 4, [1, 4]))
    for key in keys[:-1]:
        engine.load(Load(key=key, model=raw, cut=[]))
    engine.run(Run(key=keys[0], bundle=job))
    assert engine.load(Load(key=keys[-1], model=raw, cut=[])).keys == [*keys[2:-1], keys[0], keys[-1]]
    engine.run(Run(key=keys[0], bundle=job))
    with pytest.raises(Refused) as caught:
        engine.run(Run(key=keys[1], bundle=job))
    assert caught.value.reason is Reason.RUN_REFUSED


def test_models_that_are_too_large_together_make_room_for_each_other() -> None:
    raw = classifier().SerializeToString()
    engine = Engine(SETTINGS, kept_bytes=3 * len(raw))
    keys = [bytes([at]) * 32 for at in range(4)]
    kept = [engine.load(Load(key=key, model=raw, cut=[])).keys for key in keys]
    assert kept == [keys[:1], keys[:2], keys[:3], keys[1:]]


def test_warming_up_leaves_nothing_loaded() -> None:
    warm_up(SETTINGS)
