"""Honesty is the best strategy; without slashing, or without canaries, it is not. The whole table is a campaign."""

import pytest

from ledger.market import settlement
from ledger.parameters import Tier, Tiers, TierTerms
from ledger.state import change
from tests.ledger.economics.actors import PARAMETERS, STRATEGIES, Setting, Strategy, compare

WITHOUT_SLASHING = Setting(
    parameters=change(PARAMETERS, tiers=Tiers(spot=TierTerms(q_bps=2_000, k=1, bond_multiple=0)))
)


def named(name: str) -> Strategy:
    return next(each for each in STRATEGIES if each.name == name)


@pytest.mark.parametrize("name", ["provider guesses", "33% of stake collude", "a stranger challenges falsely"])
def test_lies_cost_more_than_they_save(name: str) -> None:
    row = compare(named(name), Tier.STANDARD, range(2), jobs=1)
    assert row.mean < 0 < row.better


def test_a_long_run_is_worth_more_to_a_verifier_than_silence() -> None:
    row = compare(named("verifiers are absent"), Tier.STANDARD, range(3), Setting(run_s=120), jobs=2)
    assert row.better > 0


def test_guessing_in_tier_spot_pays_only_where_nothing_is_slashed(monkeypatch: pytest.MonkeyPatch) -> None:
    guessing = named("provider guesses")
    with monkeypatch.context() as ledger:
        ledger.setattr(settlement, "RUNS_LOCKED_MIN", 0)  # as if rule J11 asked for nothing but the multiple
        assert compare(guessing, Tier.SPOT, range(6), WITHOUT_SLASHING, jobs=6).better < 0
    assert compare(guessing, Tier.SPOT, range(6), jobs=6).better > 0


def test_copying_pays_without_canaries_and_not_with_them() -> None:
    copying = named("verifiers copy")
    without = compare(copying, Tier.HIGH, range(2), Setting(canary_rate=0.0), jobs=2)
    assert without.better < 0
    caught = compare(copying, Tier.HIGH, range(2), Setting(canary_rate=1.0), jobs=1)
    assert caught.better > 0
