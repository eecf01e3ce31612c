"""V90: what the worst element of an operation takes, and that no more is admitted."""

import msgspec
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.referee.random_operations import made
from vm.program import STEPS_MAX, Op, Operation, Program
from vm.tensor import DType, TensorType
from vm.tiles import (
    FLOPS_MAX,
    PROOF_BYTES_MAX,
    SEQUENTIAL_STEPS_MAX,
    Sizes,
    Spread,
    check_tile,
    check_tiles,
    opened_bytes,
    spreads,
    tile,
    tile_of,
    worst_tile,
)

FLOAT = DType.FLOAT32


def floats(*shape: int) -> TensorType:
    return TensorType(dtype=FLOAT, shape=list(shape))


def alone(op: Op, types: list[TensorType], result: list[int], ints: list[int], number: int = 0) -> Program:
    operation = Operation(
        op=op,
        operands=list(range(len(types))),
        result=TensorType(dtype=FLOAT, shape=result),
        ints=ints,
        fill=b"",
        origin=0,
    )
    return Program(inputs=types, constants=[], operations=[operation] * (number + 1), outputs=[], cut=[], tail=[])


def test_the_longest_contraction_can_be_judged() -> None:
    found = worst_tile(alone(Op.MATMUL, [floats(999, STEPS_MAX), floats(9999, STEPS_MAX)], [999, 9999], []))
    assert found.steps == STEPS_MAX <= SEQUENTIAL_STEPS_MAX
    assert found.flops == 2 * STEPS_MAX <= FLOPS_MAX
    assert 2 * 4 * STEPS_MAX < found.proof_bytes < PROOF_BYTES_MAX


def test_taps_of_a_row_lie_side_by_side_unless_dilated_or_grouped() -> None:
    x, w = floats(1, 64, 64, 8), floats(4, 3, 5, 8)
    ints = [2, 1, 1, 1, 1, 0, 0, 1]
    dense = made(Op.CONV, [], FLOAT, [1, 60, 60, 4], ints)
    assert spreads(dense, [x, w]) == [Spread(0, 3, 40), Spread(1, 1, 120)]
    dilated = made(Op.CONV, [], FLOAT, [1, 60, 60, 4], [2, 1, 1, 1, 2, 0, 0, 1])
    assert spreads(dilated, [x, w])[0] == Spread(0, 15, 8)
    grouped = made(Op.CONV, [], FLOAT, [1, 60, 60, 4], [2, 1, 1, 1, 1, 0, 0, 2])
    assert spreads(grouped, [floats(1, 64, 64, 16), w])[0] == Spread(0, 15, 8)


@pytest.mark.parametrize(
    ("type_", "spread", "leaves"),
    [
        (floats(1000), Spread(0, 1, 1), 1),
        (floats(1000), Spread(0, 1, 2), 2),
        (floats(1000), Spread(0, 1, 32), 2),
        (floats(1000), Spread(0, 1, 33), 2),
        (floats(1000), Spread(0, 1, 34), 3),
        (floats(33), Spread(0, 1, 33), 2),
    ],
)
def test_a_run_of_elements_may_begin_anywhere_in_a_leaf(type_: TensorType, spread: Spread, leaves: int) -> None:
    assert 130 * leaves <= opened_bytes(type_, spread) <= 130 * leaves + 34 * 2 * 5


def test_updates_that_are_far_apart_make_a_scatter_too_large_to_judge() -> None:
    data, indices, updates = floats(9, 500), TensorType(dtype=DType.INT64, shape=[1500]), floats(1500, 500)
    program = alone(Op.SCATTER, [data, indices, updates], [9, 500], [1], number=1)
    with pytest.raises(Refused) as refused:
        check_tiles(program, ["3 ScatterND /head", "4"])
    assert refused.value.reason is Reason.TILE_TOO_LARGE
    assert refused.value.facts["node"] == "3 ScatterND /head"
    check_tile(
        tile(alone(Op.SCATTER, [data, indices, updates], [9, 500], [0]), 0)
    )  # the last that replaces counts alone


def test_the_worst_of_a_program_is_the_largest_of_each_measure() -> None:
    types = [floats(8, 100), floats(8, 100)]
    program = alone(Op.MATMUL, types, [8, 8], [])
    both = Program(
        inputs=types,
        constants=[],
        operations=[*program.operations, *alone(Op.ADD, types, [8, 100], []).operations],
        outputs=[],
        cut=[],
        tail=[],
    )
    found = worst_tile(both)
    assert found == tile(both, 0)
    assert tile(both, 1).proof_bytes < found.proof_bytes


def test_many_constants_and_operations_make_proofs_longer() -> None:
    operation = msgspec.structs.replace(made(Op.CONCAT, [], FLOAT, [200, 1], [0]), operands=list(range(200)))
    types = [floats(1, 1)] * 200
    inputs = tile_of(operation, 0, types, Sizes(200, 0, 1))
    constants = tile_of(operation, 0, types, Sizes(0, 40_000, 1))
    results = tile_of(operation, 0, types, Sizes(0, 0, 100_000))
    assert inputs.proof_bytes < constants.proof_bytes < results.proof_bytes < PROOF_BYTES_MAX
