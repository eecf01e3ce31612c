"""The votes of one view, counted by weight: one per validator and kind (C10)."""

from consensus.evidence import contradict
from consensus.messages import SignedVote, Vote, VoteKind
from consensus.validators import ValidatorSet


class Tally:
    """The votes of one view that were checked; at most three per validator."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._weights = validators.weights
        self._votes: dict[VoteKind, dict[int, SignedVote]] = {kind: {} for kind in VoteKind}
        self._weight_of: dict[tuple[VoteKind, bytes], int] = {}
        self._accused: set[int] = set()

    def has(self, signed: SignedVote) -> bool:
        """Tell whether this signer's vote of this kind is the same and counted."""
        known = self._votes[signed.vote.kind].get(signed.signer)
        return known is not None and known.vote == signed.vote

    def voted(self, kind: VoteKind, signer: int) -> bool:
        """Tell whether the signer's vote of this kind is counted."""
        return signer in self._votes[kind]

    def accused(self, signer: int) -> bool:
        """Tell whether the signer was caught in this view; one proof is enough, and more would be work for nothing."""
        return signer in self._accused

    def conflict(self, signed: SignedVote) -> SignedVote | None:
        """Return the counted vote that `signed`, which is checked, contradicts (C7), and note its signer."""
        for votes in self._votes.values():
            known = votes.get(signed.signer)
            if known is not None and contradict(known.vote, signed.vote):
                self._accused.add(signed.signer)
                return known
        return None

    def add(self, signed: SignedVote) -> int:
        """Count a checked vote that conflicts with none; return the weight that its vote now has."""
        vote = signed.vote
        self._votes[vote.kind][signed.signer] = signed
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
