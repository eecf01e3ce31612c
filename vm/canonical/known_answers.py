"""Questions whose answers every machine must know: each operator on the values where machines differ."""

import hashlib
from collections.abc import Iterator

import numpy as np

from vm.canonical.arrays import DTYPE_OF, NUMPY_OF, Array, normal
from vm.canonical.interpreter import Trapped, apply
from vm.canonical.kernels import NUMPY, Kernels
from vm.program import ELEMENTARY, Op, Operation
from vm.tensor import FLOATS, DType, TensorType

_DIGEST_DIGITS = 16

_PATTERNS = {
    2: [0x0001, 0x03FF, 0x0400, 0x3BFF, 0x3C00, 0x3C01, 0x3E00, 0x4100, 0x4248, 0x7BFF, 0x7C00],
    4: [
        0x00000001, 0x007FFFFF, 0x00800000, 0x33800001, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x3FC00000, 0x40200000,
        0x40490FDB, 0x4EFFFFFF, 0x4F000000, 0x5F000000, 0x7F7FFFFF, 0x7F800000,
    ],
    8: [
        0x0000000000000001, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x3CA0000000000001, 0x3FEFFFFFFFFFFFFF,
        0x3FF0000000000000, 0x3FF0000000000001, 0x4004000000000000, 0x400921FB54442D18, 0x41DFFFFFFFE00000,
        0x43E0000000000000, 0x7506AC5B262CA1FF, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
    ],
}  # fmt: skip
"""Subnormals, 1 and its neighbours, halves, π, the ends of integer types, a large angle, the largest, infinity."""
_NAN_WITH_PAYLOAD = {2: 0xFE01, 4: 0xFFC00123, 8: 0xFFF8000000000123}

_INTEGER_BINARY = (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MOD, Op.POW, Op.MIN, Op.MAX, Op.EQUAL, Op.LESS, Op.LESS_EQUAL)
_BITWISE = (Op.AND, Op.OR, Op.XOR)
_COMPARISONS = (Op.EQUAL, Op.LESS, Op.LESS_EQUAL)
_WHOLE = (DType.INT8, DType.UINT8, DType.INT32, DType.INT64, DType.UINT64)
_SUMMED = (Op.REDUCE_SUM, Op.REDUCE_PRODUCT)
_PLACED = (Op.ARG_MAX, Op.ARG_MIN, Op.SORT)

Question = tuple[Operation, list[Array]]


def odd_values(dtype: DType) -> Array:
    """Return the values of a type where machines and libraries differ, in normal form."""
    to = NUMPY_OF[dtype]
    if to.kind == "b":
        return np.array([False, True])
    if to.kind == "f":
        bits = 8 * to.itemsize
        words = _PATTERNS[to.itemsize]
        negative = [word | 1 << bits - 1 for word in words]
        return normal(np.array([0, *words, *negative, _NAN_WITH_PAYLOAD[to.itemsize]], f"<u{to.itemsize}").view(to))
    limits = np.iinfo(to)
    middle = [-3, -1] if to.kind == "i" else []
    return np.array([limits.min, limits.min + 1, *middle, 0, 1, 2, 7, limits.max - 1, limits.max], to)


def spread_values(dtype: DType, shape: list[int]) -> Array:
    """Return values of all sizes, by a linear congruence: exact in float32, so the same everywhere."""
    count = int(np.prod(shape, dtype=np.int64))
    mixed = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(2654435761)
    whole = (mixed >> np.uint32(12)).astype(np.int64) - (1 << 19)
    to = NUMPY_OF[dtype]
    if to.kind == "f":
        return (whole.astype(np.float64) / (1 << 15)).astype(to).reshape(shape)
    return (whole >> 4).astype(to).reshape(shape)


def _asked(
    op: Op, operands: list[Array], dtype: DType, shape: list[int] | None = None, ints: tuple[int, ...] = (),
    fill: bytes = b"",
) -> Question:  # fmt: skip
    found = list(np.broadcast_shapes(*(each.shape for each in operands))) if shape is None else shape
    result = TensorType(dtype=dtype, shape=found)
    operation = Operation(
        op=op, operands=list(range(len(operands))), result=result, ints=list(ints), fill=fill, origin=0
    )
    return operation, operands


