"""docs/spec/program.md in plain Python, one element after the other, floats as fractions: slow, and no numpy."""

import itertools
import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

from vm.program import Op, Operation, TrapCode, convolution, movement
from vm.tensor import FLOATS, ITEM_BYTES, DType

Number = float | int | bool
_FORMS = {DType.FLOAT16: (11, -14, 15), DType.FLOAT32: (24, -126, 127), DType.FLOAT64: (53, -1022, 1023)}
"""Bits of the significand, least and largest exponent."""
_CODES = {
    DType.FLOAT16: "e", DType.FLOAT32: "f", DType.FLOAT64: "d", DType.BOOL: "?", DType.INT8: "b", DType.INT16: "h",
    DType.INT32: "i", DType.INT64: "q", DType.UINT8: "B", DType.UINT16: "H", DType.UINT32: "I", DType.UINT64: "Q",
}  # fmt: skip
_SIGNED = (DType.INT8, DType.INT16, DType.INT32, DType.INT64)


class Trap(Exception):
    def __init__(self, code: TrapCode) -> None:
        self.code = code
        super().__init__(code)


class Plain(NamedTuple):
    """A tensor as a list."""

    dtype: DType
    shape: list[int]
    items: list[Number]

    def at(self, index: Iterable[int]) -> Number:
        """Return the element at an index, broadcast as in numpy."""
        index = list(index)
        flat = 0
        for size, place in zip(self.shape, index[len(index) - len(self.shape) :], strict=True):
            flat = flat * size + (place if size != 1 else 0)
        return self.items[flat]

    def rows(self) -> list[list[Number]]:
        n = self.shape[-1]
        return [self.items[at * n : (at + 1) * n] for at in range(math.prod(self.shape[:-1]))]


def plain(dtype: DType, shape: Iterable[int], raw: bytes) -> Plain:
    shape = list(shape)
    return Plain(dtype, shape, list(struct.unpack(f"<{math.prod(shape)}{_CODES[dtype]}", raw)))


def encoded(dtype: DType, items: list[Number]) -> bytes:
    """Return the bytes of elements in normal form (G2)."""
    if dtype in FLOATS:
        quiet = {2: b"\x00\x7e", 4: b"\x00\x00\xc0\x7f", 8: b"\x00\x00\x00\x00\x00\x00\xf8\x7f"}[ITEM_BYTES[dtype]]
        return b"".join(
            quiet if math.isnan(item) else struct.pack(f"<{_CODES[dtype]}", item if item else 0.0) for item in items
        )
    return struct.pack(f"<{len(items)}{_CODES[dtype]}", *items)


def indices(shape: list[int]) -> Iterable[tuple[int, ...]]:
    return itertools.product(*(range(size) for size in shape))


def rounded(dtype: DType, value: Fraction) -> float:
    """Return the nearest float, ties to even (G3)."""
    bits, least, most = _FORMS[dtype]
    if value == 0:
        return 0.0
    magnitude = abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, least) - bits + 1)
    whole = round(magnitude / unit) * unit
    nearest = math.inf if whole >= Fraction(2) ** (most + 1) else float(whole)
    return nearest if value > 0 else -nearest


def wrapped(dtype: DType, value: int) -> int:
    span = 1 << 8 * ITEM_BYTES[dtype]
    value %= span
    return value - span if dtype in _SIGNED and value >= span // 2 else value


def _special(op: Op, x: float, y: float) -> float | None:
    """Return the result if an infinity, a NaN or a division by zero is involved."""
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if op is Op.SUB:
        op, y = Op.ADD, -y
    if op is Op.ADD and (math.isinf(x) or math.isinf(y)):
        return x + y
    if op is Op.MUL and (math.isinf(x) or math.isinf(y)):
        return x * y
    if op is Op.DIV:
        if math.isinf(x):
            return math.nan if math.isinf(y) else math.copysign(math.inf, x) * (math.copysign(1.0, y))
        if math.isinf(y):
            return 0.0
        if y == 0:  # never negative: operands are in normal form
            return math.nan if x == 0 else math.copysign(math.inf, x)
    return None


