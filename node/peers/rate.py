"""How much of something may happen in a time: token buckets, alone and by name."""

from collections import OrderedDict
from dataclasses import dataclass

NAMES_MAX = 4096
"""Names remembered; the one used longest ago is forgotten, and begins with a full bucket if it comes back."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So much in a second, and so much at once after a pause."""

    per_s: float
    burst: float


class Bucket:
    """Tokens that fill up with time."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def take(self, count: float, now: float) -> bool:
        """Take tokens if there are so many, and tell whether there were."""
        self._fill(now)
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def owe(self, count: float, now: float) -> float:
        """Take tokens, there or not, and return for how many seconds who took them should pause."""
        self._fill(now)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate.per_s)

    def repay(self, count: float) -> None:
        """Put tokens back that were taken for something welcome."""
        self._tokens = min(self._rate.burst, self._tokens + count)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._rate.burst, self._tokens + max(0.0, now - self._at) * self._rate.per_s)
        self._at = now


class Buckets:
    """A bucket for each name: a peer, an address, a network of addresses."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, name: str, now: float) -> Bucket:
        """Return the bucket of a name."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._rate, now)
            if len(self._buckets) > NAMES_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket
