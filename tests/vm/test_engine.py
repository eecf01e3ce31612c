import onnx
import pytest
from onnx import TensorProto

from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, classifier, magika_model, model, node, tensor, value, values, weight
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Class, Ratio
from vm.sandbox.engine import Engine, warm_up
from vm.sandbox_protocol import (
    MODELS_KEPT,
    Check,
    Checked,
    Execute,
    Executed,
    Fault,
    Kind,
    Optimisation,
    Prepare,
    Settings,
    Tail,
    Trace,
)
from vm.tensor import Bundle, DType, decode_small_bundle

SETTINGS = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=0, parent=0)
KEY = bytes(32)
ROW = [[1, 4]]
JOB = bundle(x=tensor([1, 2, 3, 4], [1, 4]))
ROWS = bundle(x=tensor([1, 2, 3, 4, 4, -3, 2, 1], [2, 4]))
"""Two rows have six scores or more; one has too few for class native (V116)."""
RAW: bytes = classifier().SerializeToString()
SQUARE = weight("w", [(at * 7 % 11 - 5) / 8 for at in range(16)], [4, 4])


def prepared(raw: bytes = RAW, shapes: list[list[int]] | None = None, class_: Class = Class.NATIVE) -> Engine:
    engine = Engine(SETTINGS)
    engine.prepare(Prepare(key=KEY, model=raw, shapes=ROW if shapes is None else shapes, class_=class_))
    return engine


def run(engine: Engine, job: bytes = JOB, *, prove: Ratio | None = TOLERANCE_LEAST) -> tuple[Bundle, Bundle]:
    ran = engine.execute(Execute(key=KEY, bundle=job, prove=prove))
    return decode_small_bundle(ran.cut), decode_small_bundle(ran.outputs)


def checked(raw: bytes, *samples: bytes, shapes: list[list[int]] | None = None, calibrate: bool = True) -> Checked:
    request = Check(model=raw, shapes=shapes or [], samples=list(samples), calibrate=calibrate)
    return Engine(SETTINGS).check(request)


def reasons(found: Checked, class_: Class) -> list[Reason]:
    return [each.reason for each in found.faults if (each.native if class_ is Class.NATIVE else each.exact)]


def told(fault: Fault, name: bytes) -> bytes | int:
    (found,) = (fact.value for fact in fault.facts if fact.name == name)
    return found


def test_a_native_run_gives_the_cut_and_the_outputs_that_follow_from_it() -> None:
    engine = prepared()
    cut, outputs = run(engine)
    assert [each.name for each in cut.tensors] == [b"m"]
    assert [each.name for each in outputs.tensors] == [b"y"]
    assert sum(values(outputs.tensors[0].tensor)) == pytest.approx(1)


def test_an_exact_run_gives_the_outputs_alone_and_they_are_those_of_the_canonical_run() -> None:
    cut, outputs = run(prepared(class_=Class.EXACT))
    assert cut.tensors == []
    native = run(prepared())[1]
    assert values(native.tensors[0].tensor) == pytest.approx(values(outputs.tensors[0].tensor), rel=1e-5)


def test_a_verifier_gets_the_outputs_of_the_provider_from_the_provider_s_values() -> None:
    engine = prepared()
    ran: Executed = engine.execute(Execute(key=KEY, bundle=JOB, prove=None))
    assert engine.tail(Tail(key=KEY, bundle=JOB, cut=ran.cut)).outputs == ran.outputs
    moved = bundle(m=tensor([3.0, 2.0, 1.0], [1, 3]))
    assert engine.tail(Tail(key=KEY, bundle=JOB, cut=moved)).outputs != ran.outputs


@pytest.mark.parametrize(
    "cut",
    [
        bundle(),
        bundle(logits=tensor([1.0] * 3, [1, 3])),
        bundle(m=tensor([1.0] * 3, [3])),
        bundle(m=tensor([1.0], [1])),
    ],
)
def test_values_that_are_not_those_of_the_cut_are_refused(cut: bytes) -> None:
    with pytest.raises(Refused) as caught:
        prepared().tail(Tail(key=KEY, bundle=JOB, cut=cut))
    assert caught.value.reason is Reason.WRONG_SHAPE


