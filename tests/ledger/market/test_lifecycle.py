from itertools import groupby

import pytest

from ledger.market.lifecycle import ALWAYS, FINAL_STATES, LIFE_CYCLE, time_allowed
from ledger.parameters import Parameters
from ledger.records import HISTORY_MAX, JobEvent, JobState, Outcome

LIVE_STATES = [state for state in JobState if state not in FINAL_STATES]


def next_by_time(state: JobState) -> set[JobState]:
    return {row.next for row in LIFE_CYCLE if row.state is state and row.event is JobEvent.DUE}


@pytest.mark.parametrize("state", LIVE_STATES, ids=lambda state: state.name)
def test_every_state_has_a_way_out_by_time_alone(state: JobState) -> None:
    assert time_allowed(Parameters(), state, 0) is not None
    reached = {state}
    for _ in JobState:
        reached = set().union(*(next_by_time(each) or {each} for each in reached))
    assert reached <= set(FINAL_STATES)


@pytest.mark.parametrize("state", FINAL_STATES, ids=lambda state: state.name)
def test_a_final_state_has_no_deadline_and_no_way_out(state: JobState) -> None:
    assert time_allowed(Parameters(), state, 0) is None
    assert not [row for row in LIFE_CYCLE if row.state is state]


def test_for_every_state_and_event_some_row_is_taken_and_every_row_can_be() -> None:
    for _, rows in groupby(LIFE_CYCLE, key=lambda row: (row.state, row.event)):
        guards = [row.guard for row in rows]
        assert guards[-1] is ALWAYS
        assert ALWAYS not in guards[:-1]


def test_the_rows_of_a_state_and_event_stand_together() -> None:
    groups = [key for key, _ in groupby(LIFE_CYCLE, key=lambda row: (row.state, row.event))]
    assert len(groups) == len(set(groups))


def test_every_state_is_reached_and_every_outcome_is_an_ending() -> None:
    reached = {JobState.OPEN} | {row.next for row in LIFE_CYCLE}
    assert reached == set(JobState)
    endings = {row.effect.words for row in LIFE_CYCLE if row.effect.words.startswith("end as")}
    assert endings == {f"end as {outcome.name}" for outcome in Outcome}


def test_a_job_ends_when_it_enters_settled_or_void_and_only_then() -> None:
    for row in LIFE_CYCLE:
        enters = row.next in (JobState.SETTLED, JobState.VOID)
        assert row.effect.words.startswith("end as") == enters


def test_the_longest_life_fits_its_history() -> None:
    verifiers = 3
    # Submission, acceptance, commitment, draw, each commitment and reveal, and a deadline in every state it can pass.
    assert 4 + 1 + 2 * verifiers + 3 <= HISTORY_MAX
