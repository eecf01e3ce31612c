import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from scripts import coefficients
from tests.tidy.sources import ROOT
from vm.canonical import functions
from vm.canonical.arrays import Array
from vm.canonical.interpreter import apply
from vm.program import Op, Operation
from vm.tensor import DType, TensorType

NAN, INF = math.nan, math.inf
UNITS_MAX = 6
"""Of float64's last place: ours may have four, those of the machine's library one or two."""


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def turned(x: float) -> tuple[int, float]:
    """Return x as n quarter turns and an angle: libraries are known to lose digits of large ones."""
    quarters, half_pi = Fraction(x) / (coefficients.PI / 2), coefficients.PI / 2
    return round(quarters) % 4, float((quarters - round(quarters)) * half_pi)


def sine(x: float) -> float:
    n, r = turned(x)
    return (-1 if n > 1 else 1) * (math.cos(r) if n % 2 else math.sin(r))


def cosine(x: float) -> float:
    n, r = turned(x)
    return (-1 if n in (1, 2) else 1) * (math.sin(r) if n % 2 else math.cos(r))


LIBRARY: dict[Op, Callable[[float], float]] = {
    **{op: getattr(math, op.name.lower()) for op in functions.UNARY if op is not Op.SIGMOID},
    Op.SIGMOID: sigmoid,
    Op.SIN: sine,
    Op.COS: cosine,
    Op.TAN: lambda x: sine(x) / cosine(x),
}


def grid() -> list[float]:
    """Return numbers of every magnitude, dense where functions change."""
    rng = np.random.default_rng(1)
    parts = [rng.standard_normal(150) * scale for scale in (1e-30, 1e-3, 0.1, 1.0, 4.0, 30.0, 300.0)]
    parts += [np.exp(rng.uniform(-740, 709, 150)), rng.uniform(-1, 1, 300), 1 - np.exp(rng.uniform(-30, 0, 100))]
    edges = [0.0, 5e-324, 2.2e-308, 0.5, 1.0, 2.0, 0.0625, 6.0, 709.78, 745.13, 2.0**20, 2.0**20 + 1, 2.0**28]
    # the float64 nearest to a multiple of π/2 (Kahan and McDonald)
    edges += [1.5707963267948966, 3.141592653589793, 1e22, 6381956970095103 * 2.0**797, 1.7976931348623157e308]
    found = np.concatenate([*parts, edges]).tolist()
    return [*found, *(-each for each in found)]


def of_library(function: Callable[[float], float], x: float) -> float:
    try:
        return function(x)
    except OverflowError:
        return math.copysign(INF, x) if function is not math.cosh else INF
    except ValueError:  # a pole, or outside of the domain
        if (function is math.log and x == 0) or (function is math.log1p and x == -1):
            return -INF
        return math.copysign(INF, x) if function is math.atanh and abs(x) == 1 else NAN


@pytest.mark.parametrize("op", sorted(functions.UNARY), ids=lambda op: op.name)
def test_g60_functions_agree_with_a_good_library_to_the_last_places(op: Op) -> None:
    points = grid()
    with np.errstate(all="ignore"):
        ours = functions.UNARY[op](np.array(points))
    for x, found in zip(points, ours.tolist(), strict=True):
        wanted = of_library(LIBRARY[op], x)
        if math.isfinite(wanted):
            assert abs(found - wanted) <= UNITS_MAX * math.ulp(wanted), (x, found, wanted)
        else:
            assert found == wanted or (math.isnan(found) and math.isnan(wanted)), (x, found, wanted)


