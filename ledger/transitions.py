"""Lives as tables: whatever has a life (job, dispute, filing, validator) moves by the rows of a table, and only so."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ledger.moment import Moment
from primitives.reasons import Reason, Refused

S = TypeVar("S", bound=enum.IntEnum)
"""The states."""
E = TypeVar("E", bound=enum.IntEnum)
"""The events."""
T = TypeVar("T")
"""What lives."""


@dataclass(frozen=True, kw_only=True)
class Guard(Generic[T]):
    """What must hold of it, the event already noted in it; raises Refused where the event itself is to be refused."""

    words: str
    holds: Callable[[Moment, T], bool]


@dataclass(frozen=True, kw_only=True)
class Effect(Generic[T]):
    """What a transition does besides moving it; it gets the name that it is written under, and returns it changed."""

    words: str
    act: Callable[[Moment, bytes, T], T]


@dataclass(frozen=True, kw_only=True)
class Row(Generic[S, E, T]):
    """One transition."""

    state: S
    event: E
    guard: Guard[T]
    next: S
    effect: Effect[T]


ALWAYS: Guard[Any] = Guard(words="", holds=lambda _moment, _it: True)
NOTHING: Effect[Any] = Effect(words="", act=lambda _moment, _name, it: it)


@dataclass(frozen=True, kw_only=True)
class Table(Generic[S, E, T]):
    """A life: it begins in the first state, and in a final one it is over."""

    first: S
    final: tuple[S, ...]
    by_itself: tuple[E, ...]
    """Events that come without anybody's doing, once time has passed."""
    rows: tuple[Row[S, E, T], ...]

    def row(self, moment: Moment, it: T, state: S, event: E) -> Row[S, E, T]:
        """Return the transition from a state by an event that it knows: the first row whose guard holds."""
        ways = (row for row in self.rows if row.state is state and row.event is event)
        taken = next((row for row in ways if row.guard.holds(moment, it)), None)
        assert taken is not None
        return taken

    def expect(self, state: S, event: E, otherwise: Reason) -> None:
        """Raise Refused unless the state knows the event."""
        states = [row.state for row in self.rows if row.event is event]
        if state not in states:
            wanted = " or ".join(dict.fromkeys(each.name.lower() for each in states))
            raise Refused(otherwise, seen=state.name.lower(), wanted=wanted)


def rows(*made: tuple[S, E, Guard[T], S, Effect[T]]) -> tuple[Row[S, E, T], ...]:
    """Return rows of state, event, guard, next state and effect."""
    return tuple(
        Row(state=state, event=event, guard=guard, next=after, effect=effect)
        for state, event, guard, after, effect in made
    )
