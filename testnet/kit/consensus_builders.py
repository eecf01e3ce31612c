"""What tests of consensus are built from: a network of a few validators with cheap keys, and one core among them."""

from collections.abc import Sequence
from typing import TypeVar

from consensus import certificate as certificates
from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import BlockKnown, Built, Effect, GuardRecord, Input, Persist, Received, Send, Validated, Verdict
from consensus.messages import Certificate, Message, Proposal, SignedVote, Vote, VoteKind, sign_bytes
from consensus.timing import Timing
from consensus.validators import Instance, Validator, ValidatorSet
from primitives.hashing import ZERO_HASH, sha256
from testnet.sim.keyring import SCHEME_NUMBER, KeyedScheme, sign_as

E = TypeVar("E", bound=Effect)
M = TypeVar("M", bound=Message)

START = Point(0, sha256(b"genesis block"))
TIMING = Timing(delta_ms=100, idle_ms=1_000, cap_ms=60_000, retry_ms=200)


def a_block(name: str) -> bytes:
    """Return a block id."""
    return sha256(name.encode())


def an_instance(weights: Sequence[int] = (1, 1, 1, 1)) -> Instance:
    """Return an instance with validators of these weights."""
    members = [Validator(key=sha256(bytes([index])), weight=weight) for index, weight in enumerate(weights)]
    validators = ValidatorSet(members, sha256(b"randomness"))
    return Instance(genesis_hash=sha256(b"genesis"), epoch=7, validators=validators)


def a_view_led_by(instance: Instance, leader: int, after: int = 0) -> int:
    """Return the first view above `after` that `leader` leads."""
    return next(view for view in range(after + 1, after + 1_000) if instance.validators.leader(view) == leader)


class Bench:
    """One core, fed by hand."""

    def __init__(
        self,
        me: int | None = 0,
        *,
        instance: Instance | None = None,
        recovered: Sequence[GuardRecord] = (),
        start: Point = START,
        quarantine: bool = False,
    ) -> None:
        self.instance = instance or an_instance()
        self.me = me
        self.written: list[GuardRecord] = list(recovered)
        self.core = Core(
            instance=self.instance,
            me=me,
            scheme=KeyedScheme(0 if me is None else me),
            timing=TIMING,
            start=start,
            recovered=recovered,
            quarantine=quarantine,
        )

    def give(self, given: Input) -> list[Effect]:
        """Feed an input."""
        effects = self.core.step(given)
        for effect in effects:
            if isinstance(effect, Persist):
                self.written += effect.records
        return effects

    def hear(self, sender: int | None, message: Message) -> list[Effect]:
        """Feed a message."""
        return self.give(Received(sender=sender, message=message))

    def vote(self, signer: int, kind: VoteKind, view: int, block: bytes = ZERO_HASH) -> SignedVote:
        """Return anybody's vote."""
        vote = Vote(epoch=self.instance.epoch, view=view, kind=kind, block=block)
        signature = sign_as(signer, sign_bytes(self.instance.genesis_hash, vote))
        return SignedVote(vote=vote, signer=signer, signature=signature)

    def certificate(
        self, kind: VoteKind, view: int, block: bytes = ZERO_HASH, signers: Sequence[int] = (1, 2, 3)
    ) -> Certificate:
        """Return a certificate that these signers made."""
        votes = {signer: self.vote(signer, kind, view, block) for signer in signers}
        return certificates.form(votes[signers[0]].vote, votes, SCHEME_NUMBER)

    def proposal(
        self, view: int, block: bytes, parent: Point = START, justification: Sequence[Certificate] = ()
    ) -> Proposal:
        """Return the proposal of the leader of `view`."""
        return Proposal(
            vote=self.vote(self.instance.validators.leader(view), VoteKind.NOTARIZE, view, block),
            parent_view=parent.view,
            parent=parent.block,
            justification=list(justification),
            body=b"body of " + block,
        )

    def propose(self, view: int, block: bytes, parent: Point = START, **more: Sequence[Certificate]) -> list[Effect]:
        """Feed the proposal of the leader of `view`."""
        return self.hear(self.instance.validators.leader(view), self.proposal(view, block, parent, **more))

    def judge(self, view: int, block: bytes, verdict: Verdict = Verdict.VALID) -> list[Effect]:
        """Feed a verdict."""
        return self.give(Validated(view=view, block=block, verdict=verdict))

    def built(self, view: int, block: bytes) -> list[Effect]:
        """Feed a block of this node's own."""
        return self.give(Built(view=view, block=block, body=b"body of " + block))

    def know(self, block: bytes, view: int, parent: Point = START) -> list[Effect]:
        """Feed the links of a fetched body."""
        return self.give(BlockKnown(block=block, view=view, parent_view=parent.view, parent=parent.block))

    def follower_view(self) -> int:
        """Return the first view from the current one on that this node does not lead, having skipped the others."""
        while self.core.leader == self.me:
            self.hear(1, self.certificate(VoteKind.NULLIFY, self.core.view))
        return self.core.view

    def parent(self) -> Point:
        """Return the parent on which the current view's block stands, as far as is certified here."""
        found = self.core.ancestry.parent_for(self.core.view)
        assert isinstance(found, Point)
        return found


def of(kind: type[E], effects: Sequence[Effect]) -> list[E]:
    """Return the effects of a kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def messages(kind: type[M], effects: Sequence[Effect]) -> list[M]:
    """Return the messages of a kind that are sent."""
    return [effect.message for effect in of(Send, effects) if isinstance(effect.message, kind)]


def votes(effects: Sequence[Effect]) -> list[tuple[str, int]]:
    """Return the votes that are sent, as letters N, S and F with their views."""
    letters = {VoteKind.NOTARIZE: "N", VoteKind.NULLIFY: "S", VoteKind.FINALIZE: "F"}
    return [(letters[signed.vote.kind], signed.vote.view) for signed in messages(SignedVote, effects)]
