"""What peers have done, good and bad, and for how long nobody listens to the worst (N9)."""

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

TRACKED_MAX = 4096
"""Peers and addresses remembered, the oldest forgotten first; an identity costs an attacker nothing anyway."""
HALF_LIFE_S = 600.0
"""After which half of a fault is forgiven; an honest peer of other software commits few."""
CREDIT_MAX = 0.5
"""Of the faults until a ban: as much as all good deeds can outweigh, or a liar would save up for a great day."""
DEEDS_TO_CREDIT_MAX = 1_000
"""Useful messages after which a peer has all the credit there is."""
CUT_AT = 0.75
"""Of the faults until a ban: there the connection is cut, as a warning; at half, the peer is the first to make room."""
SHADY_AT = 0.5
_EXACTLY = 0.02
"""Faults of a few seconds ago count as whole ones."""


class Step(enum.Enum):
    """What follows from a fault."""

    NOTHING = enum.auto()
    CUT = enum.auto()
    BAN = enum.auto()


@dataclass
class _Record:
    faults: float
    credit: float
    at: float


class Standing:
    """The score of names (a peer id in hex, or a network of addresses) and the bans."""

    def __init__(self, *, faults_until_ban: int, ban_s: float, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds, for bans outlive the process."""
        self._limit = float(faults_until_ban)
        self._ban_s = ban_s
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._banned_until: OrderedDict[str, float] = OrderedDict()

    def blame(self, name: str, weight: float = 1.0) -> Step:
        """Count a fault and say what follows from it."""
        record = self._of(name)
        before = record.faults - record.credit
        record.faults += weight
        after = record.faults - record.credit
        if after >= self._limit - _EXACTLY:
            self.ban(name)
            return Step.BAN
        cut_at = CUT_AT * self._limit
        return Step.CUT if before < cut_at - _EXACTLY <= after else Step.NOTHING

    def praise(self, name: str) -> None:
        """Count a useful deed."""
        record = self._of(name)
        most = CREDIT_MAX * self._limit
        record.credit = min(most, record.credit + most / DEEDS_TO_CREDIT_MAX)

    def score(self, name: str) -> float:
        """Return the score of a name: 1 at most, 0 for who is unknown, −1 where a ban begins."""
        if name not in self._records:
            return -1.0 if self.is_banned(name) else 0.0
        record = self._of(name)
        return max(-1.0, (record.credit - record.faults) / self._limit)

    def is_shady(self, name: str) -> bool:
        """Tell whether a name is half way to a ban."""
        return self.score(name) <= -SHADY_AT + _EXACTLY

    def ban(self, name: str, seconds: float | None = None) -> None:
        """Ban a name, for the usual time if none is given; its faults are paid for with that."""
        self._records.pop(name, None)
        _put(self._banned_until, name, self._clock() + (self._ban_s if seconds is None else seconds))

    def unban(self, name: str) -> bool:
        """Lift a ban and forget faults; tell whether there was one."""
        self._records.pop(name, None)
        return self._banned_until.pop(name, None) is not None

    def is_banned(self, name: str) -> bool:
        """Tell whether a ban stands."""
        until = self._banned_until.get(name)
        if until is not None and until <= self._clock():
            del self._banned_until[name]
            return False
        return until is not None

    def bans(self) -> list[tuple[str, int]]:
        """Return the bans that stand: names, and the Unix second at which each ends."""
        return [(name, int(until)) for name, until in self._banned_until.items() if until > self._clock()]

    def restore(self, bans: Iterable[tuple[str, int]]) -> None:
        """Take over bans from before; none lasts longer than one given now would."""
        latest = self._clock() + self._ban_s
        for name, until in bans:
            _put(self._banned_until, name, min(float(until), latest))

    def _of(self, name: str) -> _Record:
        now = self._clock()
        record = self._records.pop(name, None) or _Record(faults=0.0, credit=0.0, at=now)
        faded = 0.5 ** (max(0.0, now - record.at) / HALF_LIFE_S)
        record.faults *= faded
        record.credit *= faded
        record.at = now
        _put(self._records, name, record)
        return record


def _put(table: "OrderedDict[str, T]", name: str, value: T) -> None:
    table[name] = value
    if len(table) > TRACKED_MAX:
        table.popitem(last=False)
