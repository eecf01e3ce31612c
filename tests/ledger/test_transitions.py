"""One checker for all lives: each can be gone through, and none is without a way out (J2, X3, H1, Q16)."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pytest

from ledger.market import lifecycle as job
from ledger.market.dispute import lifecycle as dispute
from ledger.market.dispute.records import DisputeEvent, DisputeStage
from ledger.market.withheld import lifecycle as filing
from ledger.market.withheld.records import FilingEvent, FilingState
from ledger.parameters import Parameters
from ledger.records import JobEvent, JobState
from ledger.stake import lifecycle as validator
from ledger.stake.records import ValidatorState
from ledger.transitions import ALWAYS, NOTHING, Effect, Guard, Row, Table

NUMBERS = Parameters()


@dataclass(frozen=True, kw_only=True)
class Life:
    """A table, and what the code beside it says of its states."""

    table: Table[Any, Any, Any]
    states: type[enum.IntEnum]
    events: type[enum.IntEnum]
    allowed: Callable[[Any], int | None]
    """How long it may stay in a state; None where there is no deadline."""
    due: enum.IntEnum | None
    """What happens when that is over."""
    awaited: tuple[enum.IntEnum, ...] = ()
    """States without a deadline: what has one itself moves it on."""
    born: tuple[enum.IntEnum, ...] = ()
    """Events that begin a life."""
    repeated: tuple[Effect[Any], ...] = ()
    """Of transitions by time that may come again, but not without end."""
    refusing: tuple[Guard[Any], ...] = ()
    """Guards that refuse the event where they do not hold."""


LIVES = {
    "job": Life(
        table=job.LIFE_CYCLE,
        states=JobState,
        events=JobEvent,
        allowed=lambda state: job.time_allowed(NUMBERS, state, 0),
        due=JobEvent.DUE,
        awaited=(JobState.DISPUTED,),  # by the last of its disputes
        born=(JobEvent.SUBMIT,),
    ),
    "dispute": Life(
        table=dispute.LIFE_CYCLE,
        states=DisputeStage,
        events=DisputeEvent,
        allowed=lambda stage: dispute.time_allowed(NUMBERS, stage, 0),
        due=DisputeEvent.DUE,
        repeated=(dispute.PAIR,),  # there are fewer duels than traces (X37)
    ),
    "filing": Life(
        table=filing.LIFE_CYCLE,
        states=FilingState,
        events=FilingEvent,
        allowed=lambda state: NUMBERS.withheld_ms if state is FilingState.ASKED else None,
        due=FilingEvent.DUE,
        awaited=(FilingState.WAITING,),  # by those before it in the line (H14)
        born=(FilingEvent.FILE,),
    ),
    "validator": Life(
        table=validator.LIFE_CYCLE,
        states=ValidatorState,
        events=validator.ValidatorEvent,
        allowed=lambda _: None,
        due=None,
        refusing=(validator.JAIL_OVER, validator.MAY_RETURN),
    ),
}
ENDING = {name: life for name, life in LIVES.items() if life.table.final}
"""A validator stays for as long as its operator wants; its ways out are tested beside its table."""
CASES = pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
ENDING_CASES = pytest.mark.parametrize("life", ENDING.values(), ids=ENDING.keys())


def ways(life: Life) -> list[tuple[tuple[enum.IntEnum, enum.IntEnum], list[Row[Any, Any, Any]]]]:
    return [(key, list(rows)) for key, rows in groupby(life.table.rows, key=lambda row: (row.state, row.event))]


@CASES
def test_every_state_is_reached_and_every_event_moves_something(life: Life) -> None:
    reached = {life.table.first}
    for _ in life.states:
        reached |= {row.next for row in life.table.rows if row.state in reached}
    assert reached == set(life.states)
    assert {row.event for row in life.table.rows} | set(life.born) == set(life.events)


@CASES
def test_for_a_state_and_event_some_row_is_taken_and_every_row_can_be(life: Life) -> None:
    keys = [key for key, _ in ways(life)]
    assert len(keys) == len(set(keys))
    for _, rows in ways(life):
        guards = [row.guard for row in rows]
        assert guards[-1] is ALWAYS or guards[-1] in life.refusing
        assert ALWAYS not in guards[:-1]
        assert len({guard.words for guard in guards}) == len(guards)


@CASES
def test_words_name_one_guard_or_effect_each_so_that_a_page_shows_what_is_done(life: Life) -> None:
    for parts in ([row.guard for row in life.table.rows], [row.effect for row in life.table.rows]):
        named = {id(part): part.words for part in parts}
        assert len(set(named.values())) == len(named)
    assert all(bool(row.effect.words) != (row.effect is NOTHING) for row in life.table.rows)
    assert all(bool(row.guard.words) != (row.guard is ALWAYS) for row in life.table.rows)


@CASES
def test_a_state_has_a_deadline_where_time_moves_it_and_nowhere_else(life: Life) -> None:
    for state in life.states:
        moved = any(row.state is state and row.event is life.due for row in life.table.rows)
        assert (life.allowed(state) is not None) == moved, state


@ENDING_CASES
def test_a_final_state_has_no_way_out_and_every_other_one_has_one_by_itself(life: Life) -> None:
    for state in life.states:
        events = {row.event for row in life.table.rows if row.state is state}
        assert bool(events) == (state not in life.table.final), state
        assert (life.allowed(state) is None) == (state in (*life.table.final, *life.awaited)), state
        assert bool(events & set(life.table.by_itself)) == (state not in life.table.final), state


def over_by_itself(life: Life) -> set[enum.IntEnum]:
    """Return the states from which every way by time, whichever guards hold, leads to a final one."""
    over = set(life.table.final)
    for _ in life.states:
        over |= {state for state in life.states if (after := after_by_itself(life, state)) and after <= over}
    return over


def after_by_itself(life: Life, state: enum.IntEnum) -> set[enum.IntEnum]:
    return {
        row.next
        for row in life.table.rows
        if row.state is state and row.event in life.table.by_itself and row.effect not in life.repeated
    }


@ENDING_CASES
def test_every_life_is_over_by_time_alone(life: Life) -> None:
    assert over_by_itself(life) == set(life.states)


@ENDING_CASES
def test_the_checker_finds_a_state_without_a_way_out_and_a_way_that_leads_round(life: Life) -> None:
    for state in {row.state for row in life.table.rows}:
        kept = tuple(row for row in life.table.rows if row.state is not state or row.event not in life.table.by_itself)
        stuck = replace(life, table=replace(life.table, rows=kept))
        assert state not in over_by_itself(stuck)
        event = life.table.by_itself[0]
        round_ = Row(state=state, event=event, guard=ALWAYS, next=state, effect=NOTHING)
        assert state not in over_by_itself(replace(life, table=replace(life.table, rows=(*life.table.rows, round_))))
