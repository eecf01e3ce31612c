"""This node's own votes: when it may cast one, and that it is written before it is sent (C7, C12, C13)."""

from collections.abc import Sequence

from consensus.guard import Guard
from consensus.io import Voted
from consensus.messages import SignedVote, Vote, VoteKind, sign_bytes
from consensus.outbox import Outbox
from consensus.scheme import Scheme
from consensus.validators import Instance

OTHER_SIGNER = "another node signs with this validator's key"
"""Why a validator stops that sees its key used elsewhere (C13)."""


class Voter:
    """Signs for one validator, or for none (a follower's `me` is None)."""

    def __init__(
        self,
        *,
        instance: Instance,
        me: int | None,
        scheme: Scheme,
        guard: Guard,
        outbox: Outbox,
        quarantine: bool,
    ) -> None:
        self.guard = guard
        self._instance = instance
        self._me = me
        self._scheme = scheme
        self._outbox = outbox
        self.quarantined = quarantine

    def may(self, kind: VoteKind, view: int) -> bool:
        """Tell whether this node may cast a vote of `kind` in `view`."""
        voting = self._me is not None and not self._outbox.halted and not self.quarantined
        return voting and self.guard.may(kind, view)

    def may_propose(self, view: int) -> bool:
        """Tell whether this node may propose in a view that it leads: once, and not after skipping it (C1)."""
        return self.may(VoteKind.NOTARIZE, view) and self.guard.vote(VoteKind.NULLIFY, view) is None

    def sign(self, kind: VoteKind, view: int, block: bytes) -> SignedVote:
        """Sign a vote, and have it written before anything is sent (C12)."""
        assert self._me is not None, "only a validator votes"
        vote = Vote(epoch=self._instance.epoch, view=view, kind=kind, block=block)
        signature = self._scheme.sign(sign_bytes(self._instance.genesis_hash, vote))
        signed = SignedVote(vote=vote, signer=self._me, signature=signature)
        self.guard.remember(signed)
        self._outbox.persist(Voted(vote=signed))
        return signed

    def stops_at(self, vote: Vote) -> bool:
        """Stop for good if a vote that this node's key has truly signed can't be its own: another uses the key (C13).

        Up to the mark that its witnesses gave, and before they gave one, it may have forgotten it.
        """
        if self.quarantined or vote.view <= self.guard.doubted or self.guard.knows(vote):
            return False
        self._outbox.halt(OTHER_SIGNER)
        return True

    def close(self, view: int) -> None:
        """Note that a block of `view` is final: nothing is ever signed at or below it (C5)."""
        self.guard.raise_low(view)

    def witnessed(self, mark: int, votes: Sequence[SignedVote]) -> bool:
        """Vote again, above `mark`, and take votes into the record that others hold and it lacks (C13).

        Tell whether this ends a quarantine.
        """
        ended, self.quarantined = self.quarantined, False
        self.guard.doubted = max(mark, self.guard.doubted)
        for signed in votes:
            vote = signed.vote
            if self.guard.knows(vote):
                continue
            if vote.view > mark or self.guard.vote(vote.kind, vote.view) is not None:
                self._outbox.halt(OTHER_SIGNER)
                return False
            self.guard.remember(signed)
            self._outbox.persist(Voted(vote=signed))
        return ended
