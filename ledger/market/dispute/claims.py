"""Claims: who may make one and what it costs, the draw of fresh workers, and how claims are opened (X10 to X18)."""

from ledger.events import DisputeClaimed, DisputeDrawn, DisputeOpened, DisputeTraced
from ledger.limits import DRAWS_MAX
from ledger.market import lifecycle as job_life
from ledger.market.dispute import lifecycle, rounds
from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.parties import can_be_judged, is_party
from ledger.market.dispute.payloads import (
    DisputeClaim,
    DisputeOpen,
    Subject,
    SubjectKind,
    claim_commitment,
    dispute_id,
)
from ledger.market.dispute.records import (
    CHALLENGERS_MAX,
    DRAWN,
    Claimant,
    Claimed,
    Dispute,
    DisputeEvent,
    DisputeStage,
    OpenedTrace,
    Role,
)
from ledger.market.dispute.rows import (
    dispute_draw_key,
    dispute_draws,
    dispute_of_job_key,
    dispute_trace_key,
    find_dispute,
)
from ledger.market.draw import beacon_ready, can_claim_now, could_verify, not_of, pick, weights
from ledger.market.settlement import verifier_lock
from ledger.moment import Moment, debit
from ledger.records import Job, JobEvent, Marker, Worker
from ledger.state import change, job_key, worker_key
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.manifest import Class
from vm.trace import check_trace, trace_root


def claim(moment: Moment, sender: bytes, payload: DisputeClaim, *, carriage: int) -> None:
    """Commit to a trace; the first claim about a subject opens the dispute.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, SUBJECT_INVALID, DISPUTE_WRONG_STAGE, ALREADY_COMMITTED, CLAIMS_FULL,
    INSUFFICIENT_BALANCE (X10 to X13).
    """
    job = moment.state.job(payload.job)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=payload.job)
    identity = dispute_id(payload.job, payload.subject)
    found = find_dispute(moment.state, identity)
    if found is None:
        _open(moment, sender, job, payload, identity, carriage)
    elif rounds.may_begin(moment, job, found):
        rounds.begin(moment, identity, found)
        _open(moment, sender, job, payload, identity, carriage, number=found.round + 1)
    else:
        _join(moment, sender, job, payload, identity, found, carriage)
    moment.events.append(DisputeClaimed(dispute=identity, job=payload.job, claimant=sender))


def _open(
    moment: Moment,
    sender: bytes,
    job: Job,
    payload: DisputeClaim,
    identity: bytes,
    carriage: int,
    *,
    number: int = 0,
) -> None:
    """Open a dispute, or a round of it, by its first claim."""
    job_life.expect(job, JobEvent.CLAIM)  # X1
    _check_subject(job, payload.subject)
    bond = claim_bond(moment.parameters, job)
    debit(moment.state, sender, bond)  # X12: the drawn are paid from it, whoever claims
    role = Role.PARTY if is_party(job, sender) else Role.CHALLENGER
    first = _claimant(moment, sender, role, bond, payload.commitment, carriage)
    dispute = change(new_dispute(payload.job, payload.subject, first, height=moment.height), round=number)
    moment.events.append(DisputeOpened(dispute=identity, job=payload.job, claimant=sender))
    moment.state.put(dispute_of_job_key(payload.job, identity), Marker())
    moment.state.put(dispute_draw_key(moment.height, identity), Marker())
    opened = change(job, disputes=job.disputes + 1)
    if number:
        moment.state.put(job_key(payload.job), opened)  # a job's history has no room for rounds
    else:
        job_life.advance(moment, payload.job, opened, JobEvent.CLAIM, who=sender)
    lifecycle.start(moment, identity, dispute)


def new_dispute(job_id: bytes, subject: Subject, first: Claimant, *, height: int) -> Dispute:
    """Return a dispute as it is when a block at `height` opens it with its first claim (X1)."""
    return Dispute(
        job=job_id,
        subject=subject,
        round=0,
        past=False,
        stage=DisputeStage.DRAWING,
        outcome=None,
        opened_height=height,
        due_live_ms=None,
        heard=0,
        spare_ms=0,
        outline=None,
        escrow=first.bond,
        claims=[first],
        traces=[],
        duel=None,
        duels=0,
        ill_conditioned=False,
        traps=False,
        findings=[],
        payouts=[],
        penalties=[],
    )


