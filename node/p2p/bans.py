"""Who has sent too much that is invalid, and for how long nobody listens to them (N9)."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TRACKED_MAX = 4096
"""Peers and addresses remembered, the oldest forgotten first; an identity costs an attacker nothing anyway."""


class Bans:
    """Counts invalid messages by name (a peer id in hex, or an address) and tells who is banned."""

    def __init__(self, *, rejects_until_ban: int, ban_seconds: float, clock: Callable[[], float]) -> None:
        self._rejects_until_ban = rejects_until_ban
        self._ban_seconds = ban_seconds
        self._clock = clock
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._banned_until: OrderedDict[str, float] = OrderedDict()

    def count_reject(self, name: str) -> bool:
        """Count one invalid message and tell whether its sender is banned now."""
        now = self._clock()
        count, since = self._counts.pop(name, (0, now))
        if now - since > self._ban_seconds:
            count, since = 0, now
        if count + 1 >= self._rejects_until_ban:
            _put(self._banned_until, name, now + self._ban_seconds)
            return True
        _put(self._counts, name, (count + 1, since))
        return False

    def is_banned(self, name: str) -> bool:
        """Tell whether a ban stands."""
        until = self._banned_until.get(name)
        if until is not None and until <= self._clock():
            del self._banned_until[name]
            return False
        return until is not None


def _put(table: "OrderedDict[str, T]", name: str, value: T) -> None:
    table[name] = value
    if len(table) > TRACKED_MAX:
        table.popitem(last=False)
