"""The bodies that are wanted, each asked for again until it comes (C5)."""

from collections.abc import Sequence

from consensus.io import FetchBlock

WANTED_MAX = 64
"""Bodies asked for at once; the way down from a final block is walked one parent at a time."""


class Wanted:
    """Blocks to fetch, with the validators that should have them."""

    def __init__(self, me: int | None) -> None:
        self._me = me
        self._sought: dict[bytes, tuple[int, tuple[int, ...]]] = {}
        self._round = 0

    def want(self, block: bytes, view: int, holders: Sequence[int]) -> list[FetchBlock]:
        """Ask for a block, unless it is asked for already or too many are."""
        if block in self._sought or len(self._sought) >= WANTED_MAX:
            return []
        self._sought[block] = (view, tuple(holder for holder in holders if holder != self._me))
        return [self._fetch(block)]

    def _fetch(self, block: bytes) -> FetchBlock:
        _, holders = self._sought[block]
        return FetchBlock(block=block, hint=holders[self._round % len(holders)] if holders else None)

    def again(self) -> list[FetchBlock]:
        """Ask again for everything, each block from its next holder."""
        self._round += 1
        return [self._fetch(block) for block in self._sought]

    def forget(self, block: bytes) -> None:
        """Stop asking for a block."""
        self._sought.pop(block, None)

    def forget_up_to(self, view: int) -> None:
        """Stop asking for blocks of views that are committed."""
        for block in [block for block, (of, _) in self._sought.items() if of <= view]:
            del self._sought[block]
