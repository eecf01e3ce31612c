"""What a node owes the others: answers, requests, repetitions, blame (C1, C2, C5, C8, C9, C19)."""

from collections.abc import Sequence

from consensus.certificate import well_formed
from consensus.io import Commit, Effect, FetchBlock, Input, Penalise, Received, RetryDue, Send, SetRetry, Start, Synced
from consensus.messages import (
    Certificate,
    CertificateRequest,
    Certificates,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
)
from testnet.sim.obligations.life import Life, body_of

ANSWERS_MAX = 2
"""C9."""


class Courtesy:
    """The obligations of one life towards others."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._wanted: list[bytes] = []
        self._answered: dict[int, int] = {}
        self._requested = False
        self._retried_view = 0
        self._seen: set[int] = set()
        """Views of which a proposal came."""
        self._own: list[Vote] = []
        self._final_before = 0

    def before(self, given: Input) -> None:
        """Note how the node stands before a step."""
        self._final_before = self._life.books.final
        if isinstance(given, RetryDue):
            self._own = self._life.books.cast_in(self._life.view)
            self._requested = False
            self._answered.clear()
        body = body_of(given)
        if body in self._wanted:
            self._wanted.remove(body)

    def check(self, given: Input, effects: Sequence[Effect]) -> None:
        """Judge a step after which the node goes on."""
        self._is_sparing(effects)
        self._answers(given, effects)
        self._requests(given)
        self._repeats(given, effects)
        self._fetches(given, effects)
        self._blames(given, effects)
        self._proposes_again(given, effects)

    def _is_sparing(self, effects: Sequence[Effect]) -> None:
        """Nobody can make a node work for nothing: two answers to each and one request between two retries (C9)."""
        for effect in effects:
            match effect:
                case Send(to=to, message=Certificates()) if to is not None:
                    self._answered[to] = self._answered.get(to, 0) + 1
                    self._life.need(self._answered[to] <= ANSWERS_MAX, "C9", f"answers node {to} too often")
                case Send(message=CertificateRequest()):
                    self._life.need(not self._requested, "C9", "asks twice between two retries")
                    self._requested = True
                case _:
                    pass

    def _answers(self, given: Input, effects: Sequence[Effect]) -> None:
        """Answer whoever is behind, and requests (C9)."""
        life = self._life
        if not isinstance(given, Received) or given.sender is None or not life.books.has_news(life.view):
            return
        match given.message:
            case SignedVote(vote=vote, signer=signer):
                behind = vote.kind is not VoteKind.FINALIZE and vote.view + 1 < life.view_before
                due = behind and signer == given.sender and vote.epoch == life.epoch and well_formed(vote)
            case CertificateRequest(epoch=epoch, first_view=first, last_view=last):
                due = epoch == life.epoch and first <= last
            case _:
                due = False
        answered = any(
            isinstance(each, Send) and each.to == given.sender and isinstance(each.message, Certificates)
            for each in effects
        )
        spent = self._answered.get(given.sender, 0) >= ANSWERS_MAX
        life.need(not due or answered or spent, "C9", f"does not answer node {given.sender}")

    def _requests(self, given: Input) -> None:
        """Ask the leader for the certificates that its proposal stands on (C2)."""
        life = self._life
        if not isinstance(given, Received) or not isinstance(given.message, Proposal):
            return
        proposal = given.message
        if not self._must_look_at(given.sender, proposal):
            return
        parent, books = proposal.parent_view, life.books
        if parent == books.final and books.finals.get(parent, proposal.parent) != proposal.parent:
            return  # no certificate can make up for that
        if parent > books.final and books.notarized.get(parent, proposal.parent) != proposal.parent:
            return
        lacks_parent = parent > books.final and parent not in books.notarized
        lacks_skip = any(view not in books.nullified for view in range(parent + 1, proposal.vote.vote.view))
        asked = self._requested or not (lacks_parent or lacks_skip)
        life.need(asked, "C2", f"does not ask for what the proposal of view {life.view} stands on")

    def _must_look_at(self, sender: int | None, proposal: Proposal) -> bool:
        """Tell whether a proposal is the first of this view, by its leader, and the node may vote for it."""
        life, vote = self._life, proposal.vote.vote
        first = vote.view not in self._seen
        self._seen.add(vote.view)
        here = vote.view == life.view == life.view_before and vote.epoch == life.epoch
        proper = here and vote.kind is VoteKind.NOTARIZE and life.books.final <= proposal.parent_view < vote.view
        leader = proper and sender == proposal.vote.signer == life.quorums.leader(vote.view)
        good = len(life.quorums.good_ones(proposal.justification)) == len(proposal.justification)
        free = (vote.view, VoteKind.NOTARIZE) not in life.books.votes and life.view > life.mark
        return first and leader and good and free and not life.quarantined and life.quorums.is_signed(proposal.vote)

    def _repeats(self, given: Input, effects: Sequence[Effect]) -> None:
        """Say it all again when nothing moves (C8)."""
        life, books = self._life, self._life.books
        if not isinstance(given, RetryDue):
            return
        view = life.view_before
        stuck, self._retried_view = self._retried_view == view, life.view
        life.need(any(isinstance(each, SetRetry) for each in effects), "C8", "sets no retry timer")
        if not stuck or life.view != view or books.final != self._final_before:
            return
        said = [each.message for each in effects if isinstance(each, Send) and each.to is None]
        votes = [each.vote for each in said if isinstance(each, SignedVote)]
        votes += [each.vote.vote for each in said if isinstance(each, Proposal)]
        for vote in self._own:
            life.need(vote in votes, "C8", f"does not repeat {vote}")
        unfinal = [at for at, kind in books.votes if kind is VoteKind.FINALIZE and at > books.final]
        if unfinal:
            latest = books.votes[max(unfinal), VoteKind.FINALIZE]
            life.need(latest in votes, "C8", f"does not repeat {latest}")
        proved = [each.vote for some in said if isinstance(some, Certificates) for each in some.certificates]
        final = not books.finals or any(each.kind is VoteKind.FINALIZE for each in proved)
        life.need(final, "C8", "does not repeat its highest final certificate")
        if view - 1 in books.notarized or view - 1 in books.nullified:
            shown = view - 1 <= books.final or any(each.view == view - 1 for each in proved)
            life.need(shown, "C8", "does not repeat what let it enter")

    def _fetches(self, given: Input, effects: Sequence[Effect]) -> None:
        """Ask for a body again until it comes (C5)."""
        asked = [each.block for each in effects if isinstance(each, FetchBlock)]
        if isinstance(given, Synced) or any(isinstance(each, Commit) for each in effects):
            self._wanted.clear()
        elif isinstance(given, RetryDue):
            for block in self._wanted:
                self._life.need(block in asked, "C5", f"does not ask again for block {block.hex()[:8]}")
        self._wanted += [block for block in asked if block not in self._wanted]

    def _blames(self, given: Input, effects: Sequence[Effect]) -> None:
        """Whoever breaks a rule is named, and not the node itself (C19)."""
        life = self._life
        blamed = [each.sender for each in effects if isinstance(each, Penalise)]
        life.need(life.me not in blamed, "C19", "blames itself")
        if not isinstance(given, Received) or given.sender is None:
            return
        match given.message:
            case SignedVote(vote=vote, signer=signer) if vote.epoch == life.epoch:
                bad = signer >= len(life.quorums.weights) or not well_formed(vote) or signer != given.sender
            case CertificateRequest(epoch=epoch, first_view=first, last_view=last) if epoch == life.epoch:
                bad = first > last
            case Certificate(vote=vote) as certificate if vote.epoch == life.epoch and vote.view > life.books.final:
                bad = not life.books.holds(vote) and not life.quorums.is_good(certificate)
            case _:
                bad = False
        life.need(not bad or given.sender in blamed, "C19", f"does not blame node {given.sender}")

    def _proposes_again(self, given: Input, effects: Sequence[Effect]) -> None:
        """Propose again, on coming back in a view that it leads, what it proposed before (C1, C12)."""
        life = self._life
        mine = life.books.votes.get((life.view, VoteKind.NOTARIZE))
        if not isinstance(given, Start) or mine is None or not life.leads(life.view):
            return
        if (life.view, mine.block) in life.old:
            said = any(isinstance(each, Send) and isinstance(each.message, Proposal) for each in effects)
            life.need(said, "C1", "does not propose again what it proposed before it stopped")
