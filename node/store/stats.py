"""`assay db stats`: where the bytes of a store are."""

from dataclasses import dataclass
from pathlib import Path

from node.store import schema
from node.store.segments import FOLDER
from node.store.store import Store

KINDS = {
    schema.STATE: "state",
    schema.BLOCK: "index of blocks",
    schema.HEIGHT: "ids of blocks",
    schema.RECEIPTS: "receipts",
    schema.ROOT: "state roots",
    schema.TRANSACTION: "places of transactions",
    schema.CERTIFICATE: "certificates",
    schema.GUARD: "votes not to forget",
}


@dataclass(frozen=True)
class Kind:
    """The rows of one kind."""

    name: str
    rows: int
    bytes: int
    """Of keys and values; LevelDB packs them."""


def kinds_of(store: Store) -> list[Kind]:
    """Count the rows of each kind; reads them all."""
    found = []
    for kind, name in KINDS.items():
        count, size = 0, 0
        for key, value in store.rows.scan(kind):
            count += 1
            size += len(key) + len(value)
        found.append(Kind(name, count, size))
    return found


def bytes_of_files(folder: Path) -> tuple[int, int]:
    """Return the bytes on disk of a store's rows and of its segments."""
    rows = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    segments = folder / FOLDER
    return rows, sum(path.stat().st_size for path in segments.iterdir()) if segments.is_dir() else 0
