"""What a claimant must not forget between its commitment and its opening: one synced file per dispute (D21)."""

import os
from pathlib import Path

from node.home import write_whole
from primitives.codec import decode, encode
from primitives.hashing import Hash, Salt
from primitives.reasons import Refused
from primitives.record import Record
from vm.program import Outline
from vm.trace import Trace

CLAIM_BYTES_MAX = 1 << 13
"""A trace of 32 inputs and 32 values at the cut takes 3 KiB."""
SUFFIX = ".claim"


class Claimed(Record):
    """A claim, and the salt of the commitment to it."""

    dispute: Hash
    job: Hash
    outline: Outline
    trace: Trace
    salt: Salt


class ClaimJournal:
    """The claims of one account, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # whoever reads a trace before it is opened could commit to it without running the job

    def keep(self, claimed: Claimed) -> None:
        """Write a claim; it is on disk when this returns."""
        write_whole(self._path(claimed.dispute), encode(claimed))
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def find(self, dispute: bytes) -> Claimed | None:
        """Return a claim; one that is damaged counts as absent."""
        try:
            return decode(Claimed, self._path(dispute).read_bytes(), at_most=CLAIM_BYTES_MAX)
        except (FileNotFoundError, Refused):
            return None

    def forget(self, dispute: bytes) -> None:
        """Remove a claim, if it is there."""
        self._path(dispute).unlink(missing_ok=True)

    def disputes(self) -> list[bytes]:
        """Return the disputes of all claims, in order."""
        return [bytes.fromhex(path.name.removesuffix(SUFFIX)) for path in sorted(self._folder.glob(f"*{SUFFIX}"))]

    def _path(self, dispute: bytes) -> Path:
        return self._folder / f"{dispute.hex()}{SUFFIX}"
