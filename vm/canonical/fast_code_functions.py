"""The functions of one element for compilation: those of `vm.canonical.functions`, step by step the same."""

from typing import Any

import numpy as np
from numba import njit

from vm.canonical import coefficients as c
from vm.canonical.fast_code_words import built_in, choose, from_bits, polynomial, to_bits

_inlined: Any = njit(error_model="numpy", forceinline=True)

_sqrt, _floor, _ceil, _rint = built_in("sqrt"), built_in("floor"), built_in("ceil"), built_in("rint")
_exp_terms = polynomial(c.EXP)
_NOTHING_BESIDE_ONE, _NOTHING_IN_FLOAT32 = -60.0, -200.0
"""e to these: 1 plus it is 1, and it is 0 in float32. What is smaller gives the same, but at the pace of subnormals."""
_log_terms = polynomial(c.LOG)
_NEAR = 0.5
"""Up to here e^x - 1 has a polynomial of its own."""
_expm1_terms = polynomial(c.EXPM1)
_LEAST_NORMAL, _SCALE = 2.0**-1022, 2.0**54
_ERF = np.array(c.ERF).reshape(-1, 13)


@_inlined
def add(x, y):
    """Return x + y."""
    return x + y


@_inlined
def subtract(x, y):
    """Return x - y."""
    return x - y


@_inlined
def multiply(x, y):
    """Return x · y."""
    return x * y


@_inlined
def divide(x, y):
    """Return x / y, of floats."""
    return x / y


@_inlined
def larger(x, y):
    """Return the larger; a NaN wins."""
    return x if (x > y) | (x != x) else y


@_inlined
def smaller(x, y):
    """Return the smaller; a NaN wins."""
    return x if (x < y) | (x != x) else y


@_inlined
def equal(x, y):
    """Return whether x = y."""
    return x == y


@_inlined
def less(x, y):
    """Return whether x < y."""
    return x < y


@_inlined
def less_equal(x, y):
    """Return whether x <= y."""
    return x <= y


@_inlined
def both(x, y):
    """Return x and y, bit by bit."""
    return x & y


@_inlined
def either(x, y):
    """Return x or y, bit by bit."""
    return x | y


@_inlined
def same(x):
    """Return x: a cast to a type that holds it, or rounds it."""
    return x


@_inlined
def negative(x):
    """Return -x."""
    return -x


@_inlined
def absolute(x):
    """Return |x|."""
    return abs(x)


@_inlined
def root(x):
    """Return the square root."""
    return _sqrt(x)


@_inlined
def floor(x):
    """Return the next integer below."""
    return _floor(x)


@_inlined
def ceiling(x):
    """Return the next integer above."""
    return _ceil(x)


@_inlined
def rounded(x):
    """Return the nearest integer, half to even."""
    return _rint(x)


@_inlined
def _power_of_two(exponent):
    return from_bits((np.int64(exponent) + 1023) << 52)


@_inlined
def exp(value):
    """Return e^x."""
    x = np.float64(value)
    x = smaller(larger(x, -746.0), 710.0)
    n = _rint(x * c.LOG2_E)
    power = _exp_terms((x - n * c.LN2_HIGH) - n * c.LN2_LOW)
    n = 0.0 if n != n else n
    half = _floor(n * 0.5)
    return power * _power_of_two(half) * _power_of_two(n - half)


@_inlined
def exp_to_float32(value):
    """Return e^x for a result in float32."""
    return exp(larger(np.float64(value), _NOTHING_IN_FLOAT32))


@_inlined
def _expm1(x):
    near, far = x * _expm1_terms(x), exp(x) - 1.0
    return choose(abs(x) < _NEAR, near, far)


@_inlined
def tanh(value):
    """Return tanh x."""
    x = np.float64(value)
    rest = _expm1(larger(-2.0 * abs(x), _NOTHING_BESIDE_ONE))
    ratio = -rest / (2.0 + rest)
    return -ratio if x < 0.0 else ratio


@_inlined
def sigmoid(value):
    """Return 1/(1 + e^-x), for a result in float32."""
    x = np.float64(value)
    rest = exp(larger(-abs(x), _NOTHING_IN_FLOAT32))
    return (1.0 if x >= 0.0 else rest) / (1.0 + rest)


@_inlined
def erf(value):
    """Return the error function."""
    x = np.float64(value)
    a = smaller(abs(x), 6.0)
    place = _rint(a * 8.0)
    place = 0.0 if place != place else place
    row = np.int64(place)
    distance = a - place * 0.125
    result = _ERF[row, 12]
    for power in range(11, -1, -1):
        result = result * distance + _ERF[row, power]
    return -result if x < 0.0 else result


@_inlined
def no(x):
    """Return not x, of a bool."""
    return x ^ 1


@_inlined
def log(value):
    """Return ln x."""
    x = np.float64(value)
    small = x < _LEAST_NORMAL
    bits = to_bits(x * _SCALE if small else x)
    exponent = ((bits >> 52) & 0x7FF) - (1077 if small else 1023)
    m = from_bits((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000)
    high = m > c.SQRT2
    m = m * 0.5 if high else m
    e = np.float64(exponent + high)
    s = (m - 1.0) / (m + 1.0)
    result = e * c.LN2_HIGH + (2.0 * s * _log_terms(s * s) + e * c.LN2_LOW)
    result = np.inf if x == np.inf else (-np.inf if x == 0.0 else result)
    return result if x >= 0.0 else np.nan


def whole(least: int, most: int) -> Any:
    """Return the cast of a float to an integer type: truncated, NaN 0, and what does not fit the nearest that does."""
    low, beyond = float(least), float(most + 1)

    @_inlined
    def cast(value):
        x = np.float64(value)
        inner = np.int64(x if (x > low) & (x < beyond) else 0.0)
        above = least if x <= low else inner
        return most if x >= beyond else above

    cut: Any = cast
    return cut
