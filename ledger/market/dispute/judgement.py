"""What is proved of the parties by the trace that stands, and the end of a job's last dispute (X40 to X55)."""

from ledger.events import DisputeDecided, DisputeProved
from ledger.market import bonds, track
from ledger.market import lifecycle as job_life
from ledger.market.dispute import money, rivals, verdicts
from ledger.market.dispute.parties import can_be_judged, is_party, judged_party
from ledger.market.dispute.payloads import DisputeBeyond, SubjectKind
from ledger.market.dispute.records import (
    Dispute,
    DisputeOutcome,
    DisputeStage,
    Finding,
    Role,
)
from ledger.market.dispute.rows import dispute_key, dispute_trace_key, disputes_of, find_dispute
from ledger.market.withheld.records import FilingState
from ledger.market.withheld.rows import filings_of, longest_wait_ms
from ledger.moment import Moment
from ledger.records import Job, JobEvent, Outcome, Penalty
from ledger.state import State, change, deadline_key, job_key, worker_key
from primitives.reasons import Reason, Refused
from vm.manifest import Class
from vm.noise import HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA, THOUSANDTHS
from vm.referee.defence import Blame, decode_beyond, judge_beyond
from vm.referee.ending import TrapProof, judge_trap

NOTHING = Blame()


def prove(moment: Moment, sender: bytes, payload: DisputeBeyond, dispute: Dispute) -> tuple[Dispute, bool]:
    """Return the dispute with what a proof shows of a party, and whether that changes anything.

    Each sender has one try at each party.
    Raises Refused NOT_A_PARTY, ALREADY_REVEALED, SUBJECT_INVALID (X40, X41).
    """
    job = _job(moment.state, dispute)
    if not may_prove(job, dispute, sender):
        raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted="a party, the client, or a claimant of what stands")
    if not is_judged(job, dispute, payload.party):
        raise Refused(Reason.SUBJECT_INVALID, seen=payload.party, wanted="a party that is judged here")
    found = finding_of(dispute, payload.party)
    if sender in found.tried:
        raise Refused(Reason.ALREADY_REVEALED, dispute=payload.dispute, party=payload.party)
    try:
        blame, traps = _blame(moment, job, dispute, payload)
    except Refused:
        blame, traps = NOTHING, False
    worse = change(
        found,
        thousandths=max(found.thousandths, blame.thousandths),
        output=found.output or blame.output,
        tried=[*found.tried, sender],
    )
    moment.events.append(
        DisputeProved(
            dispute=payload.dispute,
            job=dispute.job,
            party=payload.party,
            thousandths=worse.thousandths,
            output=worse.output,
        )
    )
    others = [each for each in dispute.findings if each.party != payload.party]
    ill = dispute.ill_conditioned or blame.ill_conditioned
    after = change(dispute, findings=[*others, worse], ill_conditioned=ill, traps=dispute.traps or traps)
    before = _zone(found), found.output, dispute.ill_conditioned, dispute.traps
    return after, (_zone(worse), worse.output, ill, after.traps) != before


def _zone(found: Finding) -> int:
    """Return how many of the bounds a deviation is beyond: it changes nothing but by these (X51, X54, X55)."""
    return sum(found.thousandths > sigma * THOUSANDTHS for sigma in (HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA))


def _blame(moment: Moment, job: Job, dispute: Dispute, payload: DisputeBeyond) -> tuple[Blame, bool]:
    """Return what a proof shows, and whether it shows a trap.

    Raises Refused where it shows nothing, or nothing that counts here (X42, X43).
    """
    model, lowering = moment.state.model(job.model), moment.state.lowering(job.model, job.lowering)
    assert model is not None
    assert lowering is not None
    [at] = rivals.standing(dispute)
    trace = rivals.trace_at(moment.state, payload.dispute, dispute, at)
    party = judged_party(job, model.model, lowering.lowering, payload.party)
    shown = decode_beyond(payload.proof)
    if isinstance(shown, TrapProof) and trace.noise and not shown.perturbed:
        return NOTHING, judge_trap(trace, shown)  # behind the cut: values are judged, but not of who rejected (X65)
    found = judge_beyond(trace, shown, party)
    of_tail = dispute.subject.kind is SubjectKind.TAIL
    # Outputs follow from a party's own cut: by the whole trace they are judged in class exact alone, which has no cut.
    counts = not found.output if job.class_ is Class.NATIVE and not of_tail else found.output
    if not counts:
        raise Refused(Reason.BAD_PROOF, what="proof", wanted="about what this dispute judges")
    return found, isinstance(shown, TrapProof)


