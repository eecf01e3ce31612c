"""What this node has signed, so that it never signs against itself: not in a view, and not across a crash (C7, C12)."""

from collections.abc import Sequence

from consensus.io import GuardRecord, Voted
from consensus.messages import SignedVote, Vote, VoteKind
from primitives import codec

RECORD_BYTES_MAX = 1_600_000
"""A stored block with its links; votes and certificates are small."""


def encode_record(record: GuardRecord) -> bytes:
    """Encode a record for the disk."""
    return codec.encode(record)


def decode_record(raw: bytes) -> GuardRecord:
    """Decode a record from the disk; raises Refused MALFORMED or TOO_LARGE."""
    record: GuardRecord = codec.decode(GuardRecord, raw, at_most=RECORD_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
    return record


class Guard:
    """This node's own votes above its low-water mark, at or below which it signs nothing."""

    def __init__(self, low: int, recovered: Sequence[GuardRecord] = ()) -> None:
        self.low = low
        self.doubted = 0
        """Up to this view there may be votes of this node's that are not known here (C13)."""
        self.stalled = False
        """Whether the others can't leave such a view without this node."""
        self._mine: dict[int, dict[VoteKind, SignedVote]] = {}
        for record in recovered:
            if isinstance(record, Voted):
                self.remember(record.vote)

    def may(self, kind: VoteKind, view: int) -> bool:
        """Tell whether a vote of `kind` may be signed in `view`: one of each kind, never both S and F (C7, C13)."""
        mine = self._mine.get(view, {})
        if view <= self.low or kind in mine:
            return False
        if view <= self.doubted and not (kind is VoteKind.NULLIFY and self.stalled):  # C13
            return False
        if kind is VoteKind.FINALIZE:
            return VoteKind.NULLIFY not in mine
        return kind is VoteKind.NOTARIZE or VoteKind.FINALIZE not in mine

    def remember(self, signed: SignedVote) -> None:
        """Note a vote of this node's that is, or is about to be, on disk."""
        if signed.vote.view > self.low:
            self._mine.setdefault(signed.vote.view, {})[signed.vote.kind] = signed

    def knows(self, vote: Vote) -> bool:
        """Tell whether `vote` is one that this node cast, or is too old to tell."""
        if vote.view <= self.low:
            return True
        mine = self.vote(vote.kind, vote.view)
        return mine is not None and mine.vote == vote

    def vote(self, kind: VoteKind, view: int) -> SignedVote | None:
        """Return this node's vote of `kind` in `view`."""
        return self._mine.get(view, {}).get(kind)

    def finalize_votes(self, at_most: int) -> list[SignedVote]:
        """Return this node's latest FINALIZE votes above the low-water mark, newest first."""
        found: list[SignedVote] = []
        for view in sorted(self._mine, reverse=True):
            if len(found) == at_most:
                break
            if VoteKind.FINALIZE in self._mine[view]:
                found.append(self._mine[view][VoteKind.FINALIZE])
        return found

    def last_view(self) -> int:
        """Return the highest view with a vote of this node's, or the low-water mark."""
        return max(self._mine, default=self.low)

    def raise_low(self, view: int) -> None:
        """Forget, and for ever refuse, the views up to `view`, which a final block has closed."""
        if view > self.low:
            self.low = view
            for old in [known for known in self._mine if known <= view]:
                del self._mine[old]
