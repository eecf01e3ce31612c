"""What an operation takes canonically, in picoseconds, told from types alone: the ground of gas (V81).

Fitted to compiled kernels on one core, and where there are none to numpy; rounded up, for what costs less than it takes
is what a hostile model is made of.
"""

from vm.program import ELEMENTARY, Op, Operation, movement
from vm.tensor import FLOATS, DType, TensorType, bytes_of, element_count

RUN = 10_000_000
"""A run, whatever is in it."""
START = 200_000
"""An operation."""
BYTE = 20
"""Read or written."""
MAC = {DType.FLOAT32: 30, DType.INT32: 30, DType.FLOAT64: 80}
MAC_OTHER = 2_000
"""Without a kernel."""
TAP = 100
"""A tap of a convolution at one element of the result, whatever its channels."""
PRODUCT = 500_000
"""One matrix product of a batch."""
OTHER_TYPE = 5_000
"""An element of a type that has no kernels."""
STEP = {Op.CUMULATE: 1_000_000, Op.SCATTER: 12_000_000}
"""One step after the other, of as many as the axis is long, or updates to one row may be."""

_COMPILED = frozenset({DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64, DType.UINT8, DType.INT8, DType.BOOL})
_QUICK = frozenset({Op.EXP, Op.LOG, Op.SIGMOID, Op.ERF})
_ANGLES = frozenset({Op.SIN, Op.COS, Op.TAN})
_FOLDED = {Op.ARG_MAX: 5_000, Op.ARG_MIN: 5_000, Op.CUMULATE: 50_000, Op.SORT: 15_000}
_MOVED = {Op.MOVE: 1_000, Op.TAKE: 3_000, Op.SCATTER: 5_000}
_FOLD = 1_500
_QUICK_FUNCTION, _FUNCTION, _ANGLE, _WIDE_ANGLE = 10_000, 50_000, 100_000, 250_000
_DIVISION = 50_000
"""Of integers, and every remainder."""
_INTEGER_POWER = 200_000


def is_view(operation: Operation) -> bool:
    """Tell whether a MOVE only gives its operand another shape, so that nothing is copied."""
    if operation.op is not Op.MOVE:
        return False
    moved, rank = movement(operation), len(operation.result.shape)
    identity = [[int(row == column) for column in range(rank)] for row in range(rank)]
    return moved.shape == operation.result.shape and not any(moved.base) and moved.matrix == identity


def length_of(operation: Operation, types: list[TensorType]) -> int:
    """Return from how many products an element of a contraction is folded."""
    return types[0].shape[-1] if operation.op is Op.MATMUL else element_count(types[1].shape[1:])


def moved_of(operation: Operation, types: list[TensorType]) -> int:
    """Return the bytes that an operation reads and writes: of TAKE's and MOVE's data no more than they write."""
    written, read = bytes_of(operation.result), [bytes_of(type_) for type_ in types]
    if is_view(operation):
        return 0
    if operation.op in (Op.MOVE, Op.TAKE):
        read[0] = min(read[0], written)
    return written + sum(read)


def picoseconds(operation: Operation, types: list[TensorType]) -> int:
    """Return what an operation on operands of these types takes (V81)."""
    moved = moved_of(operation, types)
    if not moved:
        return START
    fixed, elements = START + BYTE * moved, element_count(operation.result.shape)
    match operation.op:
        case Op.MATMUL:
            products = element_count(operation.result.shape[:-2]) * PRODUCT
            return fixed + products + elements * length_of(operation, types) * MAC.get(types[0].dtype, MAC_OTHER)
        case Op.CONV:
            taps = element_count(types[1].shape[1:-1]) * TAP
            return fixed + elements * (taps + length_of(operation, types) * MAC.get(types[0].dtype, MAC_OTHER))
        case Op.SCATTER:
            return fixed + element_count(types[2].shape) * _MOVED[Op.SCATTER] + types[1].shape[0] * STEP[Op.SCATTER]
        case _ if Op.REDUCE_SUM <= operation.op <= Op.SORT:
            return fixed + _fold(operation.op, types[0])
        case _:
            return fixed + elements * _element(operation.op, types[-1].dtype)


def _fold(op: Op, x: TensorType) -> int:
    length = x.shape[-1]
    each = _FOLDED.get(op, _FOLD) * (length.bit_length() if op is Op.SORT else 1)
    other = 0 if x.dtype in _COMPILED else OTHER_TYPE
    return element_count(x.shape) * (each + other) + STEP.get(op, 0) * length


def _element(op: Op, dtype: DType) -> int:
    """Return what an element of an operator without steps takes, beside its bytes."""
    other = 0 if dtype in _COMPILED or op in _MOVED else OTHER_TYPE
    if op is Op.POW and dtype not in FLOATS:
        return _INTEGER_POWER
    if op in ELEMENTARY:
        wide = _WIDE_ANGLE if dtype is DType.FLOAT64 else _ANGLE
        return other + (_QUICK_FUNCTION if op in _QUICK else wide if op in _ANGLES else _FUNCTION)
    if op is Op.MOD or (op is Op.DIV and dtype not in FLOATS):
        return _DIVISION
    return other + _MOVED.get(op, 0)