def _movements() -> Iterator[Question]:
    for dtype in (DType.FLOAT32, DType.INT8):
        x, fill = odd_values(dtype)[:9].reshape(3, 3), odd_values(dtype)[-1:].tobytes()
        yield _asked(Op.MOVE, [x], dtype, [3, 3], (2, 3, 3, 0, 0, 0, 1, 1, 0), fill)
        yield _asked(Op.MOVE, [x], dtype, [4, 5], (2, 3, 3, -1, 3, 1, 0, 0, -1), fill)
        yield _asked(Op.MOVE, [x], dtype, [5, 3], (1, 9, -1, 2, 1), fill)
        yield _asked(Op.CONCAT, [x, x[:, :1]], dtype, [3, 4], (1,))
        index = np.array([2, -3, 0, 2], np.int64)
        yield _asked(Op.TAKE, [x, index], dtype, [3, 4], (1,))
        yield _asked(Op.TAKE, [x, index + 1], dtype, [3, 4], (1,))
        for mode in range(5):
            yield _asked(Op.SCATTER, [x, index, x[[0, 1, 2, 1]]], dtype, [3, 3], (mode,))
        condition = np.array([True, False, True])
        yield _asked(Op.SELECT, [condition, x, x[::-1]], dtype)


def _binary() -> Iterator[Question]:
    for dtype in (*FLOATS, *_WHOLE):
        x = odd_values(dtype)
        pair = [x[:, None], x]
        for op in _INTEGER_BINARY:
            ints = (1,) if op is Op.MOD else ()
            yield _asked(op, pair, DType.BOOL if op in _COMPARISONS else dtype, None, ints)
        if dtype in _WHOLE:
            whole = [x[:, None], x[x != 0]]
            for op, ints in ((Op.DIV, ()), (Op.MOD, (0,)), (Op.MOD, (1,))):
                yield _asked(op, whole, dtype, None, ints)
            yield _asked(Op.POW, [x[x != 0][:, None], x], dtype)
    for dtype in (DType.BOOL, *_WHOLE):
        x = odd_values(dtype)
        for op in _BITWISE:
            yield _asked(op, [x[:, None], x], dtype)
    for dtype in (DType.UINT8, DType.UINT64):
        x = odd_values(dtype)
        by = np.arange(0, 70, 7).astype(x.dtype)
        yield _asked(Op.SHIFT_LEFT, [x[:, None], by], dtype)
        yield _asked(Op.SHIFT_RIGHT, [x[:, None], by], dtype)


def _unary() -> Iterator[Question]:
    exact = (Op.NEG, Op.ABS, Op.SIGN, Op.FLOOR, Op.CEIL, Op.ROUND, Op.SQRT)
    for dtype in FLOATS:
        x = odd_values(dtype)
        for op in (*exact, *sorted(ELEMENTARY - {Op.POW})):
            yield _asked(op, [x], dtype)
            yield _asked(op, [spread_values(dtype, [64])], dtype)
            yield _asked(op, [spread_values(dtype, [64]) * x.dtype.type(8)], dtype)  # to where e^x is subnormal
        yield _asked(Op.IS_NAN, [x], DType.BOOL)
        yield _asked(Op.IS_INFINITE, [x], DType.BOOL, None, (1, 0))
        yield _asked(Op.IS_INFINITE, [x], DType.BOOL, None, (0, 1))
    for dtype in (DType.INT8, DType.INT64):
        for op in (Op.NEG, Op.ABS, Op.SIGN, Op.NOT):
            yield _asked(op, [odd_values(dtype)], dtype)
    yield _asked(Op.NOT, [odd_values(DType.BOOL)], DType.BOOL)
    for dtype in DType:
        for to in DType:
            yield _asked(Op.CAST, [odd_values(dtype)], to)


