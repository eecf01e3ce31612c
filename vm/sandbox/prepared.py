"""A model made ready for jobs of one class with inputs of certain shapes, native up to the cut or canonical."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import onnx

from primitives.reasons import Fact, Reason, Refused
from vm.canonical import interpreter
from vm.canonical.arrays import Array, array_of, tensor_of
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.cost import cost
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Class, Port, Ratio, check_inputs, told_shape
from vm.noise import HONEST_SIGMA, THOUSANDTHS, Noise
from vm.program import Program
from vm.referee.witness import Papers
from vm.sandbox import policy
from vm.sandbox.meaning import Derived, derive
from vm.sandbox.native import Native
from vm.sandbox_protocol import Settings
from vm.tensor import (
    CUT_VALUES_BYTES_MAX,
    OUTPUT_VALUES_BYTES_MAX,
    Bundle,
    NamedTensor,
    decode_bundle,
    value_bytes,
)


class Prepared:
    """One session of a sandbox."""

    def __init__(
        self,
        raw: bytes,
        shapes: Sequence[Sequence[int]],
        class_: Class,
        settings: Settings,
        kernels: Callable[[Derived], Kernels],
    ) -> None:
        """Derive the program and load what runs it. Raises Refused 5xx or 6xx."""
        self.file_bytes = len(raw)
        model = policy.parse(raw)
        self.inputs, outputs = policy.ports(model.graph)
        self.output_names = [port.name.decode() for port in outputs]
        self.derived = replace(derive(model, shapes), nodes=[])  # each of them would keep the whole file alive
        self.class_ = class_
        check_memory(self.derived.program, settings)
        self._native = load_native(model, self.derived, settings) if class_ is Class.NATIVE else None
        self.kernels = kernels(self.derived)
        self._papers: Papers | None = None

    @property
    def papers(self) -> Papers:
        """The trees from which the program's parts are proved: made when they are first asked for, and kept."""
        if self._papers is None:
            self._papers = Papers(self.derived.program, self.derived.constants)
        return self._papers

    def execute(self, raw: bytes, *, prove: Ratio | None) -> tuple[Bundle, Bundle]:
        """Return cut and outputs of a job, in normal form; `prove` native values against the canonical run first.

        Raises Refused 5xx, 6xx.
        """
        arrays = self.input(raw)
        if self._native is None:
            return Bundle(tensors=[]), self._outputs(run_canonical(self.derived, arrays, kernels=self.kernels))
        cut = self._native.run(feeds_of(self.inputs, arrays))
        if prove is not None:
            self._prove(arrays, cut, prove)
        outputs = self._outputs(run_tail(self.derived, arrays, cut, kernels=self.kernels))
        return bounded(named(self.derived.cut, cut), CUT_VALUES_BYTES_MAX, Reason.CUT_REFUSED), outputs

    def tail(self, raw: bytes, cut: bytes) -> Bundle:
        """Return the outputs that follow from values at the cut. Raises Refused WRONG_SHAPE for another cut."""
        arrays = self.input(raw)
        found = decode_bundle(cut).tensors
        wanted = [(name, self.derived.program.type_of(at)) for name, at in self._cut()]
        if [(each.name.decode(), each.tensor.dtype, each.tensor.shape) for each in found] != [
            (name, type_.dtype, type_.shape) for name, type_ in wanted
        ]:
            raise Refused(Reason.WRONG_SHAPE, what="cut", seen=len(found), wanted=len(wanted))
        given = [array_of(each.tensor) for each in found]
        return self._outputs(run_tail(self.derived, arrays, given, kernels=self.kernels))

    def _cut(self) -> list[tuple[str, int]]:
        return list(zip(self.derived.cut, self.derived.program.cut, strict=True))

    def input(self, raw: bytes) -> list[Array]:
        """Return the arrays of an encoded input. Raises Refused INPUT_..."""
        return read_input(raw, self.inputs, self.derived.program)

    def _outputs(self, values: Mapping[int, Array]) -> Bundle:
        held = [values[at] for at in self.derived.program.outputs]
        return bounded(named(self.output_names, held), OUTPUT_VALUES_BYTES_MAX, Reason.OUTPUT_TOO_LARGE)

    def _prove(self, arrays: list[Array], cut: list[Array], tolerance: Ratio) -> None:
        """Raise Refused NATIVE_DEVIATES if this machine's native values are further off than honest ones (V107)."""
        noises = noises_of(self.derived, arrays, kernels=self.kernels, tolerance=tolerance)
        for name, noise, array in zip(self.derived.cut, noises, cut, strict=True):
            worst, element = noise.worst(tensor_of(array))
            if worst > HONEST_SIGMA * THOUSANDTHS:
                raise deviating(name, element, worst)