def arithmetic(op: Op, dtype: DType, x: Number, y: Number) -> Number:
    """ADD, SUB, MUL, DIV (G20, G22)."""
    if dtype not in FLOATS:
        x, y = int(x), int(y)
        match op:
            case Op.ADD:
                return wrapped(dtype, x + y)
            case Op.SUB:
                return wrapped(dtype, x - y)
            case Op.MUL:
                return wrapped(dtype, x * y)
            case _:
                return wrapped(dtype, _truncated(x, y))
    special = _special(op, x, y)
    if special is not None:
        return special
    a, b = Fraction(x), Fraction(y)
    exact = a + b if op is Op.ADD else a - b if op is Op.SUB else a * b if op is Op.MUL else a / b
    return rounded(dtype, exact)


def _truncated(x: int, y: int) -> int:
    if y == 0:
        raise Trap(TrapCode.DIVISION)
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def modulo(dtype: DType, mode: int, x: Number, y: Number) -> Number:
    if dtype in FLOATS:
        if math.isnan(x) or math.isnan(y) or math.isinf(x) or y == 0:
            return math.nan
        if math.isinf(y):
            return x
        a, b = Fraction(x), Fraction(y)
        return float(a - b * math.trunc(a / b))
    rest = int(x) - int(y) * _truncated(int(x), int(y))
    return rest + int(y) if mode == 0 and rest and (rest < 0) != (y < 0) else rest


def power(dtype: DType, x: int, y: int) -> int:
    """POW of integers (G25)."""
    if y >= 0:
        return wrapped(dtype, pow(x, y, 1 << 8 * ITEM_BYTES[dtype]))
    if x == 0:
        raise Trap(TrapCode.DIVISION)
    return 0 if abs(x) != 1 else 1 if x == 1 or y % 2 == 0 else -1


def larger(x: Number, y: Number) -> Number:
    return math.nan if math.isnan(x) or math.isnan(y) else max(x, y)


def smaller(x: Number, y: Number) -> Number:
    return math.nan if math.isnan(x) or math.isnan(y) else min(x, y)


def binary(operation: Operation, dtype: DType, x: Number, y: Number) -> Number:
    op, width = operation.op, 8 * ITEM_BYTES[dtype]
    match op:
        case Op.ADD | Op.SUB | Op.MUL | Op.DIV:
            return arithmetic(op, dtype, x, y)
        case Op.MOD:
            return modulo(dtype, operation.ints[0], x, y)
        case Op.POW:
            return power(dtype, int(x), int(y))
        case Op.MIN:
            return smaller(x, y)
        case Op.MAX:
            return larger(x, y)
        case Op.EQUAL:
            return x == y
        case Op.LESS:
            return x < y
        case Op.LESS_EQUAL:
            return x <= y
        case Op.SHIFT_LEFT:
            return wrapped(dtype, int(x) << int(y)) if y < width else 0
        case Op.SHIFT_RIGHT:
            return int(x) >> int(y) if y < width else 0
        case _:
            a, b = int(x), int(y)
            bits = a & b if op is Op.AND else a | b if op is Op.OR else a ^ b
            return bool(bits) if dtype is DType.BOOL else bits


