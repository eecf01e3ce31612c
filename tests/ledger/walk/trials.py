"""What people do in disputes: claim what they found or a lie, open it, fight for it, and prove what parties hold."""

import random
from functools import cache

from ledger.market.dispute.payloads import WHOLE, DisputeBeyond, DisputeClaim, Subject
from ledger.market.dispute.records import Dispute, DisputeStage
from ledger.records import Job
from ledger.transaction import Payload
from primitives import codec
from testnet.kit.ledger_builders import World, address
from tests.ledger.market.dispute.played import TOLERANCE, Court, Held, lie, tail, truth, with_a_nan
from tests.ledger.walk.people import character, held_by, is_silent
from tests.vm.claims.sides import Honest
from tests.vm.referee.jobs import cut_of, outputs_of
from vm.manifest import Class
from vm.referee.blaming import conditioned, outputs_differ, worst
from vm.referee.showing import Content

LIARS = 60
"""Of 256 who claim, so many claim a lie."""


@cache
def _with_a_nan() -> tuple[Content, Honest]:
    return with_a_nan()


def ill_conditioned() -> Content:
    """Return an input on which nobody can be held to anything."""
    return _with_a_nan()[0]


def _is_ill(job: Job) -> bool:
    return job.input == ill_conditioned().held.content


@cache
def _whole(class_: Class, lies: int | None, *, ill: bool) -> Honest:
    honest = _with_a_nan()[1] if ill else truth(class_)
    return honest if lies is None else lie(lies % 5, of=honest)


_TAILS: dict[tuple[int, int | None], Honest] = {}
"""By the values at the cut that they follow from, of which there are few, and the lie."""


def _tail(held: Held, lies: int | None) -> Honest:
    key = (id(held), lies)
    if key not in _TAILS:
        honest = tail(held.cut)
        _TAILS[key] = honest if lies is None else lie(2 + lies % 3, of=honest)
    return _TAILS[key]


def runs_of(world: World, job_id: bytes, job: Job, subject: Subject, name: str) -> Honest:
    """Return what somebody claims about a job."""
    number = character(job_id + bytes([subject.kind]), name)
    lies = number % 5 if number < LIARS else None
    if subject.kind is WHOLE.kind:
        return _whole(job.class_, lies, ill=_is_ill(job))
    assert subject.party is not None
    return _tail(held_by(job_id, world.name(subject.party)), lies)


def court(world: World, job_id: bytes, job: Job, subject: Subject) -> Court:
    """Return a dispute with all who have claimed in it."""
    cut: Content | None = None
    if subject.party is not None:
        cut = cut_of(held_by(job_id, world.name(subject.party)).cut)
    return Court(world, job_id, subject, cut=cut)


def claim(world: World, job_id: bytes, job: Job, subject: Subject, name: str) -> DisputeClaim:
    """Return somebody's claim."""
    return court(world, job_id, job, subject).a_claim(name, runs_of(world, job_id, job, subject, name))


def dispute_move(world: World, chance: random.Random, dispute: Dispute, job: Job) -> tuple[str, Payload] | None:
    """Return what somebody does next in a dispute; None if nobody does anything."""
    here = court(world, dispute.job, job, dispute.subject)
    each = chance.choice(dispute.claims)
    name = world.name(each.who)
    runs = runs_of(world, dispute.job, job, dispute.subject, name)
    if is_silent(here.id, name):
        return None
    match dispute.stage:
        case DisputeStage.DRAWING:
            name = chance.choice(["stranger", "publisher"])
            return name, here.a_claim(name, runs_of(world, dispute.job, job, dispute.subject, name))
        case DisputeStage.CLAIMING if each.commitment is None:
            return name, here.a_claim(name, runs)
        case DisputeStage.OPENING if each.commitment is not None and each.trace is None:
            return name, here.an_opening(name, runs)
        case DisputeStage.DUEL:
            here.claims = {name: runs}
            return here.move(name)
        case DisputeStage.JUDGING:
            return _proof(world, chance, here, job, name)
        case _:
            return None


def _proof(world: World, chance: random.Random, here: Court, job: Job, name: str) -> tuple[str, Payload] | None:
    """Return a proof about a party, if there is anything to prove."""
    assert job.provider is not None
    party = world.name(chance.choice([job.provider, *(each.worker for each in job.verifiers)]))
    if here.subject.party is not None:
        party = world.name(here.subject.party)
    held = held_by(here.job_id, party)
    if here.subject.kind is WHOLE.kind and _is_ill(job):
        proof = conditioned(_with_a_nan()[1], TOLERANCE)
    elif here.subject.kind is WHOLE.kind and job.class_ is Class.NATIVE:
        proof = worst(truth(), cut_of(held.cut), TOLERANCE).proof
    else:
        runs = runs_of(world, here.job_id, job, here.subject, party)
        proof = outputs_differ(runs, outputs_of(held.outputs))
    if proof is None:
        return None
    return name, DisputeBeyond(dispute=here.id, party=address(party), proof=codec.encode(proof))
