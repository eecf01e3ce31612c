"""The votes that one node was given since it started."""

from collections.abc import Sequence

from consensus.certificate import well_formed
from consensus.evidence import contradict
from consensus.messages import SignedVote, Vote
from testnet.sim.obligations.quorums import Quorums

WINDOW = 64
"""Views below the current one whose votes count (C10)."""


class Votes:
    """The votes that a node was given on their signers' own links since it started, those of liars left out."""

    def __init__(self, quorums: Quorums) -> None:
        self._quorums = quorums
        self._cast: dict[int, dict[int, list[Vote]]] = {}
        self._doubtful: set[tuple[int, int]] = set()
        self.pairs: list[tuple[int, Vote, Vote]] = []
        """Signer and two votes that contradict each other, both counted when they came."""

    def give(self, sender: int | None, signed: SignedVote, *, view: int, final: int) -> None:
        """Take a vote that comes to a node in `view` with the final view `final` (C10)."""
        vote = signed.vote
        own = sender == signed.signer and vote.epoch == self._quorums.instance.epoch and well_formed(vote)
        if not own or not max(final, view - WINDOW) < vote.view <= view + 1:
            return
        if not self._quorums.is_signed(signed):
            self.doubt(signed.signer, vote.view)
            return
        cast = self._cast.setdefault(vote.view, {}).setdefault(signed.signer, [])
        if vote in cast:
            return
        rival = next((each for each in cast if contradict(each, vote)), None)
        if rival is not None and (vote.view, signed.signer) not in self._doubtful:
            self.pairs.append((signed.signer, rival, vote))
        if rival is not None:
            self.doubt(signed.signer, vote.view)
        else:
            cast.append(vote)

    def doubt(self, signer: int, view: int) -> None:
        """Leave a signer's votes of a view out: what a node makes of them depends on their order."""
        self._doubtful.add((view, signer))

    def count(self, view: int, mine: Sequence[Vote], me: int) -> dict[Vote, int]:
        """Return the weight of each vote of a view, this node's own included."""
        weights: dict[Vote, int] = {}
        for signer, cast in self._cast.get(view, {}).items():
            if (view, signer) not in self._doubtful and signer != me:
                for vote in cast:
                    weights[vote] = weights.get(vote, 0) + self._quorums.weights[signer]
        for vote in mine:
            weights[vote] = weights.get(vote, 0) + self._quorums.weights[me]
        return weights

    def voted(self, signer: int, vote: Vote) -> bool:
        """Tell whether a signer beyond doubt cast a vote."""
        return (vote.view, signer) not in self._doubtful and vote in self._cast.get(vote.view, {}).get(signer, [])

    def may_have_voted(self, signer: int, vote: Vote) -> bool:
        """Tell whether a signer cast a vote, or is in doubt."""
        return (vote.view, signer) in self._doubtful or vote in self._cast.get(vote.view, {}).get(signer, [])

    def may_be_blame(self, vote: Vote) -> bool:
        """Tell whether those who cast a vote, or are in doubt, could be blame weight (C15)."""
        weights = enumerate(self._quorums.weights)
        return self._quorums.is_blame(sum(weight for at, weight in weights if self.may_have_voted(at, vote)))

    def forget(self, view: int) -> None:
        """Drop what is at or below a view."""
        for old in [known for known in self._cast if known <= view]:
            del self._cast[old]
        self._doubtful = {known for known in self._doubtful if known[0] > view}
