"""Which requests of peers are answered at once: everybody one, and more while there is room (N10)."""

from collections import Counter

SHARED = 32
"""Slots that whoever comes first may have."""
SLOTS = 128
"""In all. Beyond SHARED each peer has one, and there are fewer peers than slots: nobody can take another's."""
PER_PEER = 16
"""As many streams of a peer as the network program answers."""


class AnswerSlots:
    """Counts the requests under way, by peer."""

    def __init__(self) -> None:
        self._taken = 0
        self._of_peer: Counter[bytes] = Counter()

    def take(self, peer: bytes) -> bool:
        """Take a slot for a request of this peer, and tell whether there was one."""
        at_most = PER_PEER if self._taken < SHARED else 1
        if self._of_peer[peer] >= at_most or self._taken >= SLOTS:
            return False
        self._taken += 1
        self._of_peer[peer] += 1
        return True

    def give_back(self, peer: bytes) -> None:
        """Free a slot."""
        self._taken -= 1
        self._of_peer[peer] -= 1
        if not self._of_peer[peer]:
            del self._of_peer[peer]
