"""From what sandboxes and the chain say of models to the API's objects."""

from collections.abc import Sequence

from msgspec.structs import asdict

from node.rpc.model_shapes import (
    CalibrationShape,
    CostShape,
    FaultShape,
    LoweringShape,
    MeaningShape,
    ModelVerdict,
    NoiseShape,
    OperatorShape,
    PortShape,
    TileShape,
)
from vm.cost import Cost
from vm.lowering import CutValue, Lowering, lowering_id
from vm.manifest import Class, Model, Port, Ratio
from vm.sandbox_protocol import Calibration, Checked, Fault, Meaning
from vm.tensor import TensorType
from vm.tiles import Tile


def lowering(found: Lowering, model: Model, *, publisher: str, published: int) -> LoweringShape:
    """Return a registered lowering of a model."""
    return LoweringShape(
        id=lowering_id(found).hex(),
        model=found.model.hex(),
        vm_version=found.vm_version,
        inputs=_bound(model.inputs, found.inputs),
        outputs=_bound(model.outputs, found.outputs),
        program_root=found.program_root.hex(),
        constants_root=found.constants_root.hex(),
        classes=classes(found),
        cut=_cut(found.cut),
        tolerance=_ratio(found.tolerance),
        cost=_cost(found.cost),
        worst=_tile(found.worst),
        publisher=publisher,
        published=published,
    )


def verdict(found: Checked) -> ModelVerdict:
    """Return what a sandbox found of a model."""
    return ModelVerdict(
        inputs=[port(each) for each in found.inputs],
        outputs=[port(each) for each in found.outputs],
        nodes=found.nodes,
        operators=[
            OperatorShape(name=text(each.name), count=each.count, in_tail=each.in_tail, kind=each.kind.name.lower())
            for each in found.operators
        ],
        faults=[_fault(each) for each in found.faults],
        classes=[] if found.lowering is None else classes(found.lowering),
        meaning=None if found.meaning is None else _meaning(found, found.meaning),
        calibration=None if found.calibration is None else _calibration(found.calibration),
        tolerance=None if found.lowering is None else _ratio(found.lowering.tolerance),
    )


def classes(found: Lowering) -> list[str]:
    """Return the names of the classes that a lowering offers."""
    return [each.name.lower() for each in Class if found.offers(each)]


def port(found: Port) -> PortShape:
    """Return an input or output of a model."""
    return PortShape(name=text(found.name), dtype=found.dtype.name.lower(), shape=found.shape)


def text(name: bytes) -> str:
    """Return a name that a stranger chose."""
    return name.decode(errors="replace")


def _meaning(found: Checked, meaning: Meaning) -> MeaningShape:
    return MeaningShape(
        inputs=_bound(found.inputs, meaning.inputs),
        outputs=_bound(found.outputs, meaning.outputs),
        program_root=meaning.program_root.hex(),
        constants_root=meaning.constants_root.hex(),
        operations=meaning.operations,
        tail_operations=meaning.tail_operations,
        cut=_cut(meaning.cut),
        cut_bytes=meaning.cut_bytes,
        output_bytes=meaning.output_bytes,
        cost=_cost(meaning.cost),
        worst=_tile(meaning.worst),
        worst_node=text(meaning.worst_node),
    )


def _fault(found: Fault) -> FaultShape:
    against = {"native": found.native, "exact": found.exact}
    facts = {text(each.name): text(each.value) if isinstance(each.value, bytes) else each.value for each in found.facts}
    return FaultShape(
        classes=[name for name, stands in against.items() if stands],
        reason=int(found.reason),
        reason_name=found.reason.name.lower(),
        facts=facts,
    )


def _calibration(found: Calibration) -> CalibrationShape:
    return CalibrationShape(
        samples=found.samples,
        made_up=found.made_up,
        values=[
            NoiseShape(name=text(each.name), sigma=each.sigma, deviation=each.deviation, in_sigma=each.in_sigma)
            for each in found.values
        ],
        native_us=found.native_us,
        canonical_us=found.canonical_us,
    )


def _bound(ports: Sequence[Port], types: Sequence[TensorType]) -> list[PortShape]:
    return [_typed(each.name, type_) for each, type_ in zip(ports, types, strict=True)]


def _cut(values: Sequence[CutValue]) -> list[PortShape]:
    return [_typed(each.name, each.type) for each in values]


def _typed(name: bytes, type_: TensorType) -> PortShape:
    return PortShape(name=text(name), dtype=type_.dtype.name.lower(), shape=type_.shape)


def _cost(found: Cost) -> CostShape:
    return CostShape(**asdict(found))


def _tile(found: Tile) -> TileShape:
    return TileShape(**asdict(found))


def _ratio(found: Ratio | None) -> str | None:
    return None if found is None else f"{found.numerator}/{found.denominator}"
