"""One element of a result, from the elements that it reads: IEEE arithmetic on scalars, in the stated order.

No linear algebra, no reduction of a library, no compiled kernel and no thread has a part in it; whole numbers are
Python's. What is elementwise is the canonical definition itself, on arrays of one element.
"""

from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np

from vm.canonical import interpreter
from vm.canonical.arrays import NUMPY_OF, Array, mended
from vm.canonical.trapped import Trapped
from vm.program import Op, Operation, TrapCode, noise_bits
from vm.referee import reach
from vm.tensor import FLOATS, DType, TensorType

Opened = list[Array]
"""For each operand that `reach.needs` tells, in its order, the elements of its ranges, one after the other."""


def recompute(
    operation: Operation, number: int, types: list[TensorType], element: int, opened: Opened, *, perturbed: bool
) -> bytes:
    """Return one element of the result of operation `number`, in normal form. Raises Trapped (G-rules throughout)."""
    with np.errstate(all="ignore"):
        value = _value(operation, number, types, element, opened, perturbed=perturbed)
        bits = noise_bits(operation, types[0].dtype) if perturbed else 0
        return (_scaled(value, number, element, bits) if bits else value).tobytes()


def front(index: int, length: int, number: int) -> int:
    """Return an index of TAKE or SCATTER counted from the front (G12, G13). Raises Trapped INDEX."""
    if not -length <= index < length:
        raise Trapped(TrapCode.INDEX, number)
    return index + length if index < 0 else index


def _value(
    operation: Operation, number: int, types: list[TensorType], element: int, opened: Opened, *, perturbed: bool
) -> Array:
    """Return the element before it is scaled, in normal form, as an array of one."""
    op, dtype = operation.op, operation.result.dtype
    match op:
        case Op.MOVE:
            return opened[0] if opened else np.frombuffer(operation.fill, NUMPY_OF[dtype])
        case Op.CONCAT:
            return opened[0]
        case Op.TAKE:
            return opened[1]
        case Op.SCATTER:
            return _scattered(operation, opened)
        case Op.MATMUL | Op.CONV:
            a, b = opened
            if op is Op.CONV:
                b = _tap_weights(operation, types, element, b)
            return _contracted(dtype, a, b, backwards=perturbed)
        case Op.REDUCE_SUM | Op.REDUCE_PRODUCT:
            return _folded(operation, types[0].dtype, opened[0], perturbed=perturbed)
        case Op.CUMULATE:
            row = opened[0][::-1] if operation.ints[1] else opened[0]
            return _added_up(dtype, row, np.float32 if perturbed else np.float64)
        case Op.REDUCE_MAX | Op.REDUCE_MIN:
            row = opened[0]
            return row[[_extreme(row, largest=op is Op.REDUCE_MAX, last=False)]]
        case Op.ARG_MAX | Op.ARG_MIN:
            return _whole(dtype, _extreme(opened[0], largest=op is Op.ARG_MAX, last=operation.ints[0] == 1))
        case Op.SORT:
            return _whole(
                dtype, _sorted_at(opened[0], element % types[0].shape[-1], descending=bool(operation.ints[0]))
            )
        case _:
            return _elementwise(operation, number, opened)


def _elementwise(operation: Operation, number: int, opened: Opened) -> Array:
    one = Operation(
        op=operation.op,
        operands=operation.operands,
        result=TensorType(dtype=operation.result.dtype, shape=[1]),
        ints=operation.ints,
        fill=operation.fill,
        origin=operation.origin,
    )
    return interpreter.apply(one, number, opened)


def _whole(dtype: DType, value: int) -> Array:
    """Return an integer, wrapped to its type, as an array of one."""
    to = NUMPY_OF[dtype]
    if to.kind == "b":
        return np.array([value != 0])
    return np.frombuffer((value % (1 << 8 * to.itemsize)).to_bytes(to.itemsize, "little"), to)


def _scattered(operation: Operation, opened: Opened) -> Array:
    """Return an element of data combined with the updates that meet it, in order (G13)."""
    value, updates = opened[1], opened[2]
    combine = _COMBINE[operation.ints[0]]
    for at in range(len(updates)):
        value = combine(value, updates[at : at + 1])
    return mended(np.array(value)) if value.dtype.kind == "f" else value


