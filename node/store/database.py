"""The door to plyvel: one LevelDB, rows of bytes in key order, batches that are written whole or not at all (N40)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import plyvel

from node.store.disk import REMEDY, Disk, StoreFailedError, damaged
from primitives.reasons import Reason, Refused

BLOCK_CACHE_BYTES = 32 << 20
"""Of uncompressed rows; a state of 100,000 accounts fits."""
WRITE_BUFFER_BYTES = 8 << 20
"""Rows in memory before a table is written; the largest batch is one block of 1 MB and its state rows."""
BLOOM_BITS = 10
"""Bits a key: about one look-up in a hundred of an absent row reads a table in vain."""

_END = b"\xff"
"""The key of a row behind all others. LevelDB ends a scan early, without a word, if the last block that it would read
is damaged; so a scan that does not come to a row behind its own has lost some."""

Row = tuple[bytes, bytes]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn LevelDB's errors at a read into ours.

    Never into a Refused: whoever executes a block would take its own damaged disk for a fault of the block.
    """
    try:
        yield
    except plyvel.Error as fault:
        raise StoreFailedError(f"{path}: {_told(fault)}; {REMEDY}") from None


def _told(fault: Exception) -> str:
    said = fault.args[0] if fault.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


class Rows:
    """Rows as they stood at one moment."""

    def __init__(self, view: "plyvel.DB | plyvel.Snapshot", prefix: bytes, path: Path) -> None:
        self._view = view
        self._prefix = prefix
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a row; raises StoreFailedError, as all that reads here."""
        with _reading(self._path):
            # LevelDB's option `paranoid_checks` alone leaves the checksums of what is read later unchecked.
            value: bytes | None = self._view.get(self._prefix + key, verify_checksums=True)
        return value

    def scan(self, prefix: bytes = b"", limit: int | None = None, *, after: bytes | None = None) -> Iterator[Row]:
        """Yield up to `limit` rows whose key begins with `prefix`, in key order, from behind the key `after`."""
        full = self._prefix + prefix
        start = full if after is None else self._prefix + after
        skip = len(self._prefix)
        left = limit
        scanned = self._view.iterator(start=start, include_start=after is None, verify_checksums=True)
        with _reading(self._path), scanned as rows:
            for key, value in rows:
                if key == _END or not key.startswith(full):
                    return
                if left is not None:
                    if left == 0:
                        return
                    left -= 1
                yield key[skip:], value
        raise StoreFailedError(f"{self._path}: rows are missing at the end; {REMEDY}")


class Database:
    """An open LevelDB."""

    def __init__(self, path: Path, disk: Disk) -> None:
        """Open or create.

        Raises Refused STORE_DAMAGED for files that LevelDB can't read and HOME_IN_USE if another process has them open,
        StoreFailedError if the disk is full.
        """
        self._path = path
        self._disk = disk
        self._failed = False
        if not (path / "CURRENT").exists() and any(path.glob("MANIFEST-*")):
            # LevelDB would begin anew, and remove the tables that it then does not know.
            raise damaged(path / "CURRENT", what="the file is absent")
        try:
            self._db = plyvel.DB(
                str(path),
                create_if_missing=True,
                paranoid_checks=True,
                lru_cache_size=BLOCK_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                bloom_filter_bits=BLOOM_BITS,
            )
        except plyvel.IOError as fault:
            if "/LOCK" not in _told(fault):
                raise StoreFailedError(f"{path}: {_told(fault)}") from None
            raise Refused(Reason.HOME_IN_USE, store=str(path), why=_told(fault)) from None
        except plyvel.Error as fault:
            raise damaged(path, what=_told(fault)) from None
        try:
            if self._is_empty():
                self.write([(_END, b"")], sync=True)
        except BaseException:
            self._db.close()
            raise

    def _is_empty(self) -> bool:
        with _reading(self._path), self._db.iterator(include_value=False, verify_checksums=True) as keys:
            return next(keys, None) is None

    def check_end(self) -> None:
        """Raise Refused STORE_DAMAGED if the row behind all others is gone."""
        if self.rows(_END).get(b"") is None:
            raise damaged(self._path, what="rows are missing at the end")

    def rows(self, prefix: bytes) -> Rows:
        """Return the rows under `prefix`, as they stand at each look."""
        return Rows(self._db, prefix, self._path)

    def snapshot(self, prefix: bytes) -> Rows:
        """Return the rows under `prefix` as they stand now, whatever is written later."""
        return Rows(self._db.snapshot(), prefix, self._path)

    def write(self, puts: Mapping[bytes, bytes | None] | Iterable[tuple[bytes, bytes | None]], *, sync: bool) -> None:
        """Write rows (None deletes one) in one batch; with `sync` they, and all earlier writes, survive a power cut.

        Raises StoreFailedError, and then for ever: LevelDB may have left half a batch in its log, and must not write
        behind it (N45).
        """
        self.check_sound()
        pairs = puts.items() if isinstance(puts, Mapping) else puts
        batch = self._db.write_batch(transaction=True, sync=sync)
        for key, value in pairs:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._disk.batch(batch.write)
        except (plyvel.Error, OSError) as fault:
            self._failed = True
            told = _told(fault) if isinstance(fault, plyvel.Error) else fault.strerror
            raise StoreFailedError(f"{self._path}: {told}") from None

    def check_sound(self) -> None:
        """Raise StoreFailedError if a write has failed."""
        if self._failed:
            raise StoreFailedError(f"{self._path}: an earlier write failed")

    def compact(self) -> None:
        """Write all tables anew without what is deleted."""
        with _reading(self._path):
            self._db.compact_range()

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._db.close()
