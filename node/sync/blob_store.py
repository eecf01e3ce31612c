"""Content on disk: one file per root, written whole or not at all, checked whenever it is read whole (B1).

Everything here blocks; node.sync.blobs calls the longer parts in threads.
"""

import os
from pathlib import Path

from node.store.disk import FREE_BYTES_MIN, Disk
from primitives.content import LEAF_BYTES, SLICE_LEAVES_MAX, ContentId, Slice, content_id, leaf_count
from primitives.limits import CONTENT_BYTES_MAX
from primitives.merkle import Tree, leaf_hashes
from primitives.reasons import Reason, Refused

STORE_BYTES_MAX = 16 << 30
"""All pieces together; a model with its inputs is far smaller, and a full disk stops a node."""
ROOM_BYTES_MIN = 4 * FREE_BYTES_MIN
"""What content leaves free of the disk: others can hand it in, and a node whose store finds no room ends."""
PARTS_MAX = 16
"""Unfinished fetches that are kept over a restart, the newest."""
TREE_LEAVES_MAX = 2 * CONTENT_BYTES_MAX // LEAF_BYTES
"""Leaves of all trees kept in memory: two of the largest models, some 80 MB."""


class BlobStore:
    """The content that one node holds, below a folder."""

    def __init__(self, folder: Path, *, at_most: int = STORE_BYTES_MAX, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or Disk()
        self._at_most = at_most
        self._trees: dict[bytes, Tree] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for new in folder.glob("*.new"):
            new.unlink()  # a crash between writing and renaming
        parts = sorted(folder.glob("*.part"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in parts[PARTS_MAX:]:
            old.unlink()
        self.used = sum(path.stat().st_size for path in folder.iterdir())
        """Bytes on disk."""

    def has(self, content: ContentId) -> bool:
        """Tell whether content of that root and length is here."""
        try:
            return self._path(content).stat().st_size == content.length
        except FileNotFoundError:
            return False

    def check_room(self, length: int) -> None:
        """Raise Refused TOO_LARGE or STORE_FULL unless content of `length` bytes may be added (B2)."""
        if length > CONTENT_BYTES_MAX:
            raise Refused(Reason.TOO_LARGE, seen=length, wanted=CONTENT_BYTES_MAX)
        if self.used + length > self._at_most:
            raise Refused(Reason.STORE_FULL, seen=self.used + length, wanted=self._at_most)
        room = self._disk.free_bytes(self._folder) - ROOM_BYTES_MIN
        if length > room:  # N45
            raise Refused(Reason.STORE_FULL, seen=length, wanted=max(0, room), what="room on the disk")

    def put(self, raw: bytes) -> ContentId:
        """Keep `raw` and return its id; raises Refused as `check_room` does."""
        content = content_id(raw)
        if not self.has(content):
            self.check_room(len(raw))
            fresh = self._path(content).with_suffix(".new")
            _write_synced(fresh, raw)
            self._adopt(fresh, content)
            self.used += len(raw)
        return content

    def get(self, content: ContentId) -> bytes | None:
        """Return content, or None if it is not here; what is damaged is removed and not here."""
        if not self.has(content):
            return None
        raw = self._path(content).read_bytes()
        if content_id(raw) != content:  # B1
            self._path(content).unlink()
            self.used -= len(raw)
            return None
        return raw

    def damaged(self) -> list[Path]:
        """Return the files that are not the content of their name; reads them all (B1)."""
        whole = [path for path in sorted(self._folder.iterdir()) if not path.suffix]
        return [path for path in whole if content_id(path.read_bytes()).root.hex() != path.name]

    def cut(self, content: ContentId, start: int, count: int) -> Slice | None:
        """Return up to `count` leaves from leaf `start` with their proof, or None if they are not here."""
        if not self.has(content) or start >= leaf_count(content.length):
            return None
        tree = self._tree(content)
        stop = min(start + count, len(tree))
        with self._path(content).open("rb") as file:
            file.seek(start * LEAF_BYTES)
            data = file.read((stop - start) * LEAF_BYTES)
        return Slice(start=start, data=data, proof=tree.prove(start, stop))

    def part_bytes(self, content: ContentId) -> int:
        """Return how many bytes of an unfinished fetch are here."""
        try:
            return self._part(content).stat().st_size
        except FileNotFoundError:
            return 0

    def extend_part(self, content: ContentId, piece: Slice) -> None:
        """Add a checked slice to an unfinished fetch, right after what is there (B3)."""
        with self._part(content).open("ab") as file:
            # A crash may have left part of a leaf behind the whole ones.
            self.used += piece.start * LEAF_BYTES + len(piece.data) - file.tell()
            file.truncate(piece.start * LEAF_BYTES)
            file.write(piece.data)

    def finish_part(self, content: ContentId) -> bytes:
        """Turn a fetch that has all its leaves into content, and return it.

        Raises Refused CONTENT_MISMATCH if what is on disk is not what was written; then the fetch begins anew.
        """
        part = self._part(content)
        raw = part.read_bytes()
        found = content_id(raw)
        if found != content:
            part.unlink()
            self.used -= len(raw)
            raise Refused(Reason.CONTENT_MISMATCH, seen=found.root, wanted=content.root)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        self._adopt(part, content)
        return raw

    def _path(self, content: ContentId) -> Path:
        return self._folder / content.root.hex()

    def _part(self, content: ContentId) -> Path:
        return self._folder / f"{content.root.hex()}.part"

    def _adopt(self, fresh: Path, content: ContentId) -> None:
        fresh.replace(self._path(content))
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _tree(self, content: ContentId) -> Tree:
        tree = self._trees.pop(content.root, None) or _tree_of(self._path(content))
        self._trees[content.root] = tree  # the one used last stands last
        while len(self._trees) > 1 and sum(len(each) for each in self._trees.values()) > TREE_LEAVES_MAX:
            del self._trees[next(iter(self._trees))]
        return tree


def _tree_of(path: Path) -> Tree:
    """Return the tree over a file's leaves, which is never in memory as a whole."""
    hashes: list[bytes] = []
    with path.open("rb") as file:
        while piece := file.read(SLICE_LEAVES_MAX * LEAF_BYTES):
            hashes += leaf_hashes(piece, LEAF_BYTES)
    return Tree(hashes)


def _write_synced(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
