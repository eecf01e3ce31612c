"""Places at the sandboxes for what disputes ask: what is due first goes first, and long runs leave room (D29)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

RUNNING_MAX = 2
"""Questions at the sandboxes at once: what a worker owes its jobs must find one, too."""
LONG_MAX = RUNNING_MAX - 1
"""Of them long ones: short questions, whose windows are short too, always find a place soon."""
LONG_RUN_MS = 15_000
"""From here on a run counts as long: a quarter of the shortest window of a dispute."""


def is_long(run_ms: int) -> bool:
    """Tell whether a run counts as long, by how many milliseconds it may take (J7)."""
    return run_ms >= LONG_RUN_MS


@dataclass(eq=False, kw_only=True)
class _Asker:
    due_live_ms: int
    is_long: bool
    admitted: trio.Event = field(default_factory=trio.Event)


class Turns:
    """Who may ask now, and who waits."""

    def __init__(self) -> None:
        self._waiting: list[_Asker] = []
        """In the order of their coming."""
        self._running: list[_Asker] = []

    @asynccontextmanager
    async def turn(self, *, due_live_ms: int, run_ms: int) -> AsyncIterator[None]:
        """Hold a place for a question about a job whose run may take `run_ms`, owed by `due_live_ms` of live time."""
        asker = _Asker(due_live_ms=due_live_ms, is_long=is_long(run_ms))
        self._waiting.append(asker)
        self._admit()
        try:
            await asker.admitted.wait()
            yield
        finally:
            (self._running if asker in self._running else self._waiting).remove(asker)
            self._admit()

    def _admit(self) -> None:
        for asker in sorted(self._waiting, key=lambda each: each.due_live_ms):
            long = sum(each.is_long for each in self._running)
            if len(self._running) < RUNNING_MAX and not (asker.is_long and long >= LONG_MAX):
                self._waiting.remove(asker)
                self._running.append(asker)
                asker.admitted.set()
