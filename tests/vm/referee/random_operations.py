"""Random operations of every operator with random operands, many of them odd values."""

import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vm.canonical.arrays import NUMPY_OF, Array, normal
from vm.program import ELEMENTARY, Op, Operation
from vm.tensor import DType, TensorType, element_count

FLOATS = [DType.FLOAT32, DType.FLOAT32, DType.FLOAT64, DType.FLOAT16]
INTEGERS = [DType.INT64, DType.INT32, DType.INT8, DType.UINT8, DType.UINT16, DType.UINT64]
UNSIGNED = [DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64]
SIGNED = [DType.INT8, DType.INT16, DType.INT32, DType.INT64]
WIDE = [DType.FLOAT32, DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64]
ODD = [0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, 65504.0, 6e-8, 1e10, 127.5, -128.5]


class Drawn(NamedTuple):
    """An operation, and operands that fit it."""

    operation: Operation
    number: int
    operands: list[Array]

    @property
    def types(self) -> list[TensorType]:
        dtypes = {numpy: dtype for dtype, numpy in NUMPY_OF.items()}
        return [TensorType(dtype=dtypes[each.dtype], shape=list(each.shape)) for each in self.operands]


def values(draw: random.Random, dtype: DType, shape: list[int]) -> Array:
    """Return an array in normal form: half of the time with odd values, and with equal ones."""
    numpy, count = NUMPY_OF[dtype], element_count(shape)
    rng = np.random.default_rng(draw.getrandbits(32))
    if numpy.kind == "b":
        return rng.integers(0, 2, shape).astype(numpy)
    if numpy.kind != "f":
        limits = np.iinfo(numpy)
        low, high = draw.choice([(limits.min, limits.max), (max(limits.min, -3), 3)])
        return rng.integers(low, high, shape, dtype=numpy, endpoint=True)
    found = rng.standard_normal(count) * 10.0 ** draw.choice([-3, 0, 0, 0, 4])
    if draw.random() < 0.5:
        chosen = rng.random(count) < draw.choice([0.02, 0.3])
        found = np.where(chosen, rng.choice(ODD, count), found)
    with np.errstate(all="ignore"):
        return normal(found.astype(numpy).reshape(shape))


def shape_of(draw: random.Random, least: int = 0, most: int = 3) -> list[int]:
    return [draw.randint(1, 5) for _ in range(draw.randint(least, most))]


def made(
    op: Op, operands: list[Array], dtype: DType, shape: list[int], ints: list[int], fill: bytes = b""
) -> Operation:
    told = TensorType(dtype=dtype, shape=shape)
    return Operation(op=op, operands=list(range(len(operands))), result=told, ints=ints, fill=fill, origin=0)


Parts = tuple[list[Array], DType, list[int], list[int]]
"""Operands; type and shape of the result; ints."""


def squeezed(draw: random.Random, shape: list[int]) -> list[int]:
    """Return a shape that broadcasts to `shape`."""
    cut = shape[draw.randint(0, len(shape)) if draw.random() < 0.3 else 0 :]
    return [1 if draw.random() < 0.25 else size for size in cut]


def pair(draw: random.Random, dtype: DType) -> tuple[list[Array], list[int]]:
    shape = shape_of(draw)
    operands = [values(draw, dtype, squeezed(draw, shape)) for _ in range(2)]
    return operands, list(np.broadcast_shapes(*(each.shape for each in operands)))


def binary(draw: random.Random, op: Op) -> Parts:
    kinds = {
        Op.AND: [DType.BOOL, *INTEGERS],
        Op.OR: [DType.BOOL, *INTEGERS],
        Op.XOR: [DType.BOOL, *INTEGERS],
        Op.SHIFT_LEFT: UNSIGNED,
        Op.SHIFT_RIGHT: UNSIGNED,
        Op.POW: [*FLOATS, DType.INT32, DType.INT64],
    }
    dtype = draw.choice(kinds.get(op, FLOATS + INTEGERS))
    operands, shape = pair(draw, dtype)
    ints: list[int] = []
    if op is Op.MOD:
        ints = [1 if dtype in FLOATS else draw.randint(0, 1)]
    if op in (Op.DIV, Op.MOD) and dtype in INTEGERS and draw.random() < 0.7:
        operands[1] = np.where(operands[1] == 0, 1, operands[1]).astype(operands[1].dtype)
    compares = op in (Op.EQUAL, Op.LESS, Op.LESS_EQUAL)
    return operands, DType.BOOL if compares else dtype, shape, ints


