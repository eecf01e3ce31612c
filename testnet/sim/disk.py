"""A simulated disk: what Persist wrote, of which a crash may tear off the end of the last write."""

import random
from collections.abc import Sequence

from consensus.guard import decode_record, encode_record
from consensus.io import Certified, GuardRecord, Stored
from consensus.messages import VoteKind


class Disk:
    """Holds encoded records, as a real disk does."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, records: Sequence[GuardRecord]) -> None:
        """Write and sync."""
        self._written += [encode_record(record) for record in records]

    def write_torn(self, records: Sequence[GuardRecord], chance: random.Random) -> None:
        """Crash amid a write: the records up to some point survive."""
        self.write(records[: chance.randrange(len(records))])

    def recover(self) -> list[GuardRecord]:
        """Return what survived, less what the last final block has closed."""
        records = [decode_record(raw) for raw in self._written]
        finals = [
            record.certificate.vote.view
            for record in records
            if isinstance(record, Certified) and record.certificate.vote.kind is VoteKind.FINALIZE
        ]
        last = max(finals, default=0)
        kept = [record for record in records if _view(record) > last or _closes(record, last)]
        self._written = [encode_record(record) for record in kept]
        return kept


def _view(record: GuardRecord) -> int:
    if isinstance(record, Stored):
        return record.view
    return record.certificate.vote.view if isinstance(record, Certified) else record.vote.vote.view


def _closes(record: GuardRecord, view: int) -> bool:
    if not isinstance(record, Certified):
        return False
    vote = record.certificate.vote
    return vote.kind is VoteKind.FINALIZE and vote.view == view
