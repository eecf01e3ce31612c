"""The canary that a worker has in hand: its salt, and how far it is; one synced file (D61)."""

import secrets
from pathlib import Path

from ledger.market.canary import canary_of
from node.home import write_whole
from primitives.codec import decode, encode
from primitives.hashing import AddressBytes, Hash, Salt
from primitives.reasons import Reason, Refused
from primitives.record import Record

SALT_BYTES = 32
PLANTED_BYTES_MAX = 256
FILE = "planted"


class Planted(Record):
    """A canary that is promised to a client, and the job that carries it once there is one."""

    canary: Hash
    client: AddressBytes
    salt: Salt
    job: Hash | None
    lied: bool
    """The worker has given false values for it, or is about to."""


class CanaryBox:
    """The folder of a worker's canary: at most one at a time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # a verifier that knows the salt tells the canary from other jobs

    def plant(self, *, genesis: bytes, client: bytes, provider: bytes) -> Planted:
        """Keep and return a new canary for a client; one that no job carries yet gives way.

        Raises Refused BUSY while a job that carries the last one is under way.
        """
        before = self.find()
        if before is not None and before.job is not None:
            raise Refused(Reason.BUSY, what="canary", job=before.job)
        salt = secrets.token_bytes(SALT_BYTES)
        canary = canary_of(genesis=genesis, client=client, provider=provider, salt=salt)
        planted = Planted(canary=canary, client=client, salt=salt, job=None, lied=False)
        self.keep(planted)
        return planted

    def keep(self, planted: Planted) -> None:
        """Write it; it is on disk when this returns."""
        write_whole(self._file, encode(planted))

    def find(self) -> Planted | None:
        """Return the canary in hand; a damaged file counts as none."""
        try:
            return decode(Planted, self._file.read_bytes(), at_most=PLANTED_BYTES_MAX)
        except (FileNotFoundError, Refused):
            return None

    def forget(self) -> None:
        """Have none in hand any more."""
        self._file.unlink(missing_ok=True)
