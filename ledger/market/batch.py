"""Batches: one transaction, one escrow, many jobs of the same terms (J80 to J83)."""

from itertools import pairwise

from ledger.market.job import accept as accept_job
from ledger.market.order_payloads import BatchAccept, BatchItem, BatchSubmit
from ledger.market.pace import gas_of_run
from ledger.market.settlement import escrow_of, fee_of
from ledger.market.submitting import submit as submit_job
from ledger.moment import Moment
from ledger.state import BATCH, State, change, job_key
from ledger.transaction import JobAccept, JobSubmit
from primitives.hashing import AddressBytes, Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U8, U64


class Batch(Record):
    """A batch that was submitted; its key is the id of the transaction that did. All else is in its jobs."""

    client: AddressBytes
    model: Hash
    items: U8
    height: U64


def batch_key(batch_id: bytes) -> bytes:
    """Return the key of a batch."""
    return BATCH + batch_id


def find_batch(state: State, batch_id: bytes) -> Batch | None:
    """Return a batch by its id."""
    return state.find(Batch, batch_key(batch_id))


def item_id(batch_id: bytes, item: int) -> bytes:
    """Return the id of the job that item number `item` of a batch is, 32 bytes (J81)."""
    return tagged("assay/batch-item", batch_id, item.to_bytes(4, "big"))


def submission_of(payload: BatchSubmit, item: BatchItem) -> JobSubmit:
    """Return an item as the submission of a job that it stands for (J81)."""
    return JobSubmit(
        model=payload.model,
        lowering=payload.lowering,
        input=item.input,
        tier=payload.tier,
        class_=payload.class_,
        max_price=payload.max_price,
        provider=payload.provider,
        at_risk=payload.at_risk,
        reply_key=payload.reply_key,
        canary=item.canary,
    )


def submit(moment: Moment, sender: bytes, batch_id: bytes, payload: BatchSubmit) -> None:
    """Open a job for each item and take the escrow of all; all of them or none (J80).

    Raises Refused INSUFFICIENT_BALANCE for what all cost together, else as the submission of a job does, with the
    number of the item.
    """
    terms = moment.parameters.tiers.of(payload.tier)
    found = moment.state.lowering(payload.model, payload.lowering)
    gas = 0 if found is None else gas_of_run(found.lowering.cost, payload.class_)  # the first item refuses a stranger
    fee = fee_of(moment.parameters, gas)
    whole = len(payload.items) * escrow_of(terms.k, payload.max_price, fee)
    balance = moment.state.account(sender).balance
    if balance < whole:
        raise Refused(Reason.INSUFFICIENT_BALANCE, seen=balance, wanted=whole, items=len(payload.items))
    row = Batch(client=sender, model=payload.model, items=len(payload.items), height=moment.height)
    moment.state.put(batch_key(batch_id), row)
    for at, item in enumerate(payload.items):
        job_id = item_id(batch_id, at)
        try:
            submit_job(moment, sender, job_id, submission_of(payload, item))
        except Refused as refused:
            raise Refused(refused.reason, **{**refused.facts, "item": at}) from None
        job = moment.state.job(job_id)
        assert job is not None
        moment.state.put(job_key(job_id), change(job, batch=batch_id))


def accept(moment: Moment, sender: bytes, payload: BatchAccept) -> None:
    """Make the sender the provider of several items; all of them or none (J82).

    Raises Refused BATCH_UNKNOWN, REQUEST_INVALID unless the numbers ascend and the batch has them, else as the
    acceptance of a job does, with the number of the item.
    """
    batch = find_batch(moment.state, payload.batch)
    if batch is None:
        raise Refused(Reason.BATCH_UNKNOWN, batch=payload.batch)
    ascends = all(one < other for one, other in pairwise(payload.items))
    if not ascends or payload.items[-1] >= batch.items:
        raise Refused(
            Reason.REQUEST_INVALID, what="items", seen=payload.items[-1], wanted=f"ascending, below {batch.items}"
        )
    for at in payload.items:
        try:
            accept_job(moment, sender, JobAccept(job=item_id(payload.batch, at), price=payload.price))
        except Refused as refused:
            raise Refused(refused.reason, **{**refused.facts, "item": at}) from None
