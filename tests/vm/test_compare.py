import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vm.build import tensor, values
from vm.compare import DEVIATION_MAX, Verdict, compare, compare_bundles
from vm.manifest import Ratio
from vm.tensor import Bundle, DType, NamedTensor, Tensor

NAN, INF = math.nan, math.inf
TOLERANCE = Ratio(numerator=1, denominator=10_000)
TENTH = Ratio(numerator=1, denominator=10)
QUARTER = Ratio(numerator=1, denominator=4)


def square_of_scale(numbers: list[float]) -> tuple[Fraction, int]:
    """S² and the number of elements that count, with fractions."""
    magnitudes = sorted(abs(Fraction(n)) for n in numbers if math.isfinite(n) and n != 0)
    if not magnitudes:
        return Fraction(1), 0
    typical = magnitudes[(len(magnitudes) - 1) // 8]
    near = [m for m in magnitudes if typical / 1024 <= m <= typical * 1024]
    return sum((m * m for m in near), Fraction(0)) / len(near), len(near)


def within_by_the_book(reference: Tensor, other: Tensor, tolerance: Ratio) -> bool:
    """The rules V20 to V25, one element after the other, with fractions."""
    left, right = values(reference), values(other)
    length = reference.shape[-1] if reference.shape else 1
    bound = Fraction(tolerance.numerator, tolerance.denominator)
    for at, (ref, value) in enumerate(zip(left, right, strict=True)):
        if not (math.isfinite(ref) and math.isfinite(value)):
            if ref == value or (math.isnan(ref) and math.isnan(value)):
                continue
            return False
        start = at // length * length
        square, count = square_of_scale(left[start : start + length])
        if count < 16:
            square, _ = square_of_scale(left)
        error = abs(Fraction(value) - Fraction(ref))
        if error > bound * abs(Fraction(ref)) and error * error > bound * bound * square:
            return False
    return True


floats = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, NAN, INF, -INF, -1e4, 1.0, -1.0, 1e-45, 3.4028234663852886e38, 1024.0, 1025.0]),
    st.floats(-2, 2, width=32),
)
nudges = st.sampled_from([0.0, 0.0, 1e-6, -1e-6, 9e-5, -1.1e-4, 1e-3, -1.0])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    dtype = draw(st.sampled_from([DType.FLOAT32, DType.FLOAT64]))
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 24))
    left = draw(st.lists(floats, min_size=rows * length, max_size=rows * length))
    moves = draw(st.lists(nudges, min_size=rows * length, max_size=rows * length))
    most = 3.4028234663852886e38 if dtype is DType.FLOAT32 else 1.7976931348623157e308
    right = [
        min(max(n * (1 + move), -most), most) if math.isfinite(n) else n for n, move in zip(left, moves, strict=True)
    ]
    if draw(st.booleans()):
        right[draw(st.integers(0, len(right) - 1))] = draw(floats)
    return tensor(left, [rows, length], dtype), tensor(right, [rows, length], dtype)


@given(pairs())
def test_the_verdict_is_that_of_exact_fractions(pair: tuple[Tensor, Tensor]) -> None:
    assert compare(*pair, TOLERANCE).within == within_by_the_book(*pair, TOLERANCE)


@given(pairs())
def test_every_tensor_agrees_with_itself(pair: tuple[Tensor, Tensor]) -> None:
    assert compare(pair[0], pair[0], TOLERANCE) == Verdict(within=True, deviation=0, tensor=0, element=0)


def one(reference: list[float], other: list[float], tolerance: Ratio = TENTH, dtype: DType = DType.FLOAT32) -> Verdict:
    return compare(tensor(reference, dtype=dtype), tensor(other, dtype=dtype), tolerance)


