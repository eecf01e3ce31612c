"""How far a node is on its way to the head, for its log and for people."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

RATE_S = 30.0
"""The rate is that of the last seconds: blocks differ in size, and so do peers."""
SAMPLES_MAX = 256
"""Points in that time; one comes with each range."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where the final chain stands, and where peers say that it ends."""

    height: int
    target: int
    """The highest that a connected peer tells, which proves nothing; the own height if none is ahead."""
    peers: int
    """Those that are ahead."""
    lowest_block: int
    """The least height whose block is here (N46)."""
    lowest_history: int
    """The same for receipts, state roots and the places of transactions."""
    blocks_per_s: float
    """Of what is fetched, lately; 0 where nothing is."""

    @property
    def left_s(self) -> float | None:
        """How long the rest takes at this rate; None: it can't be told."""
        rest = self.target - self.height
        return rest / self.blocks_per_s if self.blocks_per_s and rest > 0 else None

    def __str__(self) -> str:
        told = f"block {self.height} of {self.target}, {self.blocks_per_s:.0f} blocks/s from {self.peers} peers"
        return told if self.left_s is None else f"{told}, about {self.left_s:.0f} s left"


class Rate:
    """Blocks per second over the last RATE_S."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._points: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def note(self, height: int) -> None:
        """Note that the chain has come to a height."""
        self._points.append((self._now_s(), height))

    def per_s(self) -> float:
        """Return the rate, 0 if nothing is known."""
        now_s = self._now_s()
        while self._points and self._points[0][0] < now_s - RATE_S:
            self._points.popleft()
        if not self._points:
            return 0.0
        since_s, height = self._points[0]
        passed = now_s - since_s
        return (self._points[-1][1] - height) / passed if passed else 0.0
