"""Whole programs on a tape of compiled kernels: the same bits as by the definition in numpy."""

import math
import tracemalloc

import numpy as np
import pytest

from tests.vm.canonical.test_fast import Draw
from tests.vm.models.case import Case
from tests.vm.models.catalogue import small_models
from vm import compiled
from vm.canonical import fast, interpreter
from vm.canonical.arrays import DTYPE_OF, NUMPY_OF, Array, normal
from vm.canonical.fast_library import Library
from vm.canonical.fast_program import Prepared
from vm.canonical.fast_tape import Memory
from vm.canonical.interpreter import Trapped
from vm.program import Op, Operation, Program, TrapCode
from vm.sandbox.lower.lowering import lower
from vm.tensor import DType, TensorType

UNARY = [Op.NEG, Op.ABS, Op.FLOOR, Op.CEIL, Op.ROUND, Op.SQRT, Op.EXP, Op.LOG, Op.TANH, Op.SIGMOID, Op.ERF]
BINARY = [Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX, Op.EQUAL, Op.LESS, Op.LESS_EQUAL]
FLAGS = {Op.EQUAL, Op.LESS, Op.LESS_EQUAL}
FOLDS = [Op.REDUCE_SUM, Op.REDUCE_PRODUCT, Op.REDUCE_MAX, Op.REDUCE_MIN]
FLOATS = [DType.FLOAT32, DType.FLOAT64]


@pytest.fixture(scope="module")
def library() -> Library:
    """Return the kernels of this machine."""
    return compiled.make()


def single(
    op: Op, operands: list[Array], result: DType, shape: list[int], ints: list[int], fill: bytes = b""
) -> Program:
    """Return the program of one operation on inputs."""
    kinds = [TensorType(dtype=DTYPE_OF[each.dtype], shape=list(each.shape)) for each in operands]
    kind = TensorType(dtype=result, shape=shape)
    told = Operation(op=op, operands=[*range(len(operands))], result=kind, ints=ints, fill=fill, origin=0)
    return Program(inputs=kinds, constants=[], operations=[told], outputs=[len(operands)], cut=[], tail=[])


def check(library: Library, program: Program, operands: list[Array]) -> None:
    """Check that a program has the same outputs on the tape."""
    wanted = interpreter.run(program, [], operands)
    prepared = Prepared(library, program, [])
    for _ in range(2):
        seen = prepared.run(operands)
        for number, value in wanted.items():
            assert seen[number].tobytes() == value.tobytes(), (program.operations[0], operands)


def values(draw: Draw, shape: list[int], dtype: DType) -> Array:
    """Return values of a type, odd ones among the floats."""
    kind = NUMPY_OF[dtype]
    if kind.kind == "f":
        return draw.array(shape, kind.str, odd=True)
    if kind.kind == "b":
        return draw.of.random(shape) < 0.5
    return draw.of.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


@pytest.mark.parametrize("op", UNARY)
def test_functions_of_one_operand(library: Library, op: Op) -> None:
    draw = Draw(1)
    for dtype in FLOATS:
        bits = draw.of.integers(0, 2 ** (8 * NUMPY_OF[dtype].itemsize), 4000, dtype=np.uint64)
        with np.errstate(invalid="ignore"):
            anything = normal(bits.astype(f"<u{NUMPY_OF[dtype].itemsize}").view(NUMPY_OF[dtype]))
        for x in (anything, values(draw, [3, 700], dtype)):
            check(library, single(op, [x], dtype, list(x.shape), []), [x])