SPECIAL = {  # of -infinity, -1, 0, 1, infinity; None where the grid tells
    Op.EXP: [0.0, None, 1.0, None, INF],
    Op.EXPM1: [-1.0, None, 0.0, None, INF],
    Op.LOG: [NAN, NAN, -INF, 0.0, INF],
    Op.LOG1P: [NAN, -INF, 0.0, None, INF],
    Op.SIN: [NAN, None, 0.0, None, NAN],
    Op.COS: [NAN, None, 1.0, None, NAN],
    Op.TAN: [NAN, None, 0.0, None, NAN],
    Op.ASIN: [NAN, -math.pi / 2, 0.0, math.pi / 2, NAN],
    Op.ACOS: [NAN, math.pi, math.pi / 2, 0.0, NAN],
    Op.ATAN: [-math.pi / 2, -math.pi / 4, 0.0, math.pi / 4, math.pi / 2],
    Op.SINH: [-INF, None, 0.0, None, INF],
    Op.COSH: [INF, None, 1.0, None, INF],
    Op.TANH: [-1.0, None, 0.0, None, 1.0],
    Op.ASINH: [-INF, None, 0.0, None, INF],
    Op.ACOSH: [NAN, NAN, NAN, 0.0, INF],
    Op.ATANH: [NAN, -INF, 0.0, INF, NAN],
    Op.SIGMOID: [0.0, None, 0.5, None, 1.0],
    Op.ERF: [-1.0, None, 0.0, None, 1.0],
}


@pytest.mark.parametrize("op", sorted(functions.UNARY), ids=lambda op: op.name)
def test_g60_special_values_are_exact_and_a_nan_stays_one(op: Op) -> None:
    with np.errstate(all="ignore"):
        ours = functions.UNARY[op](np.array([-INF, -1.0, 0.0, 1.0, INF, NAN]))
    for found, wanted in zip(ours.tolist(), [*SPECIAL[op], NAN], strict=True):
        assert wanted is None or found == wanted or (math.isnan(found) and math.isnan(wanted)), (found, wanted)


POWERS = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, 64.0, 65.0, -65.0, 2.0**53, 1e300, -1e300, 1e-300, INF, -INF, NAN]


def of_power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -INF if x < 0 and math.fmod(y, 2) in (1, -1) else INF
    except ValueError:
        return INF if x == 0 else NAN


def test_g61_powers_follow_the_rules_of_ieee() -> None:
    x, y = (each.reshape(-1) for each in np.meshgrid(POWERS, POWERS))
    with np.errstate(all="ignore"):
        ours = functions.power(x, y)
    for a, b, found in zip(x.tolist(), y.tolist(), ours.tolist(), strict=True):
        wanted = of_power(a, b)
        same = found == wanted or (math.isnan(found) and math.isnan(wanted))
        assert same or abs(found - wanted) <= 1e-12 * abs(wanted), (a, b, found, wanted)


def test_small_whole_powers_are_multiplied_out() -> None:
    x = np.array([3.0, -3.0, 1.1, 10.0])
    assert functions.power(x, np.full(4, 2.0)).tobytes() == (x * x).tobytes()
    assert functions.power(x, np.full(4, -1.0)).tobytes() == (1 / x).tobytes()
    assert functions.power(np.array([10.0]), np.array([22.0]))[0] == 1e22


def rounded(op: Op, dtype: DType, x: Array) -> Array:
    operation = Operation(
        op=op, operands=[0], result=TensorType(dtype=dtype, shape=list(x.shape)), ints=[], fill=b"", origin=0
    )
    return apply(operation, 0, [x])


def test_an_element_depends_on_itself_alone() -> None:
    x = np.concatenate([np.linspace(-5, 5, 40_000), [NAN, INF, 1e38, 1e20]]).astype(np.float32)
    for op in functions.UNARY:
        whole = rounded(op, DType.FLOAT32, x)
        for at in (0, 16_383, 16_384, len(x) - 2):
            assert whole[at : at + 1].tobytes() == rounded(op, DType.FLOAT32, x[at : at + 1]).tobytes(), op.name


def test_the_coefficients_are_those_that_integers_give() -> None:
    assert (ROOT / coefficients.TARGET).read_text(encoding="utf-8") == coefficients.module()
