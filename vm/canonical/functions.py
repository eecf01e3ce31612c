"""Elementary functions of our own: float64 additions, multiplications, divisions, roots and bit patterns only (G60).

Libraries differ in the last bits of these, and so do the machines they pick their code for. Every function here takes
and returns float64; each element depends on its operands alone. Errors stay within a few units of float64's last
place, so that a float32 result is the nearest float32 or, rarely and near a tie, its neighbour.
"""

from collections.abc import Callable

import numpy as np

from vm.canonical import coefficients as c
from vm.canonical.arrays import BLOCK, NUMPY_OF, Array
from vm.canonical.elementwise import power_of_integers
from vm.program import Op, Operation

_FRACTION, _BIAS = 52, 1023
_LARGE_ANGLE = float(1 << 20)
"""Up to here π/2 in three parts is enough; beyond, 2/π in as many bits as it takes."""
_SQUARED_POWERS = 64
"""Whole exponents up to here are multiplied out: x², x³ and the like are as exact as multiplication."""
_WORD = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)


def polynomial(x: Array, terms: list[float]) -> Array:
    """Return the polynomial of ascending `terms` at x, by Horner's rule."""
    value = np.full(x.shape, terms[-1])
    for term in reversed(terms[:-1]):
        np.multiply(value, x, out=value)
        np.add(value, term, out=value)
    return value


def _power_of_two(exponent: Array) -> Array:
    """Return 2 to integers from -1022 to 1023."""
    return ((exponent.astype(np.int64) + _BIAS) << _FRACTION).view(np.float64)


def exp(x: Array) -> Array:
    """Return e^x: x = n ln 2 + r with |r| <= ln(2)/2."""
    x = np.minimum(np.maximum(x, -746.0), 710.0)  # beyond, the results are 0 and infinity as at these
    n = np.rint(x * c.LOG2_E)
    value = polynomial((x - n * c.LN2_HIGH) - n * c.LN2_LOW, c.EXP)
    n = np.where(np.isnan(n), 0.0, n)
    half = np.floor(n * 0.5)
    return value * _power_of_two(half) * _power_of_two(n - half)  # in two steps: 2^n alone may not be a float64


def expm1(x: Array) -> Array:
    """Return e^x - 1."""
    return np.where(np.abs(x) < 0.5, x * polynomial(x, c.EXPM1), exp(x) - 1.0)


def log(x: Array) -> Array:
    """Return ln x: x = 2^e m with m from √½ to √2, ln m = 2 atanh((m - 1)/(m + 1))."""
    small = x < 2.0**-1022
    words = np.where(small, x * 2.0**54, x).view(np.int64)
    exponent = ((words >> _FRACTION) & 0x7FF) - np.where(small, _BIAS + 54, _BIAS)
    m = ((words & ((1 << _FRACTION) - 1)) | (_BIAS << _FRACTION)).view(np.float64)
    high = m > c.SQRT2
    m, e = np.where(high, m * 0.5, m), (exponent + high).astype(np.float64)
    value = e * c.LN2_HIGH + (_twice_atanh((m - 1.0) / (m + 1.0)) + e * c.LN2_LOW)
    value = np.where(x == np.inf, np.inf, np.where(x == 0.0, -np.inf, value))
    return np.where(x >= 0.0, value, np.nan)


def _twice_atanh(s: Array) -> Array:
    """Return 2 atanh(s) for |s| <= 0.172."""
    return 2.0 * s * polynomial(s * s, c.LOG)


def log1p(x: Array) -> Array:
    """Return ln(1 + x)."""
    near = (x > -0.29) & (x < 0.41)
    return np.where(near, _twice_atanh(x / (x + 2.0)), log(x + 1.0))


def _reduced(x: Array) -> tuple[Array, Array]:
    """Return n mod 4 and r with x = n π/2 + r, |r| <= π/4, for x >= 0; r is NaN for infinity and NaN."""
    small = x <= _LARGE_ANGLE
    n = np.rint(np.where(small, x, 0.0) * c.TWO_OVER_PI)
    rest = ((x - n * c.HALF_PI_1) - n * c.HALF_PI_2) - n * c.HALF_PI_3
    quadrant = n.astype(np.int64)
    large = ~small
    if large.any():
        quadrant[large], rest[large] = _reduced_exactly(x[large])
    return quadrant & 3, rest


