"""What a program costs, told exactly before it runs: counts, and what they come to in gas (V80).

All of it follows from the types in the program, in integers. One gas is a microsecond of one core of the machine that
the prices were fitted on; `benches.cost` measures how well they fit another.
"""

from collections.abc import Iterator
from typing import NamedTuple

from primitives.record import Record
from primitives.units import U32, U64
from vm.program import CONTRACTIONS, ELEMENTARY, Op, Operation, Program, movement
from vm.tensor import ITEM_BYTES, TensorType, element_count


class Prices(Record):
    """What an engine takes, in picoseconds."""

    mac: U64
    elementary: U64
    byte: U64
    start: U64
    """Of an operation, or of a node of the file."""
    run: U64
    """Of a run that has anything to do."""


CANONICAL = Prices(mac=30, elementary=10_000, byte=20, start=200_000, run=10_000_000)
"""With compiled kernels, fitted over 51 models; most operations start in a tenth of it, those left to numpy in fifty
times as much."""
NATIVE = Prices(mac=20, elementary=5_000, byte=20, start=400_000, run=10_000_000)
"""ONNX Runtime on one thread, over the same models."""
GAS = 10**6
"""Picoseconds."""


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


def bytes_of(type_: TensorType) -> int:
    """Return how many bytes of data a tensor of this type has."""
    return element_count(type_.shape) * ITEM_BYTES[type_.dtype]


def length_of(program: Program, operation: Operation) -> int:
    """Return from how many products an element of a contraction is folded."""
    if operation.op is Op.MATMUL:
        return program.type_of(operation.operands[0]).shape[-1]
    return element_count(program.type_of(operation.operands[1]).shape[1:])


def is_view(operation: Operation) -> bool:
    """Tell whether a MOVE only gives its operand another shape, so that nothing is copied."""
    if operation.op is not Op.MOVE:
        return False
    moved, rank = movement(operation), len(operation.result.shape)
    identity = [[int(row == column) for column in range(rank)] for row in range(rank)]
    return moved.shape == operation.result.shape and not any(moved.base) and moved.matrix == identity


def macs_of(program: Program, operation: Operation) -> int:
    """Return the multiplications with addition of one operation."""
    if operation.op not in CONTRACTIONS:
        return 0
    return element_count(operation.result.shape) * length_of(program, operation)


def elementary_of(operation: Operation) -> int:
    """Return how many elements of an elementary function one operation computes."""
    return element_count(operation.result.shape) if operation.op in ELEMENTARY else 0


def moved_of(program: Program, operation: Operation) -> int:
    """Return the bytes that one operation reads and writes: of TAKE's and MOVE's data no more than they write."""
    written = bytes_of(operation.result)
    if is_view(operation):
        return 0
    if operation.op is Op.MOVE:
        return written + min(written, bytes_of(program.type_of(operation.operands[0])))
    if operation.op is Op.TAKE:
        data, indices = (bytes_of(program.type_of(operand)) for operand in operation.operands)
        return written + min(written, data) + indices
    return written + sum(bytes_of(program.type_of(operand)) for operand in operation.operands)


class Work(NamedTuple):
    """What an engine has to do; each number has its price."""

    macs: int
    elementary: int
    moved: int
    starts: int

    def picoseconds(self, prices: Prices) -> int:
        """Return what it takes."""
        return (
            prices.mac * self.macs
            + prices.elementary * self.elementary
            + prices.byte * self.moved
            + prices.start * self.starts
            + (prices.run if self.starts else 0)
        )


class Works(NamedTuple):
    """The work of a program: all of it canonically; or the head natively and the tail canonically."""

    whole: Work
    head: Work
    tail: Work


def works(program: Program) -> Works:
    """Return the work of a run in either class."""
    tail = frozenset(program.tail)
    passed = _native_bytes(program)
    nodes = {each.origin for number, each in enumerate(program.operations) if number not in tail}
    whole, last, head = [0, 0, 0, len(program.operations)], [0, 0, 0, len(tail)], [0, 0, 0, len(nodes)]
    for number, operation in enumerate(program.operations):
        counts = [macs_of(program, operation), elementary_of(operation), moved_of(program, operation)]
        for at, count in enumerate(counts):
            whole[at] += count
            if number in tail:
                last[at] += count
            else:
                head[at] += passed[number] if at == len(counts) - 1 else count
    return Works(Work(*whole), Work(*head), Work(*last))


def cost(program: Program) -> Cost:
    """Return what a run of the program costs (V80)."""
    whole, head, tail = works(program)
    depth = [0] * program.first_result
    for operation in program.operations:
        depth.append(1 + max(depth[operand] for operand in operation.operands))
    return Cost(
        macs=whole.macs,
        elementary=whole.elementary,
        moved_bytes=whole.moved,
        operations=whole.starts,
        steps=max(depth, default=0),
        peak_bytes=_peak_bytes(program),
        trace_bytes=sum(bytes_of(operation.result) for operation in program.operations),
        nodes=len({operation.origin for operation in program.operations}),
        gas=-(-whole.picoseconds(CANONICAL) // GAS),
        native_gas=-(-(head.picoseconds(NATIVE) + tail.picoseconds(CANONICAL)) // GAS),
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
