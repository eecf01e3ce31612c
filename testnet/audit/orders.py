"""What is ordered: models, submissions, batches, acceptances, canaries (J5 to J14, J80 to J82, J91)."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from testnet.audit import jobs
from testnet.audit.draw import not_of
from testnet.audit.holdings import TIERS, At, Content, End, Holdings, Job, Meaning
from testnet.audit.money import BASIS, fee_of, provider_lock, verifier_lock
from testnet.audit.rules import BeyondError, Kind, Why, must, tagged

INPUT_MAX = 16 << 20
DECLINES_MAX = 3
CONFESSED_IN = (At.CONTESTED, At.UNVERIFIED, At.SETTLED, At.DISPUTED)


class Terms(NamedTuple):
    """What a submission asks for, or an item of a batch."""

    model: bytes
    lowering: bytes
    input: Content
    tier: int
    class_: int
    max_price: int
    named: bytes | None
    at_risk: int
    reply_key: bytes | None
    canary: bytes


def carry_out(holdings: Holdings, sender: bytes, name: bytes, payload: list[Any]) -> None:
    """Carry out what orders or accepts jobs; `name` is the transaction's id. Raises RefusedError."""
    match Kind(payload[0]):
        case Kind.MODEL_PUBLISH:
            _publish(holdings, sender, payload[1], payload[2])
        case Kind.LOWERING_PUBLISH:
            must(payload[1][0] in holdings.models, Why.MODEL_UNKNOWN)
            _register(holdings, payload[1][0], payload[1])
        case Kind.JOB_SUBMIT:
            model, lowering, content, *rest = payload[1:]
            _submit(holdings, sender, name, Terms(model, lowering, (content[0], content[1]), *rest))
        case Kind.BATCH_SUBMIT:
            model, lowering, tier, class_, price, named, at_risk, reply_key, items = payload[1:]
            known = holdings.lowerings.get((model, lowering))
            fee = fee_of(holdings, known.gas(class_) if known else 0)
            escrow = len(items) * _escrow(holdings, tier, price, fee)
            must(holdings.balances.get(sender, 0) >= escrow, Why.INSUFFICIENT_BALANCE)
            for at, (content, canary) in enumerate(items):
                terms = Terms(
                    model, lowering, (content[0], content[1]), tier, class_, price, named, at_risk, reply_key, canary
                )
                _submit(holdings, sender, item_of(name, at), terms)
            holdings.batches[name] = len(items)
        case Kind.JOB_ACCEPT:
            _accept(holdings, sender, payload[1], payload[2])
        case Kind.BATCH_ACCEPT:
            _, batch, items, price = payload
            must(batch in holdings.batches, Why.BATCH_UNKNOWN)
            must(items == sorted(set(items)) and items[-1] < holdings.batches[batch], Why.REQUEST_INVALID)
            for at in items:
                _accept(holdings, sender, item_of(batch, at), price)
        case Kind.JOB_DECLINE:
            _decline(holdings, sender, payload[1])
        case _:
            _open_canary(holdings, sender, payload[1], payload[2])


def item_of(batch: bytes, at: int) -> bytes:
    """Return the job that an item of a batch is (J81)."""
    return tagged(b"assay/batch-item", batch + at.to_bytes(4, "big"))


def _publish(holdings: Holdings, sender: bytes, model: list[Any], lowering: list[Any]) -> None:
    must(model[5] == sender, Why.NOT_A_PARTY)
    holdings.presumed = True  # that the record is sound (V12)
    name = tagged(b"assay/model", msgspec.msgpack.encode(model[:3]))
    must(name not in holdings.models, Why.MODEL_EXISTS)
    _register(holdings, name, lowering)
    holdings.models[name] = model


def _register(holdings: Holdings, model: bytes, lowering: list[Any]) -> None:
    must(lowering[0] == model, Why.LOWERING_INVALID)
    holdings.presumed = True  # that it is sound, and fits the model (V122)
    name = tagged(b"assay/lowering", msgspec.msgpack.encode(lowering))
    must((model, name) not in holdings.lowerings, Why.LOWERING_EXISTS)
    holdings.lowerings[model, name] = Meaning(lowering)


def _submit(holdings: Holdings, sender: bytes, name: bytes, terms: Terms) -> None:
    must(terms.model in holdings.models, Why.MODEL_UNKNOWN)
    must((terms.model, terms.lowering) in holdings.lowerings, Why.LOWERING_UNKNOWN)
    meaning = holdings.lowerings[terms.model, terms.lowering]
    must(meaning.offers(terms.class_), Why.CLASS_NOT_OFFERED)
    if len(holdings.versions) > 1:
        raise BeyondError("a change of the rules")
    must(meaning.vm_version == holdings.versions[0]["vm"], Why.LOWERING_INVALID)
    must(terms.reply_key is not None or meaning.outputs_are_whole, Why.REPLY_KEY_WANTED)
    must(terms.input[1] <= min(holdings.tell("input_bytes_max"), INPUT_MAX), Why.INPUT_TOO_LARGE)
    must(terms.max_price, Why.ZERO_AMOUNT)
    size = int(holdings.models[terms.model][0][1])
    _check_named(holdings, terms, meaning, size)
    told = holdings.parameters["tiers"][TIERS[terms.tier]]
    fee = fee_of(holdings, meaning.gas(terms.class_))
    must(_verifiers_left(holdings, sender, terms, size, fee) >= told["k"], Why.TOO_FEW_VERIFIERS)
    escrow = _escrow(holdings, terms.tier, terms.max_price, fee)
    holdings.take(sender, escrow)
    job = Job(
        id=name,
        client=sender,
        model=terms.model,
        lowering=terms.lowering,
        input=terms.input,
        large=not (meaning.cut_is_whole(terms.class_) and meaning.outputs_are_whole),
        tier=terms.tier,
        k=told["k"],
        audit_bps=told["q_bps"],
        class_=terms.class_,
        run_ms=meaning.run_ms,
        fee=fee,
        max_price=terms.max_price,
        at_risk=terms.at_risk,
        bond_multiple=told["bond_multiple"],
        named=terms.named,
        canary=terms.canary,
        escrow=escrow,
    )
    holdings.jobs[name] = job
    jobs.move(holdings, job, At.OPEN)


