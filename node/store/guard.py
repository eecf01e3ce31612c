"""What a validator must never forget: its votes, the blocks that it voted for, and certificates above the final view.

All records of one step are one synced batch, so that nothing is sent which a crash could make it contradict (C12).
"""

from collections.abc import Iterable
from typing import assert_never

from consensus.guard import decode_record, encode_record
from consensus.io import Certified, GuardRecord, Stored, Voted
from consensus.messages import SignedVote
from node.store.database import Database
from node.store.schema import CLOSED, GUARD, decode_closed, encode_closed, guard_key, guard_place, numbered
from primitives.units import NUMBER_MAX

_VOTED = 1
_STORED = 2
_CERTIFIED = 3


class Guard:
    """The guard's rows in the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def persist(self, epoch: int, records: Iterable[GuardRecord]) -> None:
        """Write records of an epoch in one batch; when this returns, votes and blocks are on disk.

        Certificates alone are written without waiting for the disk: they are nobody's word but prove themselves, can be
        had again, and come to disk with the next batch that waits.
        """
        written = list(records)
        binding = any(not isinstance(record, Certified) for record in written)
        self._database.write([(_key(epoch, record), encode_record(record)) for record in written], sync=binding)

    def recall(self, epoch: int) -> list[GuardRecord]:
        """Return all records of an epoch, by view; raises Refused MALFORMED if one does not decode."""
        rows = self._database.rows(numbered(GUARD, epoch)).scan()
        return [decode_record(raw) for _, raw in rows]

    def votes(self) -> list[SignedVote]:
        """Return the votes of all epochs that are held; raises Refused MALFORMED."""
        records = [decode_record(raw) for _, raw in self._database.rows(GUARD).scan()]
        return [record.vote for record in records if isinstance(record, Voted)]

    def closed(self) -> tuple[int, int]:
        """Return epoch and view at or below which nothing is ever signed, as an imported record says (N93)."""
        raw = self._database.rows(CLOSED).get(b"")
        return (0, 0) if raw is None else decode_closed(raw)

    def closed_in(self, epoch: int) -> int:
        """Return the view up to which nothing is ever signed in an epoch."""
        closed, view = self.closed()
        if closed == epoch:
            return view
        return NUMBER_MAX if closed > epoch else 0

    def close_up_to(self, closed: tuple[int, int], votes: Iterable[SignedVote]) -> None:
        """Take an imported record: sign nothing up to epoch and view, and know these votes; one synced batch."""
        rows = [(_key(each.vote.epoch, Voted(vote=each)), encode_record(Voted(vote=each))) for each in votes]
        self._database.write([(CLOSED, encode_closed(*closed)), *rows], sync=True)

    def forgotten(self, epoch: int, final_view: int) -> list[tuple[bytes, None]]:
        """Return the deletions of all records up to a view, those of earlier epochs too, for the batch of its block."""
        gone: list[tuple[bytes, None]] = []
        for key, _ in self._database.rows(b"").scan(GUARD):
            if guard_place(key) > (epoch, final_view):
                break
            gone.append((key, None))
        return gone


def _key(epoch: int, record: GuardRecord) -> bytes:
    match record:
        case Voted():
            vote = record.vote.vote
            return guard_key(epoch, vote.view, _VOTED, bytes([vote.kind]))
        case Stored():
            return guard_key(epoch, record.view, _STORED, record.block)
        case Certified():
            vote = record.certificate.vote
            return guard_key(epoch, vote.view, _CERTIFIED, bytes([vote.kind]) + vote.block)
        case _:
            assert_never(record)
