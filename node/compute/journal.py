"""What a worker must not forget between its commitment and its reveal: one synced file per job and role (D6)."""

import enum
import os
from pathlib import Path

from node.home import write_whole
from primitives.codec import decode, encode
from primitives.hashing import Hash, Salt
from primitives.reasons import Refused
from primitives.record import Record
from vm.tensor import CUT_BUNDLE_BYTES_MAX, OUTPUT_BUNDLE_BYTES_MAX

ENTRY_BYTES_MAX = CUT_BUNDLE_BYTES_MAX + OUTPUT_BUNDLE_BYTES_MAX + 256
"""Two bundles, job and salt."""
SUFFIX = ".work"


class Part(enum.StrEnum):
    """Whose values an entry holds."""

    PROVIDER = "provider"
    VERIFIER = "verifier"


class Work(Record):
    """A result, and the salt of the commitment to it."""

    job: Hash
    salt: Salt
    cut: bytes
    outputs: bytes


class Journal:
    """The entries of one worker, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # whoever reads a result before its reveal could commit to it without running the job

    def keep(self, part: Part, work: Work) -> None:
        """Write an entry; it is on disk when this returns."""
        write_whole(self._path(part, work.job), encode(work))
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def find(self, part: Part, job: bytes) -> Work | None:
        """Return an entry; one that is damaged counts as absent."""
        try:
            raw = self._path(part, job).read_bytes()
            return decode(Work, raw, at_most=ENTRY_BYTES_MAX)
        except (FileNotFoundError, Refused):
            return None

    def forget(self, part: Part, job: bytes) -> None:
        """Remove an entry, if it is there."""
        self._path(part, job).unlink(missing_ok=True)

    def entries(self) -> list[tuple[Part, bytes]]:
        """Return part and job of every entry."""
        found = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            job, _, part = path.name.removesuffix(SUFFIX).partition(".")
            found.append((Part(part), bytes.fromhex(job)))
        return found

    def _path(self, part: Part, job: bytes) -> Path:
        return self._folder / f"{job.hex()}.{part.value}{SUFFIX}"