def test_a_deviation_equal_to_the_tolerance_is_within_and_one_bit_more_is_not() -> None:
    # Sixteen ones: S = 1, and a quarter is exact in binary.
    ones = [1.0] * 16
    tie = one(ones, [1.25, *ones[1:]], QUARTER)
    assert tie == Verdict(within=True, deviation=250_000_000, tensor=0, element=0)
    assert not one(ones, [1.25 + 2**-23, *ones[1:]], QUARTER).within
    assert one(ones, [0.75, *ones[1:]], QUARTER).within


def test_a_large_element_is_measured_by_itself_and_a_small_one_by_the_row() -> None:
    row = [1.0] * 30 + [1000.0, 0.001]
    # S² is the mean of 30 ones, a million and a millionth: S = 176.8
    assert one(row, [*row[:30], 1099.0, 0.001]).within
    assert not one(row, [*row[:30], 1101.0, 0.001]).within
    assert one(row, [*row[:31], 17.6]).within
    assert not one(row, [*row[:31], 17.8]).within


@pytest.mark.parametrize("masked", [4, 12, 20, 100])
def test_elements_far_above_the_typical_one_do_not_set_the_scale(masked: int) -> None:
    # A mask of -1e4 on up to seven eighths of the row: an eighth stays at 1 or below, and S stays 1.
    row = [1.0] * 20 + [-1e4] * masked
    assert one(row, [1.0999, *row[1:]]).within
    assert not one(row, [1.1001, *row[1:]]).within
    # The masked elements themselves are measured by their own size.
    assert one(row, [*row[:-1], -1.0999e4]).within
    assert not one(row, [*row[:-1], -1.1001e4]).within


def test_a_row_that_is_almost_all_masked_is_measured_by_its_mask() -> None:
    # The typical magnitude is then 1e4, and the ones, 10⁴ below it, do not count: S = 1e4.
    row = [1.0] * 2 + [-1e4] * 20
    assert one(row, [900.0, *row[1:]]).within
    assert not one(row, [1002.0, *row[1:]]).within


def test_an_element_at_the_edge_of_the_spread_counts() -> None:
    # Sixteen elements of which one is 1024 times the typical one: it counts, and there are sixteen, so the row decides.
    row = [1.0] * 15 + [1024.0]
    scale = math.sqrt((15 + 1024**2) / 16)
    assert one(row, [1 + 0.099 * scale, *row[1:]]).within
    assert not one(row, [1 + 0.101 * scale, *row[1:]]).within


def test_a_row_with_fewer_than_sixteen_elements_that_count_is_measured_by_the_tensor() -> None:
    sparse = [0.0] * 29 + [1.0, 1.0, 1.0]
    full = [10.0] * 32
    left = tensor(sparse + full, [2, 32])
    # The tensor's set: 3 ones and 32 tens; S² = 3203 / 35
    scale = math.sqrt(3203 / 35)
    moved = [0.099 * scale, *sparse[1:]]
    assert compare(left, tensor(moved + full, [2, 32]), TENTH).within
    moved = [0.101 * scale, *sparse[1:]]
    assert not compare(left, tensor(moved + full, [2, 32]), TENTH).within


def test_a_tensor_of_zeros_has_the_scale_one() -> None:
    assert one([0.0] * 4, [0.0999, 0, 0, 0]).within
    assert not one([0.0] * 4, [0.1001, 0, 0, 0]).within
    wide = DType.FLOAT64
    assert one([NAN, 0.0], [NAN, -0.0999], dtype=wide).within
    assert not one([NAN, 0.0], [NAN, -0.1001], dtype=wide).within


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT64])
def test_special_values_agree_with_their_own_kind_alone(dtype: DType) -> None:
    held = [1.0, NAN, INF, -INF, 0.0, -0.0]
    assert one(held, [1.0, NAN, INF, -INF, -0.0, 0.0], dtype=dtype).within
    for at in (1, 2, 3):
        for other in (1.0, NAN, INF, -INF, 0.0):
            changed = [*held[:at], other, *held[at + 1 :]]
            same = other == held[at] or (math.isnan(other) and math.isnan(held[at]))
            verdict = one(held, changed, dtype=dtype)
            assert verdict.within == same
            if not same:
                assert (verdict.deviation, verdict.element) == (DEVIATION_MAX, at)
    assert not one(held, [INF, *held[1:]], dtype=dtype).within


