"""Which waiting transactions a proposer tries first, up to what a block holds (N53)."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_GAS_MAX,
    BLOCK_TXS_MAX,
    ORDINARY_BYTES_MAX,
    ORDINARY_GAS_MAX,
    ORDINARY_TXS_MAX,
    PROOFS_MAX,
    SUBMISSIONS_MAX,
)
from ledger.market.dispute.awaited import is_proof
from ledger.transaction import JobSubmit, Transaction
from node.mempool.waiting import ARRIVAL_BITS, Queue, Waiting


class Room:
    """What is left of a block (L29, L31, L36, L37, X37)."""

    def __init__(self) -> None:
        self._all = [BLOCK_TXS_MAX, BLOCK_BYTES_MAX, BLOCK_GAS_MAX, SUBMISSIONS_MAX, PROOFS_MAX]
        self._ordinary = [ORDINARY_TXS_MAX, ORDINARY_BYTES_MAX, ORDINARY_GAS_MAX, SUBMISSIONS_MAX, PROOFS_MAX]

    def take(self, waiting: Waiting) -> bool:
        """Take what a transaction needs, or return False."""
        transaction = waiting.transaction
        payload = transaction.body.payload
        proof = waiting.kept and is_proof(payload)  # X37
        needs = (1, len(transaction.raw), waiting.gas, isinstance(payload, JobSubmit), proof)
        books = (self._all,) if waiting.kept else (self._all, self._ordinary)
        if any(need > left for book in books for need, left in zip(needs, book, strict=True)):
            return False
        for book in books:
            for at, need in enumerate(needs):
                book[at] -= need
        return True

    @property
    def is_full(self) -> bool:
        """Tell whether no transaction at all fits any more."""
        return self._all[0] == 0


Turn = Callable[[Transaction], tuple[int, int] | None]
"""What orders a proof among those that want the referee's next turn; None for all else."""


def no_turns(_: Transaction) -> None:
    """Let proofs come as all else does."""


def select(lanes: Sequence[Sequence[Waiting]], queues: Mapping[bytes, Queue], base_fee: int, turn: Turn) -> list[bytes]:
    """Return envelopes for a block at `base_fee`: each account's in nonce order from its head on, best offers first.

    `lanes` are the heads of accounts; all of the first lane, with what follows them, come before those of the next.
    Of proofs the one whose turn it is comes first of all, and no other one.
    """
    room, chosen = Room(), list[bytes]()
    next_proof = _next_proof(lanes, turn)
    if next_proof is not None:
        others = [[head for head in heads if head is not next_proof] for heads in lanes]
        lanes = [[next_proof], *others]
    for heads in lanes:
        ready = best_first(heads, base_fee)  # sorted, and so a heap
        while ready and not room.is_full:
            waiting = ready[0][1]
            if not room.take(waiting):
                heapq.heappop(ready)  # the account's later ones wait with it
                continue
            chosen.append(waiting.transaction.raw)
            following = queues[waiting.transaction.sender].waiting.get(waiting.nonce + 1)
            if following is None or following.is_parked(base_fee):
                heapq.heappop(ready)
            else:
                heapq.heapreplace(ready, (following.order_of(following.offer(base_fee)), following))
    return chosen


def _next_proof(lanes: Sequence[Sequence[Waiting]], turn: Turn) -> Waiting | None:
    """Return the proof whose turn it is: of heads alone, for nobody knows whether what stands behind one comes in."""
    found = [
        (place, head.order, head)
        for heads in lanes
        for head in heads
        if head.kept and is_proof(head.transaction.body.payload) and (place := turn(head.transaction)) is not None
    ]
    return min(found)[2] if found else None


def best_first(heads: Iterable[Waiting], base_fee: int) -> list[tuple[int, Waiting]]:
    """Return, with what orders them, as many of the best as a block has places: no other head can be chosen.

    There may be tens of thousands, hence no call for each.
    """
    open_ = [head for head in heads if head.cap >= base_fee or head.kept]
    orders = [
        head.order if head.full_tip_to >= base_fee else ((base_fee - head.cap) << ARRIVAL_BITS) + head.arrival
        for head in open_
    ]
    if len(open_) <= BLOCK_TXS_MAX:
        return sorted(zip(orders, open_, strict=True))
    last = heapq.nsmallest(BLOCK_TXS_MAX, orders)[-1]
    return sorted(pair for pair in zip(orders, open_, strict=True) if pair[0] <= last)