def may_prove(job: Job, dispute: Dispute, who: bytes) -> bool:
    """Tell whether somebody may put a proof about the parties before the referee (X41)."""
    [at] = rivals.standing(dispute)
    return is_party(job, who) or who == job.client or any(each.who == who for each in rivals.claimants_of(dispute, at))


def is_judged(job: Job, dispute: Dispute, party: bytes) -> bool:
    """Tell whether proofs about a party count in a dispute (X40, X43)."""
    tail = dispute.subject.kind is SubjectKind.TAIL
    return can_be_judged(job, party) and (not tail or party == dispute.subject.party)


def finding_of(dispute: Dispute, party: bytes) -> Finding:
    """Return the worst that was proved of a party: nothing, if nobody has."""
    for each in dispute.findings:
        if each.party == party:
            return each
    return Finding(party=party, thousandths=0, output=False, tried=[])


def outcome_of(dispute: Dispute) -> DisputeOutcome:
    """Return how a dispute has ended that has nothing left to wait for (X44)."""
    stands = rivals.standing(dispute)
    if not stands:
        return DisputeOutcome.NONE_STANDS
    drawn = any(each.role is Role.DRAWN for each in rivals.claimants_of(dispute, stands[0]))
    won = any(each.role is not Role.CHALLENGER for each in rivals.beaten(dispute, stands[0]))
    return DisputeOutcome.UPHELD if drawn or won else DisputeOutcome.UNCONFIRMED


def decide(moment: Moment, dispute_id: bytes, dispute: Dispute) -> Dispute:
    """Note how a dispute ends, and with the job's last one that is open end the job (X50)."""
    outcome = outcome_of(dispute)
    traps = dispute.traps or _ends_early(moment.state, dispute_id, dispute)
    decided = change(dispute, stage=DisputeStage.DECIDED, outcome=outcome, due_live_ms=None, duel=None, traps=traps)
    moment.state.put(dispute_key(dispute_id), decided)
    _free_slots(moment.state, dispute)
    moment.events.append(DisputeDecided(dispute=dispute_id, job=dispute.job, outcome=int(outcome)))
    job = _job(moment.state, dispute)
    left = change(job, disputes=job.disputes - 1)
    moment.state.put(job_key(dispute.job), left)
    if left.disputes == 0:
        _conclude(moment, dispute.job, left)
    after = find_dispute(moment.state, dispute_id)
    assert after is not None
    return after


def _free_slots(state: State, dispute: Dispute) -> None:
    """Free the slots of the drawn workers, who have nothing left to run: their bonds wait for the job's end (X15)."""
    for each in dispute.claims:
        if each.role is Role.DRAWN:
            worker = state.worker(each.who)
            assert worker is not None
            state.put(worker_key(each.who), change(worker, verifying=worker.verifying - 1))


def _ends_early(state: State, dispute_id: bytes, dispute: Dispute) -> bool:
    """Tell whether the trace that stands, if one does, ends before its program: in a trap, or it would have fallen."""
    stands = rivals.standing(dispute)
    if not stands or dispute.outline is None:
        return False
    return rivals.trace_at(state, dispute_id, dispute, stands[0]).first.count < dispute.outline.operations


