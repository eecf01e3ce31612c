"""The table of a dispute's life (X2, X3)."""

from ledger.market.dispute.lifecycle import DECIDE, LIFE_CYCLE, time_allowed
from ledger.market.dispute.records import CLAIMS_MAX, DUELS_MAX, DisputeStage
from ledger.parameters import Parameters

LIVE = [stage for stage in DisputeStage if stage is not DisputeStage.DECIDED]
STEPS_MAX = 6
"""Of a duel: two lists of digests, two of leaves, a leaf, the defence (V84)."""


def test_a_dispute_is_decided_by_the_transition_that_ends_it_and_no_other() -> None:
    assert all((row.effect is DECIDE) == (row.next is DisputeStage.DECIDED) for row in LIFE_CYCLE.rows)


def test_the_longest_dispute_takes_as_long_as_the_page_says_x38() -> None:
    numbers = Parameters()

    def allowed(stage: DisputeStage) -> int:
        found = time_allowed(numbers, stage, 0)
        assert found is not None
        return found // 1_000

    others = sum(allowed(stage) for stage in LIVE if stage is not DisputeStage.DUEL)
    step = allowed(DisputeStage.DUEL)
    assert CLAIMS_MAX - 1 == DUELS_MAX == 18
    assert others + STEPS_MAX * step <= 660
    assert 6_000 < others + DUELS_MAX * STEPS_MAX * step <= 7_000
