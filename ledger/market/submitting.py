"""Submissions of jobs: what must hold before a client's price and fees are escrowed (J10)."""

from collections import Counter
from collections.abc import Sequence

from ledger.events import JobSubmitted
from ledger.market.asking import asked
from ledger.market.draw import can_run, could_verify, not_of
from ledger.market.lifecycle import start
from ledger.market.model import check_version
from ledger.market.pace import gas_of_run, run_ms
from ledger.market.settlement import escrow_of, fee_of, run_fee_of, verifier_lock
from ledger.moment import Moment, debit
from ledger.parameters import Parameters
from ledger.records import Job, JobState, Worker
from ledger.transaction import JobSubmit
from primitives.reasons import Reason, Refused
from primitives.units import NUMBER_MAX
from primitives.x25519 import check_exchange_key
from vm.cost import Cost
from vm.lowering import Lowering
from vm.manifest import Class, Model
from vm.tensor import BUNDLE_BYTES_MAX, SMALL_VALUES_BYTES_MAX, bytes_of


def submit(moment: Moment, sender: bytes, job_id: bytes, payload: JobSubmit) -> None:
    """Open a job and take its escrow.

    Raises Refused MODEL_UNKNOWN, LOWERING_UNKNOWN, CLASS_NOT_OFFERED, LOWERING_INVALID,
    INPUT_TOO_LARGE, ZERO_AMOUNT, PROVIDER_UNKNOWN, NO_CAPACITY, PRICE_TOO_LOW, TOO_FEW_VERIFIERS,
    BAD_KEY, REPLY_KEY_WANTED (J72), INSUFFICIENT_BALANCE (J10).
    """
    entry = moment.state.model(payload.model)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=payload.model)
    found = moment.state.lowering(payload.model, payload.lowering)
    if found is None:
        raise Refused(Reason.LOWERING_UNKNOWN, model=payload.model, lowering=payload.lowering)
    _check_terms(moment, payload, found.lowering)
    _check_provider(moment, payload, entry.model, found.lowering)
    job = new_job(moment.parameters, sender, payload, found.lowering.cost, large=is_large(payload, found.lowering))
    _check_verifiers(moment, job, entry.model)
    debit(moment.state, sender, job.escrow)
    start(moment, job_id, job)
    moment.events.append(JobSubmitted(job=job_id, client=sender, model=payload.model, named=payload.provider))


def new_job(parameters: Parameters, client: bytes, payload: JobSubmit, cost: Cost, *, large: bool = False) -> Job:
    """Return a job as it is when it opens (J10), of a run that costs so much and gives values over 4 KiB if `large`."""
    terms = parameters.tiers.of(payload.tier)
    allowed, fee = run_ms(cost), fee_of(parameters, gas_of_run(cost, payload.class_))
    return Job(
        client=client,
        model=payload.model,
        lowering=payload.lowering,
        input=payload.input,
        large=large,
        tier=payload.tier,
        k=terms.k,
        audit_bps=terms.q_bps,
        chosen=False,
        class_=payload.class_,
        run_ms=allowed,
        max_price=payload.max_price,
        at_risk=payload.at_risk,
        bond_multiple=terms.bond_multiple,
        verifier_fee=fee,
        run_fee=run_fee_of(parameters, allowed),
        named=payload.provider,
        reply_key=payload.reply_key,
        canary=payload.canary,
        canary_opened=False,
        batch=None,
        state=JobState.OPEN,
        outcome=None,
        escrow=escrow_of(terms.k, payload.max_price, fee),
        forfeited=0,
        due_live_ms=None,
        provider=None,
        price=0,
        provider_locked=0,
        commitment=None,
        commit_height=0,
        cut=None,
        outputs=None,
        sealed=None,
        picked=None,
        opened=False,
        redrawn=False,
        disputes=0,
        ruled=None,
        verifiers=[],
        payouts=[],
        penalties=[],
        declined=[],
        history=[],
    )


def is_large(payload: JobSubmit, lowering: Lowering) -> bool:
    """Tell whether values of a job go on the chain by their ids (V123)."""
    return not (lowering.cut_is_whole(payload.class_) and lowering.outputs_are_whole)


def _check_terms(moment: Moment, payload: JobSubmit, lowering: Lowering) -> None:
    if not lowering.offers(payload.class_):
        wanted = " or ".join(each.name.lower() for each in Class if lowering.offers(each))
        raise Refused(Reason.CLASS_NOT_OFFERED, seen=payload.class_.name.lower(), wanted=wanted)
    check_version(moment, lowering)
    _check_reply_key(payload, lowering)
    input_max = min(moment.parameters.input_bytes_max, BUNDLE_BYTES_MAX)
    if payload.input.length > input_max:
        raise Refused(Reason.INPUT_TOO_LARGE, seen=payload.input.length, wanted=input_max)
    if payload.max_price == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="a price above 0")


def _check_reply_key(payload: JobSubmit, lowering: Lowering) -> None:
    """Raise Refused BAD_KEY or REPLY_KEY_WANTED unless large outputs can be sealed to the client (J72)."""
    if payload.reply_key is not None:
        check_exchange_key(payload.reply_key)
    elif not lowering.outputs_are_whole:
        size = sum(map(bytes_of, lowering.outputs))
        raise Refused(Reason.REPLY_KEY_WANTED, seen=size, wanted=f"at most {SMALL_VALUES_BYTES_MAX} bytes without")


def _check_provider(moment: Moment, payload: JobSubmit, model: Model, lowering: Lowering) -> None:
    if payload.provider is None:
        return
    worker = moment.state.worker(payload.provider)
    if worker is None:
        raise Refused(Reason.PROVIDER_UNKNOWN, provider=payload.provider)
    if worker.capacity == 0:
        raise Refused(Reason.NO_CAPACITY, seen=0, wanted="a slot")
    if not can_run(worker, model, payload.class_):
        raise Refused(Reason.NO_CAPACITY, seen=model.file.length, wanted=worker.max_model_bytes)
    least = asked(worker, lowering.cost, payload.class_)
    if least > payload.max_price:
        raise Refused(Reason.PRICE_TOO_LOW, seen=payload.max_price, wanted=min(least, NUMBER_MAX))


def verifiers_left(able: Sequence[Worker], *, is_named: bool) -> int:
    """Return how many verify of workers that can, where one of them provides unless another one is named (J13)."""
    if is_named or not able:
        return len(able)
    # One operator provides: the count is right for the one that leaves the most verifiers.
    return len(able) - min(Counter(worker.operator for worker in able).values())


def _check_verifiers(moment: Moment, job: Job, model: Model) -> None:
    """Refuse what could not be verified even if every worker were idle (J13)."""
    others = [job.client] if job.named is None else [job.client, job.named]
    lock = verifier_lock(moment.parameters, job.verifier_fee)
    able = [worker for _, worker in not_of(moment.state, others) if could_verify(worker, model, job.class_, lock)]
    left = verifiers_left(able, is_named=job.named is not None)
    if left < job.k:
        raise Refused(Reason.TOO_FEW_VERIFIERS, seen=left, wanted=job.k)