def test_a_tail_reads_the_input_where_it_needs_to() -> None:
    # y = x + x·w: everyone has the input, so it is not part of the cut (V112)
    raw = model([node("MatMul", "x w", "m"), node("Add", "x m", "y")], outputs=[value("y", ["n", 4])], weights=[SQUARE])
    engine = prepared(raw.SerializeToString())
    cut, outputs = run(engine)
    assert [each.name for each in cut.tensors] == [b"m"]
    assert values(outputs.tensors[0].tensor) == pytest.approx(
        [x + m for x, m in zip([1, 2, 3, 4], values(cut.tensors[0].tensor), strict=True)]
    )


def test_a_trace_is_the_same_in_every_sandbox() -> None:
    first, second = (prepared().trace(Trace(key=KEY, bundle=JOB, first=0, count=2)) for _ in range(2))
    assert first == second
    assert len(first.digests) == 2
    assert first.trace.perturbed is not None
    exact = prepared(class_=Class.EXACT).trace(Trace(key=KEY, bundle=JOB, first=0, count=0))
    assert (exact.digests, exact.trace.perturbed, exact.trace.first) == ([], None, first.trace.first)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.INPUT_UNREADABLE),
        (b"\x91", Reason.INPUT_UNREADABLE),
        (bundle(z=tensor([1] * 4, [1, 4])), Reason.INPUT_WRONG_NAME),
        (bundle(x=tensor([1] * 4, [1, 4], DType.FLOAT64)), Reason.INPUT_WRONG_TYPE),
        (bundle(x=tensor([1] * 3, [1, 3])), Reason.INPUT_WRONG_SHAPE),
        (bundle(x=tensor([1] * 8, [2, 4])), Reason.INPUT_WRONG_SHAPE),
    ],
)
@pytest.mark.parametrize("class_", list(Class))
def test_an_input_is_refused_with_a_typed_reason(raw: bytes, reason: Reason, class_: Class) -> None:
    engine = prepared(class_=class_)
    with pytest.raises(Refused) as caught:
        engine.execute(Execute(key=KEY, bundle=raw, prove=None))
    assert caught.value.reason is reason
    run(engine)


def test_a_trap_is_told_with_its_node() -> None:
    nodes = [node("Gather", "x at", "y")]
    inputs = [value("x", [4]), value("at", [1], 7)]
    raw = model(nodes, inputs=inputs, outputs=[value("y", [1])]).SerializeToString()
    engine = prepared(raw, [[4], [1]], Class.EXACT)
    with pytest.raises(Refused) as caught:
        run(engine, bundle(x=tensor([1.0] * 4), at=tensor([4], dtype=DType.INT64)))
    assert caught.value.reason is Reason.RUN_TRAPPED
    assert caught.value.facts == {"node": "0 Gather", "seen": "index"}


def test_a_program_larger_than_the_sandbox_is_refused_before_it_runs() -> None:
    # V108
    tight = Engine(Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=10**6, parent=0))
    raw = model([node("Add", "x x", "y")], outputs=[value("y", ["n", 4])]).SerializeToString()
    with pytest.raises(Refused) as caught:
        tight.prepare(Prepare(key=KEY, model=raw, shapes=[[10**6, 4]], class_=Class.EXACT))
    assert caught.value.reason is Reason.RUN_MEMORY_LIMIT


def test_a_model_whose_results_nobody_could_hash_in_time_is_refused() -> None:
    # V108
    nodes = [node("Neg", "x", "a0"), *(node("Neg", f"a{at}", f"a{at + 1}") for at in range(1_100))]
    raw = model(
        [*nodes, node("ReduceMax", "a1100", "y")], inputs=[value("x", [2_000, 2_000])], outputs=[value("y", [1, 1])]
    )
    found = checked(raw.SerializeToString(), calibrate=False)
    costly = [fault for fault in found.faults if b"bytes of all results" in [fact.value for fact in fault.facts]]
    assert [fault.reason for fault in costly] == [Reason.TOO_COSTLY]
    assert costly[0].native
    assert costly[0].exact


