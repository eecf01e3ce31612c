"""Derive what the elementary functions are made of, in plain integers: python -m scripts.coefficients."""

from collections.abc import Callable
from fractions import Fraction
from math import factorial, isqrt
from pathlib import Path

TARGET = Path("vm/canonical/coefficients.py")
LINE_MAX = 120
_BITS = 1400
"""Of the constants: 2/π is needed to 1,216 bits."""
_ONE = 1 << _BITS
_SHORT = 1 << 320
"""For erf, the terms of whose series reach 2^52."""

Series = Callable[[int], Fraction]


def _series(term: Series) -> Fraction:
    """Return the sum of terms that fall at least as fast as 3^-k in the end."""
    total, k = Fraction(0), 0
    while True:
        next_term = Fraction(int(term(k) * _ONE), _ONE)
        if next_term == 0:
            return total
        total, k = total + next_term, k + 1


def arctangent(x: Fraction) -> Fraction:
    """Return atan x for 0 <= x <= 1, by Euler's series."""
    total, term, k = Fraction(0), x / (1 + x * x), 0
    ratio = x * x / (1 + x * x)
    while term:
        total += term
        k += 1
        term = Fraction(int(term * ratio * Fraction(2 * k, 2 * k + 1) * _ONE), _ONE)
    return total


def square_root(x: Fraction) -> Fraction:
    """Return the root of x, rounded down."""
    return Fraction(isqrt(int(x * _ONE * _ONE)), _ONE)


PI = 4 * (4 * arctangent(Fraction(1, 5)) - arctangent(Fraction(1, 239)))
LN2 = _series(lambda k: Fraction(2, (2 * k + 1) * 3 ** (2 * k + 1)))


def error_function(x: Fraction) -> list[Fraction]:
    """Return the Taylor coefficients of erf at x, up to the twelfth."""
    scale = Fraction(int(2 / square_root(PI) * _SHORT), _SHORT)
    value, term, k = Fraction(0), x, 0
    while term:
        value += term / (2 * k + 1)
        k += 1
        term = Fraction(int(-term * x * x / k * _SHORT), _SHORT)
    bell = _inverse_exponential(x * x)
    # the derivatives of erf are those of exp(-x^2), which are Hermite polynomials times it
    hermite = [Fraction(1), 2 * x]
    for n in range(1, 11):
        hermite.append(2 * x * hermite[n] - 2 * n * hermite[n - 1])
    rest = [scale * bell * (-1) ** n * hermite[n] / factorial(n + 1) for n in range(12)]
    return [scale * value, *rest]


def _inverse_exponential(x: Fraction) -> Fraction:
    total, term, k = Fraction(0), Fraction(1), 0
    while term:
        total += term
        k += 1
        term = Fraction(int(term * x / k * _SHORT), _SHORT)
    return Fraction(int(_SHORT / total), _SHORT)


def head(x: Fraction, bits: int) -> Fraction:
    """Return the leading bits of x, cut off."""
    exponent = 0
    while x >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while x < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent + 1 - bits)
    return x // unit * unit


def constants() -> dict[str, tuple[str, Fraction]]:
    """Return single constants, by name, each with what it is."""
    half_pi = PI / 2
    first = head(half_pi, 33)
    second = head(half_pi - first, 33)
    ln2 = head(LN2, 42)
    return {
        "LOG2_E": ("log2(e)", 1 / LN2),
        "LN2": ("ln(2)", LN2),
        "LN2_HIGH": ("The leading 42 bits of ln(2): exact when multiplied by an exponent.", ln2),
        "LN2_LOW": ("What they leave.", LN2 - ln2),
        "SQRT2": ("The root of 2.", square_root(Fraction(2))),
        "PI": ("π", PI),
        "HALF_PI": ("π/2", half_pi),
        "TWO_OVER_PI": ("2/π", 1 / half_pi),
        "HALF_PI_1": ("The leading 33 bits of π/2: exact when multiplied by an integer below 2^20.", first),
        "HALF_PI_2": ("The next 33.", second),
        "HALF_PI_3": ("What they leave.", half_pi - first - second),
    }


def tables() -> dict[str, tuple[str, list[Fraction]]]:
    """Return lists of coefficients, by name, each with what it is; polynomials in ascending powers."""
    return {
        "EXP": ("e^r in r.", [Fraction(1, factorial(k)) for k in range(14)]),
        "EXPM1": ("(e^r - 1)/r in r.", [Fraction(1, factorial(k + 1)) for k in range(15)]),
        "LOG": ("atanh(s)/s in s^2.", [Fraction(1, 2 * k + 1) for k in range(12)]),
        "SIN": ("sin(r)/r in r^2.", [Fraction((-1) ** k, factorial(2 * k + 1)) for k in range(9)]),
        "COS": ("cos(r) in r^2.", [Fraction((-1) ** k, factorial(2 * k)) for k in range(9)]),
        "SINH": ("sinh(x)/x in x^2.", [Fraction(1, factorial(2 * k + 1)) for k in range(10)]),
        "ATAN": ("atan(u)/u in u^2.", [Fraction((-1) ** k, 2 * k + 1) for k in range(7)]),
        "ATAN_EIGHTHS": ("atan(i/8).", [arctangent(Fraction(i, 8)) for i in range(9)]),
    }


def error_table() -> list[list[Fraction]]:
    """Return the Taylor coefficients of erf at i/8, for i up to 48; from there on erf is 1 in float64."""
    return [error_function(Fraction(i, 8)) for i in range(49)]


def two_over_pi() -> list[int]:
    """Return 2/π in pieces of 32 bits, after two that are zero."""
    bits = int(2 / PI * (1 << 38 * 32))
    return [0, 0, *((bits >> 32 * (37 - i)) & 0xFFFFFFFF for i in range(38))]


def _told(name: str, words: str, items: list[str], indent: str = "    ") -> list[str]:
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > LINE_MAX:
            lines.append(line.rstrip())
            line = indent
        line += item + " "
    return [f'{name} = _floats("""', *lines, line.rstrip(), '""")', f'"""{words}"""']


def module() -> str:
    """Return the module's text."""
    lines = [
        '"""What the elementary functions are made of: written by `python -m scripts.coefficients`, from integers."""',
        "",
        "",
        "def _floats(text: str) -> list[float]:",
        "    return [float.fromhex(word) for word in text.split()]",
        "",
        "",
    ]
    for name, (words, number) in constants().items():
        lines += [f'{name} = float.fromhex("{float(number).hex()}")', f'"""{words}"""']
    for name, (words, numbers) in tables().items():
        lines += _told(name, words, [float(number).hex() for number in numbers])
    rows = [float(number).hex() for row in error_table() for number in row]
    lines += _told("ERF", "Taylor coefficients of erf at i/8: 13 for each i from 0 to 48.", rows)
    pieces = [f"0x{piece:08X}" for piece in two_over_pi()]
    lines += ["TWO_OVER_PI_BITS = ["]
    lines += [f"    {', '.join(pieces[at : at + 8])}," for at in range(0, len(pieces), 8)]
    lines += ["]  # fmt: skip", '"""2/π in pieces of 32 bits, the first two before its binary point."""', ""]
    return "\n".join(lines)


if __name__ == "__main__":
    TARGET.write_text(module(), encoding="utf-8")
