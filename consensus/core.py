"""Simplex (Chan & Pass 2023) in its Notarize / Nullify / Finalize form: one input in, a list of effects out.

No clock, no I/O, no randomness. The rules are those of docs/spec/consensus.md, cited where they are carried out.
"""

from collections.abc import Sequence
from typing import assert_never

from consensus import certificate as certificates
from consensus.ancestry import Ancestry, Point, Standing
from consensus.evidence import culprits
from consensus.fetching import Wanted
from consensus.guard import Guard
from consensus.io import (
    BlockKnown,
    Build,
    BuildFailed,
    Built,
    Certified,
    Commit,
    Effect,
    Evidence,
    Fault,
    GuardRecord,
    Halt,
    Input,
    Penalise,
    Persist,
    Received,
    RetryDue,
    Send,
    SetRetry,
    SetTimer,
    Start,
    Stored,
    Synced,
    TimedOut,
    Validate,
    Validated,
    Verdict,
    Voted,
)
from consensus.messages import (
    JUSTIFICATION_MAX,
    Certificate,
    CertificateRequest,
    Certificates,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
    nullify,
    sign_bytes,
)
from consensus.pending import VIEWS_BACK, Pending
from consensus.scheme import Scheme
from consensus.tally import Tally
from consensus.timing import Timing
from consensus.validators import Instance
from primitives.reasons import Refused

VIEWS_TRACKED = 64
"""Views below the current one whose votes are counted while nothing becomes final (C10)."""
REPEATED_MAX = 8
"""FINALIZE votes that are said again: the latest; an older view's block becomes final with a later one (C8)."""
ANSWERS_MAX = 2
"""Answers to one validator between two retries (C9)."""
SILENT_VIEWS = 16
"""A leader unheard for so many views, while a quorum is heard, is given no time (C14)."""