def test_an_engine_keeps_the_models_used_last() -> None:
    engine = Engine(SETTINGS)
    keys = [bytes([at]) * 32 for at in range(MODELS_KEPT + 1)]

    def prepare(key: bytes) -> list[bytes]:
        return engine.prepare(Prepare(key=key, model=RAW, shapes=ROW, class_=Class.EXACT)).keys

    for key in keys[:-1]:
        prepare(key)
    engine.execute(Execute(key=keys[0], bundle=JOB, prove=None))
    assert prepare(keys[-1]) == [*keys[2:-1], keys[0], keys[-1]]
    with pytest.raises(Refused) as caught:
        engine.execute(Execute(key=keys[1], bundle=JOB, prove=None))
    assert caught.value.reason is Reason.RUN_REFUSED


def test_models_that_are_too_large_together_make_room_for_each_other() -> None:
    engine = Engine(SETTINGS, kept_bytes=3 * len(RAW))
    keys = [bytes([at]) * 32 for at in range(4)]
    kept = [engine.prepare(Prepare(key=key, model=RAW, shapes=ROW, class_=Class.EXACT)).keys for key in keys]
    assert kept == [keys[:1], keys[:2], keys[:3], keys[1:]]


def test_warming_up_leaves_nothing_to_import() -> None:
    warm_up(SETTINGS)


def test_a_model_is_offered_in_both_classes_with_its_cut_cost_and_tolerance() -> None:
    found = checked(RAW, ROWS)
    assert found.faults == []
    assert found.meaning is not None
    assert [(each.name, each.type.shape) for each in found.meaning.cut] == [(b"m", [2, 3])]
    assert (found.meaning.cut_bytes, found.meaning.output_bytes) == (24, 24)
    used = {each.name: (each.count, each.in_tail, each.kind) for each in found.operators}
    assert used == {
        b"Add": (1, 1, Kind.EXACT),
        b"MatMul": (1, 0, Kind.CONTRACTION),
        b"Softmax": (1, 1, Kind.INEXACT),
    }
    assert found.lowering is not None
    assert [found.lowering.offers(class_) for class_ in Class] == [True, True]
    assert found.lowering.program_root == found.meaning.program_root
    assert found.calibration is not None
    assert (found.calibration.samples, found.calibration.made_up) == (1, False)


def test_without_samples_made_up_ones_are_run_and_free_dimensions_are_1() -> None:
    found = checked(RAW)
    assert found.meaning is not None
    assert [each.shape for each in found.meaning.inputs] == ROW
    assert found.calibration is not None
    assert (found.calibration.samples, found.calibration.made_up) == (2, True)


def test_a_worker_gets_the_same_meaning_without_a_run() -> None:
    found = checked(RAW, shapes=[[3, 4]], calibrate=False)
    assert found.calibration is None
    assert found.meaning == checked(RAW, shapes=[[3, 4]]).meaning
    assert found.lowering is not None
    assert [found.lowering.offers(class_) for class_ in Class] == [False, True]


def test_magika_is_offered_with_its_types_and_sizes() -> None:
    found = checked(magika_model(), calibrate=False)
    assert found.faults == []
    assert found.meaning is not None
    assert [(each.type.dtype, each.type.shape) for each in found.meaning.cut] == [(DType.FLOAT32, [1, 214])]
    assert (found.meaning.cut_bytes, found.meaning.output_bytes, found.nodes) == (856, 856, 95)
    assert sum(each.count for each in found.operators) == 95


def test_every_operator_that_is_not_served_is_told_at_once() -> None:
    nodes = [node("Frobnicate", "x", "a"), node("StringNormalizer", "a", "b"), node("Relu", "b", "y")]
    found = checked(model(nodes, outputs=[value("y", ["n", 4])]).SerializeToString())
    assert reasons(found, Class.EXACT) == reasons(found, Class.NATIVE) == [Reason.OPERATOR_REFUSED] * 2
    assert [told(each, b"node") for each in found.faults] == [
        b"0 Frobnicate",
        b"1 StringNormalizer",
    ]
    assert (found.meaning, found.lowering) == (None, None)


