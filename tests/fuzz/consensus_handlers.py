"""A running core of consensus among liars: every message of theirs, signed as well as they can."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import assert_never

import msgspec

from consensus import certificate as certificates
from consensus.ancestry import Point
from consensus.evidence import contradict, offence
from consensus.io import (
    BlockKnown,
    Build,
    Built,
    Effect,
    Evidence,
    FetchBlock,
    GuardRecord,
    Input,
    Persist,
    Received,
    RetryDue,
    Start,
    TimedOut,
    Validate,
    Validated,
    Verdict,
    Voted,
)
from consensus.messages import (
    CERTIFICATE_BYTES_MAX,
    Certificate,
    CertificateRequest,
    Certificates,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
    decode_message,
    encode_message,
    sign_bytes,
)
from consensus.witness import REQUEST_BYTES_MAX, Inquiry, Statement, Witnesses, decode_inquiry, testify
from primitives import codec
from primitives.hashing import ZERO_HASH
from testnet.kit.consensus_builders import START, Bench, a_block, an_instance
from testnet.sim.keyring import KeyedScheme, sign_as
from tests.fuzz.target import Feed, Target

ME = 0
VIEWS = 6
STEPS_MAX = 200
"""Inputs that the core may give itself to do in answer to one message."""
EFFECTS_MAX = 600
"""Of one input: more would let one message cost hundreds."""
TESTIMONY_VOTES_MAX = 1_000
"""Votes of this validator's own key that one testimony after another may bring: it signed them all itself."""
INSTANCE = an_instance()


def signed_anew(message: Message) -> Message:
    """Return a message whose signatures fit what it says, as far as they are not those of the core under test."""
    match message:
        case SignedVote():
            return _vote(message)
        case Certificate():
            return _certificate(message)
        case Certificates():
            return msgspec.structs.replace(message, certificates=[_certificate(each) for each in message.certificates])
        case Proposal():
            vote, proofs = _vote(message.vote), [_certificate(each) for each in message.justification]
            return msgspec.structs.replace(message, vote=vote, justification=proofs)
        case CertificateRequest():
            return message
        case _:
            assert_never(message)


def _vote(signed: SignedVote) -> SignedVote:
    if signed.signer == ME:
        return signed
    signature = sign_as(signed.signer, sign_bytes(INSTANCE.genesis_hash, signed.vote))
    return msgspec.structs.replace(signed, signature=signature)


def _certificate(given: Certificate) -> Certificate:
    message = sign_bytes(INSTANCE.genesis_hash, given.vote)
    signers = certificates.signers_of(given.signers)
    known = list(given.signatures) + [bytes(64)] * len(signers)
    anew = [old if signer == ME else sign_as(signer, message) for signer, old in zip(signers, known, strict=False)]
    return msgspec.structs.replace(given, signatures=anew)


class Liars:
    """One core among liars, and a driver that answers what it asks for now so, now so."""

    def __init__(self) -> None:
        self.random = Random(1)
        self.bench = Bench(ME, instance=INSTANCE)
        self.votes: dict[tuple[int, int], list[Vote]] = {}
        """Its own, by epoch and view."""
        self.places: dict[bytes, tuple[int, Point]] = {}
        """View and parent of each block: its id binds them, so a driver never tells two of them of one block."""
        self.views: dict[bytes, int] = {}
        """Of blocks that have a place, or that others named as their parents."""
        self._do(Start())

    def hear(self, raw: bytes) -> str:
        """Give it a message as it is, or signed anew, from a validator or somebody else; return what it did."""
        message = decode_message(raw)
        self.random = Random(raw)
        if self.random.randrange(4):
            message = signed_anew(message)
        did = self._do(Received(sender=self.random.choice((1, 2, 3, None)), message=message))
        if not self.random.randrange(8):
            did |= self._do(self.random.choice((TimedOut(view=self.bench.core.view), RetryDue())))
        return " ".join(sorted(did))

    def _do(self, given: Input) -> set[str]:
        waiting = deque([given])
        did: set[str] = set()
        for _ in range(STEPS_MAX):
            if not waiting:
                return did
            effects = self.bench.give(waiting.popleft())
            assert len(effects) <= EFFECTS_MAX, "one input costs too much"
            for effect in effects:
                did.add(type(effect).__name__)
                waiting.extend(self._answers(effect))
        raise AssertionError("it never comes to rest")

    def _answers(self, effect: Effect) -> list[Input]:
        """Check an effect, and return what a driver may answer to it."""
        match effect:
            case Persist():
                for record in effect.records:
                    self._note(record)
                return []
            case Evidence():
                assert effect.first.signer != ME, "it accuses itself"
                assert offence(effect.first, effect.second, INSTANCE, KeyedScheme(ME)) is not None
                return []
            case Build():
                block = a_block(f"of my own in {effect.view}")
                fits = self._places(block, effect.view, Point(effect.parent_view, effect.parent))
                built = Built(view=effect.view, block=block, body=b"body of " + block)
                return [built] if fits and self.random.randrange(2) else []
            case Validate():
                fits = self._places(effect.block, effect.view, Point(effect.parent_view, effect.parent))
                verdict = Verdict.VALID if fits and self.random.randrange(4) else Verdict.INVALID
                return [Validated(view=effect.view, block=effect.block, verdict=verdict)]
            case FetchBlock() if not self.random.randrange(4):
                view = self.random.randrange(VIEWS)
                parent = Point(view, a_block(str(view)))
                known = BlockKnown(block=effect.block, view=view + 1, parent_view=parent.view, parent=parent.block)
                return [known] if self._places(effect.block, view + 1, parent) else []
            case _:
                return []

    def _places(self, block: bytes, view: int, parent: Point) -> bool:
        """Tell whether a block can have this place, and keep it there."""
        place = (view, parent)
        fits = (
            parent.view < view
            and self.places.setdefault(block, place) == place
            and self.views.setdefault(block, view) == view
        )
        return fits and self.views.setdefault(parent.block, parent.view) == parent.view

    def _note(self, record: GuardRecord) -> None:
        if not isinstance(record, Voted):
            return
        vote = record.vote.vote
        beside = self.votes.setdefault((vote.epoch, vote.view), [])
        assert not any(contradict(vote, other) for other in beside), "its votes contradict each other"
        beside.append(vote)


