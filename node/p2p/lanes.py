"""A queue of two lanes with limits in bytes: votes before blobs, and neither without end (N4)."""

from collections import deque
from typing import Generic, Self, TypeVar

import trio

T = TypeVar("T")

ENTRY_BYTES = 256
"""What an entry costs beside its body, so that empty ones are bounded too."""


class Lanes(Generic[T]):
    """Two bounded queues read by one task, the urgent one first; a full lane refuses the newest entry."""

    def __init__(self, *, urgent_bytes: int, bulk_bytes: int) -> None:
        self._urgent: deque[tuple[T, int]] = deque()
        self._bulk: deque[tuple[T, int]] = deque()
        self._urgent_room = urgent_bytes
        self._bulk_room = bulk_bytes
        self._filled = trio.Event()
        self.refused = 0
        """Entries for which there was no room."""

    def push(self, entry: T, size: int, *, urgent: bool) -> bool:
        """Queue an entry that weighs `size` bytes and tell whether there was room; never waits."""
        cost = size + ENTRY_BYTES
        if cost > (self._urgent_room if urgent else self._bulk_room):
            self.refused += 1
            return False
        if urgent:
            self._urgent.append((entry, cost))
            self._urgent_room -= cost
        else:
            self._bulk.append((entry, cost))
            self._bulk_room -= cost
        self._filled.set()
        return True

    def pop_nowait(self) -> T | None:
        """Return the next entry, or None."""
        if self._urgent:
            entry, cost = self._urgent.popleft()
            self._urgent_room += cost
            return entry
        if self._bulk:
            entry, cost = self._bulk.popleft()
            self._bulk_room += cost
            return entry
        return None

    async def pop(self) -> T:
        """Wait for the next entry."""
        while (entry := self.pop_nowait()) is None:
            self._filled = trio.Event()
            await self._filled.wait()
        return entry

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self.pop()
