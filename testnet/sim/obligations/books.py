"""What one node has on disk, as far as it wrote it: votes, blocks and certificates."""

from consensus.io import Certified, GuardRecord, Stored, Voted
from consensus.messages import Vote, VoteKind


class Books:
    """What a node has on disk: votes, blocks, certificates; in the order in which it wrote them."""

    def __init__(self) -> None:
        self.votes: dict[tuple[int, VoteKind], Vote] = {}
        self.contradicted: list[int] = []
        """Views of which certificates are written that can't stand beside each other (C11)."""
        self.blocks: set[bytes] = set()
        self.notarized: dict[int, bytes] = {}
        self.nullified: set[int] = set()
        self.final = self.last = 0
        """The highest view with a final certificate, and with any."""
        self.finals: dict[int, bytes] = {}

    def write(self, record: GuardRecord) -> None:
        """Take one record."""
        match record:
            case Voted(vote=signed):
                self.votes[signed.vote.view, signed.vote.kind] = signed.vote
            case Stored(block=block):
                self.blocks.add(block)
            case Certified(certificate=certificate):
                self._hold(certificate.vote)

    def _hold(self, vote: Vote) -> None:
        view, block = vote.view, vote.block
        if vote.kind is VoteKind.NULLIFY:
            self.nullified.add(view)
        else:
            known = self.notarized if vote.kind is VoteKind.NOTARIZE else self.finals
            if known.setdefault(view, block) != block:
                self.contradicted.append(view)
        if vote.kind is VoteKind.FINALIZE:
            self.final = max(self.final, view)
        if view in self.finals and (view in self.nullified or self.notarized.get(view, block) != self.finals[view]):
            self.contradicted.append(view)
        self.last = max(self.last, view)

    def cast_in(self, view: int) -> list[Vote]:
        """Return the votes of a view."""
        return [self.votes[view, kind] for kind in VoteKind if (view, kind) in self.votes]

    def holds(self, vote: Vote) -> bool:
        """Tell whether a certificate of this very vote is written, or its view is closed by a final block (C5)."""
        if vote.view <= self.final:
            return vote.kind is VoteKind.NULLIFY or self.finals.get(vote.view, vote.block) == vote.block
        if vote.kind is VoteKind.NULLIFY:
            return vote.view in self.nullified
        return vote.kind is VoteKind.NOTARIZE and self.notarized.get(vote.view) == vote.block

    def has_news(self, view: int) -> bool:
        """Tell whether there is a certificate to give to whoever is behind `view`."""
        return bool(self.finals) or view - 1 in self.notarized or view - 1 in self.nullified

    def ends(self, view: int) -> bool:
        """Tell whether a certificate that ends a view is written."""
        return view in self.notarized or view in self.nullified or view <= self.final

    def may(self, kind: VoteKind, view: int) -> bool:
        """Tell whether C7 leaves room for a vote."""
        rival = {VoteKind.FINALIZE: VoteKind.NULLIFY, VoteKind.NULLIFY: VoteKind.FINALIZE}.get(kind, kind)
        return view > self.final and (view, kind) not in self.votes and (view, rival) not in self.votes
