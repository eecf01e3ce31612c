"""The vectors of comparison and noise: what every judge must say. Run as a program, it writes them anew.

Their form is described in vectors/README.md. A change of the file is a change of the protocol.
"""

import json
import math
import struct
from pathlib import Path

from vm.compare import compare
from vm.manifest import Ratio
from vm.noise import Noise, ill_conditioned
from vm.tensor import DType, Tensor

FILE = Path(__file__).parent / "vectors" / "comparison.json"
TENTH = Ratio(numerator=1, denominator=10)
QUARTER = Ratio(numerator=1, denominator=4)
NAN, INF = math.nan, math.inf
_CODES = {DType.FLOAT16: "e", DType.FLOAT32: "f", DType.FLOAT64: "d"}

Vector = dict[str, str | int | bool | list[int] | list[str]]
Rows = list[list[float]]


def tensor(rows: Rows, dtype: DType = DType.FLOAT32) -> Tensor:
    """Return a tensor of equally long rows."""
    numbers = [number for row in rows for number in row]
    data = struct.pack(f"<{len(numbers)}{_CODES[dtype]}", *numbers)
    return Tensor(dtype=dtype, shape=[len(rows), len(rows[0])], data=data)


def _waves(count: int, *, size: float = 1.0) -> list[float]:
    """Return numbers with few bits that are spread over a decade: no library's rounding has a part in them."""
    return [size * ((at * 37 % 64) - 31) / 32 for at in range(count)]


def _moved(row: list[float], at: int, by: float) -> list[float]:
    return [*row[:at], row[at] + by, *row[at + 1 :]]


def _pairs() -> dict[str, tuple[Rows, Rows, Ratio, DType]]:
    ones, single = [1.0] * 16, DType.FLOAT32
    masked = _waves(32) + [-1e4] * 96
    sparse = [[0.0] * 61 + [1.0, -2.0, 0.5] for _ in range(8)]
    tiny, half = 2.0**-149, DType.FLOAT16
    return {
        "a tie is within": ([ones], [_moved(ones, 0, 0.25)], QUARTER, single),
        "one bit more than a tie is not": ([ones], [_moved(ones, 0, 0.25 + 2.0**-23)], QUARTER, single),
        "a tie below": ([ones], [_moved(ones, 3, -0.25)], QUARTER, single),
        "a large element by itself": ([[*ones, 64.0]], [[*ones, 70.0]], TENTH, single),
        "signs of zero": ([[0.0, -0.0, *ones]], [[-0.0, 0.0, *ones]], TENTH, single),
        "a NaN with a NaN": ([[NAN, *ones]], [[NAN, *ones]], TENTH, single),
        "a NaN with a number": ([[NAN, *ones]], [[1.0, *ones]], TENTH, single),
        "an infinity with the other": ([[INF, *ones]], [[-INF, *ones]], TENTH, single),
        "an infinity with a number": ([[3e38, *ones]], [[INF, *ones]], TENTH, single),
        "a mask of -1e4, moved elsewhere": ([masked], [_moved(masked, 5, 0.125)], TENTH, single),
        "a mask of -1e4, moved itself": ([masked], [_moved(masked, 40, 500.0)], TENTH, single),
        "a mask of -1e4 on nearly all": ([[1.0, *[-1e4] * 15]], [[500.0, *[-1e4] * 15]], TENTH, single),
        "a mask of -infinity": (
            [_waves(32) + [-INF] * 96],
            [_moved(_waves(32), 7, 0.03125) + [-INF] * 96],
            TENTH,
            single,
        ),
        "rows mostly zero": (sparse, [_moved(sparse[0], 2, 0.125), *sparse[1:]], TENTH, single),
        "nothing but zeros": ([[0.0] * 4], [[0.0, 0.125, 0.0, 0.0]], TENTH, single),
        "subnormals": ([[tiny] * 16], [[tiny * 2, *[tiny] * 15]], TENTH, single),
        "subnormals of float64": ([[5e-324] * 16], [[1e-323, *[5e-324] * 15]], TENTH, DType.FLOAT64),
        "the largest numbers": (
            [[3.0e38] * 16],
            [[-3.0e38, *[3.0e38] * 15]],
            Ratio(numerator=2, denominator=1),
            single,
        ),
        "the largest float64": ([[1.5e308]], [[-1.5e308]], Ratio(numerator=2, denominator=1), DType.FLOAT64),
        "float16": ([_waves(32)], [_moved(_waves(32), 9, 0.0625)], TENTH, half),
        "subnormals of float16": ([[2.0**-24] * 16], [[2.0**-23, *[2.0**-24] * 15]], TENTH, half),
        "the first of equal deviations": ([ones], [_moved(_moved(ones, 9, 0.125), 4, -0.125)], TENTH, single),
    }