def test_values_too_large_to_be_judged_are_told_with_what_to_change() -> None:
    found = checked(RAW, shapes=[[90_000, 4]])
    assert reasons(found, Class.NATIVE) == [Reason.OUTPUT_TOO_LARGE, Reason.CUT_REFUSED]
    assert reasons(found, Class.EXACT) == [Reason.OUTPUT_TOO_LARGE]
    assert all(told(each, b"change") for each in found.faults)
    assert found.lowering is None
    assert found.calibration is not None  # the author sees the rest
    assert len(found.calibration.values) == 1


def test_values_that_go_on_chain_by_their_roots_are_served() -> None:
    found = checked(RAW, shapes=[[400, 4]])
    assert reasons(found, Class.NATIVE) == reasons(found, Class.EXACT) == []
    assert found.lowering is not None
    assert not found.lowering.cut_is_whole(Class.NATIVE)
    assert found.lowering.cut_is_whole(Class.EXACT)  # it is empty
    assert not found.lowering.outputs_are_whole


def test_inputs_that_no_job_can_carry_are_told() -> None:
    raw = model([node("ReduceMax", "x", "y", keepdims=0)], outputs=[value("y", [])]).SerializeToString()
    found = checked(raw, shapes=[[2**20, 4]])
    assert Reason.INPUT_TOO_LARGE in reasons(found, Class.EXACT)
    assert (found.calibration, found.lowering) == (None, None)


def test_a_large_cut_before_a_small_output_leaves_class_exact() -> None:
    nodes = [node("MatMul", "x w", "m"), node("ReduceMax", "m", "y", keepdims=0)]
    raw = model(nodes, outputs=[value("y", [])], weights=[SQUARE]).SerializeToString()
    found = checked(raw, shapes=[[5_000, 4]])
    assert reasons(found, Class.NATIVE) == [Reason.CUT_REFUSED]
    assert reasons(found, Class.EXACT) == []
    assert found.lowering is not None
    assert (found.lowering.cut, found.lowering.tolerance) == ([], None)


def test_a_cut_of_a_handful_of_values_leaves_class_exact() -> None:
    # V116
    found = checked(RAW, JOB)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert told(found.faults[0], b"seen") == b"3 values at the cut"
    assert reasons(found, Class.EXACT) == []
    assert reasons(checked(RAW, ROWS), Class.NATIVE) == []


def test_a_model_without_a_product_is_computed_canonically() -> None:
    raw = model([node("Tanh", "x", "y")], outputs=[value("y", ["n", 4])]).SerializeToString()
    found = checked(raw, ROWS)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert reasons(found, Class.EXACT) == []


@pytest.mark.parametrize("step", [node("Round", "m", "r"), node("Cast", "m", "r", to=6), node("Greater", "m x", "r")])
def test_a_discontinuous_operator_before_the_cut_leaves_class_exact_and_is_named(step: onnx.NodeProto) -> None:
    # V113
    nodes = [node("MatMul", "x w", "m"), step, node("Cast", "r", "f", to=1), node("MatMul", "f w", "y")]
    raw = model(nodes, outputs=[value("y", ["n", 4])], weights=[SQUARE])
    found = checked(raw.SerializeToString(), ROWS)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert str(told(found.faults[0], b"node")).startswith("b'1 ")
    assert reasons(found, Class.EXACT) == []


def test_a_discontinuous_operator_on_the_input_or_in_the_tail_does_no_harm() -> None:
    # V113
    nodes = [node("Round", "x", "r"), node("MatMul", "r w", "m"), node("ArgMax", "m", "y", axis=1)]
    raw = model(nodes, outputs=[value("y", ["n", 1], 7)], weights=[SQUARE]).SerializeToString()
    found = checked(raw, ROWS)
    assert found.faults == []