def _folds() -> Iterator[Question]:
    for dtype in (*FLOATS, DType.INT8, DType.INT64):
        odd = odd_values(dtype)
        for x in (spread_values(dtype, [3, 21]), odd, odd[: len(odd) // 2], odd[::-1][:3]):
            rows, summed = list(x.shape[:-1]), DType.FLOAT64 if dtype in FLOATS else dtype
            for op in _SUMMED:
                yield _asked(op, [x], summed, rows)
            yield _asked(Op.REDUCE_MAX, [x], dtype, rows)
            yield _asked(Op.REDUCE_MIN, [x], dtype, rows)
            for last in (0, 1):
                for op in _PLACED:
                    yield _asked(op, [x], DType.INT64, list(x.shape) if op is Op.SORT else rows, (last,))
                yield _asked(Op.CUMULATE, [x], dtype, list(x.shape), (last, 1 - last))


def _contractions() -> Iterator[Question]:
    for dtype in (DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64):
        a, b = spread_values(dtype, [2, 5, 67]), spread_values(dtype, [19, 67])
        yield _asked(Op.MATMUL, [a, b], dtype, [2, 5, 19])
        odd = odd_values(dtype)
        yield _asked(Op.MATMUL, [odd[:, None], odd[:, None]], dtype, [len(odd), len(odd)])
        x, w = spread_values(dtype, [1, 6, 7, 6]), spread_values(dtype, [10, 3, 2, 3])
        yield _asked(Op.CONV, [x, w], dtype, [1, 4, 8, 10], (2, 2, 1, 1, 2, 1, 1, 2))
        infinite = np.full([3, 2, 1], odd[-2])
        yield _asked(Op.CONV, [spread_values(dtype, [1, 5, 3]), infinite], dtype, [1, 6, 3], (1, 1, 1, 1, 3))


def questions() -> Iterator[Question]:
    """Yield operations of every operator with operands in normal form."""
    yield from _movements()
    yield from _binary()
    yield from _unary()
    yield from _folds()
    yield from _contractions()


def answers(kernels: Kernels = NUMPY) -> dict[str, str]:
    """Return for each operator a digest of what this machine answers, in the first run and the perturbed one."""
    digests = {op.name: hashlib.sha256() for op in Op}
    for number, (operation, operands) in enumerate(questions()):
        assert all(each.dtype in DTYPE_OF for each in operands), operation
        for perturbed in (False, True):
            try:
                raw = apply(operation, number, operands, kernels=kernels, perturbed=perturbed).tobytes()
            except Trapped as trap:
                raw = b"trap" + bytes([trap.code])
            digests[operation.op.name].update(len(raw).to_bytes(4, "big") + raw)
    return {name: digest.hexdigest()[:_DIGEST_DIGITS] for name, digest in digests.items()}


def check(kernels: Kernels = NUMPY) -> list[str]:
    """Return the operators of which this machine gives other answers than it must; none on a machine to be trusted."""
    return [name for name, digest in answers(kernels).items() if digest != KNOWN[name]]


KNOWN: dict[str, str] = {
    "MOVE": "9268a294a867c542", "CONCAT": "ff92fae717f2ef40", "TAKE": "f445237affbd974d", "SCATTER": "79f038aa99b2aca1",
    "ADD": "871a000605ace6dd", "SUB": "69b65709aba38c6d", "MUL": "57a089bf4f01da4e", "DIV": "ca99f6a675468b2f",
    "MOD": "410911a36d59c436", "MIN": "20dc5a3a46e5a6f9", "MAX": "c80607e86662c863", "POW": "5f0ed44ebbc16c4a",
    "EQUAL": "a5e88684c462047f", "LESS": "efafe03a7f603796", "LESS_EQUAL": "e0551e54f0ba2603",
    "AND": "b0370b82544b569a", "OR": "6f84d5e5694ed7d5", "XOR": "ee07ddf9ab206a40", "SHIFT_LEFT": "ce63445a9778540c",
    "SHIFT_RIGHT": "6820219d2ab24d9c", "SELECT": "50bea0ad0a70093b", "NEG": "7f1a328eb0260d66",
    "ABS": "6e9e2d6028f27b48", "SIGN": "1e30d0fcf3b98702", "NOT": "6c38d93692379891", "FLOOR": "221680a0c31ed99c",
    "CEIL": "61c4a6d2be7ef729", "ROUND": "bb12c0f7673d3c34", "SQRT": "f5fd3aeb9d22bfba", "IS_NAN": "ed10353de9e2fabe",
    "IS_INFINITE": "74232387d3327241", "CAST": "f14d4d2fb32817d6", "EXP": "6ce63cec3a5f8162",
    "EXPM1": "39b2db73594776c2", "LOG": "b146c7f13daeb869", "LOG1P": "26d8f4fb5400af51", "SIN": "a9f350a01ef5e492",
    "COS": "6a8ec2abf96d5680", "TAN": "25c7a0784329c35b", "ASIN": "2bc8c8cc8ecc1e12", "ACOS": "6cf1a5f62df81e6b",
    "ATAN": "e95712f8443534d8", "SINH": "d100200933e86546", "COSH": "29ec3680050ac221", "TANH": "5d667dc7a2f4be77",
    "ASINH": "284997990183199a", "ACOSH": "9965bf969dbe7ea9", "ATANH": "d6d01ac8d5f41336",
    "SIGMOID": "cb0573e8054d6f97", "ERF": "2d78de14fc1e1439", "REDUCE_SUM": "d4cdf18546828e5c",
    "REDUCE_PRODUCT": "8dba84ebe262b6e2", "REDUCE_MAX": "026edd8e57bfa365", "REDUCE_MIN": "252b479975e730fa",
    "ARG_MAX": "05f184dbda8c9de5", "ARG_MIN": "f8c406fda930677e", "CUMULATE": "8714458bea6286b9",
    "SORT": "91cb9a3af0984933", "MATMUL": "8439136384bd7481", "CONV": "d33ebe9c5366462b",
}  # fmt: skip
"""From a machine whose answers to random questions are those of plain fractions (tests/vm/canonical)."""
