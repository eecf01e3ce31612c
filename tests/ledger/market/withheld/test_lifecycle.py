from itertools import groupby

import pytest

from ledger.market.withheld.lifecycle import FINAL_STATES, LIFE_CYCLE
from ledger.market.withheld.records import FilingEvent, FilingState
from ledger.transitions import ALWAYS

BY_ITSELF = (FilingEvent.ASK, FilingEvent.DUE)
"""What comes without anybody's doing: the line moves on (H14), and time passes."""


@pytest.mark.parametrize("state", FilingState, ids=lambda state: state.name)
def test_every_state_but_the_final_ones_has_a_way_out_by_time_alone(state: FilingState) -> None:
    reached = {state}
    for _ in FilingState:
        reached |= {row.next for row in LIFE_CYCLE.rows if row.state in reached and row.event in BY_ITSELF}
    assert bool(reached & set(FINAL_STATES))
    assert (state in FINAL_STATES) == (not [row for row in LIFE_CYCLE.rows if row.state is state])


def test_for_every_state_and_event_some_row_is_taken_and_every_row_can_be() -> None:
    for _, rows in groupby(LIFE_CYCLE.rows, key=lambda row: (row.state, row.event)):
        guards = [row.guard for row in rows]
        assert guards[-1] is ALWAYS
        assert ALWAYS not in guards[:-1]


def test_every_state_is_reached() -> None:
    assert {FilingState.WAITING} | {row.next for row in LIFE_CYCLE.rows} == set(FilingState)
