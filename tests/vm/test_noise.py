import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.build import tensor, values
from tests.vm.test_compare import square_of_scale
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Ratio
from vm.noise import (
    FLOOR,
    HONEST_SIGMA,
    IN_SIGMA_MAX,
    NOISE_MAX,
    SLASHED_SIGMA,
    Noise,
    billionths,
    ill_conditioned,
    square_of_sixteenth,
)
from vm.tensor import DType, Tensor

NAN, INF = math.nan, math.inf
UNIT = Fraction(1, 2**80)


def scale_by_the_book(row: list[float], everything: list[float]) -> tuple[Fraction, list[float]]:
    """S² and the row (or the tensor) that it is taken from."""
    square, count = square_of_scale(row)
    return (square, row) if count >= 16 else (square_of_scale(everything)[0], everything)


def square_by_the_book(reference: float, other: float, square: Fraction) -> Fraction:
    return (Fraction(other) - Fraction(reference)) ** 2 / max(Fraction(reference) ** 2, square)


def noise_by_the_book(row: list[float], moved: list[float], square: Fraction) -> int:
    """V102 for rows that are finite in both runs, with fractions."""
    magnitudes = sorted(abs(Fraction(n)) for n in row if n)
    if not magnitudes:
        return FLOOR
    typical = magnitudes[(len(magnitudes) - 1) // 8]
    squares = [
        square_by_the_book(n, m, square) // UNIT
        for n, m in zip(row, moved, strict=True)
        if n and typical / 1024 <= abs(Fraction(n)) <= typical * 1024
    ]
    return min(max(sum(squares) // len(squares), FLOOR), NOISE_MAX)


numbers = st.one_of(
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, 1.0, -1.0, -1e4, 1e-45, 3e38, 1e-3, 7.0]),
)
nudges = st.sampled_from([0.0, 1e-6, -1e-6, 2e-6, 1e-4, -0.5])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]]]:
    rows, length = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 17]))
    left = [draw(st.lists(numbers, min_size=length, max_size=length)) for _ in range(rows)]
    right = [[struct.unpack("<f", struct.pack("<f", n * (1 + draw(nudges))))[0] for n in row] for row in left]
    return left, right


def exactly(rows: list[list[float]]) -> list[list[float]]:
    """The rows as float32 holds them."""
    return [values(tensor(row)) for row in rows]


def of(rows: list[list[float]]) -> Tensor:
    return tensor([n for row in rows for n in row], [len(rows), len(rows[0])])


@settings(max_examples=60)
@given(pairs())
def test_noise_is_that_of_exact_fractions(pair: tuple[list[list[float]], list[list[float]]]) -> None:
    # V100, V102
    left, right = exactly(pair[0]), exactly(pair[1])
    everything = [n for row in left for n in row]
    told = Noise(of(left), of(right)).rows()
    for row, moved, found in zip(left, right, told, strict=True):
        square, source = scale_by_the_book(row, everything)
        one = Fraction(1, 2**298)
        assert Fraction(int.from_bytes(found.total, "big"), found.members) * one == square
        whole = source is everything and source != row
        given_moved = [n for r in right for n in r] if whole else moved
        assert found.noise == noise_by_the_book(source, given_moved, square)


