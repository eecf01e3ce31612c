"""Whether an operation fits what it reads, and a program its operations: what every run takes for granted (G5).

Programs come from the lowering, which is deterministic, but also from strangers, in a dispute.
"""

from collections.abc import Callable

from primitives.reasons import Reason, Refused
from vm.program import (
    CONTRACTIONS,
    ELEMENTARY,
    STEPS_MAX,
    TENSOR_BYTES_MAX,
    Op,
    Operation,
    Program,
    convolution,
    movement,
)
from vm.tensor import FLOATS, ITEM_BYTES, RANK_MAX, DType, Tensor, TensorType, check_tensor, element_count, normalised

_UNSIGNED = (DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)
_CONTRACTED = tuple(dtype for dtype in DType if dtype not in (DType.BOOL, DType.FLOAT16))
_NUMBERS = tuple(dtype for dtype in DType if dtype is not DType.BOOL)
_WHOLE = tuple(dtype for dtype in DType if dtype not in FLOATS)

_MATRIX = 2
"""Dimensions of a matrix."""
SCATTER_MODES = 5
"""Replace, add, multiply, larger, smaller."""

_TERNARY = frozenset({Op.SELECT, Op.SCATTER})
_PAIRS = frozenset({Op.TAKE, *CONTRACTIONS}) | {op for op in Op if Op.ADD <= op <= Op.SHIFT_RIGHT}
_INTS = {
    Op.CONCAT: 1, Op.TAKE: 1, Op.SCATTER: 1, Op.MOD: 1, Op.IS_INFINITE: 2, Op.ARG_MAX: 1, Op.ARG_MIN: 1,
    Op.CUMULATE: 2, Op.SORT: 1,
}  # fmt: skip
"""How many ints an operator has that tells neither movement nor convolution; else none."""


def _must(holds: object, what: str) -> None:
    if not holds:
        raise Refused(Reason.PROGRAM_INVALID, what=what)


def broadcast_shape(shapes: list[list[int]]) -> list[int]:
    """Return the shape to which these are broadcast, as in numpy. Raises Refused PROGRAM_INVALID."""
    rank = max(len(shape) for shape in shapes)
    wide = [[1] * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*wide, strict=True):
        others = [size for size in sizes if size != 1]
        _must(all(size == others[0] for size in others), "shapes that don't broadcast")
        result.append(others[0] if others else 1)
    return result


def check_operation(operation: Operation, types: list[TensorType]) -> None:
    """Raise Refused PROGRAM_INVALID unless the operation fits operands of these types (docs/spec/program.md).

    It costs no more than the lengths of its lists, whatever they say.
    """
    op, result = operation.op, operation.result
    for type_ in (result, *types):
        _must(element_count(type_.shape) * ITEM_BYTES[type_.dtype] <= TENSOR_BYTES_MAX, "size of a value")
    if op is not Op.CONCAT:
        _must(len(types) == (3 if op in _TERNARY else 2 if op in _PAIRS else 1), "number of operands")
    if op not in (Op.MOVE, Op.CONV):
        _must(len(operation.ints) == _INTS.get(op, 0), "number of ints")
    _must(op is Op.MOVE or not operation.fill, "fill")
    check = _CHECKS.get(op, _check_elementwise)
    check(operation, types)


def _check_move(operation: Operation, types: list[TensorType]) -> None:
    ints, result = operation.ints, operation.result
    rank = ints[0] if ints else 0
    _must(bool(ints) and 0 <= rank <= RANK_MAX, "rank of a MOVE")
    _must(len(ints) == 1 + 2 * rank + rank * len(result.shape), "number of ints")
    told = movement(operation)
    _must(all(size >= 0 for size in told.shape), "shape of a MOVE")
    _must(element_count(told.shape) == element_count(types[0].shape), "shape of a MOVE")
    _must(all(abs(each) < 2**32 for each in ints[1:]), "coefficients of a MOVE")
    _must(types[0].dtype is result.dtype, "type of a MOVE")
    _must(len(operation.fill) == ITEM_BYTES[result.dtype], "fill")
    fill = Tensor(dtype=result.dtype, shape=[], data=operation.fill)
    check_tensor(fill)
    _must(normalised(fill) == fill, "fill")


def _check_concat(operation: Operation, types: list[TensorType]) -> None:
    axis, shape = operation.ints[0], operation.result.shape
    _must(0 <= axis < len(shape), "axis")
    for type_ in types:
        _must(type_.dtype is operation.result.dtype and len(type_.shape) == len(shape), "type of what is joined")
        rest = [*type_.shape[:axis], shape[axis], *type_.shape[axis + 1 :]]
        _must(rest == shape, "shape of what is joined")
    _must(sum(type_.shape[axis] for type_ in types) == shape[axis], "shape of what is joined")


def _check_take(operation: Operation, types: list[TensorType]) -> None:
    data, indices = types
    axis = operation.ints[0]
    _must(0 <= axis < len(data.shape), "axis")
    _must(indices.dtype is DType.INT64 and data.dtype is operation.result.dtype, "types of TAKE")
    _must(operation.result.shape == [*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]], "shape of TAKE")


def _check_scatter(operation: Operation, types: list[TensorType]) -> None:
    data, indices, updates = types
    _must(operation.ints[0] in range(SCATTER_MODES), "mode of SCATTER")
    _must(data == operation.result and bool(data.shape), "types of SCATTER")
    _must(indices.dtype is DType.INT64 and len(indices.shape) == 1, "indices of SCATTER")
    _must(indices.shape[0] <= STEPS_MAX, "indices of SCATTER")
    _must(updates == TensorType(dtype=data.dtype, shape=[*indices.shape, *data.shape[1:]]), "updates of SCATTER")