@pytest.mark.parametrize(
    ("steps", "at"),
    [
        ([node("Cast", "x", "r", to=3), node("Cast", "r", "f", to=1)], 0),
        ([node("Cast", "x", "b", to=9), node("Cast", "b", "i", to=6), node("Div", "k i", "r")], 2),
        ([node("Cast", "x", "b", to=9), node("Cast", "b", "i", to=6), node("Mod", "i none", "r")], 2),
    ],
)
def test_what_engines_compute_otherwise_for_some_inputs_leaves_class_exact(
    steps: list[onnx.NodeProto], at: int
) -> None:
    # V114: casts of what does not fit, divisions of integers by 0 or -1
    ends = [node("Cast", "r", "g", to=1), node("MatMul", "g w", "y")]
    weights = [SQUARE, weight("k", [7], [1], TensorProto.INT32), weight("none", [-1], [1], TensorProto.INT32)]
    raw = model([*steps, *ends], outputs=[value("y", ["n", 4])], weights=weights).SerializeToString()
    found = checked(raw, ROWS)
    assert reasons(found, Class.NATIVE)[:1] == [Reason.NOT_NATIVE]
    assert str(told(found.faults[0], b"node")).startswith(f"b'{at} ")


def test_an_imputer_of_computed_numbers_leaves_class_exact() -> None:
    # V113: a number that is 0 on one machine and almost 0 on another
    imputer = node("Imputer", "m", "i", domain="ai.onnx.ml", imputed_value_floats=[5.0], replaced_value_float=0.0)
    proto = model(
        [node("MatMul", "x w", "m"), imputer, node("MatMul", "i w", "y")],
        outputs=[value("y", ["n", 4])],
        weights=[SQUARE],
    )
    proto.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    found = checked(proto.SerializeToString(), ROWS)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert told(found.faults[0], b"node") == b"1 Imputer"


def test_a_division_of_integers_by_a_constant_does_no_harm() -> None:
    # V114
    nodes = [
        node("Cast", "x", "b", to=9),
        node("Cast", "b", "i", to=6),
        node("Div", "i k", "r"),
        node("Cast", "r", "f", to=1),
        node("MatMul", "f w", "y"),
    ]
    weights = [SQUARE, weight("k", [7], [1], TensorProto.INT32)]
    raw = model(nodes, outputs=[value("y", ["n", 4])], weights=weights).SerializeToString()
    assert checked(raw, ROWS).faults == []


def test_a_chain_in_float16_before_a_discontinuous_operator_leaves_class_exact() -> None:
    # V113: ONNX Runtime computes it in float32, without a rounding in between
    nodes = [
        node("Cast", "x", "h", to=10),
        node("Mul", "h a", "s"),
        node("Add", "s a", "d"),
        node("Floor", "d", "r"),
        node("Cast", "r", "f", to=1),
        node("MatMul", "f w", "y"),
    ]
    weights = [SQUARE, weight("a", [3.3], [1], TensorProto.FLOAT16)]
    found = checked(model(nodes, outputs=[value("y", ["n", 4])], weights=weights).SerializeToString(), ROWS)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert told(found.faults[0], b"node") == b"3 Floor"


def test_a_discontinuity_inside_a_loop_is_found() -> None:
    # V113
    inner = model(
        [node("Identity", "go", "on"), node("Floor", "held", "next")],
        inputs=[value("at", [], 7), value("go", [], 9), value("held", ["n", 4])],
        outputs=[value("on", [], 9), value("next", ["n", 4])],
    ).graph
    nodes = [
        node("MatMul", "x w", "m"),
        node("Loop", "count go m", "l", body=inner),
        node("MatMul", "l w", "y"),
    ]
    weights = [SQUARE, weight("count", [2], [], 7), weight("go", [1], [], 9)]
    found = checked(model(nodes, outputs=[value("y", ["n", 4])], weights=weights).SerializeToString(), ROWS)
    assert reasons(found, Class.NATIVE) == [Reason.NOT_NATIVE]
    assert {each.name: each.count for each in found.operators} == {
        b"Floor": 1,
        b"Identity": 1,
        b"Loop": 1,
        b"MatMul": 2,
    }
    assert found.nodes == 5
    assert told(found.faults[0], b"node") == b"1 Loop / body / 1 Floor"


