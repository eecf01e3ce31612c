"""What moves a node on: certificates, views, time and the votes that are due (C0, C3 to C6, C11, C13, C14, C18)."""

from collections.abc import Sequence

from consensus import hearing
from consensus.certificate import signers_of
from consensus.io import (
    BuildFailed,
    Built,
    Certified,
    Effect,
    Evidence,
    Input,
    Received,
    RetryDue,
    TimedOut,
    Validated,
    Verdict,
    Voted,
    Witnessed,
)
from consensus.messages import Certificate, Certificates, SignedVote, Vote, VoteKind, nullify
from testnet.sim.obligations.life import Life, records_of

GIVE_UP_RETRIES = 2
"""C1."""
RECENT = 60
"""Views for which a verdict is sure to be remembered (C10)."""


class Progress:
    """The obligations of one life that make it go on."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._idle_retries = 0

    def owed(self, given: Input) -> list[Vote]:
        """Return what the certificates of a message prove, as it comes."""
        match given:
            case Received(message=Certificate() as certificate):
                found = [certificate]
            case Received(message=Certificates(certificates=several)):
                found = several
            case _:
                return []
        good = self._life.quorums.good_ones(found)
        return [each.vote for each in good if each.vote.epoch == self._life.epoch]

    def check_halt(self, given: Input) -> None:
        """Another's vote under its own key, or certificates that contradict each other, end it (C11, C13)."""
        life, books = self._life, self._life.books
        for vote in self._told_of_me(given):
            mine = books.votes.get((vote.view, vote.kind))
            ours = mine == vote or vote.view <= max(books.final, life.mark) or life.quarantined
            life.need(ours or life.halted, "C13", f"goes on although another signs with its key: {vote}")
        wrong = books.contradicted
        life.need(life.halted or not wrong, "C11", f"goes on with contradictory certificates of {wrong}")

    def _told_of_me(self, given: Input) -> list[Vote]:
        """Return the votes that a message shows to be signed with this node's key."""
        life = self._life
        match given:
            case Received(sender=sender, message=SignedVote(vote=vote, signer=signer) as signed):
                shown = signer == life.me and sender in (None, life.me) and vote.view <= life.view + 1
                return [vote] if shown and vote.epoch == life.epoch and life.quorums.is_signed(signed) else []
            case Received(message=Certificate() as certificate) if certificate.vote.epoch == life.epoch:
                news = not life.books.holds(certificate.vote) or certificate.vote.view > life.books.final
                signed_here = life.me in signers_of(certificate.signers)
                return [certificate.vote] if news and signed_here and life.quorums.is_good(certificate) else []
            case _:
                return []

    def check(self, given: Input, effects: Sequence[Effect], owed: Sequence[Vote]) -> None:
        """Judge a step after which the node goes on."""
        life = self._life
        for vote in owed:
            life.need(life.books.holds(vote), "C3 C4 C5", f"does not take the certificate of {vote}")
        touched = self._touched(given, effects)
        self._forms(touched)
        life.need(life.view > life.books.last, "C0", f"stays, with a certificate of view {life.books.last}")
        self._keeps_time()
        self._skips(given)
        self._gives_up(given)
        self._finalizes(touched)
        self._accuses(effects)
        self._adopts(given)

    def _adopts(self, given: Input) -> None:
        """Take a vote of one's own key that others hold into the record (C13)."""
        life = self._life
        if isinstance(given, Witnessed):
            for signed in given.votes:
                vote = signed.vote
                kept = vote.view <= life.books.final or life.books.votes.get((vote.view, vote.kind)) == vote
                life.need(kept, "C13", f"does not take up its own vote {vote}")

    def _touched(self, given: Input, effects: Sequence[Effect]) -> list[int]:
        """Return the views of which a step may have learned something."""
        views = {self._life.view, self._life.view + 1}
        match given:
            case Received(message=SignedVote(vote=vote)):
                views.add(vote.view)
            case Validated(view=view) | Built(view=view):
                views.add(view)
            case _:
                pass
        for record in records_of(effects):
            match record:
                case Voted(vote=signed):
                    views.add(signed.vote.view)
                case Certified(certificate=certificate):
                    views.add(certificate.vote.view)
                case _:
                    pass
        return sorted(views)

    def _forms(self, touched: Sequence[int]) -> None:
        """Make a certificate of a quorum of votes (C3, C4, C5)."""
        life, books = self._life, self._life.books
        for view in touched:
            if books.final < view <= life.view + 1:
                for vote, weight in life.votes.count(view, books.cast_in(view), life.me).items():
                    done = not life.quorums.is_quorum(weight) or books.holds(vote)
                    life.need(done, "C3 C4 C5", f"holds a quorum for {vote} and makes no certificate")

    def _keeps_time(self) -> None:
        """No timer is longer than the rule's, and none is set for a leader that is gone (C14)."""
        life = self._life
        rounds = (life.view - 1 - life.books.final) // len(life.quorums.weights)
        longest = life.timing.view_ms(max(0, rounds))
        life.need(life.armed_ms <= longest, "C14", f"waits {life.armed_ms} ms where {longest} are due")
        if life.entered:
            gone = self._is_gone(life.quorums.leader(life.view))
            life.need(gone == (life.armed_ms == 0), "C14", f"gives {life.armed_ms} ms to a leader that is gone: {gone}")

    def _is_gone(self, leader: int) -> bool:
        """Tell whether a leader is unheard for 16 views while a quorum is heard."""
        life = self._life
        since = life.view - hearing.SILENT_VIEWS  # which a run may shrink
        if leader == life.me or life.heard[leader] >= since:
            return False
        pairs = enumerate(zip(life.heard, life.quorums.weights, strict=True))
        others = sum(weight for at, (heard, weight) in pairs if heard >= since and at != life.me)
        return life.quorums.is_quorum(others + life.quorums.weights[life.me])

    def _skips(self, given: Input) -> None:
        """Nullify when the time is over, for a bad block, or when the leader or somebody honest does (C6)."""
        life, view = self._life, self._life.view
        if life.quarantined or view <= life.mark or not life.books.may(VoteKind.NULLIFY, view):
            return
        if view == life.view_before:
            over = isinstance(given, TimedOut | BuildFailed) and given.view == view
            life.need(not over, "C6", "does not nullify when the time is over")
            if isinstance(given, Validated) and given.view == view:
                bad = given.verdict in (Verdict.INVALID, Verdict.DECLINED)
                life.need(not bad, "C6", "does not nullify for a bad block")
        skip = nullify(life.epoch, view)
        weight = life.votes.count(view, [], life.me).get(skip, 0)
        life.need(not life.quorums.is_blame(weight), "C6", "does not join those who nullify")
        life.need(not life.votes.voted(life.quorums.leader(view), skip), "C6", "does not nullify when the leader does")

    def _gives_up(self, given: Input) -> None:
        """Nullify, after two retries, a view that it leads without being able to build (C1)."""
        life, view = self._life, self._life.view
        idle = view == life.view_before and life.leads(view) and life.built_in != view
        if not idle:
            self._idle_retries = 0
        elif isinstance(given, RetryDue):
            self._idle_retries += 1
            may = view > life.mark and not life.quarantined and life.books.may(VoteKind.NULLIFY, view)
            late = self._idle_retries >= GIVE_UP_RETRIES
            life.need(not (late and may), "C1", "leads, can't build, and does not nullify")

    def _finalizes(self, touched: Sequence[int]) -> None:
        """Finalize what is notarized and valid, however late (C3)."""
        life, books = self._life, self._life.books
        for view in touched:
            place = (view, books.notarized.get(view, b""))
            if life.quarantined or view <= life.mark or place in life.old or place not in life.valid:
                continue
            mine = books.votes.get((view, VoteKind.NOTARIZE))
            if mine is not None and mine.block == place[1] and life.view - view < RECENT:
                missed = books.may(VoteKind.FINALIZE, view)
                life.need(not missed, "C3", f"does not finalize the block of view {view}")

    def _accuses(self, effects: Sequence[Effect]) -> None:
        """Two votes that contradict each other are evidence (C18)."""
        life = self._life
        accused = [(each.first.signer, each.first.vote.view) for each in effects if isinstance(each, Evidence)]
        for signer, first, second in life.votes.pairs:
            known = life.books.holds(first) or life.books.holds(second)
            told = known or (signer, first.view) in accused
            life.need(told, "C18", f"does not report node {signer} in view {first.view}")
        life.votes.pairs.clear()
