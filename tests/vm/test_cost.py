"""V80, V81: the cost of a program, counted by hand and against a run."""

import pytest

from tests.vm.referee.random_operations import made
from vm.cost import Cost, cost
from vm.prices import BYTE, MAC, RUN, START, is_view, picoseconds
from vm.program import Op, Operation, Program
from vm.tensor import DType, TensorType

FLOAT = DType.FLOAT32


def floats(*shape: int) -> TensorType:
    return TensorType(dtype=FLOAT, shape=list(shape))


def operation(op: Op, operands: list[int], result: TensorType, origin: int, ints: list[int] | None = None) -> Operation:
    fill = bytes(4) if op is Op.MOVE else b""
    return Operation(op=op, operands=operands, result=result, ints=ints or [], fill=fill, origin=origin)


# 0: input [2, 3]; 1: weights [4, 3]; 2: matmul [2, 4]; 3: tanh; 4: seen as [8]; 5: reversed
PROGRAM = Program(
    inputs=[floats(2, 3)],
    constants=[floats(4, 3)],
    operations=[
        operation(Op.MATMUL, [0, 1], floats(2, 4), 0),
        operation(Op.TANH, [2], floats(2, 4), 1),
        operation(Op.MOVE, [3], floats(8), 2, [1, 8, 0, 1]),
        operation(Op.MOVE, [4], floats(8), 3, [1, 8, 7, -1]),
    ],
    outputs=[5],
    cut=[2],
    tail=[1, 2, 3],
)


def test_the_cost_of_a_program_is_counted_from_its_types() -> None:
    found = cost(PROGRAM)
    matmul = START + BYTE * 104 + 500_000 + 24 * MAC[FLOAT]
    tail = (START + BYTE * 64 + 8 * 50_000) + START + (START + BYTE * 64 + 8 * 1_000) + RUN
    native = 20 * 24 + 20 * (24 + 48 + 32) + 400_000 + 10_000_000
    assert found == Cost(
        macs=24,
        elementary=8,
        moved_bytes=104 + 64 + 64,
        operations=4,
        steps=4,
        peak_bytes=24 + 48 + 32 + 32,
        trace_bytes=4 * 32,
        nodes=4,
        gas=-(-(matmul + tail) // 10**6),
        native_gas=-(-(tail + native) // 10**6),
    )


@pytest.mark.parametrize(
    ("ints", "shape", "view"),
    [
        ([2, 2, 4, 0, 0, 1, 0, 0, 1], [2, 4], True),
        ([2, 4, 2, 0, 0, 0, 1, 1, 0], [2, 4], False),
        ([1, 8, 1, 1], [8], False),
        ([0], [], True),
    ],
)
def test_a_move_that_changes_the_shape_alone_moves_nothing(ints: list[int], shape: list[int], *, view: bool) -> None:
    assert is_view(made(Op.MOVE, [], FLOAT, shape, ints, bytes(4))) is view


def test_the_products_of_a_convolution_are_taps_times_channels() -> None:
    types = [floats(1, 5, 5, 4), floats(6, 3, 3, 2)]
    ints = [2, 1, 1, 1, 1, 1, 1, 2]
    program = Program(
        inputs=types[:1],
        constants=types[1:],
        operations=[operation(Op.CONV, [0, 1], floats(1, 5, 5, 6), 0, ints)],
        outputs=[2],
        cut=[2],
        tail=[],
    )
    assert cost(program).macs == 5 * 5 * 6 * 3 * 3 * 2


def test_a_gather_from_a_large_table_moves_no_more_than_it_takes() -> None:
    indices = TensorType(dtype=DType.INT64, shape=[2])
    program = Program(
        inputs=[indices],
        constants=[floats(1000, 4)],
        operations=[operation(Op.TAKE, [1, 0], floats(2, 4), 0, [0])],
        outputs=[2],
        cut=[],
        tail=[0],
    )
    assert cost(program).moved_bytes == 32 + 32 + 16


def alone(op: Op, shapes: list[list[int]], result: list[int], ints: list[int], dtype: DType = FLOAT) -> int:
    """Return the gas of one operation on operands of one type."""
    types = [TensorType(dtype=dtype, shape=shape) for shape in shapes]
    return picoseconds(made(op, [], dtype, result, ints), types) // 10**6


def test_what_has_no_compiled_kernel_costs_more() -> None:
    """V81."""
    many = [1000, 100]
    added = alone(Op.ADD, [many, many], many, [])
    for slower in (
        alone(Op.ADD, [many, many], many, [], DType.FLOAT16),
        alone(Op.MOD, [many, many], many, [1]),
        alone(Op.DIV, [many, many], many, [], DType.INT64),
        alone(Op.CUMULATE, [many], many, [0, 0]),
        alone(Op.TAN, [many], many, []),
    ):
        assert slower > 10 * added
    assert alone(Op.SORT, [many], many, [0]) > 50 * added
    updates = TensorType(dtype=DType.INT64, shape=[4096])
    scattered = picoseconds(made(Op.SCATTER, [], FLOAT, [9, 1], [1]), [floats(9, 1), updates, floats(4096, 1)])
    assert scattered > 4096 * 10**7
    assert alone(Op.MATMUL, [[9, 99], [9, 99]], [9, 9], [], DType.INT64) > 2 * alone(
        Op.MATMUL, [[9, 99], [9, 99]], [9, 9], []
    )
