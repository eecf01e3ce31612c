"""What a program costs, told exactly before it runs: counts, and what they come to in gas (V80).

All of it follows from the types in the program, in integers. One gas is a microsecond of one core of the machine that
the prices were fitted on; `benches.cost` measures how well they fit another.
"""

from collections.abc import Iterator
from typing import NamedTuple

from primitives.record import Record
from primitives.units import U32, U64
from vm.prices import RUN, length_of, moved_of, picoseconds
from vm.program import CONTRACTIONS, ELEMENTARY, Operation, Program
from vm.tensor import TensorType, bytes_of, element_count


class Prices(Record):
    """What ONNX Runtime takes on one thread, in picoseconds."""

    mac: U64
    elementary: U64
    byte: U64
    """That passes from node to node."""
    start: U64
    """Of a node of the file."""
    run: U64


NATIVE = Prices(mac=20, elementary=5_000, byte=20, start=400_000, run=10_000_000)
"""Fitted over 51 models."""
GAS = 10**6
"""Picoseconds."""
TRACE_BYTES_MAX = 1 << 34
"""Of results: hashing those of both runs takes five minutes here, and a slow machine that is busy twenty."""


class Cost(Record):
    """The static cost of a program; part of the lowering on chain."""

    macs: U64
    """Multiplications with addition, of all contractions; taps outside of the image count."""
    elementary: U64
    """Elements of elementary functions."""
    moved_bytes: U64
    """Bytes that the operations read and write, views left out."""
    operations: U32
    steps: U64
    """Operations in the longest chain of those that wait for each other."""
    peak_bytes: U64
    """The most bytes of values that are alive at a time, inputs and constants included."""
    trace_bytes: U64
    """Bytes of all results: what a trace hashes."""
    nodes: U32
    """Nodes of the file that compute something: what a native run starts."""
    gas: U64
    """The whole program, canonically: class exact."""
    native_gas: U64
    """The program up to the cut in ONNX Runtime, and the tail canonically: class native."""


class Head(NamedTuple):
    """What a native run has to do up to the cut."""

    macs: int
    elementary: int
    passed: int
    """Bytes that pass from node to node."""
    nodes: int

    def picoseconds(self) -> int:
        """Return what it takes; nothing where there is nothing to run."""
        if not self.nodes:
            return 0
        computing = NATIVE.mac * self.macs + NATIVE.elementary * self.elementary
        return computing + NATIVE.byte * self.passed + NATIVE.start * self.nodes + NATIVE.run


def types_of(program: Program, operation: Operation) -> list[TensorType]:
    """Return the types of an operation's operands."""
    return [program.type_of(operand) for operand in operation.operands]


def macs_of(program: Program, operation: Operation) -> int:
    """Return the multiplications with addition of one operation."""
    if operation.op not in CONTRACTIONS:
        return 0
    return element_count(operation.result.shape) * length_of(operation, types_of(program, operation))


def elementary_of(operation: Operation) -> int:
    """Return how many elements of an elementary function one operation computes."""
    return element_count(operation.result.shape) if operation.op in ELEMENTARY else 0


def head_of(program: Program) -> Head:
    """Return the work of the operations outside of the tail."""
    tail, passed = frozenset(program.tail), _native_bytes(program)
    numbers = [number for number in range(len(program.operations)) if number not in tail]
    operations = [program.operations[number] for number in numbers]
    return Head(
        macs=sum(macs_of(program, operation) for operation in operations),
        elementary=sum(elementary_of(operation) for operation in operations),
        passed=sum(passed[number] for number in numbers),
        nodes=len({operation.origin for operation in operations}),
    )


def cost(program: Program) -> Cost:
    """Return what a run of the program costs (V80, V81)."""
    operations = program.operations
    takes = [picoseconds(operation, types_of(program, operation)) for operation in operations]
    tail = sum(takes[number] for number in program.tail) + (RUN if program.tail else 0)
    depth = [0] * program.first_result
    for operation in operations:
        depth.append(1 + max(depth[operand] for operand in operation.operands))
    return Cost(
        macs=sum(macs_of(program, operation) for operation in operations),
        elementary=sum(elementary_of(operation) for operation in operations),
        moved_bytes=sum(moved_of(operation, types_of(program, operation)) for operation in operations),
        operations=len(operations),
        steps=max(depth, default=0),
        peak_bytes=_peak_bytes(program),
        trace_bytes=sum(bytes_of(operation.result) for operation in operations),
        nodes=len({operation.origin for operation in operations}),
        gas=-(-(sum(takes) + (RUN if takes else 0)) // GAS),
        native_gas=-(-(head_of(program).picoseconds() + tail) // GAS),
    )


def _native_bytes(program: Program) -> list[int]:
    """Return for each operation the bytes that a native run moves for it: what passes from node to node."""
    first = program.first_result
    outside = set(program.outputs)
    for operation in program.operations:
        for operand in operation.operands:
            if operand >= first and program.operations[operand - first].origin != operation.origin:
                outside.add(operand)
    return [
        (bytes_of(operation.result) if first + number in outside else 0)
        + sum(bytes_of(program.type_of(operand)) for operand in _foreign(program, operation))
        for number, operation in enumerate(program.operations)
    ]


def _foreign(program: Program, operation: Operation) -> Iterator[int]:
    """Yield the operands that another node computed, or that are inputs or constants."""
    for operand in operation.operands:
        at = operand - program.first_result
        if at < 0 or program.operations[at].origin != operation.origin:
            yield operand


def _peak_bytes(program: Program) -> int:
    """Return the most bytes alive at a time, a result being dropped after the last operation that reads it."""
    first = program.first_result
    last = list(range(first + len(program.operations)))
    for number, operation in enumerate(program.operations):
        for operand in operation.operands:
            last[operand] = first + number
    for output in program.outputs:
        last[output] = len(last)
    dropped: list[list[int]] = [[] for _ in range(len(last) + 1)]
    for value in range(first, len(last)):
        dropped[last[value]].append(value)
    alive = sum(bytes_of(type_) for type_ in [*program.inputs, *program.constants])
    peak = alive
    for number, operation in enumerate(program.operations):
        alive += bytes_of(operation.result)
        peak = max(peak, alive)
        alive -= sum(bytes_of(program.type_of(value)) for value in dropped[first + number])
    return peak