def _check_subject(job: Job, subject: Subject) -> None:
    """Raise Refused SUBJECT_INVALID unless a dispute may be about it (X1)."""
    if subject.kind is SubjectKind.WHOLE:
        if subject.party is not None:
            raise Refused(Reason.SUBJECT_INVALID, seen=subject.party, wanted="nobody's, for the whole")
        return
    if job.class_ is not Class.NATIVE:
        raise Refused(Reason.SUBJECT_INVALID, seen="a tail", wanted="the whole, in class exact")
    if subject.party is None or not can_be_judged(job, subject.party):
        raise Refused(Reason.SUBJECT_INVALID, seen=subject.party, wanted="a party that has revealed")


def _join(
    moment: Moment, sender: bytes, job: Job, payload: DisputeClaim, identity: bytes, dispute: Dispute, carriage: int
) -> None:
    """Add a claim to a dispute."""
    lifecycle.expect(dispute, DisputeEvent.CLAIM)
    mine = next((each for each in dispute.claims if each.who == sender), None)
    if mine is not None:
        if mine.commitment is not None:
            raise Refused(Reason.ALREADY_COMMITTED, dispute=identity)
        claimed = change(mine, commitment=payload.commitment, height=moment.height, carriage=carriage)
        after = change(dispute, claims=[claimed if each.who == sender else each for each in dispute.claims])
    elif is_party(job, sender):
        joined = _claimant(moment, sender, Role.PARTY, 0, payload.commitment, carriage)
        after = change(dispute, claims=[*dispute.claims, joined])
    else:
        if sum(each.role is Role.CHALLENGER for each in dispute.claims) >= CHALLENGERS_MAX:
            raise Refused(Reason.CLAIMS_FULL, seen=CHALLENGERS_MAX, wanted=f"fewer than {CHALLENGERS_MAX} challengers")
        bond = claim_bond(moment.parameters, job)
        debit(moment.state, sender, bond)
        joined = _claimant(moment, sender, Role.CHALLENGER, bond, payload.commitment, carriage)
        after = change(dispute, claims=[*dispute.claims, joined], escrow=dispute.escrow + bond)
    lifecycle.advance(moment, identity, after, DisputeEvent.CLAIM)


def _claimant(moment: Moment, who: bytes, role: Role, bond: int, commitment: bytes, carriage: int) -> Claimant:
    return Claimant(
        who=who, role=role, bond=bond, commitment=commitment, height=moment.height, trace=None, carriage=carriage
    )


def draw_pending(moment: Moment) -> None:
    """Draw fresh workers for the disputes whose beacon is ready, and three of whom are free (X15)."""
    for height, identity in list(dispute_draws(moment.state, limit=DRAWS_MAX)):
        if not beacon_ready(moment.state, height):
            return
        dispute = find_dispute(moment.state, identity)
        assert dispute is not None
        free, idle = _eligible(moment, dispute)
        if len(free) >= min(DRAWN, idle):
            _draw(moment, identity, dispute, free)


def draw_due(moment: Moment, identity: bytes, dispute: Dispute) -> bool:
    """Draw whoever is free for a dispute that waits no longer, and tell whether the beacon was ready (X15)."""
    if not beacon_ready(moment.state, dispute.opened_height):
        return False
    free, _ = _eligible(moment, dispute)
    _draw(moment, identity, dispute, free)
    return True


def _eligible(moment: Moment, dispute: Dispute) -> tuple[list[tuple[bytes, Worker]], int]:
    """Return the fresh workers that are free (address and row), and how many would be if all were idle.

    Fresh is who has no part in job or dispute, nor shares an operator with who has one (X15).
    """
    job = moment.state.job(dispute.job)
    assert job is not None
    assert job.provider is not None
    entry = moment.state.model(job.model)
    assert entry is not None
    model, lock = entry.model, verifier_lock(moment.parameters, job.verifier_fee)
    parties = [job.client, job.provider, *(each.worker for each in job.verifiers)]
    fresh = [
        (address, worker)
        for address, worker in not_of(moment.state, [*parties, *(each.who for each in dispute.claims)])
        if worker.registered < dispute.opened_height and could_verify(worker, model, job.class_, lock)
    ]
    return [each for each in fresh if can_claim_now(each[1], model, job.class_, lock)], len(fresh)


