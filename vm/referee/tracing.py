"""The trace of a job: both canonical runs, with the root of every result, and the noise at the cut (V82)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from primitives import codec, merkle
from vm.canonical import interpreter
from vm.canonical.arrays import Array, tensor_of
from vm.canonical.interpreter import NUMPY, Values
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.noise import Noise, Row
from vm.program import Program, program_root
from vm.tensor import tensor_root
from vm.trace import ABSENT, Run, Trace, run_of, trap_digest


class Traced(NamedTuple):
    """A trace, with the digests of its runs, and the outputs and the cut of those that did not trap."""

    trace: Trace
    digests: list[bytes]
    values: Values | Trapped
    others: list[bytes]
    """Of the second run; without one empty, as is what it computed."""
    moved: Values | Trapped


def root_of(array: Array) -> bytes:
    """Return the root of a value in normal form."""
    return tensor_root(tensor_of(array))


def rows_root(rows: Sequence[Row]) -> bytes:
    """Return the root over the scales and noise of a value's rows, one leaf each (V89)."""
    return merkle.root([codec.encode(row) for row in rows])


def traced(
    program: Program,
    constants: Sequence[Array],
    inputs: Sequence[Array],
    *,
    vm_version: int,
    native: bool,
    kernels: Kernels = NUMPY,
) -> Traced:
    """Return the trace of a job, with the second run and the noise if it is of class native."""
    roots, values = _digests(program, constants, inputs, kernels, perturbed=False)
    perturbed: Run | None = None
    others, noise = list[bytes](), list[bytes]()
    moved: Values | Trapped = {}
    if native:
        others, moved = _digests(program, constants, inputs, kernels, perturbed=True)
        perturbed = run_of(others)
        if isinstance(values, dict) and isinstance(moved, dict):
            pairs = [(tensor_of(values[at]), tensor_of(moved[at])) for at in program.cut]
            noise = [rows_root(Noise(canonical, other).rows()) for canonical, other in pairs]
    trace = Trace(
        vm_version=vm_version,
        program=program_root(program, [root_of(array) for array in constants]),
        inputs=[root_of(array) for array in inputs],
        first=run_of(roots),
        perturbed=perturbed,
        noise=noise,
    )
    return Traced(trace, roots, values, others, moved)


def traced_tail(
    program: Program,
    constants: Sequence[Array],
    inputs: Sequence[Array],
    cut: Sequence[Array],
    *,
    vm_version: int,
    kernels: Kernels = NUMPY,
) -> Traced:
    """Return the trace of the tail that follows from somebody's values at the cut (V132)."""
    given = dict(zip(program.cut, cut, strict=True))
    roots, values = _digests(program, constants, inputs, kernels, perturbed=False, given=given)
    trace = Trace(
        vm_version=vm_version,
        program=program_root(program, [root_of(array) for array in constants]),
        inputs=[root_of(array) for array in inputs],
        first=run_of(roots),
        perturbed=None,
        noise=[],
    )
    return Traced(trace, roots, values, [], {})


def _digests(
    program: Program,
    constants: Sequence[Array],
    inputs: Sequence[Array],
    kernels: Kernels,
    *,
    perturbed: bool,
    given: Mapping[int, Array] | None = None,
) -> tuple[list[bytes], Values | Trapped]:
    """Return the digests of a run, with outputs and cut; of a trap that is the last (V83), before the cut ABSENT."""
    first = program.first_result
    roots = {value: root_of(array) for value, array in (given or {}).items()}

    def watch(value: int, result: Array) -> None:
        roots[value] = root_of(result)

    def told(count: int) -> list[bytes]:
        return [roots.get(first + number, ABSENT) for number in range(count)]

    try:
        values = interpreter.run(
            program, constants, inputs, kernels=kernels, perturbed=perturbed, given=given,
            only=None if given is None else program.tail, keep=program.cut, watch=watch,
        )  # fmt: skip
    except Trapped as trap:
        return [*told(trap.operation), trap_digest(trap.code, trap.operation)], trap
    return told(len(program.operations)), values
