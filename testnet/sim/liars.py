"""The cast of liars. Each runs a real core and breaks the rules on the way out, with its own key alone."""

from consensus.ancestry import Point
from consensus.messages import (
    Certificate,
    CertificateRequest,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
    nullify,
    sign_bytes,
)
from testnet.sim.application import GENESIS, null_block
from testnet.sim.keyring import sign_as
from testnet.sim.node import SimNode

GIANT = 2**62


class Liar(SimNode):
    """What liars have in common."""

    liar = True

    def signed(self, vote: Vote) -> SignedVote:
        """Sign whatever it is."""
        return SignedVote(
            vote=vote, signer=self.index, signature=sign_as(self.index, sign_bytes(self.genesis_hash, vote))
        )

    def halves(self) -> tuple[list[int], list[int]]:
        """Return the others, split in two by chance."""
        left: list[int] = []
        right: list[int] = []
        for other in range(self.nodes):
            if other != self.index:
                (left if self.world.pick(2) else right).append(other)
        return left, right

    def reproposed(self, proposal: Proposal, block: bytes, body: bytes, parent: Point) -> Proposal:
        """Return another proposal of the same view."""
        vote = Vote(epoch=proposal.vote.vote.epoch, view=proposal.vote.vote.view, kind=VoteKind.NOTARIZE, block=block)
        return Proposal(
            vote=self.signed(vote),
            parent_view=parent.view,
            parent=parent.block,
            justification=proposal.justification,
            body=body,
        )

    def others(self) -> list[int]:
        """Return everybody else."""
        return [node for node in range(self.nodes) if node != self.index]


class Equivocator(Liar):
    """As a leader, proposes one block to some and another to the rest, and votes for both."""

    _twin: Proposal | None = None

    def send(self, to: int | None, message: Message) -> None:
        """Send two faces of a proposal, and of the votes for it."""
        if isinstance(message, Proposal):
            self._propose(message)
        elif isinstance(message, SignedVote) and self._is_twin(message.vote.view):
            assert self._twin is not None
            twin = message.vote.kind is not VoteKind.NULLIFY
            block = self._twin.vote.vote.block if twin else message.vote.block
            left, right = self.halves()
            self.say(left, message)
            vote = Vote(epoch=message.vote.epoch, view=message.vote.view, kind=message.vote.kind, block=block)
            self.say(right, self.signed(vote))
        else:
            super().send(to, message)

    def _is_twin(self, view: int) -> bool:
        return self._twin is not None and self._twin.vote.vote.view == view

    def _propose(self, proposal: Proposal) -> None:
        view = proposal.vote.vote.view
        parent = Point(proposal.parent_view, proposal.parent)
        if not self._is_twin(view):
            block, body = null_block(view, parent, self.world.pick(GIANT))
            self._twin = self.reproposed(proposal, block, body, parent)
            self.world.lied(self.index)
        assert self._twin is not None
        left, right = self.halves()
        self.say(left, proposal)
        self.say(right, self._twin)


class DoubleVoter(Liar):
    """Casts all three votes for every block, and one to notarize a block that nobody proposed."""

    def send(self, to: int | None, message: Message) -> None:
        """Send a vote and all that contradicts it."""
        super().send(to, message)
        if isinstance(message, SignedVote) and message.vote.kind is VoteKind.NOTARIZE:
            vote = message.vote
            self.world.lied(self.index)
            made_up = self.world.pick(GIANT).to_bytes(32, "big")
            for lie in (
                nullify(vote.epoch, vote.view),
                Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.FINALIZE, block=vote.block),
                Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.NOTARIZE, block=made_up),
            ):
                left, _ = self.halves()
                self.say(left, self.signed(lie))


class Skipper(Liar):
    """As a leader, proposes on a block of long ago, as if the views since had been nullified."""

    _past: tuple[Point, ...] = (GENESIS,)

    def send(self, to: int | None, message: Message) -> None:
        """Send a proposal that skips what it may not skip."""
        if not isinstance(message, Proposal):
            super().send(to, message)
            return
        self._past = (*self._past[-3:], self.application.committed())
        parent = self._past[self.world.pick(len(self._past))]
        view = message.vote.vote.view
        block, body = null_block(view, parent, self.world.pick(GIANT))
        self.world.lied(self.index)
        self.say(self.others(), self.reproposed(message, block, body, parent))


class Nuller(Liar):
    """Nullifies whatever it should notarize, and proposes nothing."""

    def send(self, to: int | None, message: Message) -> None:
        """Send a nullify vote in place of a notarize vote or a proposal."""
        vote = message.vote if isinstance(message, Proposal) else message
        if isinstance(vote, SignedVote) and vote.vote.kind is VoteKind.NOTARIZE:
            self.world.lied(self.index)
            self.say(self.others(), self.signed(nullify(vote.vote.epoch, vote.vote.view)))
        else:
            super().send(to, message)


class Garbler(Liar):
    """Sends what no decoder objects to and no rule allows: wrong signers, giant views, bad bitmaps, invalid blocks."""

    def send(self, to: int | None, message: Message) -> None:
        """Send garbage beside, or in place of, a message."""
        if isinstance(message, Proposal):
            self._propose(message)
        else:
            super().send(to, message)
        if isinstance(message, SignedVote):
            self.world.lied(self.index)
            garbage = self._garbage(message)
            self.say(self.others(), garbage[self.world.pick(len(garbage))])

    def _garbage(self, signed: SignedVote) -> list[Message]:
        vote = signed.vote
        giant = Vote(epoch=vote.epoch, view=GIANT, kind=vote.kind, block=vote.block)
        odd = Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.NULLIFY, block=b"\x01" * 32)
        impersonated = (self.index + 1) % self.nodes
        bad = bytes(64)
        return [
            SignedVote(vote=vote, signer=2**32 - 1, signature=signed.signature),
            SignedVote(vote=vote, signer=impersonated, signature=signed.signature),
            SignedVote(vote=vote, signer=self.index, signature=bad),
            self.signed(giant),
            self.signed(odd),
            Certificate(scheme=0, vote=vote, signers=b"\xff" * 16, signatures=[bad] * self.nodes),
            Certificate(scheme=0, vote=giant, signers=bytes([2**self.nodes - 1]), signatures=[bad] * self.nodes),
            Certificate(scheme=0, vote=vote, signers=b"", signatures=[]),
            Certificate(scheme=0, vote=vote, signers=bytes([1 << self.index, 0]), signatures=[signed.signature]),
            CertificateRequest(epoch=vote.epoch, first_view=0, last_view=GIANT),
            CertificateRequest(epoch=vote.epoch, first_view=GIANT, last_view=0),
        ]

    def _propose(self, proposal: Proposal) -> None:
        view = proposal.vote.vote.view
        parent = Point(proposal.parent_view, proposal.parent)
        self.world.lied(self.index)
        left, right = self.halves()
        if self.world.pick(2):
            block, body = null_block(view, parent, self.world.pick(GIANT), valid=False)
            self.say(self.others(), self.reproposed(proposal, block, body, parent))
        else:  # the right block to some, and another body under its id to the rest
            self.say(left, proposal)
            _, body = null_block(view, parent, self.world.pick(GIANT))
            self.say(right, self.reproposed(proposal, proposal.vote.vote.block, body, parent))


CAST: dict[str, type[Liar]] = {
    "equivocator": Equivocator,
    "double-voter": DoubleVoter,
    "skipper": Skipper,
    "nuller": Nuller,
    "garbler": Garbler,
}
