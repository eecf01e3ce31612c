"""The plan of a fair, and what its judge says of ends that are not as they should be."""

from collections import Counter
from typing import Any

import pytest

from ledger.parameters import Tier
from testnet.fair.judge import faults, happened
from testnet.fair.plan import MISDEEDS, PARTS, Planned, Way, plan, rogues
from testnet.fair.play import Placed


def test_a_plan_has_each_misdeed_often_enough() -> None:
    planned = plan(1, jobs=500, clients=20)
    counts = Counter(each.way for each in planned)
    assert len(planned) == 500
    assert all(counts[way] >= 30 for way in MISDEEDS)
    assert {each.client for each in planned} == set(range(1, 21))
    assert {each.tier for each in planned} == set(Tier)


def test_a_plan_follows_from_its_seed() -> None:
    assert plan(3, jobs=40, clients=4) == plan(3, jobs=40, clients=4)
    assert plan(3, jobs=40, clients=4) != plan(4, jobs=40, clients=4)


def test_nobody_lies_where_nobody_may_look() -> None:
    wrong = [each for each in plan(1, jobs=500, clients=20) if each.way in (Way.WRONG_VALUES, Way.FALSE_REJECT)]
    assert all(each.tier is not Tier.SPOT for each in wrong)


ONE_RIGHT, TWO_RIGHT = ("worker1", "worker6", "worker7"), ("worker1", "worker2", "worker6")
"""Verifiers of whom two are rogues, or one."""


def ended(
    way: Way, outcome: str, *, losers: list[str], provider: str = "worker5", verifiers: tuple[str, ...] = ()
) -> Placed:
    """Return a job that ended so."""
    told: dict[str, Any] = {
        "outcome": outcome,
        "provider": provider,
        "penalties": [{"worker": name, "amount": "1"} for name in losers],
        "verifiers": [{"worker": name} for name in verifiers],
    }
    named = provider if way in PARTS else None
    planned = Planned(number=0, client=1, tier=Tier.HIGH, way=way, provider=named)
    return Placed(planned=planned, job=bytes(32), began_s=0.0, told=told)


@pytest.mark.parametrize(
    "placed",
    [
        ended(Way.HONEST, "settled", losers=[], provider="worker0"),
        ended(Way.WRONG_VALUES, "convicted", losers=["worker5"]),
        ended(Way.SILENT, "provider_silent_after_accept", losers=["worker5"]),
        ended(Way.UNREVEALED, "provider_silent_at_reveal", losers=["worker5"]),
        ended(
            Way.FALSE_REJECT,
            "settled",
            losers=["worker6"],
            provider="worker0",
            verifiers=("worker1", "worker2", "worker6"),
        ),
        ended(
            Way.FALSE_REJECT,
            "rejected",
            losers=["worker6", "worker7"],
            provider="worker0",
            verifiers=("worker1", "worker6", "worker7"),
        ),
        ended(  # J56
            Way.FALSE_REJECT, "rejected", losers=[], provider="worker0", verifiers=("worker5", "worker6", "worker7")
        ),
        ended(Way.FALSE_REJECT, "settled", losers=[], provider="worker0", verifiers=("worker1", "worker2")),
    ],
)
def test_ends_as_they_should_be_are_no_faults(placed: Placed) -> None:
    assert faults(placed, str) == []


@pytest.mark.parametrize(
    ("placed", "said"),
    [
        (ended(Way.HONEST, "rejected", losers=[], provider="worker0"), "ended as rejected"),
        (ended(Way.HONEST, "settled", losers=["worker1"], provider="worker0"), "worker1 is honest and lost"),
        (ended(Way.WRONG_VALUES, "settled", losers=["worker5"]), "wanted convicted"),
        (ended(Way.WRONG_VALUES, "convicted", losers=[]), "worker5 misbehaved and lost nothing"),
        (ended(Way.WRONG_VALUES, "convicted", losers=["worker5", "worker2"]), "worker2 is honest and lost"),
        (
            ended(
                Way.FALSE_REJECT, "settled", losers=[], provider="worker0", verifiers=("worker1", "worker2", "worker7")
            ),
            "worker7 misbehaved and lost nothing",
        ),
        (
            ended(
                Way.FALSE_REJECT, "rejected", losers=[], provider="worker0", verifiers=("worker1", "worker6", "worker7")
            ),
            "worker6 misbehaved and lost nothing",
        ),
    ],
)
def test_other_ends_are_faults(placed: Placed, said: str) -> None:
    assert said in faults(placed, str)[0]


def test_a_rogue_that_is_not_drawn_rejects_nothing() -> None:
    assert not happened(ended(Way.FALSE_REJECT, "settled", losers=[], verifiers=("worker0", "worker4")), str)
    assert happened(ended(Way.FALSE_REJECT, "settled", losers=[], verifiers=("worker0", rogues()[0])), str)