@settings(max_examples=60)
@given(pairs(), st.sampled_from([0.0, 1e-6, 1e-3]))
def test_a_deviation_in_sigma_is_that_of_exact_fractions(
    pair: tuple[list[list[float]], list[list[float]]], nudge: float
) -> None:
    # V103, V104
    left, right = exactly(pair[0]), exactly(pair[1])
    everything = [n for row in left for n in row]
    noise = Noise(of(left), of(right))
    told = noise.rows()
    seen = of([[n + nudge for n in row] for row in left])
    worst = 0
    for at, (reference, value) in enumerate(zip(everything, values(seen), strict=True)):
        row, moved = left[at // len(left[0])], right[at // len(left[0])][at % len(left[0])]
        square, _ = scale_by_the_book(row, everything)
        own = square_by_the_book(reference, moved, square) // UNIT // 16
        unit = max(told[at // len(left[0])].noise, min(own, NOISE_MAX))
        off = square_by_the_book(reference, value, square) / (unit * UNIT)
        worst = max(worst, math.isqrt(math.ceil(off * 10**6) - 1) + 1 if off else 0)
    assert noise.worst(seen)[0] == min(worst, IN_SIGMA_MAX)


def moved_by(row: list[float], relative: float) -> list[float]:
    return [n * (1 + relative * (-1) ** at) for at, n in enumerate(row)]


def test_two_runs_that_agree_leave_the_floor() -> None:
    row = [1.0] * 32
    assert [each.noise for each in Noise(of([row]), of([row])).rows()] == [FLOOR]
    assert billionths(FLOOR) == 954


def test_v103_few_values_are_judged_by_what_the_samples_of_the_lowering_showed() -> None:
    # The second run hardly moves these two values by luck; on the publisher's samples σ was 2^-17.
    row, off = [1.0, -0.5], [1.00003, -0.5]
    tolerance = Ratio(numerator=16, denominator=2**17)
    strict, lenient = Noise(of([row]), of([row])), Noise(of([row]), of([row]), tolerance)
    assert square_of_sixteenth(TOLERANCE_LEAST) == FLOOR
    assert strict.largest() == FLOOR
    assert lenient.largest() == square_of_sixteenth(tolerance) == FLOOR << 6
    assert strict.worst(of([off]))[0] == pytest.approx(8 * lenient.worst(of([off]))[0], abs=8)
    assert strict.rows() == lenient.rows()  # what the trace holds is what the two runs say


def test_v103_sixteen_values_say_for_themselves_how_noisy_they_are() -> None:
    row = [1.0 + at for at in range(16)]
    assert Noise(of([row]), of([row]), Ratio(numerator=1, denominator=1000)).largest() == FLOOR


def test_a_mask_hides_no_impostor() -> None:
    # V23: three quarters of the row are masked; the others are rounded to float16 as an impostor's are.
    row = [math.sin(at) for at in range(32)] + [-1e4] * 96
    half = [struct.unpack("<e", struct.pack("<e", n))[0] for n in row[:32]] + row[32:]
    noise = Noise(of([row]), of([moved_by(row, 3e-7)]))
    assert noise.worst(of([half]))[0] > SLASHED_SIGMA * 1000
    assert noise.worst(of([moved_by(row, 2e-7)]))[0] < HONEST_SIGMA * 1000


def test_infinite_masks_have_no_part_in_the_noise() -> None:
    row = [math.sin(at) for at in range(32)] + [-INF] * 96
    noise = Noise(of([row]), of([moved_by(row, 3e-7)]))
    assert not ill_conditioned(noise.largest())
    assert noise.worst(of([[*row[:32], 0.0, *row[33:]]])) == (IN_SIGMA_MAX, 32)


def test_rows_that_are_mostly_zero_are_measured_by_what_is_there() -> None:
    rows = [[0.0] * 60 + [1.0, 2.0, -3.0, 0.5] for _ in range(8)]
    noise = Noise(of(rows), of([moved_by(row, 2e-5) for row in rows]))
    assert {each.members for each in noise.rows()} == {32}
    assert noise.worst(of([moved_by(row, 4e-5) for row in rows]))[0] < 4000


def test_noise_in_one_element_excuses_a_deviation_there_alone() -> None:
    # V103
    row = [1.0] * 1000
    planted = [1.0001, *row[1:]]
    noise = Noise(of([row]), of([planted]))
    assert noise.worst(of([[0.9999, *row[1:]]]))[0] < HONEST_SIGMA * 1000
    assert noise.worst(of([[*row[:-1], 0.9995]]))[0] > SLASHED_SIGMA * 1000
    assert not ill_conditioned(noise.largest())


@pytest.mark.parametrize("special", [NAN, INF, -INF])
def test_a_run_whose_second_run_gives_another_special_value_is_ill_conditioned(special: float) -> None:
    # V101, V105
    row = [1.0] * 32
    noise = Noise(of([row]), of([[special, *row[1:]]]))
    assert noise.rows()[0].noise == NOISE_MAX
    assert ill_conditioned(noise.largest())
    same = Noise(of([[special, *row[1:]]]), of([[special, *row[1:]]]))
    assert same.rows()[0].noise == (NOISE_MAX if math.isnan(special) else FLOOR)
    assert same.worst(of([row])) == (IN_SIGMA_MAX, 0)


def test_a_run_with_a_nan_in_it_slashes_nobody() -> None:
    # V101, V105: ReduceMax and MaxPool pass over a NaN on one machine, and hand it on on another
    row = [1.0] * 32
    for held in ([NAN, *row[1:]], [*row[:-1], NAN]):
        noise = Noise(of([row, held]), of([row, held]))
        assert [each.noise for each in noise.rows()] == [FLOOR, NOISE_MAX]
        assert ill_conditioned(noise.largest())


def test_a_job_is_ill_conditioned_above_a_thousandth() -> None:
    # V105: 16 σ = 1/1000
    border = (2**40 // 16_000) ** 2
    assert not ill_conditioned(border)
    assert ill_conditioned((2**40 // 16_000 + 1) ** 2)
    assert billionths(border) == 62_500


def test_subnormals_have_a_noise_like_any_others() -> None:
    tiny = 2.0**-140
    row = [tiny] * 32
    noise = Noise(of([row]), of([[tiny * (1 + 2**-9), *row[1:]]]))
    assert noise.worst(of([[tiny * (1 - 2**-9), *row[1:]]]))[0] == 4000


def test_another_shape_or_type_is_off_by_no_number() -> None:
    noise = Noise(tensor([1.0, 2.0]), tensor([1.0, 2.0]))
    assert noise.worst(tensor([1.0])) == (IN_SIGMA_MAX, 0)
    assert noise.worst(tensor([1.0, 2.0], dtype=DType.FLOAT64)) == (IN_SIGMA_MAX, 0)


def test_an_empty_value_has_no_noise() -> None:
    noise = Noise(tensor([], [0, 4]), tensor([], [0, 4]))
    assert (noise.rows(), noise.largest(), noise.worst(tensor([], [0, 4]))) == ([], FLOOR, (0, 0))
