"""The table of a dispute's life (X2, X3)."""

from itertools import groupby

import pytest

from ledger.market.dispute.lifecycle import DECIDE, LIFE_CYCLE, PAIR, time_allowed
from ledger.market.dispute.records import CLAIMS_MAX, DUELS_MAX, DisputeEvent, DisputeStage
from ledger.parameters import Parameters
from ledger.transitions import ALWAYS

LIVE = [stage for stage in DisputeStage if stage is not DisputeStage.DECIDED]
STEPS_MAX = 6
"""Of a duel: two lists of digests, two of leaves, a leaf, the defence (V84)."""


@pytest.mark.parametrize("stage", LIVE, ids=lambda stage: stage.name)
def test_every_stage_has_a_way_out_by_time_alone_x3(stage: DisputeStage) -> None:
    assert time_allowed(Parameters(), stage, 0) is not None
    reached = {stage}
    for _ in DisputeStage:
        by_time = {row.next for row in LIFE_CYCLE.rows if row.state in reached and row.event is DisputeEvent.DUE}
        reached |= by_time
    assert DisputeStage.DECIDED in reached
    # A duel may lead to another, of which there are fewer than there are traces.
    assert all(row.next > row.state or row.effect is PAIR for row in LIFE_CYCLE.rows if row.event is DisputeEvent.DUE)


def test_a_decided_dispute_has_no_deadline_and_no_way_out() -> None:
    assert time_allowed(Parameters(), DisputeStage.DECIDED, 0) is None
    assert not [row for row in LIFE_CYCLE.rows if row.state is DisputeStage.DECIDED]


def test_for_every_stage_and_event_some_row_is_taken_and_every_row_can_be_x2() -> None:
    keys = [key for key, _ in groupby(LIFE_CYCLE.rows, key=lambda row: (row.state, row.event))]
    assert len(keys) == len(set(keys))
    for _, rows in groupby(LIFE_CYCLE.rows, key=lambda row: (row.state, row.event)):
        guards = [row.guard for row in rows]
        assert guards[-1] is ALWAYS
        assert ALWAYS not in guards[:-1]


def test_a_dispute_is_decided_by_the_transition_that_ends_it_and_no_other() -> None:
    assert all((row.effect is DECIDE) == (row.next is DisputeStage.DECIDED) for row in LIFE_CYCLE.rows)
    assert {row.next for row in LIFE_CYCLE.rows} | {DisputeStage.DRAWING} == set(DisputeStage)


def test_the_longest_dispute_takes_as_long_as_the_page_says_x38() -> None:
    numbers = Parameters()

    def allowed(stage: DisputeStage) -> int:
        found = time_allowed(numbers, stage, 0)
        assert found is not None
        return found // 1_000

    others = sum(allowed(stage) for stage in LIVE if stage is not DisputeStage.DUEL)
    step = allowed(DisputeStage.DUEL)
    assert CLAIMS_MAX - 1 == DUELS_MAX == 18
    assert others + STEPS_MAX * step <= 600
    assert 6_000 < others + DUELS_MAX * STEPS_MAX * step <= 7_000
