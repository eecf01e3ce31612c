"""Jobs: what each payload about them checks and changes (J10). Who, may they, pay, change."""

from collections import Counter

from ledger.events import (
    JobAccepted,
    JobCommitted,
    JobDrawn,
    JobSubmitted,
    ProviderRevealed,
    VerifierCommitted,
    VerifierRevealed,
)
from ledger.limits import DRAW_QUEUE_MAX, DRAWS_MAX
from ledger.market.asking import asked
from ledger.market.commitment import Opened, commitment, open_bundles
from ledger.market.draw import beacon_ready, can_run, could_verify, draw, not_of
from ledger.market.lifecycle import advance, expect, start
from ledger.market.model import check_version
from ledger.market.pace import run_ms
from ledger.market.settlement import escrow_of, provider_lock
from ledger.market.worker import known_worker
from ledger.moment import Moment, debit
from ledger.parameters import Parameters, Tier
from ledger.records import DECLINES_MAX, Declined, Job, JobEvent, JobState, Revealed, Verifier
from ledger.state import change, revealed_key
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobDecline,
    JobSubmit,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
)
from primitives.reasons import Reason, Refused
from primitives.units import NUMBER_MAX
from vm.compare import compare_bundles
from vm.lowering import Lowering
from vm.manifest import Class, Model
from vm.tensor import BUNDLE_BYTES_MAX, Bundle, decode_small_bundle


def submit(moment: Moment, sender: bytes, job_id: bytes, payload: JobSubmit) -> None:
    """Open a job and take its escrow.

    Raises Refused MODEL_UNKNOWN, LOWERING_UNKNOWN, TIER_NOT_YET, CLASS_NOT_OFFERED, LOWERING_INVALID,
    INPUT_TOO_LARGE, ZERO_AMOUNT, PROVIDER_UNKNOWN, NO_CAPACITY, PRICE_TOO_LOW, TOO_FEW_VERIFIERS,
    INSUFFICIENT_BALANCE (J10).
    """
    entry = moment.state.model(payload.model)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=payload.model)
    found = moment.state.lowering(payload.model, payload.lowering)
    if found is None:
        raise Refused(Reason.LOWERING_UNKNOWN, model=payload.model, lowering=payload.lowering)
    _check_terms(moment, payload, found.lowering)
    _check_provider(moment, payload, entry.model, found.lowering)
    _check_verifiers(moment, sender, payload, entry.model)
    job = new_job(moment.parameters, sender, payload, run_ms=run_ms(found.lowering.cost))
    debit(moment.state, sender, job.escrow)
    start(moment, job_id, job)
    moment.events.append(JobSubmitted(job=job_id, client=sender, model=payload.model, named=payload.provider))


def new_job(parameters: Parameters, client: bytes, payload: JobSubmit, *, run_ms: int) -> Job:
    """Return a job as it is when it opens (J10); a run may take `run_ms`."""
    terms = parameters.tiers.of(payload.tier)
    return Job(
        client=client,
        model=payload.model,
        lowering=payload.lowering,
        input=payload.input,
        tier=payload.tier,
        k=terms.k,
        audit_bps=terms.q_bps,
        class_=payload.class_,
        run_ms=run_ms,
        max_price=payload.max_price,
        at_risk=payload.at_risk,
        bond_multiple=terms.bond_multiple,
        verifier_fee=parameters.verifier_fee,
        named=payload.provider,
        reply_key=payload.reply_key,
        canary=payload.canary,
        canary_opened=False,
        batch=None,
        state=JobState.OPEN,
        outcome=None,
        escrow=escrow_of(parameters, terms.k, payload.max_price),
        due_live_ms=None,
        provider=None,
        price=0,
        provider_locked=0,
        commitment=None,
        commit_height=0,
        cut=None,
        outputs=None,
        sealed=None,
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


def _check_terms(moment: Moment, payload: JobSubmit, lowering: Lowering) -> None:
    if payload.tier is not Tier.HIGH:
        raise Refused(Reason.TIER_NOT_YET, seen=payload.tier.name.lower(), wanted="high")
    if not lowering.offers(payload.class_):
        wanted = " or ".join(each.name.lower() for each in Class if lowering.offers(each))
        raise Refused(Reason.CLASS_NOT_OFFERED, seen=payload.class_.name.lower(), wanted=wanted)
    check_version(moment, lowering)
    input_max = min(moment.parameters.input_bytes_max, BUNDLE_BYTES_MAX)
    if payload.input.length > input_max:
        raise Refused(Reason.INPUT_TOO_LARGE, seen=payload.input.length, wanted=input_max)
    if payload.max_price == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="a price above 0")


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


def _check_verifiers(moment: Moment, sender: bytes, payload: JobSubmit, model: Model) -> None:
    """Refuse what could not be verified even if every worker were idle (J13)."""
    others = [sender] if payload.provider is None else [sender, payload.provider]
    able = [w for _, w in not_of(moment.state, others) if could_verify(w, model, payload.class_, moment.parameters)]
    left = len(able)
    if payload.provider is None and able:
        # One operator provides: the count is right for the one that leaves the most verifiers.
        left -= min(Counter(worker.operator for worker in able).values())
    k = moment.parameters.tiers.of(payload.tier).k
    if left < k:
        raise Refused(Reason.TOO_FEW_VERIFIERS, seen=left, wanted=k)


