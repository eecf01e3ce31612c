"""What validators tell one of them that starts of its own past, so that it never votes against itself (C13).

A validator can't know whether its record of votes is the newest: its disk may be an old copy, or new. But to vote in
view v it held a certificate of v - 1 or a later view, which a quorum signed, and those signers know of it.
"""

from typing import Annotated

import msgspec

from consensus import certificate as certificates
from consensus.core import Core
from consensus.messages import (
    CERTIFICATE_BYTES_MAX,
    Certificate,
    SignedVote,
    VoteKind,
    sign_bytes,
)
from consensus.scheme import Scheme
from consensus.validators import Instance
from primitives import codec
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32, U64

REQUEST_BYTES_MAX = 32
VOTES_MAX = 9
"""Three kinds of votes in three views: the answerer's and those beside it."""
STATEMENT_BYTES_MAX = CERTIFICATE_BYTES_MAX + VOTES_MAX * 200


class Inquiry(Record):
    """A validator asks for what is known of it in its epoch."""

    epoch: U64
    signer: U32


class Statement(Record):
    """A validator's epoch, the certificate of the highest view that it knows to be over, and the asker's latest votes.

    In another epoch than the asker's it has no more to say.
    """

    epoch: U64
    certificate: Certificate | None
    votes: Annotated[list[SignedVote], msgspec.Meta(max_length=VOTES_MAX)]


def testify(core: Core, inquiry: Inquiry) -> Statement | None:
    """Return what a running core knows of the asker; None while it knows of a view to be over and can't show it.

    That is so after a crash amid catching up: silence costs the asker a wait, too low a view could cost it its stake.
    """
    if core.instance.epoch != inquiry.epoch:
        return Statement(epoch=core.instance.epoch, certificate=None, votes=[])
    votes = core.ballots.cast_by(inquiry.signer, range(max(1, core.view - 1), core.view + 2))
    over = core.ancestry.certificate_of(core.ancestry.next_view() - 1)
    if over is None and core.final.view > 0:
        return None
    return Statement(epoch=inquiry.epoch, certificate=over, votes=votes[:VOTES_MAX])


def decode_inquiry(raw: bytes) -> Inquiry:
    """Decode a question; raises Refused."""
    return codec.decode(Inquiry, raw, at_most=REQUEST_BYTES_MAX)


class Witnesses:
    """What the others said so far, checked."""

    def __init__(self, instance: Instance, me: int, scheme: Scheme) -> None:
        self._instance = instance
        self._me = me
        self._scheme = scheme
        self._views: dict[int, int] = {}
        self._votes: dict[tuple[int, VoteKind, bytes], SignedVote] = {}

    def take(self, validator: int, raw: bytes) -> None:
        """Take a validator's testimony; raises Refused for one that an honest validator does not give.

        One of a later epoch counts for nothing: this node is behind, and sync brings it to where it can ask again.
        """
        told = codec.decode(Statement, raw, at_most=STATEMENT_BYTES_MAX)
        if told.epoch > self._instance.epoch:
            return
        view = 1  # in an earlier epoch it has cast no vote of this one, so it can't have let anybody past view 1
        if told.epoch == self._instance.epoch:
            if told.certificate is not None:
                certificates.check(told.certificate, self._instance, self._scheme)
                view = told.certificate.vote.view + 1
            for signed in told.votes:
                self._take_vote(signed)
        self._views[validator] = max(view, self._views.get(validator, 0))

    def _take_vote(self, signed: SignedVote) -> None:
        vote = signed.vote
        message = sign_bytes(self._instance.genesis_hash, vote)
        mine = signed.signer == self._me and vote.epoch == self._instance.epoch and certificates.well_formed(vote)
        if not mine or not self._scheme.verify(signed.signer, message, signed.signature):
            raise Refused(Reason.BAD_SIGNATURE, seen=signed.signer, wanted=self._me)
        self._votes[(vote.view, vote.kind, vote.block)] = signed

    @property
    def everybody(self) -> bool:
        """Whether all other validators have testified."""
        return len(self._views) == len(self._instance.validators) - 1

    @property
    def enough(self) -> bool:
        """Whether those who have testified are a quorum with this validator; without one nothing goes on anyway."""
        weights = self._instance.validators.weights
        return sum(weights[each] for each in self._views) + weights[self._me] >= self._instance.validators.quorum

    @property
    def view(self) -> int:
        """The highest view that is proved to have begun."""
        return max(self._views.values(), default=1)

    @property
    def votes(self) -> list[SignedVote]:
        """This validator's votes that others hold."""
        return [self._votes[key] for key in sorted(self._votes)]
