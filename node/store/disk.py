"""The one way by which the store changes its files, so that a test can make the disk fail at any step (N45)."""

import os
from collections.abc import Callable
from pathlib import Path

from primitives.reasons import Reason, Refused

FREE_BYTES_MIN = 64 << 20
"""With less room left a node stops while it still can in order: more than the largest batch, its segment and what
LevelDB writes anew while it merges tables."""
REMEDY = "`assay db check` tells more; move the store away, and the node fetches the chain again"


class StoreFailedError(OSError):
    """The disk is full, or does not take or give back what it should: the node can't go on."""


def damaged(file: Path, **facts: str | int | bytes | None) -> Refused:
    """Return the refusal of a file that is not as this program left it."""
    return Refused(Reason.STORE_DAMAGED, file=str(file), **facts, todo=REMEDY)


class Disk:
    """What the store does to its files."""

    def append(self, handle: int, raw: bytes) -> None:
        """Write all of `raw` at the end of a file."""
        rest = memoryview(raw)
        while rest:
            rest = rest[os.write(handle, rest) :]

    def sync(self, handle: int) -> None:
        """Return when the bytes of a file would survive a power cut."""
        os.fdatasync(handle)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder would survive a power cut."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def batch(self, write: Callable[[], None]) -> None:
        """Have LevelDB write a batch of rows."""
        write()

    def free_bytes(self, folder: Path) -> int:
        """Return how much room there is for this user."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


def check_room(disk: Disk, folder: Path) -> None:
    """Raise StoreFailedError if the disk is nearly full: before anything is half written (N45)."""
    free = disk.free_bytes(folder)
    if free < FREE_BYTES_MIN:
        raise StoreFailedError(
            f"the disk of {folder} is nearly full: {free} bytes are free, {FREE_BYTES_MIN} are needed; "
            "free some and start the node again"
        )
