"""Jobs: what each payload about them checks and changes (J10). Who, may they, pay, change."""

from ledger.events import JobAccepted, JobCommitted, ProviderRevealed, VerifierCommitted, VerifierRevealed
from ledger.market import track
from ledger.market.commitment import Opened, commitment, open_bundles
from ledger.market.draw import can_run
from ledger.market.judging import check_seal, is_forced, judge, provided
from ledger.market.lifecycle import advance, expect
from ledger.market.settlement import provider_lock
from ledger.market.worker import known_worker
from ledger.moment import Moment
from ledger.records import DECLINES_MAX, Declined, Job, JobEvent, Revealed, Verifier
from ledger.state import change, revealed_key
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobDecline,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
)
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.manifest import Model


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
    audit = track.audit_bps(moment.parameters, moment.state.track(sender), job.tier)  # J52
    held = change(job, provider=sender, price=payload.price, audit_bps=audit)
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
    MALFORMED (J22), WRONG_SEAL (J72).
    """
    job = _known(moment, payload.job, JobEvent.PROVIDER_REVEAL)
    _check_provider_is(job, sender)
    opened = _opened(moment, sender, job, payload, job.commitment)
    check_seal(_lowering(moment, job), opened.outputs_id, payload.sealed)
    moment.state.put(revealed_key(payload.job), Revealed(cut=payload.cut, outputs=payload.outputs))
    moment.events.append(ProviderRevealed(job=payload.job, cut=opened.cut_id, outputs=opened.outputs_id))
    shown = change(job, cut=opened.cut_id, outputs=opened.outputs_id, sealed=payload.sealed)
    advance(moment, payload.job, shown, JobEvent.PROVIDER_REVEAL, who=sender)


def verifier_reveal(moment: Moment, sender: bytes, payload: VerifierReveal) -> None:
    """Open a verifier's commitment; its verdict must be what the comparison says.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, ALREADY_REVEALED, COMMITMENT_MISMATCH, WRONG_SHAPE,
    TOO_LARGE, MALFORMED, VERDICT_CONTRADICTS (J23, J24), WRONG_SEAL (J72).
    """
    job = _known(moment, payload.job, JobEvent.VERIFIER_REVEAL)
    mine = _verifier(job, sender)
    if mine.verdict is not None:
        raise Refused(Reason.ALREADY_REVEALED, job=payload.job)
    opened = _opened(moment, sender, job, payload, mine.commitment)
    lowering, accepts = _lowering(moment, job), payload.verdict is Decision.ACCEPT
    other = provided(moment.state, payload.job, job)
    found = judge(opened, other, lowering, job.class_)
    if found not in (None, payload.verdict):
        raise Refused(Reason.VERDICT_CONTRADICTS, seen=payload.verdict.name.lower(), wanted=found.name.lower())
    assert job.outputs is not None
    check_seal(lowering, job.outputs, payload.sealed, owed=accepts)
    moment.events.append(VerifierRevealed(job=payload.job, verifier=sender, verdict=payload.verdict))
    shown = change(mine, cut=opened.cut_id, outputs=opened.outputs_id, verdict=payload.verdict)
    forced = is_forced(opened, other, found, job.class_)
    revealed = change(shown, forced=forced, holds=accepts, sealed=payload.sealed)
    advance(moment, payload.job, _with_verifier(job, revealed), JobEvent.VERIFIER_REVEAL, who=sender)


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
