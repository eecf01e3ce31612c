"""Amounts as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.money import BASIS, GRAINS_MAX, KARAT, karat, parse_karat, parse_percent, percent
from primitives import units
from primitives.reasons import Reason, Refused


def test_a_karat_here_is_a_karat_of_the_ledger() -> None:
    assert KARAT == units.KARAT


@pytest.mark.parametrize(
    ("text", "grains"), [("0", 0), ("1", KARAT), ("12.5", 12_500_000_000), ("0.000000001", 1), ("007", 7 * KARAT)]
)
def test_karat_are_read_exactly(text: str, grains: int) -> None:
    assert parse_karat(text) == grains


@pytest.mark.parametrize("text", ["", ".", ".5", "-1", "+1", "1e3", "1,000", "0.0000000001", "1.2.3", "٣", "9" * 30])
def test_what_is_no_amount_is_refused_with_what_was_seen(text: str) -> None:
    with pytest.raises(Refused) as told:
        parse_karat(text)
    assert told.value.reason is Reason.AMOUNT_INVALID
    assert told.value.facts["seen"] == text


def test_digits_without_end_are_no_amount() -> None:
    with pytest.raises(Refused) as told:
        parse_karat("9" * 5_000)
    assert told.value.reason is Reason.AMOUNT_INVALID


@given(st.integers(min_value=0, max_value=GRAINS_MAX))
def test_what_is_shown_reads_back(grains: int) -> None:
    assert parse_karat(karat(grains).replace(",", "")) == grains


@pytest.mark.parametrize(("text", "points"), [("0", 0), ("5", 500), ("2.25", 225), ("0.5", 50), ("100", BASIS)])
def test_percent_are_read_exactly_and_shown_again(text: str, points: int) -> None:
    assert parse_percent(text) == points
    assert percent(points) == f"{text} %"


@pytest.mark.parametrize("text", ["", ".", "101", "1.234", "-1", "5%", "9" * 40])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(Refused) as told:
        parse_percent(text)
    assert told.value.reason is Reason.AMOUNT_INVALID
