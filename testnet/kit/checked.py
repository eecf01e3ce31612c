"""What a sandbox would find of the builders' model, for tests of whoever asks one."""

from testnet.kit.ledger_builders import a_lowering, a_model
from vm.lowering import Lowering
from vm.manifest import Model
from vm.sandbox_protocol import Calibration, Checked, Fault, Kind, Meaning, Noise, Used


def a_meaning(lowering: Lowering | None = None) -> Meaning:
    """Return what a lowering says that follows from its model's file."""
    told = lowering or a_lowering()
    return Meaning(
        inputs=told.inputs,
        outputs=told.outputs,
        program_root=told.program_root,
        constants_root=told.constants_root,
        operations=told.cost.operations,
        tail_operations=1,
        cut=told.cut,
        cut_bytes=80,
        output_bytes=80,
        cost=told.cost,
        worst=told.worst,
        worst_node=b"0 Gemm",
    )


def a_checked(
    model: Model | None = None, *, lowering: Lowering | None = None, faults: list[Fault] | None = None
) -> Checked:
    """Return all that is found of a model that is served in both classes."""
    found, told = model or a_model(), lowering or a_lowering()
    noise = Noise(name=b"logits", sigma=120, deviation=240, in_sigma=2_000)
    return Checked(
        inputs=found.inputs,
        outputs=found.outputs,
        nodes=2,
        operators=[
            Used(name=b"Gemm", count=1, in_tail=0, kind=Kind.CONTRACTION),
            Used(name=b"Softmax", count=1, in_tail=1, kind=Kind.INEXACT),
        ],
        faults=faults or [],
        meaning=a_meaning(told),
        calibration=Calibration(samples=1, made_up=True, values=[noise], native_us=900, canonical_us=3_000),
        lowering=None if faults else told,
    )
