"""The cast of dishonest validators: each runs a real core and breaks rules on the way out, with its own key alone."""

from collections.abc import Sequence

from consensus.ancestry import Point
from consensus.io import GuardRecord, Witnessed
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
from testnet.sim.node import SimNode

GIANT = 2**62
PAST_MAX = 4
"""Old blocks or messages that are kept to be told again."""
FLOOD = 2
"""Votes for views of the far future that a garbler sends with each of its own."""
LATE_DELTAS = 5
"""A late leader holds its proposal back for up to so many Δ; a view lasts three and some."""


class Liar(SimNode):
    """What liars have in common."""

    liar = True
    convictable = False
    """Whether an honest node convicts it for certain, if it does long enough what it does."""

    def _open(self, recovered: Sequence[GuardRecord]) -> None:
        """Begin an epoch; a liar is not frightened by its own second votes in others' certificates (C13)."""
        super()._open(recovered)
        if self.core is not None:
            self.core._voter.stops_at = lambda _: False  # type: ignore[method-assign, assignment]  # it knows that it lies

    def signed(self, vote: Vote) -> SignedVote:
        """Sign whatever it is."""
        message = sign_bytes(self.committee.instance.genesis_hash, vote)
        assert self.me is not None, "only a validator has something to say"
        signature = self.world.sign(self.committee, self.voice, message)
        return SignedVote(vote=vote, signer=self.me, signature=signature)

    def others(self) -> list[int]:
        """Return everybody else."""
        return [node for node in self.committee.nodes if node != self.voice]

    def halves(self) -> tuple[list[int], list[int]]:
        """Return the others, split in two by chance."""
        left: list[int] = []
        right: list[int] = []
        for other in self.others():
            (left if self.world.pick(2) else right).append(other)
        return left, right

    def forged(self, proposal: Proposal, parent: Point, *, valid: bool = True) -> Proposal | None:
        """Return another proposal of the same view."""
        view = proposal.vote.vote.view
        made = self.application.forge(view, self.voice, parent, self.world.pick(GIANT), valid=valid)
        return None if made is None else self.reproposed(proposal, *made, parent)

    def reproposed(self, proposal: Proposal, block: bytes, body: bytes, parent: Point) -> Proposal:
        """Return a proposal of the same view with another block."""
        vote = Vote(epoch=proposal.vote.vote.epoch, view=proposal.vote.vote.view, kind=VoteKind.NOTARIZE, block=block)
        return Proposal(
            vote=self.signed(vote),
            parent_view=parent.view,
            parent=parent.block,
            justification=proposal.justification,
            body=body,
        )

    def lie(self) -> None:
        """Count a lie."""
        self.world.lied(self.voice)


class Equivocator(Liar):
    """As a leader, proposes one block to some and another to the rest, and votes for both."""

    quiet = True
    _twin: Proposal | None = None

    def send(self, to: int | None, message: Message) -> None:
        """Send two faces of a proposal, and of the votes for it."""
        if isinstance(message, Proposal):
            self._propose(message)
        elif isinstance(message, SignedVote) and self._twin is not None and self._is_twin(message.vote):
            twin = message.vote.kind is not VoteKind.NULLIFY
            block = self._twin.vote.vote.block if twin else message.vote.block
            left, right = self.halves()
            self.say(left, message)
            vote = Vote(epoch=message.vote.epoch, view=message.vote.view, kind=message.vote.kind, block=block)
            self.say(right, self.signed(vote))
        else:
            super().send(to, message)

    def _is_twin(self, vote: Vote) -> bool:
        twin = None if self._twin is None else self._twin.vote.vote
        return twin is not None and (twin.epoch, twin.view) == (vote.epoch, vote.view)

    def _propose(self, proposal: Proposal) -> None:
        if not self._is_twin(proposal.vote.vote):
            self._twin = self.forged(proposal, Point(proposal.parent_view, proposal.parent))
            if self._twin is not None:
                self.lie()
        left, right = self.halves()
        self.say(left, proposal)
        self.say(right, self._twin or proposal)


class DoubleVoter(Liar):
    """Casts all three votes for every block, and one to notarize a block that nobody proposed; each to some."""

    convictable = True

    def send(self, to: int | None, message: Message) -> None:
        """Send a vote and all that contradicts it."""
        super().send(to, message)
        if isinstance(message, SignedVote) and message.vote.kind is VoteKind.NOTARIZE:
            vote = message.vote
            self.lie()
            made_up = self.world.pick(GIANT).to_bytes(32, "big")
            for lie in (
                nullify(vote.epoch, vote.view),
                Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.FINALIZE, block=vote.block),
                Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.NOTARIZE, block=made_up),
            ):
                left, _ = self.halves()
                self.say(left, self.signed(lie))


