"""The record of a lowering: its id, and what must hold of it by itself and beside its model."""

import pytest

from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from primitives.record import Record
from vm.cost import Cost
from vm.lowering import CutValue, Lowering, check_lowering, classes_of, lowering_id
from vm.manifest import Class, Model, Port, Provenance, Ratio, model_id
from vm.tensor import DType, TensorType
from vm.tiles import Tile

MODEL = Model(
    file=ContentId(root=bytes(32), length=9),
    inputs=[Port(name=b"x", dtype=DType.FLOAT32, shape=[-1, 4])],
    outputs=[Port(name=b"y", dtype=DType.FLOAT32, shape=[-1, 2])],
    licence=b"MIT",
    provenance=Provenance(parents=[], datasets=[], training_jobs=[]),
    publisher=bytes(20),
)
LOWERING = Lowering(
    model=model_id(MODEL),
    vm_version=1,
    inputs=[TensorType(dtype=DType.FLOAT32, shape=[1, 4])],
    outputs=[TensorType(dtype=DType.FLOAT32, shape=[1, 2])],
    program_root=b"\x01" * 32,
    constants_root=b"\x02" * 32,
    classes=classes_of([Class.NATIVE, Class.EXACT]),
    cut=[CutValue(name=b"logits", type=TensorType(dtype=DType.FLOAT32, shape=[1, 2]))],
    tolerance=Ratio(numerator=1, denominator=10_000),
    cost=Cost(
        macs=8,
        elementary=0,
        moved_bytes=64,
        operations=2,
        steps=2,
        peak_bytes=64,
        trace_bytes=16,
        nodes=1,
        gas=11,
        native_gas=11,
    ),
    worst=Tile(proof_bytes=512, steps=4, flops=8, operation=0),
)
HUGE = TensorType(dtype=DType.FLOAT32, shape=[1, 2**18 + 1])
WIDE = TensorType(dtype=DType.FLOAT32, shape=[1, 16_385])
EXACT_ONLY = {"classes": classes_of([Class.EXACT]), "cut": [], "tolerance": None}


def changed(record: Lowering, **fields: object) -> Lowering:
    """Return the record with other values in some fields."""
    kept = {name: getattr(record, name) for name in record.__struct_fields__}
    return Lowering(**{**kept, **fields})


def test_a_lowering_fits_its_model() -> None:
    check_lowering(LOWERING, MODEL)
    check_lowering(changed(LOWERING, **EXACT_ONLY), MODEL)


def test_its_id_covers_all_that_it_says() -> None:
    """V121."""
    others = [
        changed(LOWERING, vm_version=2),
        changed(LOWERING, program_root=bytes(32)),
        changed(LOWERING, tolerance=Ratio(numerator=2, denominator=20_000)),
    ]
    assert len({lowering_id(LOWERING), *map(lowering_id, others)}) == 4


def test_class_exact_has_nothing_at_its_cut() -> None:
    """V124."""
    assert LOWERING.cut_of(Class.NATIVE) == LOWERING.cut
    assert LOWERING.cut_of(Class.EXACT) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": [TensorType(dtype=DType.FLOAT32, shape=[1, 5])]},
        {"inputs": [TensorType(dtype=DType.FLOAT64, shape=[1, 4])]},
        {"inputs": [TensorType(dtype=DType.FLOAT32, shape=[4])]},
        {"outputs": LOWERING.outputs * 2},
        {"classes": 0},
        {"classes": 4},
        {"cut": []},
        {"tolerance": None},
        {**EXACT_ONLY, "tolerance": LOWERING.tolerance},
        {**EXACT_ONLY, "cut": LOWERING.cut},
        {"tolerance": Ratio(numerator=1, denominator=999)},
        {"tolerance": Ratio(numerator=1, denominator=65_537)},
        {"tolerance": Ratio(numerator=0, denominator=1)},
        {"cut": LOWERING.cut * 2},
        {"cut": [CutValue(name=b"n", type=TensorType(dtype=DType.INT64, shape=[1]))]},
    ],
)
def test_what_contradicts_itself_or_its_model_is_refused(fields: dict[str, Record | None]) -> None:
    """V122."""
    with pytest.raises(Refused) as refused:
        check_lowering(changed(LOWERING, **fields), MODEL)
    assert refused.value.reason is Reason.LOWERING_INVALID


def test_what_is_too_large_to_be_judged_is_refused() -> None:
    """V123."""
    for what, fields in (("cut", {"cut": [CutValue(name=b"n", type=WIDE)]}), ("outputs", {"outputs": [HUGE]})):
        with pytest.raises(Refused) as refused:
            check_lowering(changed(LOWERING, **fields), MODEL)
        assert (refused.value.reason, refused.value.facts["what"]) == (Reason.TOO_LARGE, what)


def test_inputs_that_no_bundle_holds_are_refused() -> None:
    """V123: a referee that is shown a leaf of one works out where it stands among all."""
    vast = TensorType(dtype=DType.FLOAT32, shape=[2**30, 4])
    for shape in (vast.shape, [2**20 + 1, 4]):
        with pytest.raises(Refused) as refused:
            check_lowering(changed(LOWERING, inputs=[TensorType(dtype=DType.FLOAT32, shape=shape)]), MODEL)
        assert (refused.value.reason, refused.value.facts["what"]) == (Reason.TOO_LARGE, "inputs")


def test_a_result_goes_on_chain_whole_up_to_4_kib() -> None:
    """V123."""
    whole = TensorType(dtype=DType.FLOAT32, shape=[1, 1024])
    for type_, fits in ((whole, True), (TensorType(dtype=DType.FLOAT32, shape=[1, 1025]), False)):
        lowering = changed(LOWERING, cut=[CutValue(name=b"n", type=type_)], outputs=[type_])
        check_lowering(lowering, MODEL)
        assert (lowering.cut_is_whole(Class.NATIVE), lowering.outputs_are_whole) == (fits, fits)
        assert lowering.cut_is_whole(Class.EXACT)