def _comparisons() -> list[Vector]:
    found: list[Vector] = []
    for case, (left, right, tolerance, dtype) in _pairs().items():
        reference, other = tensor(left, dtype), tensor(right, dtype)
        verdict = compare(reference, other, tolerance)
        found.append(
            {
                "case": case,
                "dtype": int(dtype),
                "shape": reference.shape,
                "tolerance": [tolerance.numerator, tolerance.denominator],
                "reference": reference.data.hex(),
                "other": other.data.hex(),
                "within": verdict.within,
                "deviation": str(verdict.deviation),
                "element": verdict.element,
            }
        )
    return found


def _runs() -> dict[str, tuple[Rows, Rows, Rows, DType]]:
    """Return canonical, perturbed and native values."""
    row = _waves(64)
    moved = [number + (2.0**-20 if at % 2 else -(2.0**-20)) for at, number in enumerate(row)]
    masked = row[:32] + [-1e4] * 96
    sparse = [[0.0] * 60 + [1.0, -2.0, 0.5, 4.0] for _ in range(8)]
    single = DType.FLOAT32
    return {
        "evenly noisy": ([row], [moved], [_moved(row, 5, 2.0**-18)], single),
        "without noise": ([row], [row], [_moved(row, 5, 2.0**-20)], single),
        "a mask of -1e4": ([masked], [moved[:32] + masked[32:]], [_moved(masked, 3, 2.0**-16)], single),
        "rows mostly zero": (sparse, [_moved(sparse[0], 60, 2.0**-16), *sparse[1:]], sparse, single),
        "noise in one element": ([row], [_moved(row, 9, 2.0**-10)], [_moved(row, 9, -(2.0**-10))], single),
        "noise in one element, another moved": ([row], [_moved(row, 9, 2.0**-10)], [_moved(row, 2, 2.0**-10)], single),
        "ill-conditioned": ([row], [[number * 1.5 for number in row]], [row], single),
        "a NaN in the second run": ([row], [[NAN, *row[1:]]], [row], single),
        "an infinity in all": ([[INF, *row]], [[INF, *moved]], [[INF, *row]], single),
        "a native NaN": ([row], [moved], [[NAN, *row[1:]]], single),
        "subnormals": ([[2.0**-140] * 32], [[2.0**-140 + 2.0**-149] * 32], [[2.0**-140 - 2.0**-149] * 32], single),
        "float64": ([row], [moved], [_moved(row, 5, 2.0**-40)], DType.FLOAT64),
    }


def _noises() -> list[Vector]:
    found: list[Vector] = []
    for case, (left, moved, native, dtype) in _runs().items():
        canonical, perturbed, seen = (tensor(rows, dtype) for rows in (left, moved, native))
        noise = Noise(canonical, perturbed)
        worst, element = noise.worst(seen)
        rows = noise.rows()
        found.append(
            {
                "case": case,
                "dtype": int(dtype),
                "shape": canonical.shape,
                "canonical": canonical.data.hex(),
                "perturbed": perturbed.data.hex(),
                "native": seen.data.hex(),
                "totals": [row.total.hex() for row in rows],
                "members": [row.members for row in rows],
                "noise": [str(row.noise) for row in rows],
                "ill-conditioned": ill_conditioned(noise.largest()),
                "in sigma": str(worst),
                "element": element,
            }
        )
    return found


def build() -> dict[str, list[Vector]]:
    """Return all vectors, as this implementation computes them."""
    return {"comparisons": _comparisons(), "noise": _noises()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1) + "\n")
