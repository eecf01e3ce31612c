"""What a party to a dispute does: show an element of its run to a referee."""

from collections.abc import Sequence
from typing import NamedTuple

from primitives import merkle
from vm.canonical import interpreter
from vm.canonical.arrays import DTYPE_OF, Array
from vm.canonical.interpreter import NUMPY
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.program import Op, Program, operation_hashes, outline
from vm.referee.accusation import Accusation, Claim
from vm.referee.opening import Opened, open_value
from vm.referee.reach import Range, needs
from vm.referee.recompute import front
from vm.referee.tracing import root_of
from vm.referee.traps import trap_needs
from vm.tensor import TensorType, bound_root, element_count, leaf_hashes
from vm.trace import run_tree, trap_digest


class Shown(NamedTuple):
    """A value with the tree over its data."""

    type: TensorType
    data: bytes
    tree: merkle.Tree

    @property
    def root(self) -> bytes:
        """The root of the value."""
        return bound_root(self.type, self.tree.root)


class Witness:
    """One run of a program, all values kept, from which elements can be shown."""

    def __init__(
        self,
        program: Program,
        constants: Sequence[Array],
        inputs: Sequence[Array],
        *,
        kernels: Kernels = NUMPY,
        perturbed: bool = False,
    ) -> None:
        self.program, self.perturbed = program, perturbed
        self.values: dict[int, Array] = dict(enumerate([*inputs, *constants]))
        self._shown: dict[int, Shown] = {}
        self._outline = outline(program, [root_of(array) for array in constants])
        self._operations = merkle.Tree(operation_hashes(program))
        self._constants = merkle.Tree([merkle.leaf_hash(root_of(array)) for array in constants])
        self.trap: Trapped | None = None
        try:
            interpreter.run(
                program, constants, inputs, kernels=kernels, perturbed=perturbed, watch=self.values.__setitem__
            )
        except Trapped as trap:
            self.trap = trap
        found = [self.shown(value).root for value in sorted(self.values) if value >= program.first_result]
        self.say(found if self.trap is None else [*found, trap_digest(self.trap.code, self.trap.operation)])

    def say(self, digests: list[bytes]) -> None:
        """Commit to these digests."""
        self.digests, self._run = digests, run_tree(digests)

    def forget(self, value: int) -> None:
        """Drop the tree of a value."""
        self._shown.pop(value, None)

    def shown(self, value: int) -> Shown:
        """Return a value with its tree, which is kept."""
        if value not in self._shown:
            array = self.values[value]
            data = array.tobytes()
            type_ = TensorType(dtype=DTYPE_OF[array.dtype], shape=list(array.shape))
            self._shown[value] = Shown(type_, data, merkle.Tree(leaf_hashes(data)))
        return self._shown[value]

    def accuse(self, number: int, element: int, *, claim: Claim = Claim.VALUE) -> Accusation:
        """Return what shows an element of operation `number` to a referee, as this run has it (V86)."""
        program, first = self.program, self.program.first_result
        operation = program.operations[number]
        ranges = self._ranges(number, element, claim)
        result = None
        if first + number in self.values:
            told = self.shown(first + number).type
            judged = claim is Claim.VALUE and told == operation.result and 0 not in told.shape
            ranges = ranges if judged or claim is Claim.TRAP else {}
            result = self.open_at(first + number, [(element, 1)] if judged else [])
        operands = [self.open_at(value, ranges.get(slot, [])) for slot, value in enumerate(operation.operands)]
        split = len(program.inputs)
        constants = sorted({value - split for value in operation.operands if split <= value < first})
        results = sorted({value - first for value in operation.operands if value >= first} | {number})
        return Accusation(
            outline=self._outline,
            operation=operation,
            number=number,
            operation_proof=self._operations.prove_set([number]),
            perturbed=self.perturbed,
            claim=claim,
            element=element,
            result=result,
            operands=operands,
            constants_proof=self._constants.prove_set(constants) if constants else [],
            run_proof=self._run.prove_set(results),
        )

    def open_at(self, value: int, ranges: Sequence[Range]) -> Opened:
        """Return a value of the run, opened at ranges of its elements (V85)."""
        shown = self.shown(value)
        return open_value(shown.type, shown.data, shown.tree, ranges)

    def _ranges(self, number: int, element: int, claim: Claim) -> dict[int, list[Range]]:
        """Return what is read of each operand."""
        operation = self.program.operations[number]
        types = [self.program.type_of(operand) for operand in operation.operands]
        if claim is Claim.TRAP:
            reaches = trap_needs(operation, types, element)[1]
        else:
            reaches = needs(operation, types, element) if element_count(operation.result.shape) else []
            if reaches and operation.op in (Op.TAKE, Op.SCATTER):
                [(start, count)] = reaches[0].ranges
                length = types[0].shape[operation.ints[0] if operation.op is Op.TAKE else 0]
                indices = self.values[operation.operands[1]].reshape(-1)[start : start + count].tolist()
                if all(-length <= index < length for index in indices):
                    counted = [front(index, length, number) for index in indices]
                    reaches = needs(operation, types, element, counted)
        return {reach.operand: reach.ranges for reach in reaches}