def select(draw: random.Random, _: Op) -> Parts:
    dtype = draw.choice(FLOATS + INTEGERS)
    operands, shape = pair(draw, dtype)
    condition = values(draw, DType.BOOL, squeezed(draw, shape))
    shape = list(np.broadcast_shapes(condition.shape, *(each.shape for each in operands)))
    return [condition, *operands], dtype, shape, []


def unary(draw: random.Random, op: Op) -> Parts:
    only = {
        Op.NOT: [DType.BOOL, *INTEGERS],
        Op.NEG: FLOATS + SIGNED,
        Op.ABS: FLOATS + SIGNED,
        Op.SIGN: FLOATS + SIGNED,
        Op.CAST: [*FLOATS, *INTEGERS, DType.BOOL],
    }
    dtype, shape = draw.choice(only.get(op, FLOATS)), shape_of(draw)
    to, ints = dtype, list[int]()
    if op in (Op.IS_NAN, Op.IS_INFINITE):
        to = DType.BOOL
    if op is Op.IS_INFINITE:
        ints = [draw.randint(0, 1), draw.randint(0, 1)]
    if op is Op.CAST:
        to = draw.choice([*FLOATS, *INTEGERS, DType.BOOL])
    return [values(draw, dtype, shape)], to, shape, ints


def concat(draw: random.Random, _: Op) -> Parts:
    shape, dtype = shape_of(draw, 1), draw.choice(FLOATS + INTEGERS)
    axis = draw.randrange(len(shape))
    parts = [
        values(draw, dtype, [*shape[:axis], draw.randint(0, 3), *shape[axis + 1 :]]) for _ in range(draw.randint(1, 4))
    ]
    return parts, dtype, list(np.concatenate(parts, axis=axis).shape), [axis]


def indices(draw: random.Random, length: int, shape: list[int]) -> Array:
    """Return indices into an axis; one time in six one of them lies outside."""
    rng = np.random.default_rng(draw.getrandbits(32))
    found = rng.integers(-length, length, shape)
    if found.size and draw.random() < 1 / 6:
        found.reshape(-1)[draw.randrange(found.size)] = draw.choice([length, -length - 1])
    return found.astype(np.int64).reshape(shape)


def take(draw: random.Random, _: Op) -> Parts:
    shape, dtype = shape_of(draw, 1), draw.choice(FLOATS + INTEGERS)
    axis, chosen = draw.randrange(len(shape)), shape_of(draw, 0, 2)
    picked = indices(draw, shape[axis], chosen)
    return [values(draw, dtype, shape), picked], dtype, [*shape[:axis], *chosen, *shape[axis + 1 :]], [axis]


def scatter(draw: random.Random, _: Op) -> Parts:
    shape, dtype, count = shape_of(draw, 1), draw.choice(FLOATS + INTEGERS), draw.randint(0, 6)
    updates = values(draw, dtype, [count, *shape[1:]])
    picked = indices(draw, shape[0], [count])
    return [values(draw, dtype, shape), picked, updates], dtype, shape, [draw.randint(0, 4)]