class Conflicter(Liar):
    """Says the contrary of each of its votes too, and to everybody."""

    convictable = True

    def send(self, to: int | None, message: Message) -> None:
        """Send a vote, and one of the same kind for another block."""
        super().send(to, message)
        if isinstance(message, SignedVote) and message.vote.kind is not VoteKind.NULLIFY:
            vote = message.vote
            self.lie()
            made_up = self.world.pick(GIANT).to_bytes(32, "big")
            self.say(self.others(), self.signed(Vote(epoch=vote.epoch, view=vote.view, kind=vote.kind, block=made_up)))


class Impersonator(Liar):
    """Votes in the names of others: signed by itself, and by them where it can replay what they once signed."""

    _heard: tuple[SignedVote, ...] = ()

    def hear(self, sender: int, message: Message) -> None:
        """Keep what others sign."""
        if isinstance(message, SignedVote):
            self._heard = (*self._heard[1 - PAST_MAX :], message)
        super().hear(sender, message)

    def send(self, to: int | None, message: Message) -> None:
        """Send a vote, and two in another's name."""
        super().send(to, message)
        if isinstance(message, SignedVote):
            self.lie()
            other = self.world.pick(len(self.committee.nodes))
            self.say(self.others(), SignedVote(vote=message.vote, signer=other, signature=message.signature))
            if self._heard:
                self.say(self.others(), self._heard[self.world.pick(len(self._heard))])


class Skipper(Liar):
    """As a leader, proposes on a block of long ago, as if the views since had been nullified."""

    quiet = True
    _past: tuple[Point, ...] = ()

    def send(self, to: int | None, message: Message) -> None:
        """Send a proposal that skips what it may not skip."""
        last = self.application.head()
        if not isinstance(message, Proposal) or last.epoch + last.ends != self.epoch:
            super().send(to, message)
            return
        self._past = (*self._past[1 - PAST_MAX :], Point(0 if last.ends else last.view, last.block))
        parent = self._past[self.world.pick(len(self._past))]
        made = self.forged(message, parent)
        self.lie()
        self.say(self.others(), made or message)


class Nuller(Liar):
    """Nullifies whatever it should notarize, and proposes nothing."""

    def send(self, to: int | None, message: Message) -> None:
        """Send a nullify vote in place of a notarize vote or a proposal."""
        vote = message.vote if isinstance(message, Proposal) else message
        if isinstance(vote, SignedVote) and vote.vote.kind is VoteKind.NOTARIZE:
            self.lie()
            self.say(self.others(), self.signed(nullify(vote.vote.epoch, vote.vote.view)))
        else:
            super().send(to, message)


class Outdated(Liar):
    """Lives in the past: says everything once more when the others are some views further."""

    _past: tuple[Message, ...] = ()

    def send(self, to: int | None, message: Message) -> None:
        """Send a message, and one of long ago."""
        if len(self._past) == PAST_MAX:
            self.lie()
            self.say(self.others(), self._past[0])
        self._past = (*self._past[1 - PAST_MAX :], message)
        super().send(to, message)


class SilentLeader(Liar):
    """Proposes nothing and does not skip its own views either, and votes for others as if nothing were wrong."""

    quiet = True

    def send(self, to: int | None, message: Message) -> None:
        """Send everything but what is of its own views."""
        vote = message.vote if isinstance(message, SignedVote) else None
        own = vote is not None and self.committee.instance.validators.leader(vote.view) == self.me
        if own or isinstance(message, Proposal):
            self.lie()
        else:
            super().send(to, message)


class Taciturn(Liar):
    """As a leader, proposes without the certificates that its proposal stands on."""

    quiet = True

    def send(self, to: int | None, message: Message) -> None:
        """Send proposals bare."""
        if isinstance(message, Proposal) and message.justification:
            self.lie()
            message = Proposal(
                vote=message.vote,
                parent_view=message.parent_view,
                parent=message.parent,
                justification=[],
                body=message.body,
            )
        super().send(to, message)


class LateLeader(Liar):
    """Proposes when the others are about to skip its view, or just have."""

    quiet = True

    def send(self, to: int | None, message: Message) -> None:
        """Send proposals late."""
        if not isinstance(message, Proposal) or self.core is None:
            super().send(to, message)
            return
        self.lie()
        delay = self.world.pick(LATE_DELTAS * self.core.timing.delta_ms)
        self.world.later(delay, self.index, b"propose", lambda node: node.say(self.others(), message))


class VoteWithholder(Liar):
    """Tells each vote to one other alone, so that the others see quorums at different times, or never."""

    def send(self, to: int | None, message: Message) -> None:
        """Send a vote to one, anything else to all."""
        if isinstance(message, SignedVote) and to is None:
            self.lie()
            others = self.others()
            self.say([others[self.world.pick(len(others))]], message)
        else:
            super().send(to, message)


