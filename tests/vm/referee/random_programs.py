"""Random programs around one random operation, and the machines that run them."""

from typing import NamedTuple

import msgspec
import numpy as np

from tests.vm.referee.random_operations import Drawn, drawn, made
from vm.canonical.arrays import Array
from vm.program import Op, Operation, Program, TrapCode, program_root
from vm.referee.tracing import root_of
from vm.referee.witness import Witness
from vm.tensor import DType, TensorType
from vm.trace import Trace, run_of, trap_digest

VM_VERSION = 1


class Small(NamedTuple):
    """A program of a few operations, of which the middle one is of interest."""

    program: Program
    constants: list[Array]
    inputs: list[Array]
    number: int


def small_program(case: Drawn) -> Small:
    """Return a program that computes its first operand, reads the last as a constant, and ends with a copy.

    An operation of one operand reads it as a result; a third comes as an input.
    """
    operation, types = case.operation, case.types
    last = len(types) - 1 if len(types) > 1 else None
    inputs = [at for at in range(len(types)) if at != last]
    constants = [] if last is None else [last]
    count = len(types)
    copied = types[0]
    identity = [int(row == column) for row in range(len(copied.shape)) for column in range(len(copied.shape))]
    ints = [len(copied.shape), *copied.shape, *[0] * len(copied.shape), *identity]
    item = case.operands[0].dtype.itemsize
    first = msgspec.structs.replace(made(Op.MOVE, [], copied.dtype, copied.shape, ints, bytes(item)), operands=[0])
    places = {at: value for value, at in enumerate(inputs)} | {at: len(inputs) for at in constants} | {0: count}
    middle = msgspec.structs.replace(operation, operands=[places[at] for at in range(count)])
    result = operation.result
    end = Operation(
        op=Op.EQUAL,
        operands=[count + 1, count + 1],
        result=TensorType(dtype=DType.BOOL, shape=result.shape),
        ints=[],
        fill=b"",
        origin=2,
    )
    program = Program(
        inputs=[types[at] for at in inputs],
        constants=[types[at] for at in constants],
        operations=[first, middle, end],
        outputs=[count + 2],
        cut=[],
        tail=[],
    )
    return Small(program, [case.operands[at] for at in constants], [case.operands[at] for at in inputs], 1)


def committed(small: Small, witness: Witness) -> Trace:
    """Return the trace that a run commits to; both of its runs are told to be this one."""
    run = run_of(witness.digests)
    return Trace(
        vm_version=VM_VERSION,
        program=program_root(small.program, [root_of(array) for array in small.constants]),
        inputs=[root_of(array) for array in small.inputs],
        first=run,
        perturbed=run,
        noise=[],
    )


class Actor(Witness):
    """A witness that may say what it likes."""

    def __init__(self, small: Small, *, perturbed: bool = False) -> None:
        super().__init__(small.program, small.constants, small.inputs, perturbed=perturbed)

    def change(self, number: int, array: Array) -> None:
        """Say another result of an operation, and nothing that follows from it."""
        value = self.program.first_result + number
        self.values[value] = array
        self.forget(value)
        self.say([*self.digests[:number], self.shown(value).root, *self.digests[number + 1 :]])

    def flip(self, number: int, element: int) -> None:
        """Say an element of an operation's result with another last bit."""
        array = np.array(self.values[self.program.first_result + number])
        raw = array.reshape(-1).view(np.uint8).reshape(array.size, -1)
        raw[element, 0] ^= 1
        self.change(number, array)

    def stop(self, number: int, code: TrapCode | None = None) -> None:
        """Say no result after an operation's, or in the place of this a trap."""
        kept = self.digests[: number + (code is None)]
        self.say(kept if code is None else [*kept, trap_digest(code, number)])
        for value in range(self.program.first_result + len(kept), self.program.first_result + 3):
            self.values.pop(value, None)


def a_witness(small: Small, *, perturbed: bool = False) -> Actor:
    return Actor(small, perturbed=perturbed)


def cases(op: Op, count: int) -> list[Small]:
    """Return programs of an operator whose runs have no trap and results that are not empty."""
    found: list[Small] = []
    seed = 0
    while len(found) < count:
        case = drawn(op, seed)
        small = small_program(case)
        witness = a_witness(small)
        if witness.trap is None and 0 not in case.operation.result.shape:
            found.append(small)
        seed += 1
    return found