def _draw(moment: Moment, identity: bytes, dispute: Dispute, free: list[tuple[bytes, Worker]]) -> None:
    """Have the beacon draw three of those who are free, or all if they are fewer (X15)."""
    seed = tagged("assay/dispute-draw", moment.beacon, identity)
    picked = pick(seed, weights([worker for _, worker in free]), min(DRAWN, len(free)))
    drawn = [free[at][0] for at in picked]
    job = moment.state.job(dispute.job)
    assert job is not None
    lock = verifier_lock(moment.parameters, job.verifier_fee)
    for address in drawn:
        _lock(moment, address, lock)
    fresh = [
        Claimant(who=who, role=Role.DRAWN, bond=lock, commitment=None, height=0, trace=None, carriage=0)
        for who in drawn
    ]
    moment.events.append(DisputeDrawn(dispute=identity, job=dispute.job, workers=drawn))
    lifecycle.advance(moment, identity, change(dispute, claims=[*dispute.claims, *fresh]), DisputeEvent.DRAW)


def _lock(moment: Moment, address: bytes, lock: int) -> None:
    """Lock bond and slot of a drawn worker as of a verifier (X15)."""
    worker = moment.state.worker(address)
    assert worker is not None
    moment.state.put(worker_key(address), change(worker, locked=worker.locked + lock, verifying=worker.verifying + 1))


def open_claim(moment: Moment, sender: bytes, payload: DisputeOpen, *, carriage: int) -> None:
    """Open a claim to the trace that it committed to.

    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, NOT_A_PARTY, ALREADY_REVEALED, COMMITMENT_MISMATCH, MALFORMED
    (X16, X17).
    """
    dispute = find_dispute(moment.state, payload.dispute)
    if dispute is None:
        raise Refused(Reason.DISPUTE_UNKNOWN, dispute=payload.dispute)
    lifecycle.expect(dispute, DisputeEvent.OPEN)
    mine = next((each for each in dispute.claims if each.who == sender and each.commitment is not None), None)
    if mine is None:
        raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted="a claimant")
    if mine.trace is not None:
        raise Refused(Reason.ALREADY_REVEALED, dispute=payload.dispute)
    root = trace_root(payload.trace)
    seen = claim_commitment(
        genesis=moment.charter.hash, dispute=payload.dispute, claimant=sender, root=root, salt=payload.salt
    )
    if seen != mine.commitment:
        raise Refused(Reason.COMMITMENT_MISMATCH, seen=seen, wanted=mine.commitment)
    _check_form(moment, dispute, payload)
    traces = list(dispute.traces)
    if all(each.root != root for each in traces):
        traces.append(Claimed(root=root, fall=None, beaten_by=None))
        moment.state.put(dispute_trace_key(payload.dispute, root), OpenedTrace(trace=payload.trace))
    at = next(place for place, each in enumerate(traces) if each.root == root)
    opened = change(mine, trace=at, carriage=mine.carriage + carriage)
    claims = [opened if each.who == sender else each for each in dispute.claims]
    moment.events.append(DisputeTraced(dispute=payload.dispute, job=dispute.job, claimant=sender, root=root))
    after = change(dispute, claims=claims, traces=traces, outline=payload.outline)
    lifecycle.advance(moment, payload.dispute, after, DisputeEvent.OPEN)


def _check_form(moment: Moment, dispute: Dispute, payload: DisputeOpen) -> None:
    """Raise Refused MALFORMED unless the trace is of the form that the job's program and class give it (X17)."""
    job = moment.state.job(dispute.job)
    assert job is not None
    lowering = _lowering(moment, job)
    trace = payload.trace
    if (trace.vm_version, trace.program) != (lowering.vm_version, lowering.program_root):
        raise Refused(Reason.MALFORMED, what="program of a trace", seen=trace.program, wanted=lowering.program_root)
    second = job.class_ is Class.NATIVE and dispute.subject.kind is SubjectKind.WHOLE
    check_trace(trace, payload.outline, second=second)
    if second and len(payload.outline.cut) != len(lowering.cut):  # a lowering's record is its publisher's word
        raise Refused(Reason.MALFORMED, what="cut", seen=len(payload.outline.cut), wanted=len(lowering.cut))
    runs = [trace.first] if trace.perturbed is None else [trace.first, trace.perturbed]
    if any((run.count == 0) != (payload.outline.operations == 0) for run in runs):
        raise Refused(Reason.MALFORMED, what="run of a trace", seen=0, wanted="one digest at least")


def _lowering(moment: Moment, job: Job) -> Lowering:
    entry = moment.state.lowering(job.model, job.lowering)
    assert entry is not None
    return entry.lowering
