"""Final blocks in files that only grow, one after another: `segments/00000001.seg` and so on (N44).

A record is the length of its payload (4 bytes), the block's height (8), the height of the first block that was written
with it (8), the first 8 bytes of SHA-256 over these and the payload, and the payload, all numbers big-endian.
Where each record stands is told by a row of the index.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ledger.limits import BLOCK_ENCODED_BYTES_MAX
from node.store.disk import Disk, StoreFailedError, damaged
from primitives.hashing import sha256

SEGMENT_BYTES_MAX = 64 << 20
"""Of one file: pruning gives back room file by file, and a file is read whole within a second."""
FOLDER = "segments"
_LENGTH_BYTES = 4
_HEIGHT_BYTES = 8
_DIGEST_BYTES = 8
_TOLD_BYTES = _LENGTH_BYTES + 2 * _HEIGHT_BYTES
_HEAD_BYTES = _TOLD_BYTES + _DIGEST_BYTES


class Spot(NamedTuple):
    """Where a record stands."""

    segment: int
    offset: int
    size: int
    """Bytes of its payload."""

    @property
    def end(self) -> int:
        """The first byte behind the record."""
        return self.offset + _HEAD_BYTES + self.size


START = Spot(1, -_HEAD_BYTES, 0)
"""Ends where the first record of the first segment begins."""


class Entry(NamedTuple):
    """A record that was read."""

    height: int
    batch: int
    """The height of the first block that was written with it."""
    payload: bytes


def _record(entry: Entry) -> bytes:
    """Return a record as it stands in a segment."""
    told = b"".join(
        (
            len(entry.payload).to_bytes(_LENGTH_BYTES, "big"),
            entry.height.to_bytes(_HEIGHT_BYTES, "big"),
            entry.batch.to_bytes(_HEIGHT_BYTES, "big"),
        )
    )
    return told + sha256(told + entry.payload)[:_DIGEST_BYTES] + entry.payload


def _entry_at(file: BinaryIO, offset: int) -> Entry | None:
    """Return the record at `offset`, or None if there is none that is whole."""
    file.seek(offset)
    head = file.read(_HEAD_BYTES)
    size = int.from_bytes(head[:_LENGTH_BYTES], "big")
    if len(head) < _HEAD_BYTES or size > BLOCK_ENCODED_BYTES_MAX:
        return None
    height = int.from_bytes(head[_LENGTH_BYTES : _LENGTH_BYTES + _HEIGHT_BYTES], "big")
    batch = int.from_bytes(head[_LENGTH_BYTES + _HEIGHT_BYTES : _TOLD_BYTES], "big")
    entry = Entry(height, batch, file.read(size))
    return entry if _record(entry) == head + entry.payload else None


class Segments:
    """The segments of one store."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._end = START
        self._handle: int | None = None
        self._failed = False

    def path(self, segment: int) -> Path:
        """Return the file of a segment."""
        return self._folder / f"{segment:08}.seg"

    def numbers(self) -> list[int]:
        """Return the numbers of the segments that are there, ascending."""
        return sorted(int(path.stem) for path in self._folder.glob("*.seg") if path.stem.isdecimal())

    def open(self, first: int, last: Spot, height: int) -> None:
        """Make the segments from `first` to the record `last`, of the block at `height`, all there is.

        Segments before have been pruned, and a crash came before they were removed. What lies behind is what was
        written when a crash came, which is one batch: more is proof that rows were lost. Raises Refused STORE_DAMAGED
        then, and if a file between is absent or ends before `last` does; then nothing is changed.
        """
        self._folder.mkdir(exist_ok=True)
        present = self.numbers()
        for number in range(first, last.segment + 1):
            if number not in present and last != START:
                raise damaged(self.path(number), what="the file is absent")
        path = self.path(last.segment)
        size = path.stat().st_size if path.exists() else 0
        if size < last.end:
            raise damaged(path, what="the file is too short", seen=size, wanted=last.end)
        self._check_tail(last, height, [number for number in present if number > last.segment])
        for number in present:
            if not first <= number <= last.segment:
                self.path(number).unlink()
        self._end = last
        if size > last.end:
            os.truncate(path, last.end)

    def _check_tail(self, last: Spot, height: int, later: list[int]) -> None:
        """Raise Refused STORE_DAMAGED if what lies behind a record was written in more than one batch."""
        for number, start in [(last.segment, last.end), *((each, 0) for each in later)]:
            if not self.path(number).exists():
                continue
            with self.path(number).open("rb") as file:
                offset = start
                while (entry := _entry_at(file, offset)) is not None:
                    if entry.batch > height + 1:
                        raise damaged(self._folder.parent, what="rows were lost", seen=height, wanted=entry.height)
                    offset = Spot(number, offset, len(entry.payload)).end

    def append(self, blocks: Sequence[tuple[int, bytes]]) -> list[Spot]:
        """Write blocks, each with its height, in order; when this returns they are on disk.

        Raises StoreFailedError, and then for ever: half a record may stand at the end (N45).
        """
        if self._failed:
            raise StoreFailedError(f"{self.path(self._end.segment)}: an earlier write failed")
        spots: list[Spot] = []
        waiting = b""
        try:
            for height, payload in blocks:
                record = _record(Entry(height, blocks[0][0], payload))
                offset = self._end.end
                if offset + len(record) > SEGMENT_BYTES_MAX and offset:
                    self._flush(waiting)
                    waiting = b""
                    self._close()
                    self._end, offset = Spot(self._end.segment + 1, -_HEAD_BYTES, 0), 0
                waiting += record
                self._end = Spot(self._end.segment, offset, len(payload))
                spots.append(self._end)
            self._flush(waiting)
        except OSError as fault:
            self._failed = True
            raise StoreFailedError(f"{self.path(self._end.segment)}: {fault.strerror or fault}") from None
        return spots

    def _flush(self, raw: bytes) -> None:
        """Write bytes to the last segment and wait for the disk."""
        if not raw:
            return
        fresh = self._handle is None and not self.path(self._end.segment).exists()
        if self._handle is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._handle = os.open(self.path(self._end.segment), flags, 0o644)
        self._disk.append(self._handle, raw)
        self._disk.sync(self._handle)
        if fresh:
            self._disk.sync_folder(self._folder)

    def read(self, spot: Spot, height: int) -> bytes:
        """Return the payload of a record.

        Raises Refused STORE_DAMAGED if it is not the one of that height, whole.
        """
        path = self.path(spot.segment)
        try:
            with path.open("rb") as file:
                entry = _entry_at(file, spot.offset)
        except OSError as fault:
            raise damaged(path, byte=spot.offset, height=height, what=str(fault.strerror)) from None
        if entry is None or entry.height != height or len(entry.payload) != spot.size:
            raise damaged(path, byte=spot.offset, height=height, what="the record does not have its checksum")
        return entry.payload

    def remove_before(self, segment: int) -> int:
        """Remove all segments before one; return how many bytes that gave back."""
        freed = 0
        for number in self.numbers():
            if number < segment:
                freed += self.path(number).stat().st_size
                self.path(number).unlink()
        return freed

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._close()
