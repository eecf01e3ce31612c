"""Simplex (Chan & Pass 2023) in its Notarize / Nullify / Finalize form: one input in, a list of effects out.

No clock, no I/O, no randomness. The rules are those of docs/spec/consensus.md, cited where they are carried out.
"""

from collections.abc import Sequence
from typing import assert_never

from consensus import certificate as certificates
from consensus.ancestry import Ancestry, Point, Standing
from consensus.ballots import Ballots
from consensus.evidence import culprits
from consensus.exchange import Exchange
from consensus.fetching import Wanted
from consensus.finality import try_commit
from consensus.guard import Guard
from consensus.hearing import Hearing
from consensus.io import (
    BlockKnown,
    BuildFailed,
    Built,
    Certified,
    Effect,
    Evidence,
    Fault,
    GuardRecord,
    Input,
    Received,
    RetryDue,
    SetRetry,
    Stalled,
    Start,
    Stored,
    Synced,
    TimedOut,
    Validate,
    Validated,
    Verdict,
    Witnessed,
)
from consensus.messages import Certificate, CertificateRequest, Certificates, Message, Proposal, SignedVote, VoteKind
from consensus.outbox import Outbox
from consensus.pending import VIEWS_BACK, Pending
from consensus.proposer import Proposer
from consensus.repeating import own_votes, repeat
from consensus.scheme import Scheme
from consensus.timing import Timing
from consensus.validators import Instance
from consensus.voter import Voter
from primitives.hashing import ZERO_HASH
from primitives.reasons import Refused


