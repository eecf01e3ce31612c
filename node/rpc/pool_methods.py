"""Methods about transactions that wait, and what it costs to get into a block."""

from typing import Annotated

from msgspec import Meta

from ledger.fees import GAS_TARGET, KIND_GAS, PIECE_BYTES, PIECE_GAS, suggested_cap
from node.mempool.pool import Pool
from node.mempool.waiting import Waiting
from node.rpc.method import PAGE, AddressText, Amount, HexHash, Method, Nothing, PageLimit, Shape
from node.rpc.services import Services
from node.rpc.views import Views
from primitives.address import parse_address


class FeeEstimate(Shape):
    """What a transaction should offer. Amounts are grains per gas; see rules L20 and L26 of the ledger."""

    base_fee: Amount
    """Of the next block."""
    base_fee_min: Amount
    """The least that it can be."""
    fee_cap: Amount
    """To be safe against a rise; what is not needed is not paid."""
    tip: Amount
    """0 while all that waits fits into the next block."""
    gas_used: int
    """By the ordinary transactions of the last final block."""
    gas_target: int
    """With more the base fee rises, with less it falls."""
    piece_bytes: int
    piece_gas: int
    """The gas of a transaction is that of its kind, and this for each started piece of its envelope."""
    kinds: dict[str, int]


class Limits(Shape):
    """How much may wait."""

    per_account: int
    transactions: int
    bytes: int


class MempoolStatus(Shape):
    """How much waits in this node, and what became of what waits no more."""

    transactions: int
    bytes: int
    accounts: int
    behind_gap: int
    """Such as come after a nonce that is missing."""
    parked: int
    """Such as wait until the base fee falls to their cap."""
    kept: int
    """Such as jobs wait for: a block keeps places for them."""
    base_fee: Amount
    limits: Limits
    dropped: dict[str, int]
    """Since the node started, by cause: used, replaced, evicted, expired, unpayable."""


class ContentPage(Shape):
    """Which of what waits to return."""

    sender: AddressText | None = None
    limit: PageLimit = PAGE


class WaitingShape(Shape):
    """A transaction that waits."""

    id: HexHash
    sender: AddressText
    nonce: int
    kind: str
    fee_cap: Amount
    """Per gas, as the tip."""
    tip: Amount
    gas: int
    bytes: int
    expires_ms: int
    """Unix milliseconds, when it is dropped if no block has taken it."""
    stands: Annotated[str, Meta(description="ready, kept, parked or behind_gap.")]


class MempoolContent(Shape):
    """What waits, the oldest first, or of one account in the order of nonces."""

    transactions: list[WaitingShape]


async def fee_estimate(services: Services, _: Nothing) -> FeeEstimate:
    """Tell what gas costs in the next block, what to offer for it, and how much of it a transaction takes."""
    clock, tip = services.chain.state().clock(), services.pool.advised_tip()
    return FeeEstimate(
        base_fee=str(clock.base_fee),
        base_fee_min=str(services.chain.genesis.parameters.base_fee_min),
        fee_cap=str(suggested_cap(clock.base_fee) + tip),
        tip=str(tip),
        gas_used=clock.gas_used,
        gas_target=GAS_TARGET,
        piece_bytes=PIECE_BYTES,
        piece_gas=PIECE_GAS,
        kinds={kind.__name__: units for kind, units in KIND_GAS.items()},
    )


async def mempool_status(services: Services, _: Nothing) -> MempoolStatus:
    """Tell how much waits in this node's mempool, and how much may."""
    pool = services.pool
    counts, limits = pool.counts(), pool.limits
    return MempoolStatus(
        transactions=counts.transactions,
        bytes=counts.bytes,
        accounts=counts.accounts,
        behind_gap=counts.behind_gap,
        parked=counts.parked,
        kept=counts.kept,
        base_fee=str(pool.base_fee),
        limits=Limits(per_account=limits.per_account, transactions=limits.total, bytes=limits.total_bytes),
        dropped=dict(sorted(counts.dropped.items())),
    )


async def mempool_content(services: Services, params: ContentPage) -> MempoolContent:
    """Return transactions that wait in this node's mempool, of all accounts or of one."""
    prefix = services.chain.genesis.prefix
    sender = None if params.sender is None else parse_address(params.sender, prefix)
    found = services.pool.content(limit=params.limit, sender=sender)
    return MempoolContent(transactions=[_waiting(services.pool, Views(prefix), each) for each in found])


def _waiting(pool: Pool, views: Views, waiting: Waiting) -> WaitingShape:
    transaction = waiting.transaction
    return WaitingShape(
        id=transaction.id.hex(),
        sender=views.address(transaction.sender),
        nonce=waiting.nonce,
        kind=type(transaction.body.payload).__name__,
        fee_cap=str(waiting.cap),
        tip=str(waiting.tip),
        gas=waiting.gas,
        bytes=len(transaction.raw),
        expires_ms=waiting.expires_ms,
        stands=_standing(pool, waiting),
    )


def _standing(pool: Pool, waiting: Waiting) -> str:
    if pool.is_behind_gap(waiting):
        return "behind_gap"
    if waiting.kept:
        return "kept"
    return "parked" if waiting.is_parked(pool.base_fee) else "ready"


METHODS = (
    Method(name="fee.estimate", params=Nothing, result=FeeEstimate, answer=fee_estimate),
    Method(name="mempool.status", params=Nothing, result=MempoolStatus, answer=mempool_status),
    Method(name="mempool.content", params=ContentPage, result=MempoolContent, answer=mempool_content),
)
