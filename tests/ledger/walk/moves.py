"""What people send who know what a job or a filing waits for, honest or not: each moves something on."""

import random

from ledger.market.batch import item_id
from ledger.market.canary import canary_of
from ledger.market.dispute.payloads import WHOLE, tail_of
from ledger.market.order_payloads import BatchAccept, BatchItem, BatchSubmit, CanaryOpen
from ledger.parameters import Tier
from ledger.records import Job, JobState, Verifier
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobDecline,
    JobSubmit,
    Payload,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
)
from primitives.hashing import sha256
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import World, a_batch, a_submission, address
from tests.ledger.market.dispute.played import CONTENT, LOWERING, MODEL, packed
from tests.ledger.walk.large import large_move, large_order
from tests.ledger.walk.people import character, held_by, is_silent
from tests.ledger.walk.trials import claim, ill_conditioned
from vm.lowering import lowering_id
from vm.manifest import Class, model_id

SALT = sha256(b"salt of a canary")
CLIENTS = ("client", "publisher")
LEFT_ALONE = 60
"""Of 256 jobs, so many are challenged by nobody."""
Move = tuple[str, Payload]
"""Who sends what."""


def order(world: World, chance: random.Random) -> Move:
    """Return a new job, or a batch of them."""
    client, tier = chance.choice(CLIENTS), chance.choice(list(Tier))
    named = f"worker {chance.randrange(10)}" if chance.random() < 0.7 else None
    if chance.random() < 0.25:
        return client, large_order(chance, named, tier)
    if chance.random() < 0.1:
        return client, _batch(chance.randint(1, 4), named, tier)
    wanted = _wanted(named, tier, chance.choice(list(Class)))
    if wanted.class_ is Class.NATIVE and chance.random() < 0.1:
        wanted = change(wanted, input=ill_conditioned().held.content)
    if named is not None and chance.random() < 0.4:
        salted = canary_of(genesis=world.charter.hash, client=address(client), provider=address(named), salt=SALT)
        return client, change(wanted, canary=salted)
    return client, change(wanted, max_price=KARAT // 2, at_risk=chance.choice([0, 0, KARAT]))


def _wanted(named: str | None, tier: Tier, class_: Class) -> JobSubmit:
    wanted = a_submission(provider=named, tier=tier, class_=class_)
    return change(wanted, model=model_id(MODEL), lowering=lowering_id(LOWERING), input=CONTENT.held.content)


def _batch(count: int, named: str | None, tier: Tier) -> BatchSubmit:
    items = [BatchItem(input=CONTENT.held.content, canary=sha256(bytes([at]))) for at in range(count)]
    batch = a_batch(b"any", provider=named, tier=tier)
    return change(batch, model=model_id(MODEL), lowering=lowering_id(LOWERING), items=items)


def job_move(world: World, chance: random.Random, job_id: bytes, job: Job) -> Move | None:
    """Return what one of a job's people does next; None if nobody does anything."""
    if job.large and job.state is not JobState.OPEN:
        return large_move(world, chance, job_id, job)
    match job.state:
        case JobState.OPEN:
            return _offer(world, chance, job_id, job)
        case JobState.ACCEPTED | JobState.REVEALING:
            return _providing(world, job_id, job)
        case JobState.VERIFYING | JobState.CHECKING:
            return _verifying(world, chance, job_id, job)
        case JobState.CONTESTED | JobState.SETTLED | JobState.UNVERIFIED | JobState.DISPUTED:
            return _after(world, chance, job_id, job)
        case _:
            return None


def _offer(world: World, chance: random.Random, job_id: bytes, job: Job) -> Move:
    name = world.name(job.named) if job.named else f"worker {chance.randrange(10)}"
    if chance.random() < 0.1:
        return name, JobDecline(job=job_id, reason=Reason.RUN_TRAPPED)
    if job.batch is not None:
        mine = [at for at in range(4) if item_id(job.batch, at) == job_id]
        return name, BatchAccept(batch=job.batch, items=mine, price=job.max_price)
    return name, JobAccept(job=job_id, price=chance.randint(1, job.max_price))


def _providing(world: World, job_id: bytes, job: Job) -> Move | None:
    assert job.provider is not None
    name = world.name(job.provider)
    if is_silent(job_id, name):
        return None
    mine = packed(held_by(job_id, name), name, job.class_)
    if job.state is JobState.ACCEPTED:
        return name, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, name))
    return name, ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs, sealed=None)


def _verifying(world: World, chance: random.Random, job_id: bytes, job: Job) -> Move | None:
    left = [each for each in job.verifiers if _waits_for(job, each) and not is_silent(job_id, world.name(each.worker))]
    if not left:
        return None
    name = world.name(chance.choice(left).worker)
    mine = packed(held_by(job_id, name), name, job.class_)
    if job.state is JobState.VERIFYING:
        return name, VerifierCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, name))
    assert job.provider is not None
    same = held_by(job_id, name) is held_by(job_id, world.name(job.provider))
    verdict = Decision.ACCEPT if same else Decision.REJECT
    if chance.random() < 0.05:
        verdict = Decision.ACCEPT if verdict is Decision.REJECT else Decision.REJECT
    return name, VerifierReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs, verdict=verdict)


def _waits_for(job: Job, each: Verifier) -> bool:
    if job.state is JobState.VERIFYING:
        return each.commitment is None
    return each.commitment is not None and each.verdict is None


def _after(world: World, chance: random.Random, job_id: bytes, job: Job) -> Move | None:
    """Open a canary, or claim: parties, rejecters and strangers."""
    assert job.provider is not None
    if chance.random() < (0.05 if job.canary == bytes(32) else 0.4):
        return world.name(job.provider), CanaryOpen(job=job_id, salt=SALT)
    if job.state is not JobState.CONTESTED and chance.random() < 0.7:
        return None
    if character(job_id, "whoever could challenge") < LEFT_ALONE:
        return None
    parties = [job.provider, *(each.worker for each in job.verifiers)]
    people = [*map(world.name, parties), "stranger"]
    subject = WHOLE if chance.random() < 0.7 else tail_of(chance.choice(parties))
    name = chance.choice(people)
    return name, claim(world, job_id, job, subject, name)