def _check_fold(operation: Operation, types: list[TensorType]) -> None:
    op, x, result = operation.op, types[0], operation.result
    _must(bool(x.shape) and x.shape[-1] <= STEPS_MAX, "length of a fold")
    shape, dtype = x.shape[:-1], x.dtype
    if op in (Op.CUMULATE, Op.SORT):
        shape = x.shape
    if op in (Op.ARG_MAX, Op.ARG_MIN, Op.SORT):
        dtype = DType.INT64
    if op in (Op.REDUCE_SUM, Op.REDUCE_PRODUCT, Op.CUMULATE):
        _must(x.dtype is not DType.BOOL, "type of a fold")
    if op in (Op.REDUCE_SUM, Op.REDUCE_PRODUCT) and x.dtype in FLOATS:
        dtype = DType.FLOAT64
    if op in (Op.REDUCE_MAX, Op.REDUCE_MIN, Op.ARG_MAX, Op.ARG_MIN):
        _must(x.shape[-1] > 0, "length of a fold")
    _must(result == TensorType(dtype=dtype, shape=shape), "type of a fold")
    _must(all(each in (0, 1) for each in operation.ints), "ints of a fold")


def _check_matmul(operation: Operation, types: list[TensorType]) -> None:
    a, b = types
    _must(min(len(a.shape), len(b.shape)) >= _MATRIX and a.shape[-1] == b.shape[-1] <= STEPS_MAX, "shapes of MATMUL")
    _must(a.dtype is b.dtype is operation.result.dtype and a.dtype in _CONTRACTED, "types of MATMUL")
    wanted = [*broadcast_shape([a.shape[:-2], b.shape[:-2]]), a.shape[-2], b.shape[-2]]
    _must(operation.result.shape == wanted, "shapes of MATMUL")


def _check_conv(operation: Operation, types: list[TensorType]) -> None:
    x, w = types
    rank = len(x.shape) - 2
    _must(rank >= 1 and operation.ints[:1] == [rank] and len(operation.ints) == 2 + 3 * rank, "ints of CONV")
    _must(len(w.shape) == rank + 2 == len(operation.result.shape), "shapes of CONV")
    told = convolution(operation)
    _must(all(0 < each < 2**32 for each in [*told.strides, *told.dilations, told.groups]), "ints of CONV")
    _must(all(abs(each) < 2**32 for each in told.pads), "ints of CONV")
    _must(x.dtype is w.dtype is operation.result.dtype and x.dtype in _CONTRACTED, "types of CONV")
    _must(x.shape[-1] == told.groups * w.shape[-1] and w.shape[0] % told.groups == 0, "channels of CONV")
    _must(operation.result.shape[0] == x.shape[0] and operation.result.shape[-1] == w.shape[0], "shapes of CONV")
    _must(0 < element_count(w.shape[1:]) <= STEPS_MAX and w.shape[0], "length of a contraction")


def _check_elementwise(operation: Operation, types: list[TensorType]) -> None:
    op, result = operation.op, operation.result
    values = types[1:] if op is Op.SELECT else types
    dtype = values[0].dtype
    _must(all(each.dtype is dtype for each in values), "types of operands")
    _must(op is not Op.SELECT or types[0].dtype is DType.BOOL, "type of a condition")
    _must(dtype in _taken(op), "type of an operand")
    _must(broadcast_shape([each.shape for each in types]) == result.shape, "shape of a result")
    if op in (Op.EQUAL, Op.LESS, Op.LESS_EQUAL, Op.IS_NAN, Op.IS_INFINITE):
        dtype = DType.BOOL
    _must(op is Op.CAST or result.dtype is dtype, "type of a result")
    _must(all(each in (0, 1) for each in operation.ints), "ints")
    _must(op is not Op.MOD or dtype not in FLOATS or operation.ints[0] == 1, "ints of MOD")


def _taken(op: Op) -> tuple[DType, ...]:
    """Return the types that an elementwise operator takes."""
    match op:
        case Op.MIN | Op.MAX | Op.EQUAL | Op.LESS | Op.LESS_EQUAL | Op.SELECT | Op.CAST:
            return tuple(DType)
        case Op.AND | Op.OR | Op.XOR | Op.NOT:
            return _WHOLE
        case Op.SHIFT_LEFT | Op.SHIFT_RIGHT:
            return _UNSIGNED
        case Op.FLOOR | Op.CEIL | Op.ROUND | Op.SQRT | Op.IS_NAN | Op.IS_INFINITE:
            return FLOATS
        case _ if op in ELEMENTARY - {Op.POW}:
            return FLOATS
        case _:
            return _NUMBERS


_CHECKS: dict[Op, Callable[[Operation, list[TensorType]], None]] = {
    Op.MOVE: _check_move,
    Op.CONCAT: _check_concat,
    Op.TAKE: _check_take,
    Op.SCATTER: _check_scatter,
    Op.MATMUL: _check_matmul,
    Op.CONV: _check_conv,
    **{op: _check_fold for op in Op if Op.REDUCE_SUM <= op <= Op.SORT},
}


def check_program(program: Program) -> None:
    """Raise Refused PROGRAM_INVALID unless every operation is well-formed and reads what stands before it (G5)."""
    first = program.first_result
    for number, operation in enumerate(program.operations):
        _must(all(operand < first + number for operand in operation.operands), "order of operations")
        check_operation(operation, [program.type_of(operand) for operand in operation.operands])
    values = first + len(program.operations)
    _must(all(value < values for value in [*program.outputs, *program.cut]), "number of a value")
    _must(all(number < len(program.operations) for number in program.tail), "number of an operation")
