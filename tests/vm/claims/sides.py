"""Parties to a dispute: one whose runs are what was computed, and liars who say something else of them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from tests.vm.models.case import Case, Feeds
from tests.vm.referee.jobs import bundled
from vm.canonical.arrays import Array, normal
from vm.canonical.trapped import Trapped
from vm.lowering import CutValue, Lowering
from vm.manifest import Class, Ratio
from vm.noise import Noise, Row
from vm.place import TrapPlace
from vm.program import VM_VERSION, Program
from vm.referee.accusation import Accusation, Claim
from vm.referee.defence import Grounds
from vm.referee.runs import Runs
from vm.referee.showing import Content
from vm.referee.tracing import rows_root
from vm.referee.witness import Papers, Witness
from vm.sandbox.meaning import Derived, cut_values, derive, meaning
from vm.tensor import CUT_VALUES_BYTES_MAX, FLOATS, bytes_of
from vm.trace import run_of

TOLERANCE = Ratio(numerator=1, denominator=10_000)


class Subject(NamedTuple):
    """A job of a model, as a dispute sees it: everything but the traces."""

    name: str
    papers: Papers
    constants: list[Array]
    inputs: list[Array]
    content: Content
    """The job's input."""
    lowering: Lowering
    native: bool
    cut: Content | None = None
    """Where the tail of somebody's values at the cut is meant: those."""

    @property
    def program(self) -> Program:
        """The program."""
        return self.papers.program

    @property
    def grounds(self) -> Grounds:
        """What stands before any trace."""
        return Grounds(self.content.held, self.cut.held if self.cut else None)


def subject_of(case: Case) -> Subject:
    """Return the job of a model on its first feeds, native if its cut can be judged. Raises Refused."""
    derived = derive(case.proto, case.shapes)
    return subject(case.name, derived, arrays_of(case, case.feeds[0]))


def arrays_of(case: Case, feeds: Feeds) -> list[Array]:
    """Return feeds in normal form, in the order of the file."""
    return [normal(feeds[name]) for name in case.inputs]


def subject(name: str, derived: Derived, inputs: list[Array]) -> Subject:
    """Return the job of a program on an input."""
    program, told = derived.program, meaning(derived)
    cut = cut_values(derived)
    small = sum(bytes_of(each.type) for each in cut) <= CUT_VALUES_BYTES_MAX
    native = bool(cut) and small and all(each.type.dtype in FLOATS for each in cut)
    lowering = Lowering(
        model=bytes(32),
        vm_version=VM_VERSION,
        inputs=told.inputs,
        outputs=told.outputs,
        program_root=told.program_root,
        constants_root=told.constants_root,
        classes=1 << (Class.NATIVE if native else Class.EXACT) - 1,
        cut=cut if native else list[CutValue](),
        tolerance=TOLERANCE if native else None,
        cost=told.cost,
        worst=told.worst,
    )
    content = bundled([b"in%d" % at for at in range(len(inputs))], inputs)
    return Subject(name, Papers(program, derived.constants), derived.constants, inputs, content, lowering, native)


def tail_of(job: Subject, cut: Sequence[Array]) -> Subject:
    """Return the subject of a dispute about the tail of values at the cut."""
    return job._replace(cut=bundled([b"cut%d" % at for at in range(len(cut))], cut), native=False)


class Honest(Runs):
    """An honest party's runs, with all values kept: thousands of questions are asked about them."""

    def __init__(self, job: Subject, cut: Sequence[Array] | None = None) -> None:
        super().__init__(job.papers, job.constants, job.inputs, vm_version=VM_VERSION, native=job.native, cut=cut)
        self.job = job
        self._all: dict[bool, dict[int, Array]] = {}
        given = None if cut is None else dict(zip(job.program.cut, cut, strict=True))
        for perturbed in (False, True) if job.native else (False,):
            ran = Witness(job.program, job.constants, job.inputs, perturbed=perturbed, given=given)
            assert ran.digests == self.digests(perturbed=perturbed)
            self._all[perturbed] = ran.values

    def values(self, wanted: Sequence[int], *, perturbed: bool) -> dict[int, Array]:
        """Return values by their numbers, those that the run has."""
        return {value: self._all[perturbed][value] for value in wanted if value in self._all[perturbed]}


