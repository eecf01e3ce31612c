"""Methods about disputes: what the chain holds of them, and what this node can find out and claim by itself."""

from collections.abc import Iterator

from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.payloads import Subject
from ledger.market.dispute.records import Dispute
from ledger.market.dispute.rows import disputes, disputes_of, find_dispute
from node.compute.disputes.examine import Found
from node.compute.disputes.service import Disputes
from node.rpc.dispute_shapes import (
    Challenged,
    DisputeList,
    DisputePage,
    DisputeShape,
    Examined,
    FindingShape,
    SubjectShape,
)
from node.rpc.dispute_views import dispute_shape
from node.rpc.market_methods import page_of
from node.rpc.method import Method
from node.rpc.services import Services
from node.rpc.shapes import ById
from primitives.address import address_text
from primitives.reasons import Reason, Refused


async def dispute_list(services: Services, params: DisputePage) -> DisputeList:
    """Return disputes by id, on request those of one job, or those that are not decided."""
    prefix = services.chain.genesis.prefix
    page, more = await page_of(_wanted(services, params), params.cursor, params.limit)
    found = [dispute_shape(prefix, identity, dispute) for identity, dispute in page]
    return DisputeList(disputes=found, next=found[-1].id if more else None)


def _wanted(services: Services, params: DisputePage) -> Iterator[tuple[bytes, Dispute]]:
    state = services.chain.state()
    rows = disputes(state) if params.job is None else iter(disputes_of(state, bytes.fromhex(params.job)))
    return ((identity, row) for identity, row in rows if not (params.open_only and row.outcome is not None))


async def dispute_show(services: Services, params: ById) -> DisputeShape:
    """Return all that the chain holds of a dispute: claims, traces, the duel under way, findings, and who was paid."""
    identity = bytes.fromhex(params.id)
    dispute = find_dispute(services.chain.state(), identity)
    if dispute is None:
        raise Refused(Reason.DISPUTE_UNKNOWN, dispute=identity)
    return dispute_shape(services.chain.genesis.prefix, identity, dispute)


async def dispute_examine(services: Services, params: ById) -> Examined:
    """Run a job canonically in this node's sandbox and hold what its parties have shown against it; claims nothing."""
    job_id = bytes.fromhex(params.id)
    job = services.chain.state().job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    found, subject = await _disputes(services).examine(job_id)
    prefix = services.chain.genesis.prefix
    return Examined(
        job=params.id,
        findings=[_finding(prefix, each) for each in found],
        subject=None if subject is None else _subject(prefix, subject),
        bond=str(claim_bond(services.chain.genesis.parameters, job)),
    )


async def dispute_challenge(services: Services, params: ById) -> Challenged:
    """Examine a job and, if there is a case, open a dispute with a bond from the worker's balance."""
    job_id = bytes.fromhex(params.id)
    disputes = _disputes(services)
    _, subject = await disputes.examine(job_id)
    if subject is None:
        raise Refused(Reason.NO_CASE, job=job_id, wanted="values that differ from the canonical ones")
    return Challenged(dispute=(await disputes.claim(job_id, subject)).hex())


def _disputes(services: Services) -> Disputes:
    if services.disputes is None:
        raise Refused(Reason.NOT_A_WORKER, wanted="a node with the role of a worker")
    return services.disputes


def _finding(prefix: str, found: Found) -> FindingShape:
    party = address_text(found.party, prefix)
    return FindingShape(party=party, thousandths=found.thousandths, outputs_differ=found.outputs_differ)


def _subject(prefix: str, subject: Subject) -> SubjectShape:
    party = None if subject.party is None else address_text(subject.party, prefix)
    return SubjectShape(kind=subject.kind.name.lower(), party=party)


METHODS = (
    Method(name="dispute.list", params=DisputePage, result=DisputeList, answer=dispute_list),
    Method(name="dispute.show", params=ById, result=DisputeShape, answer=dispute_show),
    Method(name="dispute.examine", params=ById, result=Examined, answer=dispute_examine, is_admin=True),
    Method(name="dispute.challenge", params=ById, result=Challenged, answer=dispute_challenge, is_admin=True),
)
