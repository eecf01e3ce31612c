"""What a dispute waits for from this very sender: a block keeps a place for it, at a capped fee (L36, X18)."""

from ledger.market.dispute import duel
from ledger.market.dispute.hearing import place_of, side_of
from ledger.market.dispute.judgement import finding_of, is_judged, may_prove
from ledger.market.dispute.parties import can_be_judged, is_party
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputePayload,
    DisputeTell,
    dispute_id,
)
from ledger.market.dispute.records import Dispute, DisputeStage, DuelStep, Role
from ledger.market.dispute.rows import find_dispute
from ledger.market.verdicts import verdict_of
from ledger.records import JobState
from ledger.state import State
from ledger.transaction import Decision, Payload


def is_proof(payload: Payload) -> bool:
    """Tell whether a payload keeps the referee busy."""
    return isinstance(payload, DisputeDefend | DisputeBeyond)


def awaited(state: State, sender: bytes, payload: DisputePayload) -> bytes | None:
    """Return dispute and sender of what a dispute, or a contested job, waits for from this sender, else None (L36)."""
    if isinstance(payload, DisputeClaim):
        return _awaited_claim(state, sender, payload)
    dispute = find_dispute(state, payload.dispute)
    if dispute is None:
        return None
    waits: bool
    match payload:
        case DisputeOpen():
            waits = dispute.stage is DisputeStage.OPENING and any(
                each.who == sender and each.commitment is not None and each.trace is None for each in dispute.claims
            )
        case DisputeTell() | DisputeLeaf() | DisputeDefend():
            waits = _awaits_act(dispute, sender, payload)
        case DisputeBeyond():
            waits = _awaits_proof(state, dispute, sender, payload)
    return payload.dispute + sender if waits else None


def _awaited_claim(state: State, sender: bytes, payload: DisputeClaim) -> bytes | None:
    """Return the place of a claim that a drawn worker or a party may make, or a verifier who has rejected owes."""
    identity = dispute_id(payload.job, payload.subject)
    dispute, job = find_dispute(state, identity), state.job(payload.job)
    if job is None or job.provider is None:
        return None
    if dispute is None:
        mine = [each for each in job.verifiers if each.worker == sender]
        rejects = any(verdict_of(job, each) is Decision.REJECT for each in mine)
        is_owed = job.state in (JobState.CONTESTED, JobState.DISPUTED)  # others may have disputed something else first
        of_party = payload.subject.party is None or can_be_judged(job, payload.subject.party)  # not of who is made up
        return identity + sender if is_owed and rejects and of_party else None
    if dispute.stage not in (DisputeStage.DRAWING, DisputeStage.CLAIMING):
        return None
    claim = next((each for each in dispute.claims if each.who == sender), None)
    waits = is_party(job, sender) if claim is None else claim.role is Role.DRAWN and claim.commitment is None
    return identity + sender if waits else None


def _awaits_act(dispute: Dispute, sender: bytes, payload: DisputeTell | DisputeLeaf | DisputeDefend) -> bool:
    """Tell whether a duel waits for such an act of a claimant of this side."""
    fought, at = dispute.duel, side_of(dispute, payload.root)
    if fought is None or at is None or duel.acted(fought, at):
        return False
    claimant = place_of(dispute, fought, at, sender)
    if claimant is None:
        return False
    match payload:
        case DisputeTell():
            return fought.step in (DuelStep.RUN, DuelStep.ROWS, DuelStep.VALUE)
        case DisputeLeaf():
            return fought.step is DuelStep.LEAF
        case DisputeDefend():
            return fought.step is DuelStep.DEFENCE and claimant not in fought.sides[at].tried


def _awaits_proof(state: State, dispute: Dispute, sender: bytes, payload: DisputeBeyond) -> bool:
    """Tell whether a sender may still have a proof about a party heard."""
    job = state.job(dispute.job)
    if dispute.stage is not DisputeStage.JUDGING or job is None or not may_prove(job, dispute, sender):
        return False
    # Else who has nothing to show could take the referee's turn over and over, by naming who isn't judged.
    return is_judged(job, dispute, payload.party) and sender not in finding_of(dispute, payload.party).tried


def turn(state: State, sender: bytes, payload: Payload) -> tuple[int, int] | None:
    """Return what orders a proof among those that want the referee's next turn, lower ones first (N53).

    That is how many proofs its dispute has had heard in this duel or judgement, and when the time for it ends: who has
    many heard in one dispute keeps no other from its turn. None for what is no proof that a dispute waits for.
    """
    if not isinstance(payload, DisputeDefend | DisputeBeyond) or awaited(state, sender, payload) is None:
        return None
    dispute = find_dispute(state, payload.dispute)
    assert dispute is not None
    assert dispute.due_live_ms is not None
    sides = [] if dispute.duel is None else dispute.duel.sides
    heard = sum(len(side.tried) for side in sides) + sum(len(each.tried) for each in dispute.findings)
    return heard, dispute.due_live_ms
