"""A simulated disk: what Persist wrote, of which a crash may tear off the end of the last write, or turn a bit."""

import random
import zlib
from collections.abc import Sequence

from consensus.guard import decode_record, encode_record
from consensus.io import Certified, GuardRecord, Stored
from consensus.messages import VoteKind

CHECKSUM_BYTES = 4


class DiskDamagedError(Exception):
    """What is read is not what was written: the node must not trust any of it."""


class Disk:
    """Holds encoded records with checksums, by epoch, as a real disk does."""

    def __init__(self) -> None:
        self._written: dict[int, list[bytes]] = {}

    def write(self, epoch: int, records: Sequence[GuardRecord]) -> None:
        """Write and sync."""
        kept = self._written.setdefault(epoch, [])
        for record in records:
            raw = encode_record(record)
            kept.append(zlib.crc32(raw).to_bytes(CHECKSUM_BYTES, "big") + raw)

    def write_torn(self, epoch: int, records: Sequence[GuardRecord], chance: random.Random) -> None:
        """Crash amid a write: the records up to some point survive."""
        self.write(epoch, records[: chance.randrange(len(records))])

    def wipe(self) -> None:
        """Lose everything."""
        self._written = {}

    def copy(self) -> "Disk":
        """Return a disk that holds the same."""
        other = Disk()
        other._written = {epoch: list(raws) for epoch, raws in self._written.items()}
        return other

    def flip(self, chance: random.Random) -> bool:
        """Turn one stored bit; tell whether there was one."""
        kept = [raws for raws in self._written.values() if raws]
        if not kept:
            return False
        raws = chance.choice(kept)
        at = chance.randrange(len(raws))
        raw = bytearray(raws[at])
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        raws[at] = bytes(raw)
        return True

    def recover(self, epoch: int) -> list[GuardRecord]:
        """Return what survived of an epoch, less what its last final block has closed. Raises DiskDamagedError."""
        self._written = {known: raws for known, raws in self._written.items() if known >= epoch}
        records = [_read(raw) for raw in self._written.get(epoch, [])]
        finals = [
            record.certificate.vote.view
            for record in records
            if isinstance(record, Certified) and record.certificate.vote.kind is VoteKind.FINALIZE
        ]
        last = max(finals, default=0)
        kept = [record for record in records if _view(record) > last or _closes(record, last)]
        self._written[epoch] = []
        self.write(epoch, kept)
        return kept


def _read(raw: bytes) -> GuardRecord:
    if zlib.crc32(raw[CHECKSUM_BYTES:]).to_bytes(CHECKSUM_BYTES, "big") != raw[:CHECKSUM_BYTES]:
        raise DiskDamagedError
    return decode_record(raw[CHECKSUM_BYTES:])


def _view(record: GuardRecord) -> int:
    if isinstance(record, Stored):
        return record.view
    return record.certificate.vote.view if isinstance(record, Certified) else record.vote.vote.view


def _closes(record: GuardRecord, view: int) -> bool:
    if not isinstance(record, Certified):
        return False
    vote = record.certificate.vote
    return vote.kind is VoteKind.FINALIZE and vote.view == view