class Amnesiac(Liar):
    """Forgets every now and then all that it has signed, and votes on at once."""

    quiet = True
    _votes = 0

    def start(self) -> None:
        """Come up, and ask nobody."""
        super().start()
        self.take(Witnessed(mark=0, votes=[]))

    def hear(self, sender: int, message: Message) -> None:
        """Hear a message; where its core has found that it contradicts itself, begin anew once more."""
        if self.core is not None and self.core.halted:
            self.disk.wipe()
            _begin_anew(self)
        super().hear(sender, message)

    def send(self, to: int | None, message: Message) -> None:
        """Send a message; after some votes begin anew with an empty disk and no quarantine."""
        super().send(to, message)
        if isinstance(message, SignedVote) and self.core is not None:
            self._votes += 1
            if self._votes % 8 == 0:
                self.lie()
                self.disk.wipe()
                self.world.later(0, self.index, b"forget", _begin_anew)


def _begin_anew(node: SimNode) -> None:
    if node.core is not None:
        node.crash()
        node.start()


class Garbler(Liar):
    """Sends what no decoder objects to and no rule allows: wrong signers, giant views, bad bitmaps, invalid blocks."""

    def send(self, to: int | None, message: Message) -> None:
        """Send garbage beside, or in place of, a message."""
        if isinstance(message, Proposal):
            self._propose(message)
        else:
            super().send(to, message)
        if isinstance(message, SignedVote):
            self.lie()
            garbage = self._garbage(message)
            self.say(self.others(), garbage[self.world.pick(len(garbage))])
            for _ in range(FLOOD):
                self.say(self.others(), self.signed(self._giant(message.vote)))

    def _giant(self, vote: Vote) -> Vote:
        return Vote(epoch=vote.epoch, view=GIANT + self.world.pick(GIANT), kind=vote.kind, block=vote.block)

    def _garbage(self, signed: SignedVote) -> list[Message]:
        vote, size = signed.vote, len(self.committee.nodes)
        giant = self._giant(vote)
        odd = Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.NULLIFY, block=b"\x01" * 32)
        future = Vote(epoch=GIANT, view=vote.view, kind=vote.kind, block=vote.block)
        me, bad = signed.signer, bytes(64)
        return [
            SignedVote(vote=vote, signer=2**32 - 1, signature=signed.signature),
            SignedVote(vote=vote, signer=(me + 1) % size, signature=signed.signature),
            SignedVote(vote=vote, signer=me, signature=bad),
            self.signed(odd),
            self.signed(future),
            Certificate(scheme=0, vote=vote, signers=b"\xff" * 16, signatures=[bad] * size),
            Certificate(scheme=0, vote=giant, signers=_all_of(size), signatures=[bad] * size),
            Certificate(scheme=0, vote=vote, signers=b"", signatures=[]),
            Certificate(scheme=0, vote=vote, signers=_all_of(size) + b"\0", signatures=[signed.signature]),
            CertificateRequest(epoch=vote.epoch, first_view=0, last_view=GIANT),
            CertificateRequest(epoch=vote.epoch, first_view=GIANT, last_view=0),
        ]

    def _propose(self, proposal: Proposal) -> None:
        parent = Point(proposal.parent_view, proposal.parent)
        self.lie()
        left, right = self.halves()
        if self.world.pick(2):
            self.say(self.others(), self.forged(proposal, parent, valid=False) or proposal)
        elif self.world.pick(3) == 0 and self.core is not None:  # one is told too late, and wrongly
            *most, last = self.others()
            itself = Point(0, proposal.vote.vote.block)
            strange = self.reproposed(proposal, itself.block, proposal.body, itself)
            self.say(most, proposal)
            delay = self.world.pick(LATE_DELTAS * self.core.timing.delta_ms)
            self.world.later(delay, self.index, b"propose", lambda node: node.say([last], strange))
        else:  # the right block to some, and another body under its id to the rest
            self.say(left, proposal)
            made = self.application.forge(
                proposal.vote.vote.view, self.voice, parent, self.world.pick(GIANT), valid=True
            )
            body = proposal.body if made is None else made[1]
            self.say(right, self.reproposed(proposal, proposal.vote.vote.block, body, parent))


def _all_of(size: int) -> bytes:
    return ((1 << size) - 1).to_bytes((size + 7) // 8, "little")


class Twin(Liar):
    """One of two nodes with one key, each of which votes as if it were alone (Bano and others, Twins, 2021)."""

    quiet = True


TWINS = "twins"
CAST: dict[str, type[Liar]] = {
    "equivocator": Equivocator,
    "double-voter": DoubleVoter,
    "conflicter": Conflicter,
    "impersonator": Impersonator,
    "skipper": Skipper,
    "nuller": Nuller,
    "outdated": Outdated,
    "silent-leader": SilentLeader,
    "late-leader": LateLeader,
    "taciturn": Taciturn,
    "vote-withholder": VoteWithholder,
    "amnesiac": Amnesiac,
    "garbler": Garbler,
    TWINS: Twin,
}
"""Who may be named in a manifest."""
