"""Which gossip messages have been met already, bounded in time and number."""

from collections import OrderedDict
from collections.abc import Callable

SEEN_S = 120.0
"""Far longer than a message travels; what comes again later is judged again."""
SEEN_MAX = 65_536


class Seen:
    """A set of message ids that forgets the oldest; it has the two methods that libp2p's router asks for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def add(self, message: bytes) -> bool:
        """Remember a message id and tell whether it is new."""
        now = self._clock()
        while self._until and (len(self._until) >= SEEN_MAX or next(iter(self._until.values())) <= now):
            self._until.popitem(last=False)
        is_new = message not in self._until
        if is_new:
            self._until[message] = now + SEEN_S
        return is_new

    def has(self, message: bytes) -> bool:
        """Tell whether a message id is remembered."""
        return self._until.get(message, 0.0) > self._clock()
