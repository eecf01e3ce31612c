"""Which votes are let in, the tallies of the few views that matter, and the quorums in them (C10)."""

from consensus.ancestry import Ancestry
from consensus.certificate import form, well_formed
from consensus.hearing import Hearing
from consensus.io import Evidence, Fault
from consensus.messages import Certificate, SignedVote, VoteKind, nullify, sign_bytes
from consensus.outbox import Outbox
from consensus.scheme import Scheme
from consensus.tally import Tally
from consensus.validators import Instance

VIEWS_TRACKED = 64
"""Views below the current one whose votes are counted while nothing becomes final."""


class Ballots:
    """Votes of the views above the final point, from a little below the current view to the one after it."""

    def __init__(
        self, *, instance: Instance, scheme: Scheme, ancestry: Ancestry, hearing: Hearing, outbox: Outbox
    ) -> None:
        self._instance = instance
        self._scheme = scheme
        self._ancestry = ancestry
        self._hearing = hearing
        self._outbox = outbox
        self._tallies: dict[int, Tally] = {}

    def is_proper(self, sender: int | None, signed: SignedVote, view: int) -> bool:
        """Tell whether a vote is worth checking, as far as that costs nothing; blame its sender for what is not."""
        if signed.vote.epoch != self._instance.epoch:  # other validators, of which nothing is known here (C24)
            return False
        if signed.signer >= len(self._instance.validators):
            self._outbox.penalise(sender, Fault.UNKNOWN_SIGNER)
        elif not well_formed(signed.vote):
            self._outbox.penalise(sender, Fault.BAD_VOTE)
        elif sender is not None and sender != signed.signer:  # validators speak for themselves
            self._outbox.penalise(sender, Fault.FOREIGN_VOTE)
        else:
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
        return not tally.has(signed) and not tally.ignores(signed.signer)

    def is_signed(self, sender: int | None, signed: SignedVote) -> bool:
        """Check a signature; blame the sender of one that fails."""
        message = sign_bytes(self._instance.genesis_hash, signed.vote)
        if self._scheme.verify(signed.signer, message, signed.signature):
            return True
        self._outbox.penalise(sender, Fault.BAD_SIGNATURE)
        return False

    def count(self, signed: SignedVote, *, proved: bool) -> Certificate | None:
        """Count a vote that is news; return the certificate of the quorum that it completes.

        One that is not `proved`, its signature unchecked, came over its signer's own link.
        """
        tally = self.tally(signed.vote.view)
        known = tally.conflict(signed)
        if known is not None:
            self._accuse(tally, known, signed, proved=proved)
            return None
        if tally.add(signed, proved=proved) < self._instance.validators.quorum:
            return None
        return self._quorum(tally, signed)

    def _accuse(self, tally: Tally, known: SignedVote, signed: SignedVote, *, proved: bool) -> None:
        """Report two votes that contradict each other, both checked; else blame their signer for the bad one (C18)."""
        tally.ignore(signed.signer)
        if not tally.is_proved(known) and not self.is_signed(known.signer, known):
            tally.drop(known)
        elif proved or self.is_signed(signed.signer, signed):
            self._outbox.add(Evidence(first=known, second=signed))

    def _quorum(self, tally: Tally, signed: SignedVote) -> Certificate | None:
        """Check just enough signatures of a vote that claims a quorum; each that fails is singled out (C10)."""
        validators = self._instance.validators
        good: dict[int, SignedVote] = {}
        weight = 0
        for each in tally.cast(signed.vote):
            if weight >= validators.quorum:
                break
            if not tally.is_proved(each):
                if not self.is_signed(each.signer, each):
                    tally.drop(each)
                    continue
                tally.prove(each)
            good[each.signer] = each
            weight += validators.weights[each.signer]
        return form(signed.vote, good, self._scheme.number) if weight >= validators.quorum else None

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
