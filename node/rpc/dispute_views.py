"""From the ledger's record of a dispute to the API's object."""

from ledger.market.dispute import duel
from ledger.market.dispute.records import Claimant, Claimed, Dispute, Duel
from node.rpc.dispute_shapes import (
    ClaimantShape,
    DisputeShape,
    DuelShape,
    FindingShape,
    SideShape,
    SubjectShape,
    TraceShape,
)
from node.rpc.views import Views


def dispute_shape(prefix: str, identity: bytes, dispute: Dispute) -> DisputeShape:
    """Return all of a dispute."""
    views = Views(prefix)
    return DisputeShape(
        id=identity.hex(),
        job=dispute.job.hex(),
        subject=SubjectShape(
            kind=dispute.subject.kind.name.lower(), party=views.address_or_none(dispute.subject.party)
        ),
        round=dispute.round,
        past=dispute.past,
        stage=dispute.stage.name.lower(),
        outcome=None if dispute.outcome is None else dispute.outcome.name.lower(),
        opened_height=dispute.opened_height,
        due_live_ms=dispute.due_live_ms,
        claims=[_claim(views, dispute, each) for each in dispute.claims],
        traces=[_trace(dispute, each) for each in dispute.traces],
        duel=None if dispute.duel is None else _duel(dispute, dispute.duel),
        duels=dispute.duels,
        ill_conditioned=dispute.ill_conditioned,
        findings=[
            FindingShape(party=views.address(each.party), thousandths=each.thousandths, outputs_differ=each.output)
            for each in dispute.findings
        ],
        payouts=[views.payout(each) for each in dispute.payouts],
        penalties=[views.penalty(each) for each in dispute.penalties],
    )


def _claim(views: Views, dispute: Dispute, claim: Claimant) -> ClaimantShape:
    return ClaimantShape(
        who=views.address(claim.who),
        role=claim.role.name.lower(),
        bond=str(claim.bond),
        claimed=claim.commitment is not None,
        trace=None if claim.trace is None else dispute.traces[claim.trace].root.hex(),
    )


def _trace(dispute: Dispute, trace: Claimed) -> TraceShape:
    return TraceShape(
        root=trace.root.hex(),
        struck=None if trace.fall is None else trace.fall.name.lower(),
        beaten_by=None if trace.beaten_by is None else dispute.traces[trace.beaten_by].root.hex(),
    )


def _duel(dispute: Dispute, under_way: Duel) -> DuelShape:
    return DuelShape(
        part=under_way.part.name.lower(),
        step=under_way.step.name.lower(),
        operation=under_way.number,
        sides=[
            SideShape(trace=dispute.traces[side.trace].root.hex(), owes=not duel.acted(under_way, at))
            for at, side in enumerate(under_way.sides)
        ],
    )
