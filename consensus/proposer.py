"""A leader's part: choose a parent, have a block built, propose it once (C1)."""

from collections.abc import Sequence

from consensus.ancestry import Ancestry, Point
from consensus.exchange import Exchange
from consensus.fetching import Wanted
from consensus.io import Build, GuardRecord, Stored
from consensus.messages import Proposal, SignedVote, VoteKind
from consensus.outbox import Outbox
from consensus.voter import Voter

GAP_VIEWS = 15
"""Views of which a leader asks for certificates at once: an answer holds both of each, and what it always holds."""


class Proposer:
    """This node's own block of the current view, if it leads it."""

    def __init__(self, *, ancestry: Ancestry, voter: Voter, wanted: Wanted, exchange: Exchange, outbox: Outbox) -> None:
        self.building: Point | None = None
        """The parent of the block that is being built."""
        self.proposed: Stored | None = None
        self._ancestry = ancestry
        self._voter = voter
        self._wanted = wanted
        self._exchange = exchange
        self._outbox = outbox

    def begin(self, view: int) -> None:
        """Begin a view, or begin it again when quarantine ends: what was proposed in it stays proposed."""
        self.building = None
        if self.proposed is not None and self.proposed.view != view:
            self.proposed = None

    def recover(self, recovered: Sequence[GuardRecord], view: int) -> None:
        """Take up the block that this node proposed in `view` before it stopped, to propose no other."""
        mine = self._voter.guard.vote(VoteKind.NOTARIZE, view)
        for record in recovered:
            if (
                isinstance(record, Stored)
                and mine is not None
                and (record.view, record.block) == (view, mine.vote.block)
            ):
                self.proposed = record

    def is_idle(self) -> bool:
        """Tell whether nothing is proposed or being built."""
        return self.building is None and self.proposed is None

    def propose(self, view: int, ask: int) -> None:
        """Have a block built, if its parent is certified and known; `ask` validator `ask` for a missing certificate."""
        if self.building is not None or not self._voter.may_propose(view):
            return
        parent = self._ancestry.parent_for(view)
        if isinstance(parent, int):
            self._exchange.request(ask, max(self._ancestry.final.view + 1, parent - GAP_VIEWS + 1), parent)
        elif self._wanted.rooted(parent, self._ancestry):
            self.building = parent
            self._outbox.add(Build(view=view, parent_view=parent.view, parent=parent.block))

    def built(self, view: int, parent: Point, block: bytes, body: bytes) -> SignedVote:
        """Propose a block that was built on a parent that still stands; return the vote that signs it."""
        self.proposed = Stored(view=view, block=block, parent_view=parent.view, parent=parent.block, body=body)
        self._outbox.persist(self.proposed)
        self._ancestry.link(block, view, parent)
        signed = self._voter.sign(VoteKind.NOTARIZE, view, block)
        self.repeat()
        return signed

    def repeat(self) -> bool:
        """Send this view's proposal, if there is one."""
        stored = self.proposed
        if stored is None:
            return False
        signed = self._voter.guard.vote(VoteKind.NOTARIZE, stored.view)
        if signed is None:
            return False
        parent = Point(stored.parent_view, stored.parent)
        justification = self._ancestry.justification(stored.view, parent)
        self._outbox.send(
            None,
            Proposal(
                vote=signed,
                parent_view=parent.view,
                parent=parent.block,
                justification=justification,
                body=stored.body,
            ),
        )
        return True