def deviating(name: str, element: int, worst: int) -> Refused:
    """Return the refusal of native values that are `worst` thousandths of σ off."""
    seen = f"{worst / THOUSANDTHS:.1f} σ at element {element}"
    return Refused(Reason.NATIVE_DEVIATES, what=name, seen=seen, wanted=f"at most {HONEST_SIGMA} σ")


def load_native(model: onnx.ModelProto, derived: Derived, settings: Settings) -> Native:
    """Load a model's native part, which uses the model up. Raises Refused 5xx, 6xx."""
    types = [derived.program.type_of(value) for value in derived.program.cut]
    return Native(model, derived.cut, types, settings)


def check_memory(program: Program, settings: Settings) -> None:
    """Raise Refused RUN_MEMORY_LIMIT for a program whose values alone take more than this sandbox has (V108)."""
    need = cost(program).peak_bytes
    if settings.memory_bytes and need > settings.memory_bytes:
        raise Refused(Reason.RUN_MEMORY_LIMIT, seen=need, wanted=settings.memory_bytes)


def read_input(raw: bytes, ports: list[Port], program: Program) -> list[Array]:
    """Return the arrays of an encoded input. Raises Refused INPUT_..."""
    try:
        bundle = decode_bundle(raw)
    except Refused as fault:
        raise Refused(Reason.INPUT_UNREADABLE, why=str(fault)) from None
    check_inputs(ports, bundle)
    for each, type_ in zip(bundle.tensors, program.inputs, strict=True):
        if each.tensor.shape != type_.shape:
            seen, wanted = told_shape(each.tensor.shape), told_shape(type_.shape)
            raise Refused(Reason.INPUT_WRONG_SHAPE, input=each.name, seen=seen, wanted=wanted)
    return [array_of(each.tensor) for each in bundle.tensors]


def feeds_of(ports: list[Port], arrays: list[Array]) -> dict[str, Array]:
    """Return arrays by the names of their ports."""
    return {port.name.decode(): array for port, array in zip(ports, arrays, strict=True)}


def run_canonical(
    derived: Derived, arrays: list[Array], *, kernels: Kernels, perturbed: bool = False
) -> Mapping[int, Array]:
    """Return outputs and values at the cut of a canonical run. Raises Refused RUN_TRAPPED."""
    program = derived.program
    try:
        return interpreter.run(
            program, derived.constants, arrays, kernels=kernels, perturbed=perturbed, keep=program.cut
        )
    except Trapped as trap:
        raise _trapped(derived, trap) from None


def run_tail(derived: Derived, arrays: list[Array], cut: list[Array], *, kernels: Kernels) -> Mapping[int, Array]:
    """Return the outputs that follow from input and values at the cut (V111). Raises Refused RUN_TRAPPED."""
    program = derived.program
    given = dict(zip(program.cut, cut, strict=True))
    try:
        return interpreter.run(program, derived.constants, arrays, kernels=kernels, given=given, only=program.tail)
    except Trapped as trap:
        raise _trapped(derived, trap) from None


def noises_of(
    derived: Derived, arrays: list[Array], *, kernels: Kernels, tolerance: Ratio = TOLERANCE_LEAST
) -> list[Noise]:
    """Return for each value at the cut its noise, of two canonical runs. Raises Refused RUN_TRAPPED."""
    both = [run_canonical(derived, arrays, kernels=kernels, perturbed=perturbed) for perturbed in (False, True)]
    return [Noise(tensor_of(both[0][at]), tensor_of(both[1][at]), tolerance) for at in derived.program.cut]


def named(names: Sequence[str], arrays: Sequence[Array]) -> Bundle:
    """Return arrays in normal form as a bundle."""
    tensors = [
        NamedTensor(name=name.encode(), tensor=tensor_of(array)) for name, array in zip(names, arrays, strict=True)
    ]
    return Bundle(tensors=tensors)


def bounded(bundle: Bundle, most: int, reason: Reason) -> Bundle:
    """Return a bundle of a run's results; refuse one with more bytes of values than `most` (V62)."""
    if value_bytes(bundle) > most:
        raise Refused(reason, seen=value_bytes(bundle), wanted=f"at most {most} bytes of values")
    return bundle


def _trapped(derived: Derived, trap: Trapped) -> Refused:
    facts: dict[str, Fact] = {"node": derived.places[trap.operation], "seen": trap.code.name.lower()}
    return Refused(Reason.RUN_TRAPPED, **facts)
