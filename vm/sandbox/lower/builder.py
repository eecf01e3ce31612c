"""What a program is built with: values, operations on them, and constants folded at once."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from primitives.reasons import Reason, Refused
from vm.canonical import interpreter
from vm.canonical.arrays import DTYPE_OF, NUMPY_OF, Array, normal
from vm.manifest import MODEL_BYTES_MAX
from vm.program import CONTRACTIONS, OPERANDS_MAX, OPERATIONS_MAX, STEPS_MAX, TENSOR_BYTES_MAX, Op, Operation
from vm.sandbox.lower import moves
from vm.tensor import DIMENSION_MAX, FLOATS, ITEM_BYTES, RANK_MAX, DType, TensorType, element_count

EMITTED_MAX = OPERATIONS_MAX + OPERATIONS_MAX // 2
"""Operations made, dead ones too, which composition leaves behind: a third in the models we know. Seconds of work."""
COUNTED_MAX = 4_000_000
"""Numbers in a row that a rule may ask for: indices along an axis."""
FOLDED_BYTES_MAX = 1 << 20
"""A result of constants that is larger than this and four times its operands is left to the run: an Expand of one
weight to a gigabyte is an operation, not a gigabyte in the record."""
FOLDED_WORK_MAX = 200_000_000
"""Steps of folding that one lowering may take, beyond which operations on constants stay operations: seconds."""
FOLDED_TOTAL_BYTES_MAX = 1 << 30
"""Bytes of folded constants that one lowering may make: three times the largest model."""

CONSTANTS_BYTES_MAX = FOLDED_TOTAL_BYTES_MAX + MODEL_BYTES_MAX
"""Bytes of different constants: those folded, and the weights of the largest file."""
MOVED_IN_A_STEP = 4
"""Elements: the layers of the largest model are all laid out anew within the limit."""
_MOVEMENT = frozenset({Op.MOVE, Op.CONCAT, Op.TAKE})
ELEMENTWISE = frozenset(op for op in Op if Op.ADD <= op <= Op.ERF)
_CONSTANT = "constant"
JOINED_MAX = OPERANDS_MAX
"""More than these are joined in stages."""


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A value of the program being built. `array` is there if it does not depend on the inputs."""

    number: int
    dtype: DType
    shape: tuple[int, ...]
    array: Array | None = None
    fenced: bool = False
    """What produced it is not looked into: it is to be read as it is."""
    items: tuple["Value", ...] | None = None
    """Of a sequence, which exists in the lowering alone: its tensors. It has no number of its own."""

    @property
    def rank(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Made:
    """One operation by the builder's own numbers, in which inputs, constants and results follow as they come."""

    op: Op
    operands: tuple[int, ...]
    dtype: DType
    shape: tuple[int, ...]
    ints: tuple[int, ...]
    fill: bytes
    origin: int
    place: str
    node: onnx.NodeProto


class Builder:
    """Collects a program. `origin`, `place` and `node` say what is being lowered."""

    def __init__(self) -> None:
        self.origin = 0
        self.place = "inputs"
        self.node = onnx.NodeProto()
        self.entries: list[TensorType | Array | Made] = []
        """By number: an input, a constant, or an operation."""
        self._known: dict[tuple[object, ...], Value] = {}
        self._moved: dict[int, tuple[Value, moves.Map, bytes]] = {}
        self._emitted = self._worked = self._folded = self._held = 0

    # --- values -------------------------------------------------------------------------------------------------

    def refused(self, why: str, *, reason: Reason = Reason.GRAPH_INVALID, **facts: str | int) -> Refused:
        """Return the refusal of the node that is being lowered."""
        return Refused(reason, node=self.place, why=why, **facts)

    def input(self, dtype: DType, shape: Sequence[int]) -> Value:
        """Return a new input of the program."""
        self.entries.append(TensorType(dtype=dtype, shape=list(shape)))
        return Value(len(self.entries) - 1, dtype, tuple(shape))

    def constant(self, array: Array) -> Value:
        """Return the constant of these values, in normal form; equal ones are one value. Raises VALUE_TOO_LARGE."""
        held = normal(np.asarray(array))
        held.flags.writeable = False
        dtype = DTYPE_OF[held.dtype]
        key = (_CONSTANT, dtype, held.shape, hashlib.sha256(held.data).digest())
        if key not in self._known:
            self._held += held.nbytes
            if self._held > CONSTANTS_BYTES_MAX:
                told = f"{self._held} bytes of constants"
                raise self.refused(told, reason=Reason.VALUE_TOO_LARGE, wanted=CONSTANTS_BYTES_MAX)
            self.entries.append(held)
            self._known[key] = Value(len(self.entries) - 1, dtype, held.shape, held)
        return self._known[key]

    def scalar(self, number: float, dtype: DType) -> Value:
        """Return a constant of rank 0, rounded to the type."""
        return self.constant(_rounded(number, dtype))

    def counting(self, count: int) -> Value:
        """Return the int64 numbers from 0 to below `count`. Raises Refused VALUE_TOO_LARGE."""
        if count > COUNTED_MAX:
            raise self.refused(f"{count} indices", reason=Reason.VALUE_TOO_LARGE, wanted=f"at most {COUNTED_MAX}")
        return self.constant(np.arange(count, dtype=np.int64))

    def full(self, number: float, dtype: DType, shape: Sequence[int]) -> Value:
        """Return a value of one number everywhere."""
        return self.broadcast(self.scalar(number, dtype), shape)

    def emit(
        self,
        op: Op,
        operands: Sequence[Value],
        dtype: DType,
        shape: Sequence[int],
        ints: Sequence[int] = (),
        fill: bytes = b"",
    ) -> Value:
        """Return the result of an operation: folded if all operands are constants, the same again if it was made.

        Raises Refused for a value beyond the limits of a program.
        """
        shape = tuple(int(each) for each in shape)
        if any(each.items is not None for each in operands):
            raise self.refused("a sequence", reason=Reason.TYPE_REFUSED, wanted="a tensor")
        self.check_shape(dtype, shape)
        if 0 in shape:
            return self.constant(np.zeros(shape, NUMPY_OF[dtype]))
        if op in ELEMENTWISE and (sunk := self._sunk(op, operands, dtype, shape, ints)):
            return sunk
        numbers = tuple(each.number for each in operands)
        key = (self.origin, op, numbers, dtype, shape, tuple(ints), fill)
        if key in self._known:
            return self._known[key]
        made = Made(
            op, numbers, dtype, shape, tuple(int(each) for each in ints), fill, self.origin, self.place, self.node
        )
        self._emitted += 1
        if self._emitted > EMITTED_MAX:
            raise Refused(Reason.TOO_MANY_NODES, what="operations", node=self.place, wanted=OPERATIONS_MAX)
        value = self._folding(made, operands)
        if value is None:
            self.entries.append(made)
            value = Value(len(self.entries) - 1, dtype, shape)
        self._known[key] = value
        return value

    def check_shape(self, dtype: DType, shape: Sequence[int]) -> None:
        """Raise Refused for a value beyond the limits of a program."""
        if len(shape) > RANK_MAX:
            raise self.refused(f"rank {len(shape)}", reason=Reason.OPERATOR_REFUSED, wanted=f"at most {RANK_MAX}")
        if any(each < 0 for each in shape):
            raise self.refused(f"shape {list(shape)}")
        size = element_count(list(shape)) * ITEM_BYTES[dtype]
        if size > TENSOR_BYTES_MAX or any(each > DIMENSION_MAX for each in shape):
            raise Refused(Reason.VALUE_TOO_LARGE, node=self.place, seen=size, wanted=TENSOR_BYTES_MAX)

    def _folding(self, made: Made, operands: Sequence[Value]) -> Value | None:
        """Return the result as a constant, or None where it depends on inputs, traps, or is left to the run (G101)."""
        arrays = [each.array for each in operands if each.array is not None]
        if len(arrays) < len(operands):
            return None
        size = math.prod(made.shape) * ITEM_BYTES[made.dtype]
        given = sum(array.nbytes for array in arrays)
        work = math.prod(made.shape) + sum(array.size for array in arrays)
        if made.op in _MOVEMENT:
            work //= MOVED_IN_A_STEP
        if made.op in CONTRACTIONS:
            work = math.prod(made.shape) * max(arrays[1].size // max(made.shape[-1], 1), 1)
        if size > max(FOLDED_BYTES_MAX, 4 * given) or self._folded + size > FOLDED_TOTAL_BYTES_MAX:
            return None
        if self._worked + work > FOLDED_WORK_MAX:
            return None
        self._worked += work
        operation = Operation(
            op=made.op,
            operands=list(range(len(operands))),
            result=TensorType(dtype=made.dtype, shape=list(made.shape)),
            ints=list(made.ints),
            fill=made.fill,
            origin=made.origin,
        )
        try:
            array = interpreter.apply(operation, 0, arrays)
        except interpreter.Trapped:  # the run will trap, and say where
            return None
        self._folded += size
        return self.constant(array)

    def _sunk(
        self, op: Op, operands: Sequence[Value], dtype: DType, shape: tuple[int, ...], ints: Sequence[int]
    ) -> Value | None:
        """Return an elementwise operation done before the transposition that all its operands come from.

        So a network of convolutions keeps its channels last from one to the next (G102).
        """
        order: list[int] | None = None
        for each in operands:
            if each.array is not None or each.shape != shape:
                continue  # constants, and what is broadcast, can be transposed at little cost
            found = self._order(each)
            if found is None or (order is not None and found != order):
                return None
            order = found
        if order is None:
            return None
        back = [order.index(dimension) for dimension in range(len(order))]
        sources = [self._before(each, back, shape) for each in operands]
        before = self.emit(op, sources, dtype, [shape[each] for each in back], ints)
        return self.transpose(before, order)

    def _before(self, value: Value, back: Sequence[int], shape: tuple[int, ...]) -> Value:
        if value.size == 1 and value.shape != shape:
            return self.reshape(value, ())
        return self.transpose(self.reshape(value, (1,) * (len(back) - value.rank) + value.shape), back)

    # --- data movement ------------------------------------------------------------------------------------------

    def fence(self, value: Value) -> Value:
        """Return a value into whose making no later operation looks."""
        items = None if value.items is None else tuple(self.fence(each) for each in value.items)
        return replace(value, fenced=True, items=items)

    def move(self, x: Value, map_: moves.Map, fill: float = 0) -> Value:
        """Return the elements of `x` that a map names, `fill` outside; composed with what moved `x` if that can be."""
        raw = bytes(ITEM_BYTES[x.dtype]) if fill == 0 or map_.in_range else _rounded(fill, x.dtype).tobytes()
        return self._move(x, map_, raw)

    def _move(self, x: Value, map_: moves.Map, raw: bytes) -> Value:
        if map_.is_reshape and map_.shape == x.shape:
            return x
        if len(map_.view) > RANK_MAX:
            raise self.refused(f"rank {len(map_.view)}", reason=Reason.OPERATOR_REFUSED, wanted=f"at most {RANK_MAX}")
        if any(abs(each) > DIMENSION_MAX for each in map_.ints):
            raise self.refused("a stride, a dilation or a pad too large", wanted=f"at most {DIMENSION_MAX}")
        earlier = self._moved.get(x.number)
        if earlier is not None and not x.fenced:
            source, inner, inner_fill = earlier
            both = moves.composed(inner, inner_fill, map_, raw)
            if both is not None:
                return self._move(source, *both)
        value = self.emit(Op.MOVE, [x], x.dtype, map_.shape, map_.ints, raw)
        if value.array is None:
            self._moved[value.number] = (x, map_, raw)
        return value

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Return the same elements in another shape."""
        if math.prod(shape) != x.size:
            raise self.refused(f"{x.size} elements in the shape {list(shape)}")
        return self.move(x, moves.reshaping(shape))

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Return the dimensions in another order, as numpy.transpose."""
        return self.move(x, moves.transposing(x.shape, order))

    def slice(self, x: Value, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int] | None = None) -> Value:
        """Return `sizes` elements along each dimension, from a start (not negative) and with a step."""
        return self.move(x, moves.slicing(x.shape, starts, steps or [1] * x.rank, sizes))

    def narrow(self, x: Value, axis: int, start: int, size: int) -> Value:
        """Return `size` elements from a start along one axis."""
        starts, sizes = [0] * x.rank, list(x.shape)
        starts[axis], sizes[axis] = start, size
        return self.slice(x, starts, sizes)

    def pad(self, x: Value, begins: Sequence[int], ends: Sequence[int], fill: float = 0) -> Value:
        """Return `x` with more elements (or fewer, where negative) before and after along each dimension."""
        sizes = [b + size + e for b, size, e in zip(begins, x.shape, ends, strict=True)]
        if any(size < 0 for size in sizes):
            raise self.refused(f"pads that leave the shape {sizes}")
        return self.move(x, moves.slicing(x.shape, [-each for each in begins], [1] * x.rank, sizes), fill)

    def broadcast(self, x: Value, shape: Sequence[int]) -> Value:
        """Return `x` repeated to a shape, as numpy.broadcast_to."""
        if self.common_shape([x.shape, tuple(shape)]) != tuple(shape):
            raise self.refused(f"shape {list(x.shape)} does not broadcast to {list(shape)}")
        return self.move(x, moves.broadcasting(x.shape, shape))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Return values joined along an axis (not negative); those of no elements vanish."""
        first = values[0]
        for each in values:
            if each.dtype is not first.dtype or each.shape[:axis] + each.shape[axis + 1 :] != (
                first.shape[:axis] + first.shape[axis + 1 :]
            ):
                raise self.refused(
                    f"{each.dtype.name} {list(each.shape)} beside {first.dtype.name} {list(first.shape)}"
                )
        parts = [each for each in values if each.size] or [first]
        while len(parts) > 1:
            parts = [self._joined(parts[at : at + JOINED_MAX], axis) for at in range(0, len(parts), JOINED_MAX)]
        return parts[0]

    def _joined(self, values: Sequence[Value], axis: int) -> Value:
        if len(values) == 1:
            return values[0]
        orders = [self._order(each) for each in values]
        if orders[0] is not None and all(order == orders[0] for order in orders):
            sources = [self._moved[each.number][0] for each in values]
            return self.transpose(self._joined(sources, orders[0][axis]), orders[0])
        shape = list(values[0].shape)
        shape[axis] = sum(each.shape[axis] for each in values)
        return self.emit(Op.CONCAT, values, values[0].dtype, shape, [axis])

    def _order(self, value: Value) -> list[int] | None:
        """Return the order of dimensions of a value that is nothing but a transposition."""
        moved = self._moved.get(value.number)
        if moved is None or value.fenced or moved[1].view != moved[0].shape:
            return None
        return moved[1].permutation

    def take(self, data: Value, indices: Value, axis: int) -> Value:
        """Return `data` along an axis (not negative) at int64 indices, whose shape takes the axis's place."""
        shape = data.shape[:axis] + indices.shape + data.shape[axis + 1 :]
        if data.shape[axis] == 0 and 0 not in shape:
            raise self.refused("indices into a dimension of 0")
        steady = self._steady(data, indices, axis)
        if steady is not None:
            return self.reshape(steady, shape)
        return self.emit(Op.TAKE, [data, indices], data.dtype, shape, [axis])

    def _steady(self, data: Value, indices: Value, axis: int) -> Value | None:
        """Return what constant indices in steady steps take, as a move."""
        if indices.array is None or not indices.size:
            return None
        size = data.shape[axis]
        flat = indices.array.reshape(-1)
        if (flat < -size).any() or (flat >= size).any():
            return None
        flat = np.where(flat < 0, flat + size, flat)
        step = int(flat[1]) - int(flat[0]) if len(flat) > 1 else 1
        if (flat[1:] - flat[:-1] != step).any():
            return None
        starts, sizes, steps = [0] * data.rank, list(data.shape), [1] * data.rank
        starts[axis], sizes[axis], steps[axis] = int(flat[0]), len(flat), step
        return self.slice(data, starts, sizes, steps)

    # --- arithmetic ---------------------------------------------------------------------------------------------

    def common_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the shape to which shapes broadcast, as in numpy. Raises Refused GRAPH_INVALID."""
        try:
            return tuple(np.broadcast_shapes(*shapes))
        except ValueError:
            raise self.refused(f"shapes {' and '.join(str(list(each)) for each in shapes)}") from None

    def binary(self, op: Op, a: Value, b: Value | float, ints: Sequence[int] = ()) -> Value:
        """Return an elementwise operation of two values of one type, or of a value and a number of that type."""
        other = b if isinstance(b, Value) else self.scalar(b, a.dtype)
        if a.dtype is not other.dtype:
            raise self.refused(f"{a.dtype.name} and {other.dtype.name}", wanted="one type")
        dtype = DType.BOOL if op in (Op.EQUAL, Op.LESS, Op.LESS_EQUAL) else a.dtype
        return self.emit(op, [a, other], dtype, self.common_shape([a.shape, other.shape]), ints)

    def unary(self, op: Op, x: Value, ints: Sequence[int] = ()) -> Value:
        """Return an elementwise operation of one value."""
        dtype = DType.BOOL if op in (Op.IS_NAN, Op.IS_INFINITE) else x.dtype
        return self.emit(op, [x], dtype, x.shape, ints)

    def add(self, a: Value, b: Value | float) -> Value:
        """Return a + b."""
        return self.binary(Op.ADD, a, b)

    def sub(self, a: Value, b: Value | float) -> Value:
        """Return a - b."""
        return self.binary(Op.SUB, a, b)

    def mul(self, a: Value, b: Value | float) -> Value:
        """Return a · b."""
        return self.binary(Op.MUL, a, b)

    def div(self, a: Value, b: Value | float) -> Value:
        """Return a / b."""
        return self.binary(Op.DIV, a, b)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """Return x where the condition holds, else y."""
        if x.dtype is not y.dtype or condition.dtype is not DType.BOOL:
            raise self.refused(
                f"{x.dtype.name} or {y.dtype.name} by {condition.dtype.name}", wanted="one type, by bool"
            )
        shape = self.common_shape([condition.shape, x.shape, y.shape])
        return self.emit(Op.SELECT, [condition, x, y], x.dtype, shape)

    def cast(self, x: Value, dtype: DType) -> Value:
        """Return `x` in another type."""
        return x if x.dtype is dtype else self.emit(Op.CAST, [x], dtype, x.shape)

    # --- folds and contractions ---------------------------------------------------------------------------------

    def rows_of(self, x: Value, axes: Sequence[int]) -> Value:
        """Return `x` with some axes (not negative) joined into one that comes last."""
        rest = [axis for axis in range(x.rank) if axis not in axes]
        moved = self.transpose(x, [*rest, *sorted(axes)])
        return self.reshape(moved, [*(x.shape[axis] for axis in rest), math.prod(x.shape[axis] for axis in axes)])

    def fold(self, op: Op, x: Value) -> Value:
        """Return REDUCE_SUM, _PRODUCT, _MAX or _MIN over the last axis, however long. Floats are summed to float64."""
        *rest, length = x.shape
        sums = op in (Op.REDUCE_SUM, Op.REDUCE_PRODUCT)
        dtype = DType.FLOAT64 if sums and x.dtype in FLOATS else x.dtype
        neutral = _neutral(op, x.dtype)
        if length == 0:
            return self.full(neutral, dtype, rest)
        if length > STEPS_MAX:
            parts = -(-length // STEPS_MAX)
            each = -(-length // parts)
            padded = self.pad(x, [0] * x.rank, [0] * len(rest) + [parts * each - length], neutral)
            return self.fold(op, self.fold(op, self.reshape(padded, [*rest, parts, each])))
        return self.emit(op, [x], dtype, rest)

    def reduce(self, op: Op, x: Value, axes: Sequence[int], *, keep: bool = False) -> Value:
        """Return a fold over any axes (not negative)."""
        folded = self.fold(op, self.rows_of(x, axes))
        return self.reshape(folded, [1 if at in axes else size for at, size in enumerate(x.shape)]) if keep else folded

    def matmul(self, a: Value, b: Value) -> Value:
        """Return numpy.matmul(a, b), long contractions in parts that are added in order."""
        if a.rank == 0 or b.rank == 0 or a.dtype is not b.dtype:
            raise self.refused(f"product of {a.dtype.name} {list(a.shape)} and {b.dtype.name} {list(b.shape)}")
        left = a if a.rank > 1 else self.reshape(a, (1, *a.shape))
        right = (
            self.transpose(b, [*range(b.rank - 2), b.rank - 1, b.rank - 2])
            if b.rank > 1
            else self.reshape(b, (1, *b.shape))
        )
        product = self.contract(left, right)
        shape = list(product.shape)
        if b.rank == 1:
            shape.pop()
        if a.rank == 1:
            shape.pop(-1 if b.rank == 1 else -2)
        return self.reshape(product, shape)

    def contract(self, a: Value, b: Value) -> Value:
        """Return a · bᵀ of [*B, M, K] and [*B, N, K], long contractions in parts that are added in order."""
        if a.shape[-1] != b.shape[-1] or a.dtype is not b.dtype:
            raise self.refused(f"contraction of {list(a.shape)} with {list(b.shape)}")
        if a.dtype is DType.FLOAT16:  # summed in float32, as ONNX Runtime does
            return self.cast(self.contract(self.cast(a, DType.FLOAT32), self.cast(b, DType.FLOAT32)), DType.FLOAT16)
        shape = (*self.common_shape([a.shape[:-2], b.shape[:-2]]), a.shape[-2], b.shape[-2])
        length = a.shape[-1]
        if length == 0:
            return self.full(0, a.dtype, shape)
        total: Value | None = None
        for start in range(0, length, STEPS_MAX):
            size = min(STEPS_MAX, length - start)
            parts = [self.narrow(each, each.rank - 1, start, size) for each in (a, b)]
            part = self.emit(Op.MATMUL, parts, a.dtype, shape)
            total = part if total is None else self.add(total, part)
        assert total is not None
        return total


def _rounded(number: float, dtype: DType) -> Array:
    with np.errstate(over="ignore"):
        return normal(np.array(number).astype(NUMPY_OF[dtype]))


def _neutral(op: Op, dtype: DType) -> float:
    """Return the number that changes no fold of this kind."""
    match op:
        case Op.REDUCE_SUM:
            return 0
        case Op.REDUCE_PRODUCT:
            return 1
        case _ if dtype in FLOATS:
            return -math.inf if op is Op.REDUCE_MAX else math.inf
        case _:
            limits = np.iinfo(NUMPY_OF[dtype])
            return int(limits.min if op is Op.REDUCE_MAX else limits.max)
