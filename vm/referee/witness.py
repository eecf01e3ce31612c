"""What a party to a dispute does: show an element of a run to a referee."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from primitives import merkle
from vm.canonical import interpreter
from vm.canonical.arrays import DTYPE_OF, Array
from vm.canonical.interpreter import NUMPY
from vm.canonical.kernels import Kernels
from vm.canonical.trapped import Trapped
from vm.program import TAIL_LEAF_BYTES as TAIL_LEAF
from vm.program import Op, Outline, Program, operation_hashes, outline, tail_bits, tail_hashes
from vm.referee.accusation import Accusation, Claim
from vm.referee.membership import AbsentProof, TailProof
from vm.referee.opening import Opened, open_value
from vm.referee.reach import Range, needs
from vm.referee.recompute import front
from vm.referee.tracing import root_of
from vm.referee.traps import trap_needs
from vm.tensor import TensorType, bound_root, element_count, leaf_hashes
from vm.trace import ABSENT, run_tree, trap_digest


class Shown(NamedTuple):
    """A value with the tree over its data."""

    type: TensorType
    data: bytes
    tree: merkle.Tree

    @property
    def root(self) -> bytes:
        """The root of the value."""
        return bound_root(self.type, self.tree.root)


class Papers:
    """A program with the trees from which its parts are proved."""

    def __init__(self, program: Program, constants: Sequence[Array]) -> None:
        self.program = program
        self.constants = [root_of(array) for array in constants]
        self.outline: Outline = outline(program, self.constants)
        self._operations = merkle.Tree(operation_hashes(program))
        self._constants = merkle.Tree([merkle.leaf_hash(root) for root in self.constants])
        self._tail = merkle.Tree(tail_hashes(program))
        self._bits = tail_bits(program)

    def prove_operation(self, number: int) -> list[bytes]:
        """Return the proof of an operation among the program's."""
        return self._operations.prove_set([number])

    def prove_constants(self, places: Sequence[int]) -> list[bytes]:
        """Return the proof of constants, ascending; of none no hash."""
        return self._constants.prove_set(places) if places else []

    def prove_tail(self, number: int) -> TailProof:
        """Return what shows whether an operation is in the tail (V132)."""
        place = number // (8 * TAIL_LEAF)
        leaf = self._bits[place * TAIL_LEAF : (place + 1) * TAIL_LEAF]
        return TailProof(leaf=leaf, proof=self._tail.prove_set([place]))

    def in_tail(self, number: int) -> bool:
        """Tell whether an operation is in the tail."""
        return bool(self._bits[number // 8] & 0x80 >> number % 8)


class Exhibit:
    """One run, as somebody tells it: digests of all results, and those values that are looked at."""

    def __init__(
        self,
        papers: Papers,
        digests: list[bytes],
        values: Mapping[int, Array],
        *,
        perturbed: bool,
        tail: bool = False,
        tree: merkle.Tree | None = None,
    ) -> None:
        """Take the digests, with the tree over them if somebody has it."""
        self.papers, self.program = papers, papers.program
        self.values, self.perturbed, self.tail = values, perturbed, tail
        self._shown: dict[int, Shown] = {}
        self.digests, self.tree = digests, tree or run_tree(digests)

    def say(self, digests: list[bytes]) -> None:
        """Commit to these digests."""
        self.digests, self.tree = digests, run_tree(digests)

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
            outline=self.papers.outline,
            operation=operation,
            number=number,
            operation_proof=self.papers.prove_operation(number),
            perturbed=self.perturbed,
            claim=claim,
            element=element,
            result=result,
            operands=operands,
            constants_proof=self.papers.prove_constants(constants),
            run_proof=self.tree.prove_set(results),
            tail=self.papers.prove_tail(number) if self.tail else None,
        )

    def absent(self, number: int) -> AbsentProof:
        """Return what shows that an operation is before the cut (V132)."""
        return AbsentProof(
            outline=self.papers.outline,
            number=number,
            tail=self.papers.prove_tail(number),
            digest=self.digests[number],
            run_proof=self.tree.prove_set([number]),
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


class Witness(Exhibit):
    """One run of a program, all values kept, from which elements can be shown.

    With values `given` at the cut it is the run of the tail that follows from them.
    """

    def __init__(
        self,
        program: Program,
        constants: Sequence[Array],
        inputs: Sequence[Array],
        *,
        kernels: Kernels = NUMPY,
        perturbed: bool = False,
        given: Mapping[int, Array] | None = None,
    ) -> None:
        found: dict[int, Array] = dict(enumerate([*inputs, *constants])) | dict(given or {})
        self.trap: Trapped | None = None
        only = None if given is None else program.tail
        try:
            interpreter.run(
                program, constants, inputs, kernels=kernels, perturbed=perturbed, given=given, only=only,
                watch=found.__setitem__,
            )  # fmt: skip
        except Trapped as trap:
            self.trap = trap
        super().__init__(Papers(program, constants), [], found, perturbed=perturbed, tail=given is not None)
        self.values: dict[int, Array] = found
        first, count = program.first_result, len(program.operations) if self.trap is None else self.trap.operation
        told = [self.shown(first + at).root if first + at in found else ABSENT for at in range(count)]
        self.say(told if self.trap is None else [*told, trap_digest(self.trap.code, self.trap.operation)])
