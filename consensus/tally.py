"""The votes of one view, counted by weight: one per validator and kind (C10)."""

from consensus.evidence import contradict
from consensus.messages import SignedVote, Vote, VoteKind
from consensus.validators import ValidatorSet


class Tally:
    """The votes of one view; at most three per validator. Those that are not *proved* have an unchecked signature."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._weights = validators.weights
        self._votes: dict[VoteKind, dict[int, SignedVote]] = {kind: {} for kind in VoteKind}
        self._weight_of: dict[tuple[VoteKind, bytes], int] = {}
        self._proved: set[tuple[VoteKind, int]] = set()
        self._ignored: set[int] = set()

    def has(self, signed: SignedVote) -> bool:
        """Tell whether this signer's vote of this kind is the same and counted."""
        known = self._votes[signed.vote.kind].get(signed.signer)
        return known is not None and known.vote == signed.vote

    def voted(self, kind: VoteKind, signer: int) -> bool:
        """Tell whether the signer's vote of this kind is counted."""
        return signer in self._votes[kind]

    def ignores(self, signer: int) -> bool:
        """Tell whether the signer was caught in this view; one proof is enough, and more would be work for nothing."""
        return signer in self._ignored

    def ignore(self, signer: int) -> None:
        """Listen no more to a signer that was caught."""
        self._ignored.add(signer)

    def conflict(self, signed: SignedVote) -> SignedVote | None:
        """Return the counted vote that `signed` contradicts (C7)."""
        for votes in self._votes.values():
            known = votes.get(signed.signer)
            if known is not None and contradict(known.vote, signed.vote):
                return known
        return None

    def add(self, signed: SignedVote, *, proved: bool) -> int:
        """Count a vote that conflicts with none; return the weight that its vote now has."""
        vote = signed.vote
        self._votes[vote.kind][signed.signer] = signed
        if proved:
            self.prove(signed)
        key = (vote.kind, vote.block)
        weight = self._weight_of.get(key, 0) + self._weights[signed.signer]
        self._weight_of[key] = weight
        return weight

    def weight(self, vote: Vote) -> int:
        """Return the weight that cast `vote`."""
        return self._weight_of.get((vote.kind, vote.block), 0)

    def votes(self, kind: VoteKind) -> dict[int, SignedVote]:
        """Return the counted votes of a kind, by signer."""
        return self._votes[kind]

    def cast(self, vote: Vote) -> list[SignedVote]:
        """Return the counted votes for `vote`, by signer."""
        votes = self._votes[vote.kind]
        return [votes[signer] for signer in sorted(votes) if votes[signer].vote == vote]

    def prove(self, signed: SignedVote) -> None:
        """Note that the signature of a counted vote is good."""
        self._proved.add((signed.vote.kind, signed.signer))

    def is_proved(self, signed: SignedVote) -> bool:
        """Tell whether the signature of a counted vote is known to be good."""
        return (signed.vote.kind, signed.signer) in self._proved

    def drop(self, signed: SignedVote) -> None:
        """Take back a vote whose signature fails, and listen no more to its signer."""
        vote = signed.vote
        del self._votes[vote.kind][signed.signer]
        self._weight_of[vote.kind, vote.block] -= self._weights[signed.signer]
        self.ignore(signed.signer)
