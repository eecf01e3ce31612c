"""What a trace holds (V82, V83)."""

from tests.vm.models.case import Array
from tests.vm.models.catalogue import by_name
from tests.vm.referee.random_operations import drawn
from tests.vm.referee.random_programs import a_witness, small_program
from vm.canonical.arrays import normal
from vm.cut import parted
from vm.program import Op, Program
from vm.referee.tracing import root_of, traced
from vm.referee.witness import Witness
from vm.sandbox.lower.lowering import lower
from vm.trace import run_of, trace_root, trap_digest


def a_model(name: str) -> tuple[Program, list[Array], list[Array]]:
    case = by_name(name)
    lowered = lower(case.proto, case.shapes)
    inputs = [normal(case.feeds[0][name]) for name in case.inputs]
    return parted(lowered.program, lowered.names), lowered.constants, inputs


def test_a_native_trace_holds_both_runs_and_the_noise_of_the_cut() -> None:
    program, constants, inputs = a_model("mlp")
    found = traced(program, constants, inputs, vm_version=1, native=True)
    runs = [Witness(program, constants, inputs, perturbed=perturbed) for perturbed in (False, True)]
    assert found.first.digests == runs[0].digests
    assert found.trace.first == run_of(runs[0].digests)
    assert found.trace.perturbed == run_of(runs[1].digests) != found.trace.first
    assert found.trace.inputs == [root_of(each) for each in inputs]
    assert len(found.trace.noise) == len(program.cut) > 0
    assert found.second is not None
    assert found.second.digests == runs[1].digests


def test_an_exact_trace_holds_one_run() -> None:
    program, constants, inputs = a_model("integers")
    found = traced(program, constants, inputs, vm_version=1, native=False)
    assert found.trace.perturbed is None
    assert found.trace.noise == []
    other = traced(program, constants, inputs, vm_version=2, native=False)
    assert trace_root(found.trace) != trace_root(other.trace)


def test_a_trace_ends_with_the_trap() -> None:
    small = next(
        small for small in (small_program(drawn(Op.TAKE, seed)) for seed in range(100)) if a_witness(small).trap
    )
    found = traced(small.program, small.constants, small.inputs, vm_version=1, native=True)
    assert found.first.trap is not None
    assert found.first.digests[-1] == trap_digest(found.first.trap.code, small.number)
    assert found.trace.first == found.trace.perturbed == run_of(found.first.digests)
    assert found.trace.first.count == small.number + 1
    assert found.trace.noise == []