def fold(draw: random.Random, op: Op) -> Parts:
    dtype = draw.choice(FLOATS + INTEGERS)
    empty = op in (Op.REDUCE_SUM, Op.REDUCE_PRODUCT, Op.CUMULATE, Op.SORT) and draw.random() < 0.1
    shape = [*shape_of(draw, 0, 2), 0 if empty else draw.choice([1, 2, 3, 7, 16, 33])]
    x = values(draw, dtype, shape)
    match op:
        case Op.REDUCE_SUM | Op.REDUCE_PRODUCT:
            return [x], DType.FLOAT64 if dtype in FLOATS else dtype, shape[:-1], []
        case Op.REDUCE_MAX | Op.REDUCE_MIN:
            return [x], dtype, shape[:-1], []
        case Op.ARG_MAX | Op.ARG_MIN:
            return [x], DType.INT64, shape[:-1], [draw.randint(0, 1)]
        case Op.SORT:
            return [x], DType.INT64, shape, [draw.randint(0, 1)]
        case _:
            return [x], dtype, shape, [draw.randint(0, 1), draw.randint(0, 1)]


def matmul(draw: random.Random, _: Op) -> Parts:
    dtype, batch, length = draw.choice(WIDE), shape_of(draw, 0, 2), draw.choice([0, 1, 2, 5, 40])
    m, n = draw.randint(1, 4), draw.randint(1, 4)
    a = values(draw, dtype, [*squeezed(draw, batch), m, length])
    b = values(draw, dtype, [*squeezed(draw, batch), n, length])
    return [a, b], dtype, [*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), m, n], []


def conv(draw: random.Random, _: Op) -> Parts:
    rank, groups, dtype = draw.randint(1, 3), draw.randint(1, 3), draw.choice(WIDE)
    channels, filters = draw.randint(1, 3), draw.randint(1, 3)
    taps = [draw.randint(1, 3) for _ in range(rank)]
    strides = [draw.randint(1, 3) for _ in range(rank)]
    dilations = [draw.randint(1, 2) for _ in range(rank)]
    pads = [draw.randint(0, 3) for _ in range(rank)]
    sizes, outs = ([draw.randint(1, 5) for _ in range(rank)] for _ in range(2))
    x = values(draw, dtype, [draw.randint(1, 2), *sizes, groups * channels])
    w = values(draw, dtype, [groups * filters, *taps, channels])
    shape = [x.shape[0], *outs, groups * filters]
    return [x, w], dtype, shape, [rank, *strides, *dilations, *pads, groups]


def move(draw: random.Random, number: int) -> Drawn:
    dtype, shape, to = draw.choice(FLOATS + INTEGERS), shape_of(draw), shape_of(draw)
    x = values(draw, dtype, shape)
    seen = [x.size] if draw.random() < 0.3 else list(x.shape)
    base = [draw.randint(-2, size) for size in seen]
    matrix = [draw.choice([0, 0, 1, 1, -1, 2]) for _ in range(len(seen) * len(to))]
    fill = values(draw, dtype, [1]).tobytes()
    return Drawn(made(Op.MOVE, [x], dtype, to, [len(seen), *seen, *base, *matrix], fill), number, [x])


_FAMILIES: list[tuple[Callable[[random.Random, Op], Parts], list[Op]]] = [
    (concat, [Op.CONCAT]),
    (take, [Op.TAKE]),
    (scatter, [Op.SCATTER]),
    (binary, [op for op in Op if Op.ADD <= op <= Op.SHIFT_RIGHT]),
    (select, [Op.SELECT]),
    (unary, [op for op in Op if Op.NEG <= op <= Op.CAST or op in ELEMENTARY - {Op.POW}]),
    (fold, [op for op in Op if Op.REDUCE_SUM <= op <= Op.SORT]),
    (matmul, [Op.MATMUL]),
    (conv, [Op.CONV]),
]


def drawn(op: Op, seed: int) -> Drawn:
    """Return a random operation of an operator: the same for the same seed."""
    draw = random.Random(f"{op.name} {seed}")
    number = draw.randrange(100_000)
    if op is Op.MOVE:
        return move(draw, number)
    family = next(family for family, ops in _FAMILIES if op in ops)
    operands, dtype, shape, ints = family(draw, op)
    return Drawn(made(op, operands, dtype, shape, ints), number, operands)
