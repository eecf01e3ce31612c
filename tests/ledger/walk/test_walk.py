"""Whatever is sent, money is conserved, nothing is locked for nothing, and all is over by time alone (S5, S6)."""

import pytest

from tests.ledger.walk.contentious import Contentious
from tests.ledger.walk.walk import Walk


@pytest.mark.parametrize("seed", [1, 2])
def test_a_walk_of_random_people_breaks_nothing(seed: int) -> None:
    walk = Walk(seed)
    walk.go(250)
    assert sum(walk.seen.carried.values()) > 50
    assert len(walk.seen.outcomes) > 3


def test_a_walk_of_people_who_dispute_on_and_on_breaks_nothing() -> None:
    walk = Contentious(2)
    walk.go(400)
    assert walk.rounds()  # X5
