"""Situations in which no honest network comes, put to one core by hand and judged by the obligations alone."""

from collections.abc import Callable, Sequence

from consensus import certificate as certificates
from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Built, Input, Received, Send, Start, Validate, Validated, Verdict, Witnessed
from consensus.messages import (
    JUSTIFICATION_MAX,
    Certificate,
    CertificateRequest,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
    sign_bytes,
)
from consensus.timing import Timing
from consensus.validators import Instance, Validator, ValidatorSet
from primitives.hashing import ZERO_HASH, sha256
from testnet.sim.checks import Broken
from testnet.sim.keyring import SCHEME_NUMBER, KeyedScheme, sign_as
from testnet.sim.obligations.life import Life
from testnet.sim.obligations.quorums import Quorums
from testnet.sim.obligations.watch import Watched

MakeCore = Callable[..., Core]
TIMING = Timing(delta_ms=100, idle_ms=1_000, cap_ms=60_000, retry_ms=200)
START = Point(0, sha256(b"genesis block"))
ONE, OTHER = sha256(b"one block"), sha256(b"another block")
NODES = 4
ME = 0


class Table:
    """One core with everything said to it under the eyes of its obligations."""

    def __init__(self, make: MakeCore, *, me: int | None = ME, quarantine: bool = False) -> None:
        members = [Validator(key=sha256(bytes([index])), weight=1) for index in range(NODES)]
        validators = ValidatorSet(members, sha256(b"randomness"))
        self.instance = Instance(genesis_hash=sha256(b"genesis"), epoch=0, validators=validators)
        scheme = KeyedScheme(me)
        self.core = make(
            instance=self.instance,
            me=me,
            scheme=scheme,
            timing=TIMING,
            start=START,
            recovered=(),
            quarantine=quarantine,
        )
        self._watched = (
            None
            if me is None
            else Watched(
                Life(
                    name=f"node {me}",
                    quorums=Quorums(self.instance, KeyedScheme(None)),
                    me=me,
                    timing=TIMING,
                    start_view=START.view,
                    recovered=(),
                    quarantined=quarantine,
                )
            )
        )
        self.give(Start())

    def give(self, given: Input) -> None:
        """Feed an input; a core that is asked for a verdict says that the block is valid."""
        effects = self.core.step(given)
        if self._watched is not None:
            self._watched.stepped(given, effects)
        elif any(isinstance(effect, Send) for effect in effects):
            raise Broken("C22", "a follower speaks")
        for effect in effects:
            if isinstance(effect, Validate):
                self.give(Validated(view=effect.view, block=effect.block, verdict=Verdict.VALID))

    def hear(self, sender: int | None, message: Message) -> None:
        """Feed a message."""
        self.give(Received(sender=sender, message=message))

    def vote(self, signer: int, kind: VoteKind, view: int, block: bytes = ZERO_HASH) -> SignedVote:
        """Return anybody's vote."""
        vote = Vote(epoch=0, view=view, kind=kind, block=block)
        signature = sign_as(signer, sign_bytes(self.instance.genesis_hash, vote))
        return SignedVote(vote=vote, signer=signer, signature=signature)

    def certificate(
        self, kind: VoteKind, view: int, block: bytes = ZERO_HASH, signers: Sequence[int] = (1, 2, 3)
    ) -> Certificate:
        """Return a certificate by these signers."""
        votes = {signer: self.vote(signer, kind, view, block) for signer in signers}
        return certificates.form(votes[signers[0]].vote, votes, SCHEME_NUMBER)

    def view_led_by_others(self) -> int:
        """Bring the core, by certificates of skipped views, to one that it does not lead; return that view."""
        while self.core.leader == ME:
            self.hear(1, self.certificate(VoteKind.NULLIFY, self.core.view))
        return self.core.view

    def proposal(self, view: int, signer: int, block: bytes) -> Proposal:
        """Return a proposal on the start of the epoch, as if all views since had been skipped."""
        skipped = [self.certificate(VoteKind.NULLIFY, each) for each in range(1, view)]
        return Proposal(
            vote=self.vote(signer, VoteKind.NOTARIZE, view, block),
            parent_view=START.view,
            parent=START.block,
            justification=skipped,
            body=b"body",
        )


def contradiction(make: MakeCore) -> None:
    """Show two notarized blocks of one view: a third of the validators is false, and this one must stop."""
    table = Table(make)
    table.hear(1, table.certificate(VoteKind.NOTARIZE, 1, ONE))
    table.hear(2, table.certificate(VoteKind.NOTARIZE, 1, OTHER))
    table.hear(3, table.certificate(VoteKind.NOTARIZE, 2, ONE))


def stolen_key(make: MakeCore) -> None:
    """Show a certificate with a vote of the node's own key that it never cast."""
    table = Table(make)
    table.hear(1, table.certificate(VoteKind.NOTARIZE, 1, ONE, signers=(ME, 1, 2)))
    table.hear(1, table.certificate(VoteKind.NULLIFY, 2))


def usurper(make: MakeCore) -> None:
    """Let a validator propose in a view that it does not lead."""
    table = Table(make)
    view = table.view_led_by_others()
    other = next(at for at in range(1, NODES) if at != table.core.leader)
    table.hear(other, table.proposal(view, other, ONE))


def old_vote(make: MakeCore) -> None:
    """Give back a vote that the disk of this node has lost."""
    table = Table(make, quarantine=True)
    table.give(Witnessed(mark=2, votes=[table.vote(ME, VoteKind.NULLIFY, 1)]))


def follower(make: MakeCore) -> None:
    """Tell a node that is no validator votes, proposals and certificates."""
    table = Table(make, me=None)
    table.hear(1, table.vote(1, VoteKind.NULLIFY, 1))
    table.hear(1, table.proposal(1, table.instance.validators.leader(1), ONE))
    table.hear(1, table.certificate(VoteKind.NOTARIZE, 1, ONE))
    table.hear(1, table.certificate(VoteKind.FINALIZE, 1, ONE))


def long_gap(make: MakeCore) -> None:
    """Skip more views than a message holds certificates, let the core lead after them, and ask it for all."""
    table = Table(make)
    while table.core.view <= JUSTIFICATION_MAX + 1 or table.core.leader != ME:
        table.hear(1, table.certificate(VoteKind.NULLIFY, table.core.view))
    table.give(Built(view=table.core.view, block=ONE, body=b"body"))
    table.hear(2, CertificateRequest(epoch=0, first_view=1, last_view=table.core.view - 1))


SCENARIOS: dict[str, Callable[[MakeCore], None]] = {
    "contradiction": contradiction,
    "stolen-key": stolen_key,
    "usurper": usurper,
    "old-vote": old_vote,
    "follower": follower,
    "long-gap": long_gap,
}
"""By name."""
