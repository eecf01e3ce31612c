"""Keeping the address book and the bans over restarts of the program and of the node."""

import logging
import os
import random
from pathlib import Path

import trio

from node.home import write_whole
from node.peers.book import Book
from node.peers.saved import FILE_BYTES_MAX, read_peers, write_peers
from node.peers.standing import Standing
from primitives.hashing import HASH_BYTES
from primitives.reasons import Reason, Refused

SAVE_S = 10.0
"""What a crash may cost: the acquaintances of so many seconds."""

_log = logging.getLogger("assay.p2p")


def open_book(path: Path | None, standing: Standing) -> Book:
    """Return the saved book, its bans restored; a new one if there is none, or if the file is damaged."""
    chance = random.SystemRandom()
    if path is not None and path.exists():
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Refused(Reason.TOO_LARGE, seen=path.stat().st_size, wanted=FILE_BYTES_MAX)
            book, bans = read_peers(path.read_bytes(), chance)
        except (Refused, OSError) as fault:
            aside = path.with_name(path.name + ".damaged")
            _log.warning("the address book %s is damaged (%s): set aside as %s, begun anew", path, fault, aside.name)
            path.replace(aside)
        else:
            standing.restore(bans)
            return book
    return Book(os.urandom(HASH_BYTES), chance)


class BookFile:
    """Writes the book from time to time, in a thread: a slow disk must not hold up votes."""

    def __init__(self, path: Path | None, book: Book, standing: Standing) -> None:
        self._path = path
        self._book = book
        self._standing = standing
        self._last = b""

    async def keep(self) -> None:
        """Save every SAVE_S."""
        while True:
            await trio.sleep(SAVE_S)
            await self.save()

    async def save(self) -> None:
        """Save if there is something new; a disk that is full is the node's own trouble, not ours."""
        raw = write_peers(self._book, self._standing.bans())
        if self._path is None or raw == self._last:
            return
        self._last = raw
        try:
            await trio.to_thread.run_sync(write_whole, self._path, raw)
        except OSError as fault:
            _log.warning("the address book %s is not saved: %s", self._path, fault)
