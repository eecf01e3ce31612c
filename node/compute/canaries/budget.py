"""What canaries may cost in a day, over restarts too: one synced file (D66)."""

from collections.abc import Callable
from pathlib import Path

from node.home import write_whole
from primitives.codec import decode, encode
from primitives.reasons import Refused
from primitives.record import Record
from primitives.units import U64

DAY_MS = 86_400_000
SPENT_BYTES_MAX = 64
FILE = "spent"


class Spent(Record):
    """What has been spent on canaries, or may be by those under way."""

    day: U64
    """Since 1970, in UTC."""
    grains: U64


class Budget:
    """So much a day, and no more."""

    def __init__(self, folder: Path, limit: int, now_ms: Callable[[], int]) -> None:
        """`limit` is in grains a day; `now_ms` tells the time in milliseconds since 1970."""
        self._file = folder / FILE
        self._limit = limit
        self._now_ms = now_ms
        folder.mkdir(parents=True, exist_ok=True)

    def left(self) -> int:
        """Return how many grains are left of today's."""
        return max(0, self._limit - self._spent().grains)

    def take(self, grains: int) -> bool:
        """Take grains of today's, and tell whether so many were left; taken is what is on disk, before it is spent."""
        spent = self._spent()
        if spent.grains + grains > self._limit:
            return False
        write_whole(self._file, encode(Spent(day=spent.day, grains=spent.grains + grains)))
        return True

    def _spent(self) -> Spent:
        """Return what was spent today; a damaged file counts as if all was, until the next day."""
        today = self._now_ms() // DAY_MS
        try:
            spent = decode(Spent, self._file.read_bytes(), at_most=SPENT_BYTES_MAX)
        except FileNotFoundError:
            return Spent(day=today, grains=0)
        except Refused:
            spent = Spent(day=today, grains=self._limit)
            write_whole(self._file, encode(spent))
        return spent if spent.day >= today else Spent(day=today, grains=0)
