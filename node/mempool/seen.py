"""Envelopes whose signature was found good lately, so that nobody makes the node check one again and again (N57)."""

from primitives.hashing import sha256

SEEN_MAX = 100_000
"""Two pools' worth; about 12 MB."""


class Seen:
    """Remembers the latest by their hash."""

    def __init__(self, at_most: int = SEEN_MAX) -> None:
        self._at_most = at_most
        self._hashes: dict[bytes, None] = {}  # oldest first

    def note(self, raw: bytes) -> None:
        """Remember an envelope with a good signature."""
        self._hashes[sha256(raw)] = None
        if len(self._hashes) > self._at_most:
            del self._hashes[next(iter(self._hashes))]

    def __contains__(self, raw: bytes) -> bool:
        return sha256(raw) in self._hashes