@pytest.mark.parametrize("op", BINARY)
def test_functions_of_two_operands_with_any_broadcast(library: Library, op: Op) -> None:
    draw = Draw(2)
    for dtype in [*FLOATS, DType.INT32, DType.INT64]:
        if op is Op.DIV and dtype not in FLOATS:
            continue
        for _ in range(12):
            shape = [draw.one([1, 2, 3, 17]) for _ in range(draw.one([0, 1, 2, 4, 6]))]
            sides = [[size if draw.of.random() < 0.7 else 1 for size in shape] for _ in "ab"]
            sides = [side[draw.one([0, 0, len(side) // 2]) :] for side in sides]
            operands = [values(draw, side, dtype) for side in sides]
            result = DType.BOOL if op in FLAGS else dtype
            check(library, single(op, operands, result, list(np.broadcast_shapes(*sides)), []), operands)


def test_choices_and_logic(library: Library) -> None:
    draw = Draw(3)
    for dtype in [*FLOATS, DType.INT64, DType.UINT8]:
        operands = [values(draw, [5, 1, 7], DType.BOOL), values(draw, [3, 7], dtype), values(draw, [5, 3, 1], dtype)]
        check(library, single(Op.SELECT, operands, dtype, [5, 3, 7], []), operands)
    for op in (Op.AND, Op.OR, Op.NOT):
        operands = [values(draw, [40], DType.BOOL) for _ in range(1 if op is Op.NOT else 2)]
        check(library, single(op, operands, DType.BOOL, [40], []), operands)


def test_casts(library: Library) -> None:
    draw = Draw(4)
    edges = [0.5, -0.5, 127.5, 128, -128.9, -129, 255.9, 256, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63), 1e30, np.nan]
    for before in [*FLOATS, DType.INT8, DType.UINT8, DType.INT32, DType.INT64, DType.BOOL]:
        x = values(draw, [400], before)
        if before in FLOATS:
            x = normal(np.concatenate([x, np.array(edges, x.dtype)]))
        for after in [*FLOATS, DType.INT8, DType.UINT8, DType.INT32, DType.INT64]:
            check(library, single(Op.CAST, [x], after, [x.size], []), [x])


@pytest.mark.parametrize("op", FOLDS)
def test_folds_of_any_length(library: Library, op: Op) -> None:
    draw = Draw(5)
    for dtype in [*FLOATS, DType.INT64]:
        for n in [1, 2, 3, 4, 5, 8, 100, 257]:
            x = values(draw, [3, n], dtype)
            wide = DType.FLOAT64 if op in FOLDS[:2] and dtype in FLOATS else dtype
            check(library, single(op, [x], wide, [3], []), [x])


def test_movement_by_any_matrix(library: Library) -> None:
    draw = Draw(6)
    for _ in range(150):
        dtype = draw.one([DType.FLOAT32, DType.INT64, DType.UINT8, DType.FLOAT16])
        shape = [draw.one([1, 2, 3, 8]) for _ in range(draw.one([1, 2, 3]))]
        result = [draw.one([1, 2, 3, 5]) for _ in range(draw.one([1, 2, 3, 4]))]
        matrix = draw.of.integers(-1, 3, (len(shape), len(result))) * (draw.of.random((len(shape), len(result))) < 0.5)
        base = draw.of.integers(-2, 4, len(shape))
        x = values(draw, shape, dtype)
        fill = x.dtype.type(3).tobytes()
        ints = [len(shape), *shape, *base.tolist(), *matrix.reshape(-1).tolist()]
        check(library, single(Op.MOVE, [x], dtype, result, ints, fill), [x])


def test_a_scalar_moves_to_any_shape_and_back(library: Library) -> None:
    one = np.array(2.5, np.float32)
    check(library, single(Op.MOVE, [one], DType.FLOAT32, [1, 1], [0], bytes(4)), [one])
    check(library, single(Op.MOVE, [one], DType.FLOAT32, [2, 3], [1, 1, 0, 0, 0], bytes(4)), [one])
    check(
        library, single(Op.MOVE, [one.reshape(1, 1)], DType.FLOAT32, [], [2, 1, 1, 0, 0], bytes(4)), [one.reshape(1, 1)]
    )


def test_joining_and_taking(library: Library) -> None:
    draw = Draw(7)
    parts = [values(draw, [2, size, 3], DType.FLOAT32) for size in (1, 4, 0, 2)]
    check(library, single(Op.CONCAT, parts, DType.FLOAT32, [2, 7, 3], [1]), parts)
    data, places = values(draw, [2, 5, 3], DType.FLOAT32), np.array([[-5, 4], [0, -1]])
    check(library, single(Op.TAKE, [data, places], DType.FLOAT32, [2, 2, 2, 3], [1]), [data, places])


def test_an_index_outside_traps_with_the_number_of_the_operation(library: Library) -> None:
    data, places = np.zeros([2, 5], np.float32), np.array([0, 5])
    prepared = Prepared(library, single(Op.TAKE, [data, places], DType.FLOAT32, [2, 2], [1]), [])
    with pytest.raises(Trapped) as trapped:
        prepared.run([data, places])
    assert (trapped.value.code, trapped.value.operation) == (TrapCode.INDEX, 0)
    assert prepared.run([data, places - 1])[2].shape == (2, 2)


@pytest.mark.parametrize("case", small_models(), ids=lambda case: case.name)
def test_every_value_of_a_model(library: Library, case: Case) -> None:
    lowered = lower(case.proto, case.shapes)
    program, first = lowered.program, lowered.program.first_result
    every = range(first, first + len(program.operations))
    inputs = [normal(np.asarray(case.feeds[0][name])) for name in case.inputs]
    wanted = interpreter.run(program, lowered.constants, inputs, keep=every)
    for threads in (1, 2):
        kernels = fast.kernels(library, program=program, threads=threads)
        seen = interpreter.run(program, lowered.constants, inputs, keep=every, kernels=kernels)
        differing = [number for number in every if seen[number].tobytes() != wanted[number].tobytes()]
        assert not differing, program.operations[differing[0] - first]
    lean = Prepared(library, program, lowered.constants)
    for _ in range(2):
        seen = lean.run(inputs)
        assert all(seen[number].tobytes() == wanted[number].tobytes() for number in program.outputs)
    tail = Prepared(library, program, lowered.constants, only=program.tail)
    given = {number: wanted[number] for number in tail.sources if number in wanted}
    seen = tail.run(inputs, given)
    assert all(seen[number].tobytes() == wanted[number].tobytes() for number in program.outputs)


@pytest.mark.parametrize("shape", [[1], [1, 1], [3], [2, 3]])
def test_a_number_without_dimensions_is_spread_to_a_shape(library: Library, shape: list[int]) -> None:
    program = single(Op.MOVE, [np.array(1.5, np.float32)], DType.FLOAT32, shape, [0], bytes(4))
    check(library, program, [np.array(1.5, np.float32)])


def test_weights_are_laid_out_once_however_often_they_are_read(library: Library) -> None:
    kind = TensorType(dtype=DType.FLOAT32, shape=[1, 64])
    steps = [
        Operation(op=Op.MATMUL, operands=[at and at + 1, 1], result=kind, ints=[], fill=b"", origin=at)
        for at in range(40)
    ]
    weights = Draw(3).array([64, 64], "<f4", odd=False)
    given = TensorType(dtype=DType.FLOAT32, shape=[64, 64])
    program = Program(inputs=[kind], constants=[given], operations=steps, outputs=[41], cut=[], tail=[])
    tracemalloc.start()
    Prepared(library, program, [weights])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * weights.nbytes


def test_memory_serves_again() -> None:
    memory = Memory()
    places = [memory.take(size) for size in (100, 64, 1000)]
    for place in places[:2]:
        memory.give_back(place)
    assert memory.take(190).offset == 0
    assert memory.size == math.fsum([128, 64, 1024])