def _reduced_exactly(x: Array) -> tuple[Array, Array]:
    """Return what `_reduced` does for large x: x · 2/π modulo 4 in 224 bits.

    x is an integer of 53 bits times 2^e. Of the pieces of 2/π those that give multiples of 4 are left out, and of the
    product of the next seven with the integer, shifted so that the binary point stays where it is, seven are kept.
    """
    words = np.where(np.isfinite(x), x, 1.0).view(np.uint64)
    e = (words >> np.uint64(_FRACTION)).astype(np.int64) - (_BIAS + _FRACTION)
    whole = (words & np.uint64((1 << _FRACTION) - 1)) | np.uint64(1 << _FRACTION)
    first = (e - 2) >> 5
    shift = (e - 2 - 32 * first).astype(np.uint64)
    low, high = (whole & _WORD) << shift, (whole >> _HALF_WORD) << shift
    middle = (low >> _HALF_WORD) + high
    integer = [low & _WORD, middle & _WORD, middle >> _HALF_WORD]
    bits = np.array(c.TWO_OVER_PI_BITS, np.uint64)
    pieces = [bits[first + 2 + at] for at in reversed(range(7))]
    carry, product = np.zeros(x.shape, np.uint64), []
    for place in range(7):
        lower, upper = carry, np.zeros(x.shape, np.uint64)
        for at in range(min(place, 2) + 1):
            part = integer[at] * pieces[place - at]
            lower, upper = lower + (part & _WORD), upper + (part >> _HALF_WORD)
        product.append(lower & _WORD)
        carry = (lower >> _HALF_WORD) + upper
    top = (product[6] << _HALF_WORD) | product[5]  # the first two of its 64 bits are the quadrant
    nearest = top + np.uint64(1 << 61)
    quadrant = (nearest >> np.uint64(62)).astype(np.int64)
    part = (nearest & np.uint64((1 << 62) - 1)).astype(np.int64) - (1 << 61)
    rest = ((product[4] << _HALF_WORD) | product[3]).astype(np.float64)
    angle = (part.astype(np.float64) * 2.0**-62 + rest * 2.0**-126) * c.HALF_PI
    return quadrant, np.where(np.isfinite(x), angle, np.nan)


def _sine(quadrant: Array, r: Array) -> Array:
    """Return sin(n π/2 + r)."""
    square = r * r
    value = np.where((quadrant & 1) == 1, polynomial(square, c.COS), r * polynomial(square, c.SIN))
    return np.where((quadrant & 2) == 2, -value, value)


def sin(x: Array) -> Array:
    """Return the sine of x radians; NaN for infinities."""
    value = _sine(*_reduced(np.abs(x)))
    return np.where(x < 0.0, -value, value)


def cos(x: Array) -> Array:
    """Return the cosine of x radians; NaN for infinities."""
    quadrant, r = _reduced(np.abs(x))
    return _sine(quadrant + 1, r)


def tan(x: Array) -> Array:
    """Return the tangent of x radians; NaN for infinities."""
    quadrant, r = _reduced(np.abs(x))
    value = _sine(quadrant, r) / _sine(quadrant + 1, r)
    return np.where(x < 0.0, -value, value)


def atan(x: Array) -> Array:
    """Return atan x: that of t = |x| or 1/|x| from the nearest eighth."""
    a = np.abs(x)
    t = np.where(a > 1.0, 1.0 / a, a)
    place = np.where(np.isnan(t), 0.0, np.rint(t * 8.0))
    eighth = place * 0.125
    u = (t - eighth) / (1.0 + t * eighth)
    value = np.array(c.ATAN_EIGHTHS)[place.astype(np.int64)] + u * polynomial(u * u, c.ATAN)
    value = np.where(a > 1.0, c.HALF_PI - value, value)
    return np.where(x < 0.0, -value, value)


def asin(x: Array) -> Array:
    """Return asin x; NaN beyond ±1."""
    return atan(x / np.sqrt((1.0 - x) * (1.0 + x)))


def acos(x: Array) -> Array:
    """Return acos x; NaN beyond ±1."""
    return 2.0 * atan(np.sqrt((1.0 - x) / (1.0 + x)))


def sinh(x: Array) -> Array:
    """Return sinh x."""
    a = np.abs(x)
    half = exp(a * 0.5)  # e^x may be infinite where sinh x is not
    value = np.where(a < 1.0, a * polynomial(a * a, c.SINH), 0.5 * half * half - 0.5 / (half * half))
    return np.where(x < 0.0, -value, value)


def cosh(x: Array) -> Array:
    """Return cosh x."""
    half = exp(np.abs(x) * 0.5)
    return 0.5 * half * half + 0.5 / (half * half)


def tanh(x: Array) -> Array:
    """Return tanh x."""
    less = expm1(-2.0 * np.abs(x))
    value = -less / (2.0 + less)
    return np.where(x < 0.0, -value, value)


