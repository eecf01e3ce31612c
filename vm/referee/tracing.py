"""The trace of a job: both canonical runs, with the root of every result, and the noise at the cut (V82)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from primitives import codec, merkle
from vm.canonical import interpreter
from vm.canonical.arrays import Array, tensor_of
from vm.canonical.interpreter import NUMPY
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.noise import Noise, Row
from vm.program import Program, program_root
from vm.tensor import tensor_root
from vm.trace import ABSENT, Trace, run_of, trap_digest


class Ran(NamedTuple):
    """One run: the digests of its results, its outputs unless it trapped, and the values at the cut that it reached."""

    digests: list[bytes]
    outputs: list[Array]
    cut: dict[int, Array]
    """By their numbers."""
    trap: Trapped | None


class Traced(NamedTuple):
    """A trace, with the runs that it is of: two of a whole program in class native, else one."""

    trace: Trace
    first: Ran
    second: Ran | None


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
    first = _ran(program, constants, inputs, kernels, perturbed=False)
    second = _ran(program, constants, inputs, kernels, perturbed=True) if native else None
    noise: list[bytes] = []
    if second is not None and all(at in first.cut and at in second.cut for at in program.cut):
        pairs = [(tensor_of(first.cut[at]), tensor_of(second.cut[at])) for at in program.cut]
        noise = [rows_root(Noise(canonical, other).rows()) for canonical, other in pairs]
    trace = Trace(
        vm_version=vm_version,
        program=program_root(program, [root_of(array) for array in constants]),
        inputs=[root_of(array) for array in inputs],
        first=run_of(first.digests),
        perturbed=None if second is None else run_of(second.digests),
        noise=noise,
    )
    return Traced(trace, first, second)


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
    ran = _ran(program, constants, inputs, kernels, perturbed=False, given=given)
    trace = Trace(
        vm_version=vm_version,
        program=program_root(program, [root_of(array) for array in constants]),
        inputs=[root_of(array) for array in inputs],
        first=run_of(ran.digests),
        perturbed=None,
        noise=[],
    )
    return Traced(trace, ran, None)


def _ran(
    program: Program,
    constants: Sequence[Array],
    inputs: Sequence[Array],
    kernels: Kernels,
    *,
    perturbed: bool,
    given: Mapping[int, Array] | None = None,
) -> Ran:
    """Return a run; the digest of a trap is its last (V83), and before the cut of a tail all are ABSENT."""
    first, watched = program.first_result, frozenset(program.cut)
    cut = dict(given or {})
    roots = {value: root_of(array) for value, array in cut.items()}

    def watch(value: int, result: Array) -> None:
        roots[value] = root_of(result)
        if value in watched:
            cut[value] = result

    def told(count: int) -> list[bytes]:
        return [roots.get(first + number, ABSENT) for number in range(count)]

    only = None if given is None else program.tail
    try:
        values = interpreter.run(
            program, constants, inputs, kernels=kernels, perturbed=perturbed, given=given, only=only, watch=watch
        )
    except Trapped as trap:
        return Ran([*told(trap.operation), trap_digest(trap.code, trap.operation)], [], cut, trap)
    return Ran(told(len(program.operations)), [values[at] for at in program.outputs], cut, None)
