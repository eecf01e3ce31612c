"""What judging the worst element of a program takes, told before any run, and its limits (V90).

A referee recomputes one element of one result from opened leaves of the operands. Its work is bounded by the operation
alone, whatever the values are: an operation beyond a limit is not admitted.
"""

from collections.abc import Iterator
from typing import NamedTuple

from primitives import codec
from primitives.hashing import HASH_BYTES
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32, U64
from vm.program import ELEMENTARY, Op, Operation, Program, convolution
from vm.tensor import (
    BUNDLE_TENSORS_MAX,
    CUT_VALUES_BYTES_MAX,
    ITEM_BYTES,
    RANK_MAX,
    ROOT_LEAF_BYTES,
    TensorType,
    bytes_of,
    element_count,
)

PROOF_BYTES_MAX = 256 * 1024
"""What a block can carry of one dispute (DESIGN 7)."""
SEQUENTIAL_STEPS_MAX = 8192
"""Of Python, about 10 ms (DESIGN 7)."""
FLOPS_MAX = 10**6
"""Of one element (DESIGN 7)."""
HASH_ENCODED_BYTES = HASH_BYTES + 2
"""With MessagePack's header."""
LEAF_ENCODED_BYTES = ROOT_LEAF_BYTES + 2
OPENED_BYTES = 96
"""What a value has beside leaves and hashes: its type, which has at most 8 dimensions, lengths, or its tree's root."""
OUTLINE_BYTES_MAX = 3 * 1024
"""An outline with 32 inputs of rank 8, 32 outputs and 32 values of the cut, and the rest of an accusation: that an
operation is in the tail, too."""
NOISE_PROOF_BYTES_MAX = (
    OUTLINE_BYTES_MAX + 2 * (CUT_VALUES_BYTES_MAX // ROOT_LEAF_BYTES + 1) * LEAF_ENCODED_BYTES + 4096
)
"""The longest accusation of a row of noise: a value at the cut in both runs, whole; its record, and three proofs."""
FUNCTION_STEPS = 64
"""Operations of the longest elementary function, about."""

assert OUTLINE_BYTES_MAX > BUNDLE_TENSORS_MAX * (5 * RANK_MAX + 4 + 5 + 5) + 1024
assert NOISE_PROOF_BYTES_MAX <= PROOF_BYTES_MAX, "no value at the cut may be admitted whose noise can't be judged"


class Tile(Record):
    """What recomputing an element takes at most."""

    proof_bytes: U64
    """The whole accusation, encoded."""
    steps: U32
    """Sequential ones."""
    flops: U64
    operation: U32
    """The operation whose element it is."""


class Spread(NamedTuple):
    """What one element may read of one operand: so many runs of consecutive elements."""

    operand: int
    """Its place among the operands."""
    runs: int
    elements: int


def _conv_spreads(operation: Operation, x: TensorType, w: TensorType) -> list[Spread]:
    taps, channels = w.shape[1:-1], w.shape[-1]
    if channels == x.shape[-1] and convolution(operation).dilations[-1] == 1:  # taps of a row lie side by side
        runs, elements = element_count(taps[:-1]), taps[-1] * channels
    else:
        runs, elements = element_count(taps), channels
    return [Spread(0, runs, elements), Spread(1, 1, element_count(taps) * channels)]


def spreads(operation: Operation, types: list[TensorType]) -> list[Spread]:
    """Return what the worst element of an operation reads."""
    match operation.op:
        case Op.CONCAT:
            worst = max(range(len(types)), key=lambda at: bytes_of(types[at]))
            return [Spread(worst, 1, 1)]
        case Op.SCATTER:
            many = types[1].shape[0]
            updates = Spread(2, 1, 1) if operation.ints[0] == 0 else Spread(2, many, 1)
            return [Spread(1, 1, many), Spread(0, 1, 1), updates]
        case Op.MATMUL:
            return [Spread(slot, 1, types[0].shape[-1]) for slot in (0, 1)]
        case Op.CONV:
            return _conv_spreads(operation, types[0], types[1])
        case _ if Op.REDUCE_SUM <= operation.op <= Op.SORT:
            return [Spread(0, 1, types[0].shape[-1])]
        case _:  # MOVE, TAKE and everything elementwise
            return [Spread(at, 1, 1) for at in range(len(types))]


def opened_bytes(type_: TensorType, spread: Spread) -> int:
    """Return the most bytes that leaves and hashes of one operand take, encoded."""
    item = ITEM_BYTES[type_.dtype]
    total = -(-bytes_of(type_) // ROOT_LEAF_BYTES)
    # A run may begin anywhere that its elements can.
    per_run = -(-(spread.elements * item + ROOT_LEAF_BYTES - item) // ROOT_LEAF_BYTES)
    leaves = min(total, spread.runs * per_run)
    beside = 1 if per_run == 1 else 2
    return leaves * LEAF_ENCODED_BYTES + _hashes(total, spread.runs, beside) * HASH_ENCODED_BYTES


def _hashes(leaves: int, chosen: int, beside: int) -> int:
    """Return the most hashes that prove a set of runs in a tree, each of which has so many neighbours in a level."""
    found = 0
    while leaves > 1:
        found += min(beside * chosen, leaves)
        leaves = -(-leaves // 2)
    return found


class Sizes(NamedTuple):
    """How many values a program has of each kind."""

    inputs: int
    constants: int
    operations: int


def tile_of(operation: Operation, number: int, types: list[TensorType], sizes: Sizes) -> Tile:
    """Return what judging the worst element of an operation takes, in a program of these sizes."""
    read = spreads(operation, types)
    first = sizes.inputs + sizes.constants
    constants = len({operand for operand in operation.operands if sizes.inputs <= operand < first})
    results = 1 + len({operand for operand in operation.operands if operand >= first})
    hashes = _hashes(sizes.operations, 1, 1)
    hashes += _hashes(sizes.constants, constants, 1) + _hashes(sizes.operations, results, 1)
    size = OUTLINE_BYTES_MAX + len(codec.encode(operation)) + OPENED_BYTES * (1 + len(types))
    size += HASH_ENCODED_BYTES * hashes + opened_bytes(operation.result, Spread(0, 1, 1))
    size += sum(opened_bytes(types[each.operand], each) for each in read)
    steps, flops = _work(operation, max((each.runs * each.elements for each in read), default=1))
    return Tile(proof_bytes=size, steps=steps, flops=flops, operation=number)


def tile(program: Program, number: int) -> Tile:
    """Return what judging the worst element of operation `number` takes."""
    operation = program.operations[number]
    types = [program.type_of(operand) for operand in operation.operands]
    sizes = Sizes(len(program.inputs), len(program.constants), len(program.operations))
    return tile_of(operation, number, types, sizes)


def _work(operation: Operation, elements: int) -> tuple[int, int]:
    """Return sequential steps and arithmetic operations of an element that is folded from so many."""
    match operation.op:
        case Op.MATMUL | Op.CONV:
            return elements, 2 * elements
        case Op.SORT:
            return elements, elements * max(1, elements.bit_length())
        case _ if operation.op in ELEMENTARY:
            return FUNCTION_STEPS, FUNCTION_STEPS
        case _:
            return elements, elements


def tiles(program: Program) -> Iterator[Tile]:
    """Yield the worst element of each operation, in order."""
    return (tile(program, number) for number in range(len(program.operations)))


def worst_tile(program: Program) -> Tile:
    """Return the largest of each measure, and the operation with the largest proof."""
    worst = Tile(proof_bytes=0, steps=0, flops=0, operation=0)
    for each in tiles(program):
        worst = Tile(
            proof_bytes=max(worst.proof_bytes, each.proof_bytes),
            steps=max(worst.steps, each.steps),
            flops=max(worst.flops, each.flops),
            operation=each.operation if each.proof_bytes > worst.proof_bytes else worst.operation,
        )
    return worst


def check_tile(each: Tile, node: str | None = None) -> None:
    """Raise Refused TILE_TOO_LARGE if no referee could judge the worst element (V90)."""
    for what, seen, wanted in (
        ("bytes of proof", each.proof_bytes, PROOF_BYTES_MAX),
        ("sequential steps", each.steps, SEQUENTIAL_STEPS_MAX),
        ("arithmetic operations", each.flops, FLOPS_MAX),
    ):
        if seen > wanted:
            raise Refused(Reason.TILE_TOO_LARGE, node=node, what=what, seen=seen, wanted=f"at most {wanted}")


def check_tiles(program: Program, places: list[str]) -> None:
    """Raise Refused TILE_TOO_LARGE at the first operation that no referee could judge (V90).

    `places` says for people where in the file each operation comes from.
    """
    for each in tiles(program):
        check_tile(each, places[each.operation])
