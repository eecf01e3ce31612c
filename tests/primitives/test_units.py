from fractions import Fraction
from math import ceil, floor

from hypothesis import given
from hypothesis import strategies as st

from primitives.units import BASIS, KARAT, NUMBER_MAX, mul_div_ceil, mul_div_floor

numbers = st.integers(0, NUMBER_MAX)


@given(numbers, numbers, st.integers(1, NUMBER_MAX))
def test_products_and_quotients_are_exact_and_rounded_as_named(value: int, times: int, over: int) -> None:
    assert mul_div_floor(value, times, over) == floor(Fraction(value * times, over))
    assert mul_div_ceil(value, times, over) == ceil(Fraction(value * times, over))


@given(numbers, st.integers(0, BASIS))
def test_a_share_and_the_rest_make_the_whole(value: int, share: int) -> None:
    assert mul_div_floor(value, share, BASIS) + mul_div_ceil(value, BASIS - share, BASIS) == value


def test_a_karat_has_a_thousand_million_grains() -> None:
    assert KARAT == 1_000_000_000
