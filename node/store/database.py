"""The door to plyvel: one LevelDB, rows of bytes in key order, batches that are written whole or not at all (N40)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import plyvel

from primitives.reasons import Reason, Refused

BLOCK_CACHE_BYTES = 32 << 20
"""Of uncompressed rows; a state of 100,000 accounts fits."""
WRITE_BUFFER_BYTES = 8 << 20
"""Rows in memory before a table is written; the largest batch is one block of 1 MB and its state rows."""
BLOOM_BITS = 10
"""Bits a key: about one look-up in a hundred of an absent row reads a table in vain."""

Row = tuple[bytes, bytes]


class StoreFailedError(OSError):
    """The disk is full, or does not give back what was written: the node can't go on."""


@contextmanager
def _failing() -> Iterator[None]:
    """Turn LevelDB's errors into ours."""
    try:
        yield
    except plyvel.Error as fault:
        raise StoreFailedError(str(fault)) from None


class Rows:
    """Rows as they stood at one moment."""

    def __init__(self, view: "plyvel.DB | plyvel.Snapshot", prefix: bytes) -> None:
        self._view = view
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a row."""
        with _failing():
            value: bytes | None = self._view.get(self._prefix + key)
        return value

    def scan(self, prefix: bytes = b"", limit: int | None = None, *, after: bytes | None = None) -> Iterator[Row]:
        """Yield up to `limit` rows whose key begins with `prefix`, in key order, from behind the key `after`."""
        full = self._prefix + prefix
        start = full if after is None else self._prefix + after
        skip = len(self._prefix)
        left = limit
        with _failing(), self._view.iterator(start=start, include_start=after is None, stop=_behind(full)) as rows:
            for key, value in rows:
                if left is not None:
                    if left == 0:
                        return
                    left -= 1
                yield key[skip:], value


class Database:
    """An open LevelDB."""

    def __init__(self, path: Path) -> None:
        """Open or create.

        Raises Refused STORE_DAMAGED for files that LevelDB can't read and HOME_IN_USE if another process has them open.
        """
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
            raise Refused(Reason.HOME_IN_USE, store=str(path), why=str(fault)) from None
        except plyvel.Error as fault:
            raise Refused(Reason.STORE_DAMAGED, store=str(path), why=str(fault)) from None

    def rows(self, prefix: bytes) -> Rows:
        """Return the rows under `prefix`, as they stand at each look."""
        return Rows(self._db, prefix)

    def snapshot(self, prefix: bytes) -> Rows:
        """Return the rows under `prefix` as they stand now, whatever is written later."""
        return Rows(self._db.snapshot(), prefix)

    def write(self, puts: Mapping[bytes, bytes | None] | Iterable[tuple[bytes, bytes | None]], *, sync: bool) -> None:
        """Write rows (None deletes one) in one batch; with `sync` they, and all earlier writes, survive a power cut."""
        pairs = puts.items() if isinstance(puts, Mapping) else puts
        with _failing(), self._db.write_batch(transaction=True, sync=sync) as batch:
            for key, value in pairs:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._db.close()


def _behind(prefix: bytes) -> bytes | None:
    """Return the least key behind all that begin with `prefix`; None: there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