_COMBINE: list[Callable[[Array, Array], Array]] = [lambda _, y: y, np.add, np.multiply, np.maximum, np.minimum]
"""By ints[0] of a SCATTER."""


def _tap_weights(operation: Operation, types: list[TensorType], element: int, weights: Array) -> Array:
    """Return the weights of the taps inside of x: what lies outside adds nothing (G51)."""
    lines = weights.reshape(-1, types[1].shape[-1])
    return lines[[tap for tap, _ in reach.taps(operation, types, element)]].reshape(-1)


def _contracted(dtype: DType, a: Array, b: Array, *, backwards: bool) -> Array:
    """Return the products of a and b, added one after the other (G50), from the end if `backwards` (G80)."""
    if dtype not in FLOATS:
        return _whole(dtype, sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))
    total = NUMPY_OF[dtype].type(0)
    products = np.multiply(a, b)
    for product in products[::-1] if backwards else products:
        total = total + product
    return mended(np.array([total], NUMPY_OF[dtype]))


def _folded(operation: Operation, source: DType, row: Array, *, perturbed: bool) -> Array:
    """Return the sum or product of a row: floats by halves (G41), in the second run one after the other (G81)."""
    dtype, adds = operation.result.dtype, operation.op is Op.REDUCE_SUM
    if source not in FLOATS:
        total = 0 if adds else 1
        for value in row.tolist():
            total = total + value if adds else total * value % (1 << 64)
        return _whole(dtype, total)
    if perturbed:
        one: Any = np.float32(0 if adds else 1)
        for each in row.astype(np.float32):
            one = one + each if adds else one * each
        return mended(np.array([one], np.float64))
    values = [float(value) for value in row] or [0.0 if adds else 1.0]
    while len(values) > 1:
        half = 1 << (len(values) - 1).bit_length() - 1
        for at, right in enumerate(values[half:]):
            values[at] = values[at] + right if adds else values[at] * right
        values = values[:half]
    return mended(np.array(values, np.float64))


def _added_up(dtype: DType, row: Array, wide: type[np.float32 | np.float64]) -> Array:
    """Return the sum of what comes before an element of CUMULATE, in order (G44, G81)."""
    if dtype not in FLOATS:
        return _whole(dtype, sum(row.tolist()))
    total = wide(0)
    for each in row.astype(wide):
        total = total + each
    return mended(np.array([total]).astype(NUMPY_OF[dtype]))


def _extreme(row: Array, *, largest: bool, last: bool) -> int:
    """Return where a row has its largest or smallest element: the first NaN, or the first or last of equals (G42)."""
    best = 0
    for at, value in enumerate(values := row.tolist()):
        if isnan(value):
            return at
        if value == values[best]:
            best = at if last else best
        elif (value > values[best]) is largest:
            best = at
    return best


def _sorted_at(row: Array, place: int, *, descending: bool) -> int:
    """Return which element a stable sort puts at a place, NaN being the largest (G45)."""
    values = row.tolist()
    # Python's sort is stable in both directions.
    return sorted(range(len(values)), key=lambda at: _key(values[at]), reverse=descending)[place]


def _key(value: float) -> tuple[bool, float]:
    return (True, 0.0) if isnan(value) else (False, value)


def _scaled(value: Array, number: int, element: int, bits: int) -> Array:
    """Return an element times the second run's factor for it, in float64 and rounded once (G82)."""
    return mended((value.astype(np.float64) * _factor(number, element, bits)).astype(value.dtype))


def _factor(number: int, element: int, bits: int) -> Array:
    """Return the factor that splitmix64 draws for an element of operation `number` (G82)."""
    mixed = ((number << 40 ^ element) + 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    mixed ^= mixed >> 31
    step = (2**15 + (mixed >> 47) % 2**16) / 2 ** (16 + bits)
    return np.asarray(1.0 - step if mixed >> 63 else 1.0 + step)