def test_values_beside_much_larger_ones_leave_class_exact() -> None:
    # V106: two columns of forty are so small that no deviation in them would be seen
    numbers = [(at % 7 - 3.5) * (1e-3 if at % 40 < 2 else 1e5) for at in range(160)]
    raw = model(
        [node("MatMul", "x w", "y")], outputs=[value("y", ["n", 40])], weights=[weight("w", numbers, [4, 40])]
    ).SerializeToString()
    found = checked(raw, bundle(x=tensor([at / 8 + 0.1 for at in range(32)], [8, 4])))
    assert reasons(found, Class.NATIVE) == [Reason.CUT_REFUSED]
    assert told(found.faults[0], b"seen") == b"16 of 320 elements beside much larger ones"
    assert reasons(found, Class.EXACT) == []


def test_an_ill_conditioned_model_leaves_class_exact() -> None:
    # V105: (tanh(x) - tanh(x + 1e-7)) · 1e7
    nodes = [
        node("MatMul", "x w", "m"),
        node("Add", "m e", "n"),
        node("Tanh", "m", "a"),
        node("Tanh", "n", "b"),
        node("Sub", "a b", "d"),
        node("Mul", "d k", "f"),
        node("MatMul", "f w", "y"),
    ]
    weights = [SQUARE, weight("e", [1e-7], []), weight("k", [1e7], [])]
    raw = model(nodes, outputs=[value("y", ["n", 4])], weights=weights).SerializeToString()
    found = checked(raw, bundle(x=tensor([at / 8 for at in range(32)], [8, 4])))
    assert reasons(found, Class.NATIVE) == [Reason.ILL_CONDITIONED]
    assert reasons(found, Class.EXACT) == []


def test_a_sample_that_traps_stands_against_both_classes() -> None:
    raw = model([node("Gather", "x at", "y")], inputs=[value("x", [4]), value("at", [1], 7)], outputs=[value("y", [1])])
    sample = bundle(x=tensor([1.0] * 4), at=tensor([9], dtype=DType.INT64))
    found = checked(raw.SerializeToString(), sample)
    assert reasons(found, Class.EXACT) == [Reason.RUN_TRAPPED]


@pytest.mark.parametrize("sample", [b"\x91", bundle(z=tensor([1.0]))])
def test_a_sample_that_is_no_input_is_refused(sample: bytes) -> None:
    with pytest.raises(Refused) as caught:
        checked(RAW, sample)
    assert caught.value.reason in (Reason.INPUT_UNREADABLE, Reason.INPUT_WRONG_NAME)


def test_an_output_of_another_type_than_declared_is_refused() -> None:
    raw = model([node("Relu", "x", "y")], outputs=[value("y", ["n", 3], TensorProto.INT64)]).SerializeToString()
    assert reasons(checked(raw), Class.EXACT) == [Reason.GRAPH_INVALID]


def test_what_a_file_declares_of_the_shape_of_an_output_binds_nobody() -> None:
    # as files of LightGBM and of CTC readers do, which any engine runs
    nodes = [node("MatMul", "x w", "m"), node("Exp", "m", "y")]
    raw = model(
        nodes, outputs=[value("y", [9])], weights=[weight("w", [1, 2, 3, 4, 5, 6, 7, 8], [4, 2])]
    ).SerializeToString()
    found = checked(raw, shapes=[[3, 4]])
    assert found.lowering is not None
    assert found.lowering.outputs[0].shape == [3, 2]
    assert reasons(found, Class.NATIVE) == []


def test_native_values_far_from_the_canonical_ones_are_declined() -> None:
    # V107: stands for a machine whose native engine computes something else
    engine = prepared()
    held = engine._sessions[KEY]
    held.derived.constants[:] = [each * 2 for each in held.derived.constants]
    with pytest.raises(Refused) as caught:
        run(engine)
    assert caught.value.reason is Reason.NATIVE_DEVIATES
    run(engine, prove=None)