def test_the_payload_of_a_nan_does_not_matter() -> None:
    left = Tensor(dtype=DType.FLOAT32, shape=[1], data=bytes.fromhex("0000c07f"))
    right = Tensor(dtype=DType.FLOAT32, shape=[1], data=bytes.fromhex("010080ff"))
    assert compare(left, right, TOLERANCE).within


def test_subnormals_and_the_largest_numbers_are_exact() -> None:
    tiny = 2.0**-149
    assert not one([tiny] * 16, [tiny * 2, *[tiny] * 15]).within
    assert one([tiny] * 16, [0.0, *[tiny] * 15], Ratio(numerator=1, denominator=1)).within
    most = 1.7976931348623157e308
    assert not one([most], [-most], dtype=DType.FLOAT64).within
    assert one([most], [-most], Ratio(numerator=2, denominator=1), DType.FLOAT64).within


def test_integers_and_bools_agree_only_where_they_are_equal() -> None:
    for dtype in (DType.INT8, DType.UINT8, DType.INT32, DType.INT64, DType.BOOL):
        left = tensor([1, 0, 1], dtype=dtype)
        assert compare(left, tensor([1, 0, 1], dtype=dtype), TENTH).within
        wrong = compare(left, tensor([1, 0, 0], dtype=dtype), TENTH)
        assert wrong == Verdict(within=False, deviation=DEVIATION_MAX, tensor=0, element=2)


def test_another_type_or_shape_never_agrees() -> None:
    left = tensor([1.0, 2.0], [2])
    assert not compare(left, tensor([1.0, 2.0], [2, 1]), TENTH).within
    assert not compare(left, tensor([1.0, 2.0], [2], DType.FLOAT64), TENTH).within
    assert not compare(left, tensor([1.0], [1]), TENTH).within


def test_scalars_and_empty_tensors_compare() -> None:
    assert compare(tensor([2.0], []), tensor([2.1], []), TENTH).within
    assert not compare(tensor([2.0], []), tensor([2.3], []), TENTH).within
    assert compare(tensor([], [3, 0]), tensor([], [3, 0]), TENTH).within


def test_the_reference_is_the_first() -> None:
    # 0.1 × 10 = 1 but 0.1 × 11 = 1.1: the rule is not symmetric, so it matters whose values come first.
    assert one([11.0], [10.0]).within is True
    assert one([10.0], [11.1]).within is False
    assert one([11.1], [10.0]).within is True


def test_the_verdict_names_the_worst_element() -> None:
    row = [1.0] * 16
    verdict = one(row, [1.01, *row[1:9], 1.05, 0.97, *row[11:]])
    assert (verdict.within, verdict.element) == (True, 9)
    assert 49_999_000 < verdict.deviation < 50_001_000


def test_a_bundle_agrees_where_all_its_tensors_do() -> None:
    def named(**tensors: Tensor) -> Bundle:
        return Bundle(tensors=[NamedTensor(name=n.encode(), tensor=t) for n, t in tensors.items()])

    left = named(a=tensor([1.0]), b=tensor([1.0, 1.0]))
    assert compare_bundles(left, named(a=tensor([1.01]), b=tensor([1.0, 1.0])), TENTH).within
    worst = compare_bundles(left, named(a=tensor([1.01]), b=tensor([1.0, 2.0])), TENTH)
    assert worst == Verdict(within=False, deviation=1_000_000_000, tensor=1, element=1)
    assert not compare_bundles(left, named(b=tensor([1.0, 1.0]), a=tensor([1.0])), TENTH).within
    assert not compare_bundles(left, named(a=tensor([1.0])), TENTH).within
