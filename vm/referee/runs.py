"""The runs that a dispute is about, as an honest party has them: all digests, and any value when it is asked for.

Values are computed anew rather than kept: those of one run may take gigabytes, the digests take 32 bytes each.
"""

from collections.abc import Sequence

import msgspec

from primitives import merkle
from vm.canonical import interpreter
from vm.canonical.arrays import Array, tensor_of
from vm.canonical.interpreter import NUMPY
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Ratio
from vm.noise import Noise
from vm.program import Program
from vm.referee.tracing import Ran, Traced, traced, traced_tail
from vm.referee.witness import Exhibit, Papers
from vm.trace import Trace, run_tree


class Runs:
    """The canonical runs of a job, or the tail that follows from somebody's values at the cut."""

    def __init__(
        self,
        papers: Papers,
        constants: Sequence[Array],
        inputs: Sequence[Array],
        *,
        vm_version: int,
        native: bool,
        cut: Sequence[Array] | None = None,
        kernels: Kernels = NUMPY,
    ) -> None:
        """Run: a whole program, in class native twice; with values at the `cut` its tail alone."""
        self.papers, self._constants, self._inputs, self._kernels = papers, constants, inputs, kernels
        program = papers.program
        self.tail = cut is not None
        self._given = dict(zip(program.cut, cut or [], strict=self.tail))
        if cut is None:
            found = traced(program, constants, inputs, vm_version=vm_version, native=native, kernels=kernels)
        else:
            found = traced_tail(program, constants, inputs, cut, vm_version=vm_version, kernels=kernels)
        self._found: Traced = found
        self.trace: Trace = found.trace
        self._trees: dict[bool, merkle.Tree] = {}

    @property
    def program(self) -> Program:
        """The program."""
        return self.papers.program

    @property
    def outputs(self) -> list[Array] | None:
        """The outputs; None if the run has trapped."""
        return None if self._found.first.trap else self._found.first.outputs

    def _ran(self, *, perturbed: bool) -> Ran | None:
        return self._found.second if perturbed else self._found.first

    def trap(self, *, perturbed: bool) -> Trapped | None:
        """Return how a run traps, if it does."""
        ran = self._ran(perturbed=perturbed)
        return None if ran is None else ran.trap

    def digests(self, *, perturbed: bool) -> list[bytes]:
        """Return the digests of a run; of no second run none."""
        ran = self._ran(perturbed=perturbed)
        return [] if ran is None else ran.digests

    def tree(self, *, perturbed: bool) -> merkle.Tree:
        """Return the tree over the digests of a run, which is kept."""
        if perturbed not in self._trees:
            self._trees[perturbed] = run_tree(self.digests(perturbed=perturbed))
        return self._trees[perturbed]

    def noises(self, places: Sequence[int], tolerance: Ratio = TOLERANCE_LEAST) -> list[Noise]:
        """Return the noise of values at the cut, by their places there: none of a trace that has none.

        Records do not depend on the tolerance of the lowering, what elements are judged by does (V103).
        """
        if not places:
            return []
        assert self._found.second is not None
        first, second = self._found.first.cut, self._found.second.cut
        chosen = [self.program.cut[place] for place in places]
        return [Noise(tensor_of(first[at]), tensor_of(second[at]), tolerance) for at in chosen]

    def values(self, wanted: Sequence[int], *, perturbed: bool) -> dict[int, Array]:
        """Return values by their numbers, those that the run has: of results what is needed is computed again."""
        first, split = self.program.first_result, len(self.program.inputs)
        digests = self.digests(perturbed=perturbed)
        trap = self.trap(perturbed=perturbed)
        have = len(digests) - (trap is not None)
        found: dict[int, Array] = {}
        results: list[int] = []
        for value in sorted(set(wanted)):
            if value in self._given:
                found[value] = self._given[value]
            elif value < split:
                found[value] = self._inputs[value]
            elif value < first:
                found[value] = self._constants[value - split]
            elif value - first < have and (not self.tail or self.papers.in_tail(value - first)):
                results.append(value)
        return found | self._again(results, perturbed=perturbed)

    def exhibit(self, wanted: Sequence[int], *, perturbed: bool) -> Exhibit:
        """Return what shows elements of these values."""
        digests, tree = self.digests(perturbed=perturbed), self.tree(perturbed=perturbed)
        values = self.values(wanted, perturbed=perturbed)
        return Exhibit(self.papers, digests, values, perturbed=perturbed, tail=self.tail, tree=tree)

    def _again(self, results: list[int], *, perturbed: bool) -> dict[int, Array]:
        """Return results of the run, computed again with no more than they need."""
        if not results:
            return {}
        program, first = self.program, self.program.first_result
        needed = self._needed(results)
        shorter = msgspec.structs.replace(program, outputs=results, cut=[], tail=[])
        return interpreter.run(
            shorter, self._constants, self._inputs, kernels=self._kernels, perturbed=perturbed,
            given=self._given or None, only=[value - first for value in needed], watch=_nobody,
        )  # fmt: skip

    def _needed(self, results: list[int]) -> list[int]:
        """Return these results, and those that they are computed from, ascending."""
        program, first = self.program, self.program.first_result
        wanted = set(results)
        for value in range(max(results), first - 1, -1):
            if value in wanted:
                operands = program.operations[value - first].operands
                wanted.update(at for at in operands if at >= first and at not in self._given)
        return sorted(wanted)


def _nobody(_: int, __: Array) -> None:
    """Watch nothing: whole programs are made ready for runs that come often, and this one does not."""