def asinh(x: Array) -> Array:
    """Return asinh x."""
    a = np.abs(x)
    value = np.where(a < 2.0**28, log1p(a + a * a / (1.0 + np.sqrt(1.0 + a * a))), log(a) + c.LN2)
    return np.where(x < 0.0, -value, value)


def acosh(x: Array) -> Array:
    """Return acosh x; NaN below 1."""
    t = x - 1.0
    value = np.where(x < 2.0**28, log1p(t + np.sqrt(t * (2.0 + t))), log(x) + c.LN2)
    return np.where(x >= 1.0, value, np.nan)


def atanh(x: Array) -> Array:
    """Return atanh x; NaN beyond ±1."""
    a = np.abs(x)
    value = 0.5 * log1p(2.0 * a / (1.0 - a))
    return np.where(x < 0.0, -value, value)


def sigmoid(x: Array) -> Array:
    """Return 1/(1 + e^-x)."""
    less = exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, less) / (1.0 + less)


def erf(x: Array) -> Array:
    """Return the error function: its Taylor polynomial at the nearest eighth."""
    a = np.minimum(np.abs(x), 6.0)
    place = np.where(np.isnan(a), 0.0, np.rint(a * 8.0))
    rows = np.array(c.ERF).reshape(-1, 13)[place.astype(np.int64)]
    distance = a - place * 0.125
    value = rows[..., 12]
    for power_of_distance in reversed(range(12)):
        value = value * distance + rows[..., power_of_distance]
    return np.where(x < 0.0, -value, value)


def power(x: Array, y: Array) -> Array:
    """Return x to the power y, of one shape (G61)."""
    a, whole = np.abs(x), np.rint(y) == y
    squared = whole & (np.abs(y) <= _SQUARED_POWERS)
    value = np.ones(x.shape) if squared.all() else exp(y * log(a))
    if squared.any():
        value = np.where(squared, _multiplied(a, np.where(squared, y, 0.0)), value)
    half = y * 0.5
    odd = whole & (np.rint(half) != half)
    value = np.where((x < 0.0) & odd, -value, value)
    value = np.where((x < 0.0) & ~whole & np.isfinite(x) & ~np.isnan(y), np.nan, value)
    value = np.where((a == 1.0) & np.isinf(y), 1.0, value)
    return np.where((x == 1.0) | (y == 0.0), 1.0, value)


def _multiplied(a: Array, y: Array) -> Array:
    """Return a to a whole power by squaring; to a negative one, 1 by that to the positive."""
    left = np.abs(y).astype(np.int64)
    value, square = np.ones(a.shape), a
    while left.any():
        value = np.where((left & 1) == 1, value * square, value)
        square, left = square * square, left >> 1
    return np.where(y < 0.0, 1.0 / value, value)


UNARY: dict[Op, Callable[[Array], Array]] = {
    Op.EXP: exp,
    Op.EXPM1: expm1,
    Op.LOG: log,
    Op.LOG1P: log1p,
    Op.SIN: sin,
    Op.COS: cos,
    Op.TAN: tan,
    Op.ASIN: asin,
    Op.ACOS: acos,
    Op.ATAN: atan,
    Op.SINH: sinh,
    Op.COSH: cosh,
    Op.TANH: tanh,
    Op.ASINH: asinh,
    Op.ACOSH: acosh,
    Op.ATANH: atanh,
    Op.SIGMOID: sigmoid,
    Op.ERF: erf,
}


def unary(operation: Operation, operands: list[Array]) -> Array:
    """Return an elementary function of x, rounded once to the result's type."""
    function, x = UNARY[operation.op], operands[0].reshape(-1)
    result = np.empty(x.shape, NUMPY_OF[operation.result.dtype])
    for at in range(0, x.size, BLOCK):
        result[at : at + BLOCK] = function(x[at : at + BLOCK].astype(np.float64))
    return result.reshape(operands[0].shape)


def raised(operation: Operation, operands: list[Array]) -> Array:
    """Return x to the power y: floats rounded once to the result's type, integers wrapping. Raises Trapped DIVISION."""
    if operands[0].dtype.kind != "f":
        return power_of_integers(*operands)
    x, y = (each.astype(np.float64) for each in np.broadcast_arrays(*operands))
    flat, exponents = x.reshape(-1), y.reshape(-1)
    result = np.empty(flat.shape, NUMPY_OF[operation.result.dtype])
    for at in range(0, flat.size, BLOCK):
        result[at : at + BLOCK] = power(flat[at : at + BLOCK], exponents[at : at + BLOCK])
    return result.reshape(x.shape)
