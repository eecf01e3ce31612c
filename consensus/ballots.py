"""Which votes are let in, and the tallies of the few views that matter (C10)."""

from consensus.ancestry import Ancestry
from consensus.certificate import well_formed
from consensus.hearing import Hearing
from consensus.io import Fault
from consensus.messages import SignedVote, VoteKind, nullify
from consensus.outbox import Outbox
from consensus.tally import Tally
from consensus.validators import Instance

VIEWS_TRACKED = 64
"""Views below the current one whose votes are counted while nothing becomes final."""


class Ballots:
    """Votes of the views above the final point, from a little below the current view to the one after it."""

    def __init__(self, *, instance: Instance, ancestry: Ancestry, hearing: Hearing, outbox: Outbox) -> None:
        self._instance = instance
        self._ancestry = ancestry
        self._hearing = hearing
        self._outbox = outbox
        self._tallies: dict[int, Tally] = {}

    def is_proper(self, sender: int | None, signed: SignedVote, view: int) -> bool:
        """Tell whether a vote is worth checking, as far as that costs nothing; blame its sender for what is not."""
        if signed.signer >= len(self._instance.validators):
            self._outbox.penalise(sender, Fault.UNKNOWN_SIGNER)
        elif not well_formed(signed.vote):
            self._outbox.penalise(sender, Fault.BAD_VOTE)
        elif sender is not None and sender != signed.signer:  # validators speak for themselves
            self._outbox.penalise(sender, Fault.FOREIGN_VOTE)
        elif signed.vote.epoch == self._instance.epoch:
            if sender is not None:
                self._hearing.hear(sender, min(signed.vote.view, view + 1))
            return True
        return False

    def is_news(self, signed: SignedVote, view: int) -> bool:
        """Tell whether a vote is within the window and adds to what is known; `view` is the current one."""
        vote = signed.vote
        if not self._floor(view) < vote.view <= view + 1:
            return False
        known = self._ancestry.nullified if vote.kind is VoteKind.NULLIFY else self._ancestry.notarized
        certificate = known.get(vote.view)
        if certificate is not None and certificate.vote == vote:
            return False
        tally = self.tally(vote.view)
        return not tally.has(signed) and not tally.accused(signed.signer)

    def tally(self, view: int) -> Tally:
        """Return the tally of a view within the window."""
        tally = self._tallies.get(view)
        if tally is None:
            tally = self._tallies[view] = Tally(self._instance.validators)
        return tally

    def cast_by(self, signer: int, views: range) -> list[SignedVote]:
        """Return the counted votes of a validator in some views, by view and kind."""
        tallies = [self._tallies[view] for view in views if view in self._tallies]
        return [tally.votes(kind)[signer] for tally in tallies for kind in VoteKind if tally.voted(kind, signer)]

    def is_skipped(self, view: int, leader: int) -> bool:
        """Tell whether the leader of a view within the window, or somebody honest, has nullified it (C6)."""
        tally = self.tally(view)
        blamed = tally.weight(nullify(self._instance.epoch, view)) >= self._instance.validators.blame
        return blamed or tally.voted(VoteKind.NULLIFY, leader)

    def forget(self, view: int) -> None:
        """Drop the tallies that `view`, the current one, has left behind."""
        floor = self._floor(view)
        for old in [known for known in self._tallies if known <= floor]:
            del self._tallies[old]

    def _floor(self, view: int) -> int:
        return max(self._ancestry.final.view, view - VIEWS_TRACKED)