def accept(moment: Moment, sender: bytes, payload: JobAccept) -> None:
    """Make the sender the job's provider.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, WORKER_UNKNOWN, WRONG_PROVIDER, PRICE_ABOVE_CAP, NO_CAPACITY,
    BOND_TOO_SMALL (J11).
    """
    job = _known(moment, payload.job, JobEvent.ACCEPT)
    worker = known_worker(moment, sender)
    if job.named not in (None, sender):
        raise Refused(Reason.WRONG_PROVIDER, seen=sender, wanted=job.named)
    if payload.price > job.max_price:
        raise Refused(Reason.PRICE_ABOVE_CAP, seen=payload.price, wanted=job.max_price)
    model = _model(moment, job)
    if worker.providing >= worker.capacity:
        raise Refused(Reason.NO_CAPACITY, seen=worker.providing, wanted=f"fewer than {worker.capacity} jobs")
    if not can_run(worker, model, job.class_):
        raise Refused(Reason.NO_CAPACITY, seen=model.file.length, wanted=worker.max_model_bytes)
    lock = provider_lock(job, payload.price)
    if worker.free_bond < lock:
        raise Refused(Reason.BOND_TOO_SMALL, seen=worker.free_bond, wanted=lock)
    moment.events.append(JobAccepted(job=payload.job, provider=sender, price=payload.price))
    held = change(job, provider=sender, price=payload.price)
    advance(moment, payload.job, held, JobEvent.ACCEPT, who=sender)


def decline(moment: Moment, sender: bytes, payload: JobDecline) -> None:
    """Note why the sender does not provide an open job; the decline of the one named ends it.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, WORKER_UNKNOWN, WRONG_PROVIDER, ALREADY_DECLINED (J14).
    """
    job = _known(moment, payload.job, JobEvent.DECLINE)
    known_worker(moment, sender)
    if job.named not in (None, sender):
        raise Refused(Reason.WRONG_PROVIDER, seen=sender, wanted=job.named)
    if len(job.declined) >= DECLINES_MAX or any(each.worker == sender for each in job.declined):
        raise Refused(Reason.ALREADY_DECLINED, seen=len(job.declined), wanted=f"fewer than {DECLINES_MAX}, once each")
    noted = change(job, declined=[*job.declined, Declined(worker=sender, reason=payload.reason)])
    advance(moment, payload.job, noted, JobEvent.DECLINE, who=sender)


def commit(moment: Moment, sender: bytes, payload: JobCommit) -> None:
    """Bind the provider to its values. Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY (J20)."""
    job = _known(moment, payload.job, JobEvent.COMMIT)
    _check_provider_is(job, sender)
    moment.events.append(JobCommitted(job=payload.job, provider=sender))
    committed = change(job, commitment=payload.commitment, commit_height=moment.height)
    advance(moment, payload.job, committed, JobEvent.COMMIT, who=sender)


def verifier_commit(moment: Moment, sender: bytes, payload: VerifierCommit) -> None:
    """Bind a drawn verifier to its values.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, ALREADY_COMMITTED (J21).
    """
    job = _known(moment, payload.job, JobEvent.VERIFIER_COMMIT)
    mine = _verifier(job, sender)
    if mine.commitment is not None:
        raise Refused(Reason.ALREADY_COMMITTED, job=payload.job)
    moment.events.append(VerifierCommitted(job=payload.job, verifier=sender))
    noted = _with_verifier(job, change(mine, commitment=payload.commitment))
    advance(moment, payload.job, noted, JobEvent.VERIFIER_COMMIT, who=sender)


def provider_reveal(moment: Moment, sender: bytes, payload: ProviderReveal) -> None:
    """Open the provider's commitment.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, COMMITMENT_MISMATCH, WRONG_SHAPE, TOO_LARGE,
    MALFORMED (J22).
    """
    job = _known(moment, payload.job, JobEvent.PROVIDER_REVEAL)
    _check_provider_is(job, sender)
    opened = _opened(moment, sender, job, payload, job.commitment)
    moment.state.put(revealed_key(payload.job), Revealed(cut=payload.cut, outputs=payload.outputs))
    moment.events.append(ProviderRevealed(job=payload.job, cut=opened.cut_id, outputs=opened.outputs_id))
    shown = change(job, cut=opened.cut_id, outputs=opened.outputs_id)
    advance(moment, payload.job, shown, JobEvent.PROVIDER_REVEAL, who=sender)