def root(dtype: DType, x: float) -> float:
    """SQRT: the nearest float to the root, by the roots of integers (G20)."""
    if math.isnan(x) or x < 0:
        return math.nan
    if math.isinf(x) or x == 0:
        return x
    exact = Fraction(x)
    shift = 2 * (1100 + 64)
    scaled = exact.numerator * (1 << shift) // exact.denominator
    low = math.isqrt(scaled)
    sticky = 0 if low * low == scaled and (exact.numerator << shift) % exact.denominator == 0 else 1
    return rounded(dtype, Fraction(2 * low + sticky, 2 << shift // 2))


def cast(source: DType, to: DType, x: Number) -> Number:
    """CAST (G30)."""
    if to is DType.BOOL:
        return x != 0
    if to in FLOATS:
        return x if isinstance(x, float) and not math.isfinite(x) else rounded(to, Fraction(x))
    if source not in FLOATS:
        return wrapped(to, int(x))
    width = 8 * ITEM_BYTES[to]
    least, most = (-(1 << width - 1), (1 << width - 1) - 1) if to in _SIGNED else (0, (1 << width) - 1)
    if math.isnan(x):
        return 0
    return least if x == -math.inf else most if x == math.inf else min(max(math.trunc(x), least), most)


def unary(operation: Operation, source: DType, x: Number) -> Number:
    op, dtype = operation.op, operation.result.dtype
    match op:
        case Op.NEG:
            return -x if dtype in FLOATS else wrapped(dtype, -int(x))
        case Op.ABS:
            return abs(x) if dtype in FLOATS else wrapped(dtype, abs(int(x)))
        case Op.SIGN:
            return x if math.isnan(x) else type(x)((x > 0) - (x < 0))
        case Op.NOT:
            return not x if dtype is DType.BOOL else wrapped(dtype, ~int(x))
        case Op.SQRT:
            return root(dtype, x)
        case Op.IS_NAN:
            return math.isnan(x)
        case Op.IS_INFINITE:
            return bool((x == -math.inf and operation.ints[0]) or (x == math.inf and operation.ints[1]))
        case Op.CAST:
            return cast(source, dtype, x)
        case _:
            if not math.isfinite(x):
                return x
            exact = Fraction(x)
            return float(math.floor(exact) if op is Op.FLOOR else math.ceil(exact) if op is Op.CEIL else round(exact))


def move(operation: Operation, x: Plain) -> list[Number]:
    told = movement(operation)
    (fill,) = struct.unpack(f"<{_CODES[x.dtype]}", operation.fill)
    seen = Plain(x.dtype, told.shape, x.items)
    found: list[Number] = []
    for index in indices(operation.result.shape):
        place = [
            base + sum(m * o for m, o in zip(row, index, strict=True))
            for base, row in zip(told.base, told.matrix, strict=True)
        ]
        inside = all(0 <= at < size for at, size in zip(place, told.shape, strict=True))
        found.append(seen.at(place) if inside else fill)
    return found


def concat(operation: Operation, parts: list[Plain]) -> list[Number]:
    axis, found = operation.ints[0], []
    for index in indices(operation.result.shape):
        place = list(index)
        for part in parts:
            if place[axis] < part.shape[axis]:
                found.append(part.at(place))
                break
            place[axis] -= part.shape[axis]
    return found


def counted(index: Number, length: int) -> int:
    if not -length <= index < length:
        raise Trap(TrapCode.INDEX)
    return int(index) % length


def take(operation: Operation, data: Plain, places: Plain) -> list[Number]:
    axis, rank = operation.ints[0], len(places.shape)
    rows = Plain(places.dtype, places.shape, [counted(place, data.shape[axis]) for place in places.items])
    return [
        data.at([*index[:axis], int(rows.at(index[axis : axis + rank])), *index[axis + rank :]])
        for index in indices(operation.result.shape)
    ]


def scatter(operation: Operation, data: Plain, places: Plain, updates: Plain) -> list[Number]:
    combine: list[Callable[[Number, Number], Number]] = [
        lambda _, y: y,
        lambda x, y: arithmetic(Op.ADD, data.dtype, x, y),
        lambda x, y: arithmetic(Op.MUL, data.dtype, x, y),
        larger,
        smaller,
    ]
    rows = [counted(place, data.shape[0]) for place in places.items]
    length = math.prod(data.shape[1:])
    found = list(data.items)
    for update, row in enumerate(rows):
        for at in range(length):
            old, new = found[row * length + at], updates.items[update * length + at]
            found[row * length + at] = combine[operation.ints[0]](old, new)
    return found


def halved(combine: Op, row: list[Number]) -> Number:
    """Fold floats by halves in float64 (G41)."""
    if not row:
        return 0.0 if combine is Op.ADD else 1.0
    while len(row) > 1:
        half = 1
        while half * 2 < len(row):
            half *= 2
        row = [
            arithmetic(combine, DType.FLOAT64, row[at], row[half + at]) if half + at < len(row) else row[at]
            for at in range(half)
        ]
    return row[0]


def order(row: list[Number], *, descending: bool = False) -> list[int]:
    """Return the indices in the order of a stable sort, NaN the largest (G45)."""
    keys = [(1, 0.0) if math.isnan(each) else (0, each) for each in row]
    if descending:
        return sorted(range(len(row)), key=lambda at: (keys[at], -at), reverse=True)
    return sorted(range(len(row)), key=lambda at: keys[at])


def extreme(row: list[Number], *, largest: bool, last: bool) -> int:
    nan = [at for at, each in enumerate(row) if math.isnan(each)]
    if nan:
        return nan[0]
    best = max(row) if largest else min(row)
    places = [at for at, each in enumerate(row) if each == best]
    return places[-1] if last else places[0]


def cumulated(operation: Operation, source: DType, row: list[Number]) -> list[Number]:
    exclusive, backwards = operation.ints
    dtype, wide = operation.result.dtype, DType.FLOAT64 if source in FLOATS else source
    total: Number = 0.0 if source in FLOATS else 0
    found: list[Number] = []
    for each in reversed(row) if backwards else row:
        before, total = total, arithmetic(Op.ADD, wide, total, each)
        told = before if exclusive else total
        found.append(cast(wide, dtype, told))
    return found[::-1] if backwards else found


def fold(operation: Operation, x: Plain) -> list[Number]:
    op, found = operation.op, list[Number]()
    for row in x.rows():
        match op:
            case Op.REDUCE_SUM | Op.REDUCE_PRODUCT:
                combine = Op.ADD if op is Op.REDUCE_SUM else Op.MUL
                if x.dtype in FLOATS:
                    found.append(halved(combine, row))
                else:
                    total = sum(map(int, row)) if combine is Op.ADD else math.prod(map(int, row))
                    found.append(wrapped(x.dtype, total))
            case Op.REDUCE_MAX | Op.REDUCE_MIN:
                found.append(row[extreme(row, largest=op is Op.REDUCE_MAX, last=False)])
            case Op.ARG_MAX | Op.ARG_MIN:
                found.append(extreme(row, largest=op is Op.ARG_MAX, last=operation.ints[0] == 1))
            case Op.SORT:
                found += order(row, descending=operation.ints[0] == 1)
            case _:
                found += cumulated(operation, x.dtype, row)
    return found


def added_up(dtype: DType, pairs: Iterable[tuple[Number, Number]]) -> Number:
    total: Number = 0.0 if dtype in FLOATS else 0
    for a, b in pairs:
        total = arithmetic(Op.ADD, dtype, total, arithmetic(Op.MUL, dtype, a, b))
    return total


def matmul(operation: Operation, a: Plain, b: Plain) -> list[Number]:
    length = a.shape[-1]
    return [
        added_up(a.dtype, ((a.at([*batch, m, k]), b.at([*batch, n, k])) for k in range(length)))
        for *batch, m, n in indices(operation.result.shape)
    ]


def conv(operation: Operation, x: Plain, w: Plain) -> list[Number]:
    told, channels = convolution(operation), w.shape[-1]
    filters = w.shape[0] // told.groups
    found: list[Number] = []
    for image, *place, f in indices(operation.result.shape):
        pairs: list[tuple[Number, Number]] = []
        for tap in indices(w.shape[1:-1]):
            seen = [
                o * stride + t * dilation - pad
                for o, t, stride, dilation, pad in zip(place, tap, told.strides, told.dilations, told.pads, strict=True)
            ]
            if all(0 <= at < size for at, size in zip(seen, x.shape[1:-1], strict=True)):
                first = f // filters * channels
                pairs += [(x.at([image, *seen, first + c]), w.at([f, *tap, c])) for c in range(channels)]
        found.append(added_up(x.dtype, pairs))
    return found


def result(operation: Operation, operands: list[Plain]) -> bytes:
    """Return the bytes of an operation's result. Raises Trap."""
    op, dtype, shape = operation.op, operation.result.dtype, operation.result.shape
    match op:
        case Op.MOVE:
            items = move(operation, operands[0])
        case Op.CONCAT:
            items = concat(operation, operands)
        case Op.TAKE:
            items = take(operation, *operands)
        case Op.SCATTER:
            items = scatter(operation, *operands)
        case Op.SELECT:
            c, x, y = operands
            items = [x.at(index) if c.at(index) else y.at(index) for index in indices(shape)]
        case Op.MATMUL:
            items = matmul(operation, *operands)
        case Op.CONV:
            items = conv(operation, *operands)
        case _ if Op.REDUCE_SUM <= op <= Op.SORT:
            items = fold(operation, operands[0])
        case _ if Op.ADD <= op <= Op.SHIFT_RIGHT:
            x, y = operands
            items = [binary(operation, x.dtype, x.at(index), y.at(index)) for index in indices(shape)]
        case _:
            items = [unary(operation, operands[0].dtype, each) for each in operands[0].items]
    return encoded(dtype, items)