class Core:
    """One node's part in one instance of the protocol; `me` is its validator index, None for a follower.

    `start` is the last block that the application has committed. `recovered` holds what Persist wrote, in order. A
    validator whose records may be lost starts in `quarantine`: it does not vote until blocks are final so far above
    those first seen that no vote it may have cast matters (C13).
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
        self.halted = False
        self.ancestry = Ancestry(start)
        self.guard = Guard(start.view, recovered)
        self._validators = instance.validators
        self._scheme = scheme
        self._pending = Pending()
        self._wanted = Wanted(me)
        self._tallies: dict[int, Tally] = {}
        self._records: list[GuardRecord] = []
        self._effects: list[Effect] = []
        self._building: Point | None = None
        self._proposed: Stored | None = None
        self._armed_ms = 0
        self._retried_view = 0
        self._rounds = 0
        self._requested = False
        self._answers: dict[int, int] = {}
        self._quarantined = quarantine
        self._quarantine_ends: int | None = None
        self.view = self._recover(recovered)
        self.leader = self._validators.leader(self.view)
        self._heard = [self.view] * len(self._validators)

    @property
    def final(self) -> Point:
        """The highest block that is known to be final; its body, or an ancestor's, may still be missing."""
        return self.ancestry.final

    def _recover(self, recovered: Sequence[GuardRecord]) -> int:
        known = [record.certificate for record in recovered if isinstance(record, Certified)]
        ancestry = self.ancestry
        for certificate in known:
            if certificate.vote.kind is VoteKind.FINALIZE and certificate.vote.view >= ancestry.final.view:
                ancestry.raise_final(certificate)
        for certificate in known:
            vote = certificate.vote
            if vote.view > ancestry.final.view:
                (ancestry.nullified if vote.kind is VoteKind.NULLIFY else ancestry.notarized)[vote.view] = certificate
        ancestry.recover(recovered)
        self.guard.raise_low(ancestry.final.view)
        view = max(ancestry.final.view, *ancestry.notarized, *ancestry.nullified, 0) + 1
        view = max(view, self.guard.last_view())
        for record in recovered:
            if isinstance(record, Stored) and record.view > ancestry.final.view:
                self._pending.judge(record.view, record.block, Verdict.VALID)
                mine = self.guard.vote(VoteKind.NOTARIZE, record.view)
                proposed = mine is not None and mine.vote.block == record.block
                if record.view == view and proposed and self._validators.leader(view) == self.me:
                    self._proposed = record
        return view

    def step(self, given: Input) -> list[Effect]:
        """Take one input and return what is to be done, Persist first. After Halt nothing happens any more."""
        if self.halted:
            return []
        self._take(given)
        records, effects = self._records, self._effects
        self._records, self._effects = [], []
        return [Persist(records=records), *effects] if records else effects

    def _take(self, given: Input) -> None:
        match given:
            case Received():
                self._receive(given.sender, given.message)
            case TimedOut():
                self._nullify(given.view)  # C6
            case RetryDue():
                self._retry()
            case Validated():
                self._validated(given.view, given.block, given.verdict)
            case Built():
                self._built(given.view, given.block, given.body)
            case BuildFailed():
                self._nullify(given.view)  # C6
            case BlockKnown():
                self._known(given.block, given.view, Point(given.parent_view, given.parent))
            case Synced():
                self._synced(given.certificate)
            case Start():
                self._start()
            case _:
                assert_never(given)

    # Effects that more than one rule has.

    def _send(self, to: int | None, message: Message) -> None:
        if self.me is not None and to != self.me:
            self._effects.append(Send(to=to, message=message))

    def _penalise(self, sender: int | None, fault: Fault) -> None:
        self._effects.append(Penalise(sender=sender, fault=fault))

    def _halt(self, why: str) -> None:
        self.halted = True
        self._effects.append(Halt(why=why))

    def _want(self, block: bytes, view: int, certificate: Certificate | None) -> None:
        holders = [] if certificate is None else certificates.signers_of(certificate.signers)
        self._effects += self._wanted.want(block, view, holders)

    def _want_rooted(self, point: Point) -> bool:
        """Tell whether `point` and its ancestors are known; ask for the first that is not (C5)."""
        missing = self.ancestry.unrooted(point)
        if missing is not None:
            self._want(missing.block, missing.view, self.ancestry.certificate_of(missing.view))
        return missing is None

    def _request(self, to: int, first: int, last: int) -> None:
        if not self._requested:
            self._requested = True
            self._send(to, CertificateRequest(epoch=self.instance.epoch, first_view=first, last_view=last))

    # Voting.

    def _may(self, kind: VoteKind, view: int) -> bool:
        voting = self.me is not None and not self.halted and not self._quarantined
        return voting and self.guard.may(kind, view)

    def _sign(self, vote: Vote) -> SignedVote:
        assert self.me is not None, "only a validator votes"
        signature = self._scheme.sign(sign_bytes(self.instance.genesis_hash, vote))
        signed = SignedVote(vote=vote, signer=self.me, signature=signature)
        self.guard.remember(signed)
        self._records.append(Voted(vote=signed))  # C12
        return signed

    def _vote(self, vote: Vote) -> None:
        signed = self._sign(vote)
        self._send(None, signed)
        self._count(signed)

    def _vote_on(self, kind: VoteKind, view: int, block: bytes) -> None:
        self._vote(Vote(epoch=self.instance.epoch, view=view, kind=kind, block=block))

    def _nullify(self, view: int) -> None:
        """Skip the current view (C6)."""
        if view == self.view and self._may(VoteKind.NULLIFY, view):
            self._vote(nullify(self.instance.epoch, view))

    def _join_nullify(self) -> None:
        """Skip a view that its leader, or somebody honest, skips (C6)."""
        tally = self._tallies.get(self.view)
        if tally is None:
            return
        blamed = tally.weight(nullify(self.instance.epoch, self.view)) >= self._validators.blame
        if blamed or tally.voted(VoteKind.NULLIFY, self.leader):
            self._nullify(self.view)

    def _try_finalize(self, view: int) -> None:
        """Finalize a notarized block that is valid here (C3)."""
        notarized = self.ancestry.notarized.get(view)
        if notarized is None or not self._may(VoteKind.FINALIZE, view):
            return
        if self._pending.verdict(notarized.vote.block) is Verdict.VALID:
            self._vote_on(VoteKind.FINALIZE, view, notarized.vote.block)

    # Views.

    def _start(self) -> None:
        proposed, view = self._proposed, self.view
        self._effects.append(SetRetry(delay_ms=self.timing.retry_ms))
        self._try_commit()
        self._enter(view)
        self._proposed = proposed
        if self.me is None or self.halted:
            return
        self._repeat()
        mine = [self.guard.vote(kind, view) for kind in (VoteKind.NOTARIZE, VoteKind.NULLIFY)]
        for signed in [*mine, *self.guard.finalize_votes(REPEATED_MAX)]:
            if signed is not None and self._is_news(signed):
                self._count(signed)

    def _enter(self, view: int) -> None:
        """Begin a view (C0)."""
        self.view = view
        self.leader = self._validators.leader(view)
        self._building = self._proposed = None
        self._pending.forget(final=self.final.view, view=view)
        floor = self._floor()
        for old in [known for known in self._tallies if known <= floor]:
            del self._tallies[old]
        if self.me is None:
            return
        self._armed_ms = self._view_ms()
        self._effects.append(SetTimer(view=view, delay_ms=self._armed_ms))
        self._join_nullify()
        if self.view == view:
            self._reconsider()

    def _view_ms(self) -> int:
        """Return the time of the current view (C14)."""
        heard_since = self.view - SILENT_VIEWS
        if self._heard[self.leader] < heard_since and self.leader != self.me:
            weights = zip(self._heard, self._validators.weights, strict=True)
            if sum(weight for heard, weight in weights if heard >= heard_since) >= self._validators.quorum:
                return 0
        return self.timing.view_ms((self.view - 1 - self.final.view) // len(self._validators))

    def _reconsider(self) -> None:
        """Look again at what waited for a certificate or a body."""
        for view in self._pending.views():
            self._consider(view)
        self._propose()

    # Proposing (C1).

    def _propose(self) -> None:
        view = self.view
        if self.leader != self.me or self._building is not None or not self._may(VoteKind.NOTARIZE, view):
            return
        if self.guard.vote(VoteKind.NULLIFY, view) is not None:
            return
        parent = self.ancestry.parent_for(view)
        if isinstance(parent, int):
            asked = (self.me + 1 + self._rounds % max(1, len(self._validators) - 1)) % len(self._validators)
            self._request(asked, parent, parent)
        elif self._want_rooted(parent):
            self._building = parent
            self._effects.append(Build(view=view, parent_view=parent.view, parent=parent.block))

    def _built(self, view: int, block: bytes, body: bytes) -> None:
        parent = self._building
        if parent is None or view != self.view or not self._may(VoteKind.NOTARIZE, view):
            return
        if self.guard.vote(VoteKind.NULLIFY, view) is not None:
            return
        if self.ancestry.standing(view, parent) is not Standing.CERTIFIED:  # another block became final meanwhile
            self._nullify(view)
            return
        self._proposed = Stored(view=view, block=block, parent_view=parent.view, parent=parent.block, body=body)
        self._records.append(self._proposed)
        self.ancestry.link(block, view, parent)
        self._pending.judge(view, block, Verdict.VALID)
        signed = self._sign(Vote(epoch=self.instance.epoch, view=view, kind=VoteKind.NOTARIZE, block=block))
        self._send_proposal(self._proposed, signed)
        self._count(signed)

    def _send_proposal(self, stored: Stored, signed: SignedVote) -> None:
        parent = Point(stored.parent_view, stored.parent)
        justification = self.ancestry.justification(stored.view, parent)
        proposal = Proposal(
            vote=signed,
            parent_view=parent.view,
            parent=parent.block,
            justification=justification,
            body=stored.body,
        )
        self._send(None, proposal)

    # Judging proposals (C2).

    def _consider(self, view: int) -> None:
        """Ask for a verdict on what can be voted for: to notarize in this view, to finalize where it is notarized."""
        for proposal in self._pending.of(view):
            block = proposal.vote.vote.block
            if self._pending.verdict(block) is not None:
                continue
            parent = Point(proposal.parent_view, proposal.parent)
            notarized = self.ancestry.notarized.get(view)
            to_finalize = notarized is not None and notarized.vote.block == block
            if not to_finalize and not self._may_notarize(view, parent):
                continue
            if self._want_rooted(parent) and self._pending.ask(view, block):
                self._effects.append(
                    Validate(view=view, block=block, body=proposal.body, parent_view=parent.view, parent=parent.block)
                )

    def _may_notarize(self, view: int, parent: Point) -> bool:
        if view != self.view or not self._may(VoteKind.NOTARIZE, view) or self._pending.awaits(view):
            return False
        standing = self.ancestry.standing(view, parent)  # C2
        if standing is Standing.MISSING:
            self._request(self.leader, max(parent.view, self.final.view), view - 1)
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
                    self._penalise(proposal.vote.signer, Fault.BAD_PROPOSAL)
                    self._nullify(view)  # C6
            case _:
                assert_never(verdict)

    def _valid(self, view: int, block: bytes, proposal: Proposal | None) -> None:
        if proposal is not None and view > self.final.view:
            parent = Point(proposal.parent_view, proposal.parent)
            self._pending.judge(view, block, Verdict.VALID)
            self.ancestry.link(block, view, parent)
            self._wanted.forget(block)
            in_view = view == self.view and self._may(VoteKind.NOTARIZE, view)
            if in_view and self.ancestry.standing(view, parent) is Standing.CERTIFIED:  # C2
                self._records.append(
                    Stored(view=view, block=block, parent_view=parent.view, parent=parent.block, body=proposal.body)
                )
                self._vote_on(VoteKind.NOTARIZE, view, block)
            self._try_finalize(view)
        self._arrived()

    def _invalid(self, view: int, block: bytes) -> None:
        self._pending.judge(view, block, Verdict.INVALID)
        notarized = self.ancestry.notarized.get(view)
        certified = notarized is not None and notarized.vote.block == block
        if certified or self.final == Point(view, block) or self.ancestry.linked(block):
            self._halt(f"block {block.hex()} of view {view} is certified and invalid here")  # C11
        else:
            self._nullify(view)  # C6

    def _known(self, block: bytes, view: int, parent: Point) -> None:
        self._wanted.forget(block)
        self.ancestry.link(block, view, parent)
        self._arrived()

    def _arrived(self) -> None:
        self._try_commit()
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
                    self._on_certificate(sender, certificate)
            case Proposal():
                if self.me is not None:
                    self._on_proposal(sender, message)
            case CertificateRequest():
                self._on_request(sender, message)
            case _:
                assert_never(message)

    def _floor(self) -> int:
        return max(self.final.view, self.view - VIEWS_TRACKED)

    def _tally(self, view: int) -> Tally:
        tally = self._tallies.get(view)
        if tally is None:
            tally = self._tallies[view] = Tally(self._validators)
        return tally

    def _is_proper(self, sender: int | None, signed: SignedVote) -> bool:
        """Tell whether a vote is worth checking, as far as that costs nothing (C10)."""
        vote = signed.vote
        if signed.signer >= len(self._validators):
            self._penalise(sender, Fault.UNKNOWN_SIGNER)
        elif not certificates.well_formed(vote):
            self._penalise(sender, Fault.BAD_VOTE)
        elif sender is not None and sender != signed.signer:  # validators speak for themselves
            self._penalise(sender, Fault.FOREIGN_VOTE)
        elif vote.epoch == self.instance.epoch:
            if sender is not None and vote.view > self._heard[sender]:
                self._heard[sender] = min(vote.view, self.view + 1)
            return True
        return False

    def _is_signed(self, sender: int | None, signed: SignedVote) -> bool:
        message = sign_bytes(self.instance.genesis_hash, signed.vote)
        if self._scheme.verify(signed.signer, message, signed.signature):
            return True
        self._penalise(sender, Fault.BAD_SIGNATURE)
        return False

    def _on_vote(self, sender: int | None, signed: SignedVote) -> None:
        if not self._is_proper(sender, signed):
            return
        vote = signed.vote
        if vote.kind is not VoteKind.FINALIZE and vote.view + 1 < self.view:
            self._answer(sender, vote.view, self.view - 1)  # C9
        if self._is_news(signed) and self._is_signed(sender, signed):
            self._count(signed)

    def _is_news(self, signed: SignedVote) -> bool:
        """Tell whether a vote is within the window and adds to what is known (C10)."""
        vote = signed.vote
        if not self._floor() < vote.view <= self.view + 1:
            return False
        known = self.ancestry.nullified if vote.kind is VoteKind.NULLIFY else self.ancestry.notarized
        certificate = known.get(vote.view)
        if certificate is not None and certificate.vote == vote:
            return False
        tally = self._tally(vote.view)
        return not tally.has(signed) and not tally.accused(signed.signer)

    def _count(self, signed: SignedVote) -> None:
        """Count a checked vote; make a certificate of a quorum (C3, C4, C5)."""
        vote = signed.vote
        if signed.signer == self.me and not self.guard.knows(signed):
            self._halt("another node signs with this validator's key")  # C13
            return
        tally = self._tally(vote.view)
        known = tally.conflict(signed)
        if known is not None:
            self._effects.append(Evidence(first=known, second=signed))  # C18
            return
        if tally.add(signed) >= self._validators.quorum:
            certificate = certificates.form(vote, tally.votes(vote.kind), self._scheme.number)
            if not self.ancestry.holds(certificate):
                self._certified(certificate)
        elif vote.kind is VoteKind.NULLIFY and vote.view == self.view:
            self._join_nullify()

    def _on_proposal(self, sender: int | None, proposal: Proposal) -> None:
        signed, vote = proposal.vote, proposal.vote.vote
        if not self._is_proper(sender, signed):
            return
        if vote.kind is not VoteKind.NOTARIZE or proposal.parent_view >= vote.view:
            self._penalise(sender, Fault.BAD_PROPOSAL)
            return
        if signed.signer != self._validators.leader(vote.view):
            self._penalise(sender, Fault.NOT_LEADER)
            return
        for certificate in proposal.justification:
            self._on_certificate(sender, certificate)
        if vote.view + 1 < self.view:
            self._answer(sender, vote.view, self.view - 1)  # C9
        floor = max(self.final.view, self.view - VIEWS_BACK - 1)
        if sender is None or self.halted or not floor < vote.view <= self.view + 1:
            return  # without the leader's link nobody answers for the body
        if self._pending.find(vote.view, vote.block) is None:
            if not self._is_signed(sender, signed) or not self._pending.add(proposal):
                return
            if self._is_news(signed):
                self._count(signed)
        self._consider(vote.view)

    def _on_request(self, sender: int | None, request: CertificateRequest) -> None:
        if request.first_view > request.last_view:
            self._penalise(sender, Fault.BAD_REQUEST)
        elif request.epoch == self.instance.epoch:
            self._answer(sender, request.first_view, min(request.last_view, self.view))

    def _answer(self, sender: int | None, first: int, last: int) -> None:
        """Tell a validator what it lacks, seldom (C9)."""
        if sender is None or self._answers.get(sender, 0) >= ANSWERS_MAX:
            return
        found = self.ancestry.certificates(first, last)
        latest = self.ancestry.certificate_of(self.view - 1)
        if latest is not None and latest not in found:
            found = [*found[: JUSTIFICATION_MAX - 1], latest]
        if found:
            self._answers[sender] = self._answers.get(sender, 0) + 1
            self._send(sender, Certificates(certificates=found))

    # Certificates (C3, C4, C5).

    def _on_certificate(self, sender: int | None, certificate: Certificate) -> None:
        vote = certificate.vote
        if self.halted or vote.epoch != self.instance.epoch or self.ancestry.holds(certificate):
            return
        if self.me is None and vote.kind is not VoteKind.FINALIZE:
            return
        try:
            certificates.check(certificate, self.instance, self._scheme)
        except Refused:
            self._penalise(sender, Fault.BAD_CERTIFICATE)
            return
        self._certified(certificate)

    def _certified(self, certificate: Certificate) -> None:
        """Take a checked certificate that is news."""
        vote = certificate.vote
        rivals = self.ancestry.rivals(certificate)
        for rival in rivals:
            self._effects += [Evidence(first=one, second=other) for one, other in culprits(rival, certificate)]  # C18
        if rivals:
            self._halt(f"two certificates of view {vote.view} contradict each other")  # C11
            return
        self._records.append(Certified(certificate=certificate))
        self._send(None, certificate)
        match vote.kind:
            case VoteKind.NOTARIZE:
                self._on_notarized(certificate)
            case VoteKind.NULLIFY:
                self.ancestry.nullified[vote.view] = certificate
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
        self.ancestry.notarized[view] = certificate
        if self._pending.verdict(block) is Verdict.INVALID:
            self._halt(f"block {block.hex()} of view {view} is notarized and invalid here")  # C11
            return
        self._try_finalize(view)
        if view > self.final.view and not self.ancestry.linked(block) and self._pending.find(view, block) is None:
            self._want(block, view, certificate)
        self._ended(view)

    def _on_finalized(self, certificate: Certificate) -> None:
        view, block = certificate.vote.view, certificate.vote.block
        self.ancestry.raise_final(certificate)
        self.guard.raise_low(view)
        if self._pending.verdict(block) is Verdict.INVALID:
            self._halt(f"block {block.hex()} of view {view} is final and invalid here")  # C11
            return
        self._leave_quarantine()
        self._try_commit()
        self._ended(view)
        if self.me is not None and not self.halted and self._view_ms() < self._armed_ms:
            self._armed_ms = self._view_ms()
            self._effects.append(SetTimer(view=self.view, delay_ms=self._armed_ms))  # C14

    def _leave_quarantine(self) -> None:
        if self._quarantined:
            if self._quarantine_ends is None:
                self._quarantine_ends = self.final.view + len(self._validators)  # C13
            self._quarantined = self.final.view <= self._quarantine_ends

    def _try_commit(self) -> None:
        """Commit the final block as soon as it and its ancestors are known (C5)."""
        final, certificate = self.final, self.ancestry.final_certificate
        if certificate is None or final.view <= self.ancestry.committed.view:
            return
        missing = self.ancestry.unrooted(final)
        if missing is not None:
            self._want(missing.block, missing.view, certificate)
        elif self.ancestry.forks(final):
            self._halt(f"final block {final.block.hex()} does not descend from the committed one")  # C11
        else:
            self.ancestry.raise_committed(final)
            self._wanted.forget_up_to(final.view)
            self._effects.append(Commit(block=final.block, certificate=certificate))

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
        self._effects.append(SetRetry(delay_ms=self.timing.retry_ms))
        self._rounds += 1
        self._requested = False
        self._answers.clear()
        self._effects += self._wanted.again()
        if self.me is None:
            return
        stuck, self._retried_view = self.view == self._retried_view, self.view
        if stuck:
            if self.leader == self.me and self._building is None and self._proposed is None:
                self._nullify(self.view)  # C1: what the parent needs did not come
            self._repeat()
        self._reconsider()

    def _repeat(self) -> None:
        """Say again what this view and the final point stand on."""
        latest = [self.ancestry.certificate_of(self.view - 1), self.ancestry.final_certificate]
        known = [certificate for certificate in latest if certificate is not None]
        if known:
            self._send(None, Certificates(certificates=known if len(known) == 1 or known[0] != known[1] else known[:1]))
        mine = [self.guard.vote(kind, self.view) for kind in (VoteKind.NOTARIZE, VoteKind.NULLIFY)]
        for signed in [*mine, *self.guard.finalize_votes(REPEATED_MAX)]:
            if signed is not None and not (self._proposed is not None and signed == mine[0]):
                self._send(None, signed)
        if self._proposed is not None and mine[0] is not None:
            self._send_proposal(self._proposed, mine[0])
