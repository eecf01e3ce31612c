"""A transaction that waits, and the queue of one account (N50)."""

from dataclasses import dataclass, field

from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
    dispute_id,
)
from ledger.market.order_payloads import CanaryOpen
from ledger.transaction import (
    JobCommit,
    Payload,
    ProviderReveal,
    SampleOpen,
    Transaction,
    VerifierCommit,
    VerifierReveal,
)

ARRIVAL_BITS = 40
"""More arrivals than a node sees in a thousand days."""


@dataclass(kw_only=True, slots=True)
class Waiting:
    """A transaction in the pool; its cap and tip are grains per gas."""

    transaction: Transaction
    arrival: int
    """Earlier ones have a smaller number."""
    expires_ms: int
    """When it is dropped, if no block has taken it."""
    here: bool
    """Handed to this node by a client, so that it is this node's part to spread it."""
    awaited: bool
    """Whether a job waits for it, as things stand after the last final block."""
    gas: int
    cap: int
    tip: int
    kept: bool = False
    """Whether a block keeps a place for it (L36): of several that wait of an account for a job, the first alone."""
    order: int = 0
    """Orders by tip, the highest first, and then by arrival."""
    full_tip_to: int = 0
    """The highest base fee above which its cap leaves no room for the whole tip."""

    def __post_init__(self) -> None:
        self.order = self.order_of(self.tip)
        self.full_tip_to = self.cap - self.tip

    def order_of(self, offer: int) -> int:
        """Return a number that is smaller for a better offer, and for an earlier one among equals."""
        return (-offer << ARRIVAL_BITS) + self.arrival

    @property
    def nonce(self) -> int:
        """Return the nonce."""
        return self.transaction.body.nonce

    def offer(self, base_fee: int) -> int:
        """Return what a proposer earns with each unit of its gas; below 0, it can't be in a block."""
        return min(self.tip, self.cap - base_fee)

    def is_parked(self, base_fee: int) -> bool:
        """Tell whether it must wait until the base fee falls; what a job waits for never must (L28)."""
        return self.cap < base_fee and not self.kept


@dataclass(kw_only=True, slots=True)
class Queue:
    """What waits of one account, by nonce."""

    nonce: int
    """Of the account after the last final block."""
    balance: int
    waiting: dict[int, Waiting] = field(default_factory=dict)
    kept: int = 0
    """How many of them a block keeps a place for."""
    behind_gap: int = 0
    """How many of them come after a nonce that is missing."""
    bytes: int = 0
    """All of them together."""

    @property
    def tail(self) -> Waiting:
        """Return the one with the highest nonce; there is one."""
        return self.waiting[max(self.waiting)] if len(self.waiting) > 1 else next(iter(self.waiting.values()))

    def next_nonce(self) -> int:
        """Return the first nonce that none of them has."""
        nonce = self.nonce
        while nonce in self.waiting:
            nonce += 1
        return nonce

    def worst_offer(self, base_fee: int) -> int:
        """Return the lowest offer of those that no place is kept for; there is one."""
        if len(self.waiting) == 1:  # as nearly always where there are many queues
            return self.tail.offer(base_fee)
        return min(each.offer(base_fee) for each in self.waiting.values() if not each.kept)

    def keeps(self, waiting: Waiting) -> bool:
        """Tell whether a block keeps a place for one, which may not be among those that wait yet."""
        job = awaiting_job(waiting.transaction.body.payload)
        return waiting.awaited and not any(
            each.awaited and each.nonce < waiting.nonce and awaiting_job(each.transaction.body.payload) == job
            for each in self.waiting.values()
        )

    def count(self) -> None:
        """Work `kept` and `behind_gap` out again."""
        for each in self.waiting.values():
            each.kept = each.awaited and self.keeps(each)
        self.kept = sum(each.kept for each in self.waiting.values())
        self.bytes = sum(len(each.transaction.raw) for each in self.waiting.values())
        self.behind_gap = len(self.waiting) - (self.next_nonce() - self.nonce)


def awaiting_job(payload: Payload) -> bytes | None:
    """Return the job, or the dispute, of a payload for which a block may keep a place (L36)."""
    match payload:
        case JobCommit() | VerifierCommit() | ProviderReveal() | VerifierReveal() | SampleOpen() | CanaryOpen():
            return payload.job
        case DisputeClaim():
            return dispute_id(payload.job, payload.subject)
        case DisputeOpen() | DisputeTell() | DisputeLeaf() | DisputeDefend() | DisputeBeyond():
            return payload.dispute
        case _:
            return None
