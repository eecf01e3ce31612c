import msgspec
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.referee.random_operations import drawn, made
from vm.program import STEPS_MAX, Op, Operation, Program
from vm.tensor import DType, TensorType
from vm.wellformed import broadcast_shape, check_operation, check_program

TRIES = 10
LONG = STEPS_MAX + 1


def reason_of(operation: Operation, types: list[TensorType]) -> Reason | None:
    try:
        check_operation(operation, types)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_operations_that_fit_are_well_formed_and_others_are_not(op: Op) -> None:
    for seed in range(TRIES):
        case = drawn(op, seed)
        operation, types = case.operation, case.types
        assert reason_of(operation, types) is None
        result = operation.result
        wrong = [
            (operation, [*types, *types]) if op is not Op.CONCAT else (operation, [*types, result, result]),
            (msgspec.structs.replace(operation, ints=[*operation.ints, 1]), types),
            (msgspec.structs.replace(operation, fill=bytes(9)), types),
            (
                msgspec.structs.replace(operation, result=TensorType(dtype=result.dtype, shape=[*result.shape, 7])),
                types,
            ),
        ]
        if op is not Op.CAST:
            other = DType.BOOL if result.dtype is not DType.BOOL else DType.INT8
            told = TensorType(dtype=other, shape=result.shape)
            wrong.append((msgspec.structs.replace(operation, result=told), types))
        for changed, read in wrong:
            assert reason_of(changed, read) is Reason.PROGRAM_INVALID


FLOAT = DType.FLOAT32


@pytest.mark.parametrize(
    ("op", "shapes", "result", "ints"),
    [
        (Op.MATMUL, [[2, LONG], [3, LONG]], [2, 3], []),
        (Op.CONV, [[1, 9, LONG], [1, 1, LONG]], [1, 9, 1], [1, 1, 1, 0, 1]),
        (Op.CUMULATE, [[2, LONG]], [2, LONG], [0, 0]),
        (Op.REDUCE_MAX, [[2, LONG]], [2], []),
        (Op.REDUCE_MAX, [[2, 0]], [2], []),
        (Op.MOVE, [[4]], [4], [1, 5, 0, 1]),
        (Op.MOVE, [[4]], [4], [-1]),
        (Op.MOVE, [[4]], [4], [1, 4, 0, 2**32]),
        (Op.CONCAT, [[2], [2]], [4], [1]),
        (Op.ADD, [[2], [3]], [3], []),
        (Op.ADD, [[2**14], [2**15, 1]], [2**15, 2**14], []),
        (Op.MOD, [[2], [2]], [2], [0]),
    ],
)
def test_what_nobody_could_run_or_judge_is_refused(
    op: Op, shapes: list[list[int]], result: list[int], ints: list[int]
) -> None:
    operation = made(op, [], FLOAT, result, ints, bytes(4) if op is Op.MOVE else b"")
    assert reason_of(operation, [TensorType(dtype=FLOAT, shape=shape) for shape in shapes]) is Reason.PROGRAM_INVALID


def test_shapes_are_broadcast_as_in_numpy() -> None:
    assert broadcast_shape([[2, 1, 3], [5, 1], []]) == [2, 5, 3]
    assert broadcast_shape([[0], [1]]) == [0]
    with pytest.raises(Refused):
        broadcast_shape([[0], [2]])


def a_program(operands: list[int], outputs: list[int]) -> Program:
    type_ = TensorType(dtype=FLOAT, shape=[2])
    operation = Operation(op=Op.NEG, operands=operands, result=type_, ints=[], fill=b"", origin=0)
    return Program(inputs=[type_], constants=[], operations=[operation], outputs=outputs, cut=[], tail=[])


def test_a_program_reads_what_stands_before() -> None:
    check_program(a_program([0], [1]))
    for wrong in (a_program([1], [1]), a_program([0], [2])):
        with pytest.raises(Refused):
            check_program(wrong)
