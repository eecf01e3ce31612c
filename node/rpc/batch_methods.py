"""Methods about batches: one transaction, many jobs."""

from ledger.market.batch import find_batch, item_id
from ledger.records import Job, PayoutKind
from node.rpc.method import AddressText, Amount, HexHash, Method, Shape
from node.rpc.services import Services
from node.rpc.shapes import ById, Content, DeclinedShape
from node.rpc.views import Views, content
from primitives.reasons import Reason, Refused


class ItemShape(Shape):
    """One run of a batch."""

    item: int
    """From 0."""
    job: HexHash
    state: str
    outcome: str | None
    input: Content
    provider: AddressText | None
    price: Amount
    escrow: Amount
    """Still held for it."""
    paid: Amount | None
    """What it has cost the client, transaction fees aside; None before it has ended."""
    outputs: Content | None
    declined: list[DeclinedShape]
    """Workers that could not run it, and why."""


class BatchShape(Shape):
    """A batch, item by item."""

    id: HexHash
    client: AddressText
    model: HexHash
    height: int
    """Of the block that it was submitted in."""
    ended: int
    """Items that are settled or void."""
    escrow: Amount
    """Still held for all of them."""
    items: list[ItemShape]


GIVEN_BACK = (PayoutKind.REFUND, PayoutKind.COMPENSATION, PayoutKind.MADE_WHOLE)


def paid_by_client(job: Job) -> int:
    """Return what a job that has ended has cost its client, in grains, transaction fees aside."""
    back = sum(each.amount for each in job.payouts if each.kind in GIVEN_BACK)
    return job.max_price + job.k * job.verifier_fee - back


async def batch_show(services: Services, params: ById) -> BatchShape:
    """Return a batch with what has become of each of its items."""
    state, batch_id = services.chain.state(), bytes.fromhex(params.id)
    batch = find_batch(state, batch_id)
    if batch is None:
        raise Refused(Reason.BATCH_UNKNOWN, batch=batch_id)
    views = Views(services.chain.genesis.prefix)
    items = []
    for at in range(batch.items):
        job = state.job(item_id(batch_id, at))
        assert job is not None  # J80: all of them were opened, and jobs stay in the state
        items.append(
            ItemShape(
                item=at,
                job=item_id(batch_id, at).hex(),
                state=job.state.name.lower(),
                outcome=None if job.outcome is None else job.outcome.name.lower(),
                input=content(job.input),
                provider=views.address_or_none(job.provider),
                price=str(job.price),
                escrow=str(job.escrow),
                paid=None if job.outcome is None else str(paid_by_client(job)),
                outputs=None if job.outputs is None else content(job.outputs),
                declined=[views.declined(each) for each in job.declined],
            )
        )
    return BatchShape(
        id=params.id,
        client=views.address(batch.client),
        model=batch.model.hex(),
        height=batch.height,
        ended=sum(each.outcome is not None for each in items),
        escrow=str(sum(int(each.escrow) for each in items)),
        items=items,
    )


METHODS = (Method(name="batch.show", params=ById, result=BatchShape, answer=batch_show),)