def _escrow(holdings: Holdings, tier: int, price: int, fee: int) -> int:
    """Return what a client pays in (J10)."""
    return price + int(holdings.parameters["tiers"][TIERS[tier]]["k"]) * fee


def _check_named(holdings: Holdings, terms: Terms, meaning: Meaning, size: int) -> None:
    """Check the one worker that may provide (J8, J11)."""
    if terms.named is None:
        return
    must(terms.named in holdings.workers, Why.PROVIDER_UNKNOWN)
    worker = holdings.workers[terms.named]
    must(worker.capacity and worker.runs(terms.class_, size), Why.NO_CAPACITY)
    asked = worker.ask - (-worker.gas_ask * meaning.gas(terms.class_) // 1_000_000)
    must(asked <= terms.max_price, Why.PRICE_TOO_LOW)


def _verifiers_left(holdings: Holdings, sender: bytes, terms: Terms, size: int, fee: int) -> int:
    """Return how many could verify if all were idle (J13)."""
    others = [sender] if terms.named is None else [sender, terms.named]
    lock = verifier_lock(holdings, fee)
    able = [
        worker
        for _, worker in not_of(holdings, others)
        if worker.capacity and worker.bond >= lock and worker.runs(terms.class_, size)
    ]
    if terms.named is not None or not able:
        return len(able)
    return len(able) - min(Counter(each.operator for each in able).values())


def _job(holdings: Holdings, name: bytes, *states: At) -> Job:
    must(name in holdings.jobs, Why.JOB_UNKNOWN)
    job = holdings.jobs[name]
    must(job.state in states, Why.JOB_WRONG_STATE)
    return job


def _accept(holdings: Holdings, sender: bytes, name: bytes, price: int) -> None:
    job = _job(holdings, name, At.OPEN)
    worker = holdings.worker(sender)
    must(job.named in (None, sender), Why.WRONG_PROVIDER)
    must(price <= job.max_price, Why.PRICE_ABOVE_CAP)
    must(worker.providing < worker.capacity, Why.NO_CAPACITY)
    must(worker.runs(job.class_, holdings.model_bytes(job)), Why.NO_CAPACITY)
    lock = provider_lock(holdings, job, price)
    must(worker.free >= lock, Why.BOND_TOO_SMALL)
    worker.locked, worker.providing = worker.locked + lock, worker.providing + 1
    job.provider, job.price, job.provider_locked = sender, price, lock
    track, trust = holdings.track(sender), holdings.tell("audit_trust")
    q = holdings.parameters["tiers"][TIERS[job.tier]]["q_bps"]
    job.audit_bps = BASIS if track.forced else max(q, -(-BASIS * trust // (trust + track.trusted)))  # J52
    jobs.move(holdings, job, At.ACCEPTED)


def _decline(holdings: Holdings, sender: bytes, name: bytes) -> None:
    job = _job(holdings, name, At.OPEN)
    holdings.worker(sender)
    must(job.named in (None, sender), Why.WRONG_PROVIDER)
    must(len(job.declined) < DECLINES_MAX and sender not in job.declined, Why.ALREADY_DECLINED)
    job.declined.append(sender)
    if job.named == sender:
        jobs.end_void(holdings, job, End.DECLINED)


def is_kept(holdings: Holdings, sender: bytes, payload: list[Any]) -> bool:
    """Tell whether a block keeps a place for the confession of a canary (J91)."""
    job = holdings.jobs.get(payload[1])
    if job is None or job.provider != sender or job.canary_opened:
        return False
    return job.state in CONFESSED_IN


def _open_canary(holdings: Holdings, sender: bytes, name: bytes, salt: bytes) -> None:
    job = _job(holdings, name, *CONFESSED_IN)
    must(job.provider == sender, Why.NOT_A_PARTY)
    must(not job.canary_opened, Why.CANARY_OPENED)
    must(jobs.canary_of(holdings.genesis_hash, job.client, sender, salt) == job.canary, Why.CANARY_MISMATCH)
    last = holdings.planters.get(sender)
    must(last is None or holdings.live_ms >= last + holdings.tell("canary_spacing_ms"), Why.CANARY_TOO_SOON)
    holdings.planters[sender] = holdings.live_ms
    jobs.confess(holdings, job)
