"""Messages of the epoch that is about to begin, kept until it does: others may be there a moment earlier (C24, N76)."""

from consensus.messages import Message

EARLY_MAX = 256
"""Messages in all: a proposal, a vote and a certificate of each of some eighty validators."""
EARLY_OF_ONE_MAX = 8
"""Of one validator: what it says in a view and its repetition."""
EARLY_BYTES_MAX = 16 << 20
"""Ten of the largest proposals; view 1 has one leader, so an honest network needs room for one."""


class Early:
    """Bounded room for messages of one epoch."""

    def __init__(self) -> None:
        self._epoch = 0
        self._kept: list[tuple[bytes, Message]] = []
        self._count_of: dict[bytes, int] = {}
        self._bytes = 0

    def keep(self, epoch: int, peer: bytes, message: Message, size: int) -> bool:
        """Keep a message, unless those that are kept are of a later epoch; tell whether it is the peer's first."""
        if epoch < self._epoch and self._kept:
            return False
        if epoch != self._epoch:
            self._clear(epoch)
        count = self._count_of.get(peer, 0)
        has_room = len(self._kept) < EARLY_MAX and self._bytes + size <= EARLY_BYTES_MAX
        if has_room and count < EARLY_OF_ONE_MAX:
            self._kept.append((peer, message))
            self._count_of[peer] = count + 1
            self._bytes += size
        return count == 0

    def take(self, epoch: int) -> list[tuple[bytes, Message]]:
        """Return what is kept of an epoch that begins, in the order of arrival, and forget everything."""
        kept = self._kept if epoch == self._epoch else []
        self._clear(epoch)
        return kept

    def _clear(self, epoch: int) -> None:
        self._epoch = epoch
        self._kept = []
        self._count_of = {}
        self._bytes = 0