def _conclude(moment: Moment, job_id: bytes, job: Job) -> None:
    """Carry out what all disputes of a job have found: bonds, costs, bounties, and the end of the job (X50 to X66)."""
    disputes = list(disputes_of(moment.state, job_id))
    ruling = verdicts.ruling_of(job, [each for _, each in disputes])
    until = _open_until(moment, job_id, job)
    if ruling.outcome is Outcome.CLEARED and moment.live_ms < until:
        job_life.hold(moment, job_id, job, until)
        return
    operators = _operators(moment.state, job, [each for _, each in disputes])
    sums = money.settle(job, [each for _, each in disputes], ruling, moment.parameters, operators=operators)
    after = job
    for penalty in sums.penalties:
        after = _take(moment.state, after, penalty)
    for payout in sums.payouts:
        bonds.pay(moment.state, payout)
    for (identity, dispute), share in zip(disputes, sums.shares, strict=True):
        _close(moment, identity, dispute, share)
    assert job.provider is not None
    if ruling.outcome is Outcome.CONVICTED:
        track.convicted(moment, job.provider)
    elif ruling.outcome is Outcome.GREY:
        track.grey(moment, job.provider)
    ruled = change(
        after,
        ruled=ruling.outcome,
        forfeited=0,
        payouts=[*after.payouts, *sums.payouts],
        penalties=[*after.penalties, *sums.penalties],
    )
    job_life.advance(moment, job_id, ruled, JobEvent.VERDICT)


def _open_until(moment: Moment, job_id: bytes, job: Job) -> int:
    """Return until when a job that its disputes clear may be challenged, and asked for its result (X50)."""
    asked: list[int] = []
    for identity, each in filings_of(moment.state, job_id):
        if each.state is FilingState.ASKED and each.due_live_ms is not None:
            asked.append(each.due_live_ms)
        elif each.state is FilingState.WAITING:
            asked.append(moment.live_ms + longest_wait_ms(moment.state, moment.parameters, identity))
    return max([job_life.challengeable_until(moment.parameters, job), *(due + 1 for due in asked)])


def resume(moment: Moment, job_id: bytes, job: Job) -> None:
    """End a job that its disputes had cleared before its challenge window was over, if none has been opened since."""
    assert job.due_live_ms is not None
    moment.state.put(deadline_key(job.due_live_ms, job_id), None)
    waiting = change(job, due_live_ms=None)
    moment.state.put(job_key(job_id), waiting)
    if waiting.disputes == 0:
        _conclude(moment, job_id, waiting)


def _close(moment: Moment, identity: bytes, dispute: Dispute, share: money.Share) -> None:
    """Pay what a dispute's own money goes to, free the drawn workers, and forget the traces: the blocks have them."""
    for trace in dispute.traces:
        moment.state.put(dispute_trace_key(identity, trace.root), None)
    lost = {each.worker: each.amount for each in share.penalties}
    for each in dispute.claims:
        if each.role is Role.DRAWN and each.bond:
            worker = moment.state.worker(each.who)
            assert worker is not None
            freed = change(worker, bond=worker.bond - lost.get(each.who, 0), locked=worker.locked - each.bond)
            moment.state.put(worker_key(each.who), freed)
    for payout in share.payouts:
        bonds.pay(moment.state, payout)
    closed = change(dispute, escrow=0, payouts=share.payouts, penalties=share.penalties)
    moment.state.put(dispute_key(identity), closed)


def _take(state: State, job: Job, penalty: Penalty) -> Job:
    """Take what a party of the job loses of what the job holds of its bond."""
    worker = state.worker(penalty.worker)
    assert worker is not None
    after = change(worker, bond=worker.bond - penalty.amount, locked=worker.locked - penalty.amount)
    state.put(worker_key(penalty.worker), after)
    if penalty.worker == job.provider:
        return change(job, provider_locked=job.provider_locked - penalty.amount)
    verifiers = [
        change(each, locked=each.locked - penalty.amount) if each.worker == penalty.worker else each
        for each in job.verifiers
    ]
    return change(job, verifiers=verifiers)


def _operators(state: State, job: Job, disputes: list[Dispute]) -> dict[bytes, bytes]:
    """Return the operator of everybody with a part in job or disputes: of who is no worker, itself."""
    assert job.provider is not None
    people = [job.provider, *(each.worker for each in job.verifiers)]
    people += [each.who for dispute in disputes for each in dispute.claims]
    found: dict[bytes, bytes] = {}
    for who in people:
        worker = state.worker(who)
        found[who] = who if worker is None else worker.operator
    return found


def _job(state: State, dispute: Dispute) -> Job:
    job = state.job(dispute.job)
    assert job is not None
    return job
