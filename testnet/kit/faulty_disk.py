"""A disk that fails once, at a step that the test chooses: full, torn in a write, or cut off behind it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from node.store.disk import FREE_BYTES_MIN, Disk


class FaultyDisk(Disk):
    """Does what a disk does until its step number `fails_at` (from 0), and nothing at all from then on."""

    def __init__(self, fails_at: int | None = None, *, torn_after: int = 0) -> None:
        """At the failing step the first `torn_after` bytes reach the disk; a batch of rows does so if that is not 0."""
        self.steps = 0
        self.free = 2 * FREE_BYTES_MIN
        self._fails_at = fails_at
        self._torn_after = torn_after

    def _goes_on(self) -> bool:
        self.steps += 1
        if self._fails_at is not None and self.steps > self._fails_at + 1:
            raise _no_space()
        return self._fails_at is None or self.steps <= self._fails_at

    def append(self, handle: int, raw: bytes) -> None:
        """Write all, or a part and fail."""
        if self._goes_on():
            super().append(handle, raw)
            return
        os.write(handle, raw[: self._torn_after])
        raise _no_space()

    def sync(self, handle: int) -> None:  # noqa: ARG002  # waiting is what it leaves out
        """Do nothing, or fail: what was written is there without."""
        if not self._goes_on():
            raise _no_space()

    def sync_folder(self, folder: Path) -> None:  # noqa: ARG002
        """Do nothing, or fail: what was written is there without."""
        if not self._goes_on():
            raise _no_space()

    def batch(self, write: Callable[[], None]) -> None:
        """Write all rows, or none and fail; or all of them and fail, as when the power goes before anybody knows."""
        if self._goes_on():
            write()
            return
        if self._torn_after:
            write()
        raise _no_space()

    def free_bytes(self, folder: Path) -> int:  # noqa: ARG002  # there is one disk here
        """Return what the test says."""
        return self.free


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