def _messages() -> list[bytes]:
    """Return what honest validators say in a few views, and a little of what they don't."""
    bench = Bench(ME, instance=INSTANCE)
    found: list[Message] = []
    parent = START
    proofs: list[Certificate] = []
    for view in range(1, VIEWS):
        block = a_block(str(view))
        found.append(bench.proposal(view, block, parent, proofs))
        for kind, named in ((VoteKind.NOTARIZE, block), (VoteKind.NULLIFY, ZERO_HASH), (VoteKind.FINALIZE, block)):
            found += [bench.vote(signer, kind, view, named) for signer in (1, 3)]
            found.append(bench.certificate(kind, view, named))
        notarized = bench.certificate(VoteKind.NOTARIZE, view, block)
        parent, proofs = Point(view, block), [notarized]
        found.append(Certificates(certificates=[notarized, bench.certificate(VoteKind.NULLIFY, view)]))
        found.append(CertificateRequest(epoch=INSTANCE.epoch, first_view=1, last_view=view))
    return [encode_message(message) for message in found]


@contextmanager
def _core() -> Iterator[Feed]:
    yield Liars().hear


@contextmanager
def _certificates() -> Iterator[Feed]:
    """Check certificates: what is believed was signed by a quorum, as it stands."""

    def feed(raw: bytes) -> None:
        given = codec.decode(Certificate, raw, at_most=CERTIFICATE_BYTES_MAX)
        scheme = KeyedScheme(ME)
        certificates.check(given, INSTANCE, scheme)
        votes = certificates.votes_in(given)
        message = sign_bytes(INSTANCE.genesis_hash, given.vote)
        assert all(scheme.verify(signer, message, votes[signer].signature) for signer in votes)
        assert sum(INSTANCE.validators.weights[signer] for signer in votes) >= INSTANCE.validators.quorum

    yield feed


def _sound_certificates() -> list[bytes]:
    return [raw for raw in _messages() if isinstance(decode_message(raw), Certificate)]


@contextmanager
def _witnesses() -> Iterator[Feed]:
    """Ask a core what it knows of somebody, and take an input for the answer of another."""
    liars = Liars()
    witnesses = Witnesses(INSTANCE, ME, KeyedScheme(ME))

    def feed(raw: bytes) -> None:
        if len(raw) <= REQUEST_BYTES_MAX:
            testify(liars.bench.core, decode_inquiry(raw))
        else:
            witnesses.take(1 + len(raw) % 3, raw)
        assert len(witnesses.votes) <= TESTIMONY_VOTES_MAX

    yield feed


def _testimonies() -> list[bytes]:
    bench = Bench(ME, instance=INSTANCE)
    over = bench.certificate(VoteKind.NULLIFY, 2)
    mine = [bench.vote(ME, VoteKind.NULLIFY, view) for view in (1, 2)]
    return [
        codec.encode(Statement(epoch=INSTANCE.epoch, certificate=over, votes=mine)),
        codec.encode(Statement(epoch=INSTANCE.epoch, certificate=None, votes=[])),
        codec.encode(Inquiry(epoch=INSTANCE.epoch, signer=1)),
    ]


def consensus_handlers() -> list[Target]:
    """Return the targets of this module."""
    return [
        Target(name="core", seeds=cache(_messages), open=_core, weight=16),
        Target(name="certificate", seeds=cache(_sound_certificates), open=_certificates, weight=4),
        Target(name="witnesses", seeds=cache(_testimonies), open=_witnesses, weight=2),
    ]