class Liar(Honest):
    """Somebody who tells other digests, values, traps or noise than an honest party has computed."""

    def __init__(self, truth: Honest) -> None:
        self.__dict__.update(truth.__dict__)
        self.truth = truth
        self._trees = {}
        self._said = {perturbed: truth.digests(perturbed=perturbed) for perturbed in truth._all}
        self._all = {perturbed: dict(values) for perturbed, values in truth._all.items()}
        self._traps = {perturbed: truth.trap(perturbed=perturbed) for perturbed in truth._all}
        self._rows: dict[int, list[Row]] = {}
        self.other_leaf = False
        """Whether it opens another leaf than the one that it has told."""

    def digests(self, *, perturbed: bool) -> list[bytes]:
        """Return what it says."""
        return self._said.get(perturbed, [])

    def trap(self, *, perturbed: bool) -> Trapped | None:
        """Return the trap that it tells."""
        return self._traps.get(perturbed)

    def noises(self, places: Sequence[int], tolerance: Ratio = TOLERANCE) -> list[Noise]:
        """Return what it says of the noise."""
        found = self.truth.noises(places, tolerance)
        return [Told(noise, self._rows.get(place)) for place, noise in zip(places, found, strict=True)]

    def say(self, *, perturbed: bool, digests: list[bytes]) -> None:
        """Tell other digests of a run."""
        self._said = {**self._said, perturbed: digests}
        self._trees.pop(perturbed, None)
        run = run_of(digests)
        if perturbed:
            self.trace = msgspec.structs.replace(self.trace, perturbed=run)
        else:
            self.trace = msgspec.structs.replace(self.trace, first=run)

    def change(self, value: int, array: Array, *, perturbed: bool) -> None:
        """Hold another array for a value."""
        self._all[perturbed][value] = array

    def stop(self, trapped: Trapped | None, count: int, *, perturbed: bool) -> None:
        """Have no values behind the first so many results."""
        self._traps[perturbed] = trapped
        first = self.program.first_result
        for value in [each for each in self._all[perturbed] if each >= first + count]:
            del self._all[perturbed][value]

    def fit_noise(self) -> None:
        """Tell no noise if a run does not reach all values of the cut: with any the trace could not be opened."""
        reached = max(self.program.cut, default=0) - self.program.first_result + 1
        if any(len(told) <= reached for told in self._said.values()):
            self.trace = msgspec.structs.replace(self.trace, noise=[])

    def say_rows(self, place: int, rows: list[Row]) -> None:
        """Tell other records of noise."""
        self._rows[place] = rows
        noise = list(self.trace.noise)
        noise[place] = rows_root(rows)
        self.trace = msgspec.structs.replace(self.trace, noise=noise)

    def false_trap(self, at: TrapPlace) -> Accusation | None:
        """Return what shows the first element of an operation that it says traps. Raises Refused if none ever does."""
        operation = self.program.operations[at.number]
        trap = self.trap(perturbed=at.perturbed)
        if trap is None or trap.operation != at.number:
            return None
        return self.exhibit(operation.operands, perturbed=at.perturbed).accuse(at.number, 0, claim=Claim.TRAP)

    def say_inputs(self, inputs: list[bytes]) -> None:
        """Tell other roots of inputs."""
        self.trace = msgspec.structs.replace(self.trace, inputs=inputs)


class Told(Noise):
    """Noise as somebody tells it."""

    def __init__(self, truth: Noise, rows: list[Row] | None) -> None:
        self.__dict__.update(truth.__dict__)
        self._other = rows

    def row(self, number: int) -> Row:
        """Return the record that is told."""
        return super().row(number) if self._other is None else self._other[number]


def flipped(array: Array, element: int) -> Array:
    """Return an array with the last bit of one element changed; a bool is turned over."""
    found = np.array(array)
    raw = found.reshape(-1).view(np.uint8).reshape(found.size, -1)
    raw[element, 0] ^= 1
    return found