def verifier_reveal(moment: Moment, sender: bytes, payload: VerifierReveal) -> None:
    """Open a verifier's commitment; its verdict must be what the comparison says.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, ALREADY_REVEALED, COMMITMENT_MISMATCH, WRONG_SHAPE,
    TOO_LARGE, MALFORMED, VERDICT_CONTRADICTS (J23, J24).
    """
    job = _known(moment, payload.job, JobEvent.VERIFIER_REVEAL)
    mine = _verifier(job, sender)
    if mine.verdict is not None:
        raise Refused(Reason.ALREADY_REVEALED, job=payload.job)
    opened = _opened(moment, sender, job, payload, mine.commitment)
    shown = moment.state.revealed(payload.job)
    assert shown is not None
    provided = decode_small_bundle(shown.cut), decode_small_bundle(shown.outputs)
    found = judge((opened.cut, opened.outputs), provided, _lowering(moment, job), job.class_)
    if found not in (None, payload.verdict):
        raise Refused(Reason.VERDICT_CONTRADICTS, seen=payload.verdict.name.lower(), wanted=found.name.lower())
    moment.events.append(VerifierRevealed(job=payload.job, verifier=sender, verdict=payload.verdict))
    revealed = change(mine, cut=opened.cut_id, outputs=opened.outputs_id, verdict=payload.verdict)
    advance(moment, payload.job, _with_verifier(job, revealed), JobEvent.VERIFIER_REVEAL, who=sender)


def judge(
    own: tuple[Bundle, Bundle], provided: tuple[Bundle, Bundle], lowering: Lowering, class_: Class
) -> Decision | None:
    """Return the verdict on the provider's cut and outputs; the verifier's own are the reference (J24).

    None where it takes more than a comparison: the cuts agree but are not equal, so the outputs must be recomputed
    from the provider's own cut (J25), which is a worker's work.
    """
    if class_ is Class.EXACT or own[0] == provided[0]:
        return Decision.ACCEPT if own == provided else Decision.REJECT
    assert lowering.tolerance is not None
    return None if compare_bundles(own[0], provided[0], lowering.tolerance).within else Decision.REJECT


def draw_pending(moment: Moment) -> None:
    """Draw the verifiers of jobs for which the beacon is ready and enough workers are free (J30)."""
    state = moment.state
    ready = _ready_for_draw(moment)
    # Where more are ready than a block tries, the blocks take turns: some may be such as nobody can verify (L42).
    first = moment.height * DRAWS_MAX % len(ready) if len(ready) > DRAWS_MAX else 0
    for job_id in [*ready[first:], *ready[:first]][:DRAWS_MAX]:
        job = state.job(job_id)
        assert job is not None
        drawn = draw(moment, job_id, job, _model(moment, job))
        if drawn is None:
            continue
        moment.events.append(JobDrawn(job=job_id, verifiers=drawn))
        verifiers = [new_verifier(worker) for worker in drawn]
        advance(moment, job_id, change(job, verifiers=verifiers), JobEvent.DRAW)


def new_verifier(worker: bytes) -> Verifier:
    """Return the part of a verifier that has just been drawn."""
    return Verifier(
        worker=worker,
        locked=0,
        commitment=None,
        cut=None,
        outputs=None,
        verdict=None,
        opened=False,
        holds=False,
    )


def _ready_for_draw(moment: Moment) -> list[bytes]:
    """Return the jobs for which the beacon is ready, the earliest commitments first."""
    ready: list[bytes] = []
    looked_at = -1
    for height, job_id in moment.state.draws(limit=DRAW_QUEUE_MAX):
        if height != looked_at and not beacon_ready(moment.state, height):
            break  # later commitments have seen no more reveals than this one
        looked_at = height
        ready.append(job_id)
    return ready


def _known(moment: Moment, job_id: bytes, event: JobEvent) -> Job:
    """Return the job, if it waits for such an event. Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE."""
    job = moment.state.job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    expect(job, event)
    return job


def _model(moment: Moment, job: Job) -> Model:
    entry = moment.state.model(job.model)
    assert entry is not None
    return entry.model


def _lowering(moment: Moment, job: Job) -> Lowering:
    entry = moment.state.lowering(job.model, job.lowering)
    assert entry is not None
    return entry.lowering


def _check_provider_is(job: Job, sender: bytes) -> None:
    if job.provider != sender:
        raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted=job.provider)


def _verifier(job: Job, sender: bytes) -> Verifier:
    """Return the sender's part in the job. Raises Refused NOT_A_PARTY."""
    for each in job.verifiers:
        if each.worker == sender:
            return each
    raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted="a drawn verifier")


def _with_verifier(job: Job, changed: Verifier) -> Job:
    verifiers = [changed if each.worker == changed.worker else each for each in job.verifiers]
    return change(job, verifiers=verifiers)


def _opened(
    moment: Moment, sender: bytes, job: Job, payload: ProviderReveal | VerifierReveal, committed: bytes | None
) -> Opened:
    """Return the bundles of a reveal. Raises Refused COMMITMENT_MISMATCH, and as `open_bundles` does."""
    found = commitment(
        genesis=moment.charter.hash,
        job=payload.job,
        worker=sender,
        cut=payload.cut,
        outputs=payload.outputs,
        salt=payload.salt,
    )
    if found != committed:
        raise Refused(Reason.COMMITMENT_MISMATCH, seen=found, wanted=committed)
    model, lowering = _model(moment, job), _lowering(moment, job)
    return open_bundles(model, lowering, job.class_, cut=payload.cut, outputs=payload.outputs)