class Core:
    """One node's part in one instance of the protocol; `me` is its validator index, None for a follower.

    `start` is the last block that the application has committed. `recovered` holds what Persist wrote, in order. A
    validator that can't know whether that is all it ever wrote starts in `quarantine`: it votes once it is told by
    Witnessed what others know of it (C13).
    """

    def __init__(
        self,
        *,
        instance: Instance,
        me: int | None,
        scheme: Scheme,
        timing: Timing,
        start: Point,
        recovered: Sequence[GuardRecord] = (),
        quarantine: bool = False,
    ) -> None:
        self.instance = instance
        self.me = me
        self.timing = timing
        self.ancestry = Ancestry(start)
        self.ancestry.recover(recovered)
        self.guard = Guard(start.view, recovered)
        self.guard.raise_low(self.ancestry.final.view)
        self.view = max(self.ancestry.next_view(), self.guard.last_view())
        self._validators = instance.validators
        self.leader = self._validators.leader(self.view)
        self._scheme = scheme
        self._outbox = out = Outbox(me)
        self._voter = Voter(
            instance=instance, me=me, scheme=scheme, guard=self.guard, outbox=out, quarantine=quarantine
        )
        self._pending = Pending()
        self._wanted = Wanted(me, out)
        self._exchange = Exchange(epoch=instance.epoch, ancestry=self.ancestry, outbox=out)
        self._proposer = Proposer(
            ancestry=self.ancestry, voter=self._voter, wanted=self._wanted, exchange=self._exchange, outbox=out
        )
        self._hearing = Hearing(
            validators=self._validators, me=me, view=self.view, timing=timing, ancestry=self.ancestry, outbox=out
        )
        self.ballots = self._ballots = Ballots(
            instance=instance, scheme=scheme, ancestry=self.ancestry, hearing=self._hearing, outbox=out
        )
        self._retried_view = 0
        self._retries = 0
        self._recovered = recovered

    @property
    def halted(self) -> bool:
        """Whether the core has given up."""
        return self._outbox.halted

    @property
    def quarantined(self) -> bool:
        """Whether it still must not vote, as it does not know what it has signed before (C13)."""
        return self._voter.quarantined

    @property
    def final(self) -> Point:
        """The highest block that is known to be final; its body, or an ancestor's, may still be missing."""
        return self.ancestry.final

    def step(self, given: Input) -> list[Effect]:
        """Take one input and return what is to be done, Persist first. After Halt nothing happens any more."""
        if self.halted:
            return []
        self._take(given)
        return self._outbox.drain()

    def _take(self, given: Input) -> None:
        match given:
            case Received():
                self._receive(given.sender, given.message)
            case TimedOut() | BuildFailed():
                self._nullify(given.view)  # C6
            case RetryDue():
                self._retry()
            case Validated():
                self._validated(given.view, given.block, given.verdict)
            case Built():
                self._built(given.view, given.block, given.body)
            case BlockKnown():
                self._wanted.forget(given.block)
                self.ancestry.link(given.block, given.view, Point(given.parent_view, given.parent))
                self._arrived()
            case Synced():
                self._synced(given.certificate)
            case Witnessed():
                self._witnessed(given.mark, given.votes)
            case Stalled():
                self.guard.stalled = True
                self._join_nullify()
            case Start():
                self._start()
            case _:
                assert_never(given)

    # Voting (C6, C7).

    def _vote(self, kind: VoteKind, view: int, block: bytes) -> None:
        signed = self._voter.sign(kind, view, block)
        self._outbox.send(None, signed)
        self._count(signed, proved=True)

    def _nullify(self, view: int) -> None:
        """Skip the current view (C6)."""
        if view == self.view and self._voter.may(VoteKind.NULLIFY, view):
            self._vote(VoteKind.NULLIFY, view, ZERO_HASH)

    def _join_nullify(self) -> None:
        """Skip a view that its leader, or somebody honest, skips (C6)."""
        gone = self.guard.stalled and self.view <= self.guard.doubted  # C13
        if gone or self._ballots.is_skipped(self.view, self.leader):
            self._nullify(self.view)

    def _witnessed(self, mark: int, votes: Sequence[SignedVote]) -> None:
        """Take up voting, or hear later what others hold of this node's votes (C13)."""
        if self._voter.witnessed(mark, votes):
            self._enter(self.view)
            self._count_mine(self.view)

    def _try_finalize(self, view: int) -> None:
        """Finalize a notarized block that is valid here (C3)."""
        notarized = self.ancestry.notarized.get(view)
        if notarized is None or not self._voter.may(VoteKind.FINALIZE, view):
            return
        if self._pending.verdict(view, notarized.vote.block) is Verdict.VALID:
            self._vote(VoteKind.FINALIZE, view, notarized.vote.block)

    # Views.

    def _start(self) -> None:
        view, recovered = self.view, self._recovered
        self._recovered = ()
        self._outbox.add(SetRetry(delay_ms=self.timing.retry_ms))
        self._pending.recover(recovered)
        try_commit(self.ancestry, self._wanted, self._outbox)
        self._enter(view)
        if self.me is None or self.halted:
            return
        if self.view == view and self.leader == self.me:
            self._proposer.recover(recovered, view)
        self._repeat()
        self._count_mine(view)

    def _count_mine(self, view: int) -> None:
        """Count the votes that this node has cast before, as others count them."""
        for signed in own_votes(self.guard, view):
            if self._ballots.is_news(signed, self.view):
                self._count(signed, proved=True)

    def _enter(self, view: int) -> None:
        """Begin a view (C0)."""
        self.view = view
        self.leader = self._validators.leader(view)
        self._proposer.begin(view)
        self._pending.forget(final=self.final.view, view=view)
        self._ballots.forget(view)
        if self.me is None:
            return
        self._hearing.arm(view, self.leader)
        self._join_nullify()
        if self.view == view:
            self._reconsider()

    def _reconsider(self) -> None:
        """Look again at what waited for a certificate or a body."""
        for view in self._pending.views():
            self._consider(view)
        self._propose()

    # Proposing (C1).

    def _propose(self) -> None:
        if self.me is not None and self.leader == self.me:
            others = max(1, len(self._validators) - 1)
            ask = (self.me + 1 + self._retries % others) % len(self._validators)
            self._proposer.propose(self.view, ask)

    def _built(self, view: int, block: bytes, body: bytes) -> None:
        parent = self._proposer.building
        if parent is None or view != self.view or not self._voter.may_propose(view):
            return
        if self.ancestry.standing(view, parent) is Standing.CERTIFIED:
            self._pending.judge(view, block, Verdict.VALID)
            self._count(self._proposer.built(view, parent, block, body), proved=True)
        else:  # another block became final meanwhile
            self._nullify(view)

    # Judging proposals (C2).

    def _consider(self, view: int) -> None:
        """Ask for a verdict on what can be voted for: to notarize in this view, to finalize where it is notarized."""
        for proposal in self._pending.of(view):
            block = proposal.vote.vote.block
            if self._pending.verdict(view, block) is not None:
                continue
            parent = self.ancestry.parent_of(proposal)
            notarized = self.ancestry.notarized.get(view)
            to_finalize = notarized is not None and notarized.vote.block == block
            if not (to_finalize or self._may_notarize(view, parent)) or parent is None:
                continue
            if self._wanted.rooted(parent, self.ancestry) and self._pending.ask(view, block):
                self._outbox.add(
                    Validate(view=view, block=block, body=proposal.body, parent_view=parent.view, parent=parent.block)
                )

    def _may_notarize(self, view: int, parent: Point | None) -> bool:
        if view != self.view or not self._voter.may(VoteKind.NOTARIZE, view) or self._pending.awaits(view):
            return False
        standing = self.ancestry.standing(view, parent)  # C2
        if standing is Standing.MISSING:
            self._exchange.request(self.leader, self.ancestry.lacks(view, parent), view - 1)
        elif standing is Standing.CONTRADICTED:
            self._nullify(view)
        return standing is Standing.CERTIFIED

    def _validated(self, view: int, block: bytes, verdict: Verdict) -> None:
        proposal = self._pending.find(view, block)
        match verdict:
            case Verdict.VALID:
                self._valid(view, block, proposal)
            case Verdict.INVALID:
                self._invalid(view, block)
            case Verdict.DECLINED:
                self._pending.judge(view, block, verdict)
                self._nullify(view)  # C6
            case Verdict.MISMATCHED:
                if proposal is not None:
                    self._pending.remove(view, block)
                    self._outbox.penalise(proposal.vote.signer, Fault.BAD_PROPOSAL)
                    self._nullify(view)  # C6
            case _:
                assert_never(verdict)

    def _valid(self, view: int, block: bytes, proposal: Proposal | None) -> None:
        parent = None if proposal is None else self.ancestry.parent_of(proposal)
        if proposal is not None and parent is not None and view > self.final.view:
            self._pending.judge(view, block, Verdict.VALID)
            self.ancestry.link(block, view, parent)
            self._wanted.forget(block)
            in_view = view == self.view and self._voter.may(VoteKind.NOTARIZE, view)
            if in_view and self.ancestry.standing(view, parent) is Standing.CERTIFIED:  # C2
                self._outbox.persist(
                    Stored(view=view, block=block, parent_view=parent.view, parent=parent.block, body=proposal.body)
                )
                self._vote(VoteKind.NOTARIZE, view, block)
            self._try_finalize(view)
        self._arrived()

    def _invalid(self, view: int, block: bytes) -> None:
        self._pending.judge(view, block, Verdict.INVALID)
        notarized = self.ancestry.notarized.get(view)
        certified = notarized is not None and notarized.vote.block == block
        if certified or self.final == Point(view, block) or self.ancestry.placed(view, block):
            self._outbox.halt(f"block {block.hex()} of view {view} is certified and invalid here")  # C11
        else:
            self._nullify(view)  # C6

    def _arrived(self) -> None:
        try_commit(self.ancestry, self._wanted, self._outbox)
        if not self.halted:
            self._reconsider()

    # What others say.

    def _receive(self, sender: int | None, message: Message) -> None:
        match message:
            case SignedVote():
                if self.me is not None:
                    self._on_vote(sender, message)
            case Certificate():
                self._on_certificate(sender, message)
            case Certificates():
                for certificate in message.certificates:
                    if not self._on_certificate(sender, certificate):
                        break
            case Proposal():
                if self.me is not None:
                    self._on_proposal(sender, message)
            case CertificateRequest():
                self._on_request(sender, message)
            case _:
                assert_never(message)

    def _on_vote(self, sender: int | None, signed: SignedVote) -> None:
        if not self._ballots.is_proper(sender, signed, self.view):
            return
        vote = signed.vote
        if vote.kind is not VoteKind.FINALIZE and vote.view + 1 < self.view:
            self._exchange.answer(sender, vote.view, self.view - 1, self.view)  # C9
        if not self._ballots.is_news(signed, self.view):
            return
        # A signature is checked when it matters: nobody but its signer can have sent a vote over that signer's link.
        claimed = sender == signed.signer and sender != self.me
        if claimed or self._ballots.is_signed(sender, signed):
            self._count(signed, proved=not claimed)

    def _count(self, signed: SignedVote, *, proved: bool) -> None:
        """Count a vote; take the certificate of a quorum that it completes (C3, C4, C5)."""
        vote = signed.vote
        if signed.signer == self.me and self._voter.stops_at(vote):
            return
        certificate = self._ballots.count(signed, proved=proved)
        if certificate is not None:
            if not self.ancestry.holds(certificate):
                self._certified(certificate)
        elif vote.kind is VoteKind.NULLIFY and vote.view == self.view:
            self._join_nullify()

    def _on_proposal(self, sender: int | None, proposal: Proposal) -> None:
        signed, vote = proposal.vote, proposal.vote.vote
        if not self._ballots.is_proper(sender, signed, self.view):
            return
        if vote.kind is not VoteKind.NOTARIZE or proposal.parent_view >= vote.view:
            self._outbox.penalise(sender, Fault.BAD_PROPOSAL)
            return
        if signed.signer != self._validators.leader(vote.view):
            self._outbox.penalise(sender, Fault.NOT_LEADER)
            return
        if not all(self._on_certificate(sender, certificate) for certificate in proposal.justification):
            return
        if vote.view + 1 < self.view:
            self._exchange.answer(sender, vote.view, self.view - 1, self.view)  # C9
        floor = max(self.final.view, self.view - VIEWS_BACK - 1)
        if sender is None or self.halted or not floor < vote.view <= self.view + 1:
            return  # without the leader's link nobody answers for the body
        if self._pending.find(vote.view, vote.block) is None:
            if not self._ballots.is_signed(sender, signed) or not self._pending.add(proposal):
                return
            if self._ballots.is_news(signed, self.view):
                self._count(signed, proved=True)
        self._consider(vote.view)

    def _on_request(self, sender: int | None, request: CertificateRequest) -> None:
        if request.first_view > request.last_view:
            self._outbox.penalise(sender, Fault.BAD_REQUEST)
        elif request.epoch == self.instance.epoch:
            self._exchange.answer(sender, request.first_view, request.last_view, self.view)

    # Certificates (C3, C4, C5, C17).

    def _on_certificate(self, sender: int | None, certificate: Certificate) -> bool:
        """Take a certificate if it is news; tell whether it is good. A bad one ends the message that it is in."""
        vote = certificate.vote
        if self.halted or vote.epoch != self.instance.epoch or self.ancestry.holds(certificate):
            return True
        if self.me is None and vote.kind is not VoteKind.FINALIZE:
            return True
        try:
            certificates.check(certificate, self.instance, self._scheme)
        except Refused:
            self._outbox.penalise(sender, Fault.BAD_CERTIFICATE)
            return False
        if self.me is not None and certificates.is_signer(certificate, self.me) and self._voter.stops_at(vote):
            return True
        self._certified(certificate)
        return True

    def _certified(self, certificate: Certificate) -> None:
        """Take a checked certificate that is news."""
        vote = certificate.vote
        rivals = self.ancestry.rivals(certificate)
        for rival in rivals:
            for first, second in culprits(rival, certificate):
                self._outbox.add(Evidence(first=first, second=second))  # C18
        if rivals:
            self._outbox.send(None, certificate)  # whoever holds a rival can prove who signed both
            self._outbox.halt(f"two certificates of view {vote.view} contradict each other")  # C11
            return
        self._outbox.persist(Certified(certificate=certificate))
        self._outbox.send(None, certificate)
        match vote.kind:
            case VoteKind.NOTARIZE:
                self._on_notarized(certificate)
            case VoteKind.NULLIFY:
                self.ancestry.add(certificate)
                self._ended(vote.view)
            case VoteKind.FINALIZE:
                self._on_finalized(certificate)
            case _:
                assert_never(vote.kind)

    def _ended(self, view: int) -> None:
        """Leave a view that a certificate has ended (C3, C4, C5)."""
        if self.halted:
            return
        if view >= self.view:
            self._enter(view + 1)
        else:
            self._reconsider()

    def _on_notarized(self, certificate: Certificate) -> None:
        view, block = certificate.vote.view, certificate.vote.block
        self.ancestry.add(certificate)
        if self._pending.verdict(view, block) is Verdict.INVALID:
            self._outbox.halt(f"block {block.hex()} of view {view} is notarized and invalid here")  # C11
            return
        self._try_finalize(view)
        if view > self.final.view and not self.ancestry.linked(block) and self._pending.find(view, block) is None:
            self._wanted.want(block, view, certificate)
        self._ended(view)

    def _on_finalized(self, certificate: Certificate) -> None:
        view, block = certificate.vote.view, certificate.vote.block
        self.ancestry.raise_final(certificate)
        self._voter.close(view)
        if self._pending.verdict(view, block) is Verdict.INVALID:
            self._outbox.halt(f"block {block.hex()} of view {view} is final and invalid here")  # C11
            return
        try_commit(self.ancestry, self._wanted, self._outbox)
        self._ended(view)
        if self.me is not None and not self.halted:
            self._hearing.rearm(self.view, self.leader)  # C14

    def _synced(self, certificate: Certificate) -> None:
        vote = certificate.vote
        if vote.view > self.ancestry.committed.view:
            self.ancestry.raise_committed(Point(vote.view, vote.block))
            self._wanted.forget_up_to(vote.view)
        if self.ancestry.holds(certificate):
            self._arrived()
        else:
            self._certified(certificate)

    # Repeating (C8).

    def _retry(self) -> None:
        self._outbox.add(SetRetry(delay_ms=self.timing.retry_ms))
        self._retries += 1
        self._exchange.renew()
        self._wanted.again()
        if self.me is None:
            return
        stuck, self._retried_view = self.view == self._retried_view, self.view
        if stuck:
            if self.leader == self.me and self._proposer.is_idle():
                self._nullify(self.view)  # C1: what the parent needs did not come
            self._repeat()
        self._reconsider()

    def _repeat(self) -> None:
        repeat(self.view, ancestry=self.ancestry, guard=self.guard, proposer=self._proposer, outbox=self._outbox)
