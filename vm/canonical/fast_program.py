"""A program made ready to be run often: its operations as a tape of compiled kernels, in memory that is laid out once.

The values are those of `vm.canonical.interpreter.run`, bit for bit. What no kernel serves is computed by the definition
in numpy, between two pieces of the tape.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from vm.canonical import interpreter
from vm.canonical.arrays import NUMPY_OF, Array
from vm.canonical.fast_library import Library
from vm.canonical.fast_plan import RULES, Job, Stored, view
from vm.canonical.fast_tape import Memory, Place, Tape
from vm.canonical.interpreter import Trapped, Values
from vm.canonical.kernels import NUMPY, Kernels
from vm.program import CONTRACTIONS, Op, Operation, Program, TrapCode

_SHARED_PRODUCTS_MIN = 1 << 21
"""Multiplications of a contraction from which on threads share it."""
_WAYS_MAX = 4
"""Whole, to the cut, the tail: each holds memory for its values."""


class Prepared:
    """A program with its constants, of which `only` some operations are run, and some values besides outputs kept.

    A run needs the values that the operations read and do not compute: inputs, or `given` ones. One at a time. The
    kernels serve operations that are not on the tape: contractions that threads share. The program is well-formed (G5),
    which keeps every kernel within its memory.
    """

    def __init__(
        self, library: Library, program: Program, constants: Sequence[Array],
        *, kernels: Kernels = NUMPY, threads: int = 1, only: Sequence[int] | None = None, keep: Collection[int] = (),
    ) -> None:  # fmt: skip
        self._program, self._library, self._threads = program, library, threads
        self._constants = [np.ascontiguousarray(each).reshape(each.shape) for each in constants]
        self._numbers = list(range(len(program.operations)) if only is None else only)
        self._kernels = kernels
        self._wanted = sorted({*program.outputs, *keep})
        self._stored: dict[int, Stored] = {}
        self._memory, self._tape = Memory(), Tape(library)
        self._users: dict[int, int] = {}
        """By offset of a place, how many values stand in it that are still needed."""
        self.sources = self._read_only()
        for number in self.sources:
            self._place(number)
        self._lay_out()
        self._tape.finish(self._memory.size)

    @property
    def memory_bytes(self) -> int:
        """Return the size of the memory in which the values stand."""
        return self._memory.size

    def _read_only(self) -> list[int]:
        """Return the numbers of the values that a run must be told."""
        first, split = self._program.first_result, len(self._program.inputs)
        computed = {first + number for number in self._numbers}
        read = {at for number in self._numbers for at in self._program.operations[number].operands} | set(self._wanted)
        return sorted(at for at in read if at not in computed and not split <= at < first)

    def _place(self, value: int) -> None:
        """Give a value memory of its own."""
        kind = self._program.type_of(value)
        size = int(np.prod(kind.shape, dtype=np.int64)) * NUMPY_OF[kind.dtype].itemsize
        self._share(value, self._memory.take(size))

    def _share(self, value: int, place: Place) -> None:
        self._stored[value] = Stored(self._program.type_of(value), place)
        self._users[place.offset] = self._users.get(place.offset, 0) + 1

    def _of(self, value: int) -> Stored:
        """Return where a value stands."""
        if value not in self._stored:
            at = value - len(self._program.inputs)
            self._stored[value] = Stored(self._program.type_of(value), self._constants[at])
        return self._stored[value]

    def _lay_out(self) -> None:
        """Plan every operation, and give memory back behind it."""
        first, wanted = self._program.first_result, frozenset(self._wanted)
        last = {at: number for number in self._numbers for at in self._program.operations[number].operands}
        for number in self._numbers:
            operation = self._program.operations[number]
            self._plan(number, operation, first + number)
            done = sorted({at for at in operation.operands if last[at] == number and at not in wanted})
            if first + number not in last and first + number not in wanted:
                done.append(first + number)
            for at in done:
                self._drop(self._of(at).at)

    def _drop(self, at: Place | Array) -> None:
        """Give a place back when the last value in it is needed no longer."""
        if isinstance(at, Place):
            self._users[at.offset] -= 1
            if not self._users[at.offset]:
                self._memory.give_back(at)

    def _plan(self, number: int, operation: Operation, value: int) -> None:
        operands = [self._of(at) for at in operation.operands]
        at = operands[0].at
        if operation.op is Op.MOVE and isinstance(at, Place) and view(operation, operands[0].type):
            self._share(value, at)
            return
        self._place(value)
        result = self._stored[value]
        if result.count == 0:
            return
        job = Job(self._library, operation, operands, result, self._memory)
        rule = None if self._is_shared(operation, operands) else RULES.get(operation.op)
        calls = rule(job) if rule is not None else None
        if calls is None:
            self._tape.add_step(self._step(number, operation, operands, result))
        else:
            self._tape.add(number, calls)
        for place in job.taken:
            self._memory.give_back(place)

    def _is_shared(self, operation: Operation, operands: list[Stored]) -> bool:
        """Return whether threads share the work on an operation."""
        if self._threads == 1 or operation.op not in CONTRACTIONS:
            return False
        return operands[0].count * operands[1].count >= _SHARED_PRODUCTS_MIN

    def _step(self, number: int, operation: Operation, operands: list[Stored], result: Stored) -> Callable[[], None]:
        """Return the step that computes an operation by its definition."""

        def step() -> None:
            read = [self._array(each) for each in operands]
            made = interpreter.apply(operation, number, read, kernels=self._kernels)
            np.copyto(self._array(result), made)

        return step

    def _array(self, stored: Stored) -> Array:
        if isinstance(stored.at, Place):
            return self._tape.view(stored.at, stored.dtype, stored.shape, stored.count)
        return stored.at

    def run(self, inputs: Sequence[Array] = (), given: Mapping[int, Array] | None = None) -> Values:
        """Return the outputs, and the values to keep, by their numbers. Raises Trapped.

        What the operations read and do not compute is taken from `given` by number, else from the program's inputs.
        """
        for number in self.sources:
            told = given.get(number) if given is not None else None
            np.copyto(self._array(self._stored[number]), inputs[number] if told is None else told, casting="no")
        trapped = self._tape.run()
        if trapped is not None:
            raise Trapped(TrapCode.INDEX, trapped)
        return {number: np.array(self._array(self._of(number))) for number in self._wanted}


class Runs:
    """The ways in which one program is run, each made ready when it is first asked for."""

    def __init__(self, library: Library, program: Program, kernels: Kernels, threads: int) -> None:
        self._library, self._program, self._kernels, self._threads = library, program, kernels, threads
        self._constants: list[Array] = []
        self._ready: dict[tuple[tuple[int, ...] | None, tuple[int, ...]], Prepared] = {}

    def run(
        self, program: Program, constants: Sequence[Array], inputs: Sequence[Array],
        given: Mapping[int, Array] | None, only: Sequence[int] | None, keep: Collection[int],
    ) -> Values | None:  # fmt: skip
        """Return what `interpreter.run` does; None for another program. Raises Trapped."""
        if program is not self._program:
            return None
        if len(constants) != len(self._constants) or any(
            a is not b for a, b in zip(constants, self._constants, strict=True)
        ):
            self._ready.clear()
            self._constants = list(constants)
        way = (None if only is None else tuple(only), tuple(sorted(keep)))
        ready = self._ready.get(way)
        if ready is None:
            if len(self._ready) >= _WAYS_MAX:
                return None
            ready = self._ready[way] = Prepared(
                self._library, program, constants,
                kernels=self._kernels, threads=self._threads, only=only, keep=keep,
            )  # fmt: skip
        return ready.run(inputs, given)
