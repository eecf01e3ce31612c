"""Transactions that wait for a block: in nonce order for each account, by fee between accounts (N50).

Only transactions whose signature is good are put in, so whoever meets one again need not check it again. The pool
knows accounts, prices and jobs as they are after the last final block; no call but `settle` after a crowded block
takes time that grows with what waits, unless the pool is full.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from ledger.fees import gas
from ledger.limits import ORDINARY_GAS_MAX
from ledger.records import Account
from ledger.transaction import Transaction
from node.mempool.seen import Seen
from node.mempool.selection import Turn, no_turns, select
from node.mempool.waiting import Queue, Waiting, awaiting_job
from primitives.reasons import Reason, Refused
from primitives.units import BASIS

REPLACE_BPS = 11_000
"""One of the same nonce replaces another if cap and tip are a tenth higher: who replaces pays for the traffic."""
WAIT_MS_MAX = 3 * 3_600_000
"""How long one waits at most, whatever it allows itself: by then prices and its sender's mind are others."""
ACCOUNT_BYTES_MAX = 4 << 20
"""What one account may have waiting, as many as it has: a sixteenth of the pool, and fifteen of the heaviest."""
BEHIND_GAP_SHARE = 4
"""That part of the pool holds those that come after a missing nonce: they may never come into a block."""
EVICTED_SHARE = 100
"""So large a part of the pool gives way at once, as finding the cheapest takes a look at everything."""
NEVER = 2**64
"""The standing of what is never evicted; no offer is so high."""


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may wait."""

    per_account: int
    total: int
    total_bytes: int
    base_fee_min: int
    """The network's, in grains per gas: no lower cap can ever come into a block."""


@dataclass(frozen=True, kw_only=True)
class PoolCounts:
    """What waits, and what became of what waits no more."""

    transactions: int
    bytes: int
    accounts: int
    behind_gap: int
    parked: int
    """Whose cap is below the base fee."""
    kept: int
    """For which a block keeps a place."""
    dropped: Mapping[str, int]
    """Since the node started, by cause: used, replaced, evicted, expired, unpayable."""


class Pool:
    """The transactions that wait, and how many more may."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.seen = Seen()
        self.base_fee = limits.base_fee_min
        """Of the block after the last final one."""
        self._by_id: dict[bytes, Waiting] = {}
        self._by_raw: dict[bytes, Waiting] = {}
        self._queues: dict[bytes, Queue] = {}
        self._heads: tuple[dict[bytes, Waiting], dict[bytes, Waiting]] = ({}, {})
        """By account, what a block on the last final one could take of it; first of those who have a place kept."""
        self._by_job: dict[bytes, dict[bytes, None]] = {}
        self._expiries: list[tuple[int, int, bytes]] = []
        """A heap; what is not in the pool any more stays in it for a while."""
        self._bytes = self._gas = self._behind_gap = self._arrivals = 0
        self._dropped: Counter[str] = Counter()
        self._cheapest: int | None = None
        """The lowest standing while the pool is as it is, once somebody asked for it."""
        self._advised_tip: int | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, txid: bytes) -> bool:
        return txid in self._by_id

    # --- what waits

    def verified(self, raw: bytes) -> bool:
        """Tell whether the signature of this very envelope is known to be good (N57)."""
        return raw in self._by_raw or raw in self.seen

    def holds_nonce(self, address: bytes, nonce: int) -> bool:
        """Tell whether a transaction of the account with this nonce waits."""
        queue = self._queues.get(address)
        return queue is not None and nonce in queue.waiting

    def next_nonce(self, address: bytes, account_nonce: int) -> int:
        """Return the first nonce from `account_nonce` on that no transaction of the account has."""
        queue = self._queues.get(address)
        return account_nonce if queue is None else queue.next_nonce()

    def of_clients(self) -> list[bytes]:
        """Return the envelopes that this node's own clients handed in, oldest first."""
        return [waiting.transaction.raw for waiting in self._by_id.values() if waiting.here]

    def counts(self) -> PoolCounts:
        """Return how much waits."""
        return PoolCounts(
            transactions=len(self._by_id),
            bytes=self._bytes,
            accounts=len(self._queues),
            behind_gap=self._behind_gap,
            parked=sum(each.is_parked(self.base_fee) for each in self._by_id.values()),
            kept=sum(queue.kept for queue in self._queues.values()),
            dropped=dict(self._dropped),
        )

    def content(self, *, limit: int, sender: bytes | None = None) -> list[Waiting]:
        """Return at most `limit` of what waits: the oldest, or those of one account by nonce."""
        if sender is None:
            return list(islice(self._by_id.values(), limit))
        queue = self._queues.get(sender)
        return [] if queue is None else [queue.waiting[nonce] for nonce in sorted(queue.waiting)][:limit]

    def is_behind_gap(self, waiting: Waiting) -> bool:
        """Tell whether one that waits comes after a missing nonce."""
        return waiting.nonce > self._queues[waiting.transaction.sender].next_nonce()

    def advised_tip(self) -> int:
        """Return the tip, grains per gas, that is in the next block's better part; 0 while all of them fit (N59)."""
        if self._gas <= ORDINARY_GAS_MAX:
            return 0
        if self._advised_tip is None:
            offers = sorted(((each.offer(self.base_fee), each.gas) for each in self._by_id.values()), reverse=True)
            offer, room = 0, ORDINARY_GAS_MAX
            for offer, units in offers:
                room -= units
                if room < 0 or offer < 0:
                    break
            self._advised_tip = max(0, offer + 1)
        return self._advised_tip

    # --- coming in

    def add(
        self, transaction: Transaction, *, account: Account, now_ms: int, here: bool = False, kept: bool = False
    ) -> None:
        """Put a transaction in. The caller has checked it against the state, in which its sender is `account`.

        From a client of this node it must be the account's next one, or replace one; from other nodes transactions
        come in any order, and may run ahead by as many as an account may have waiting. `kept`: a block keeps a place
        for it, if none of the account before it waits for the same job (L36).
        Raises Refused ALREADY_KNOWN, NONCE_TOO_LOW, NONCE_GAP, FEE_TOO_LOW, REPLACEMENT_TOO_CHEAP,
        INSUFFICIENT_BALANCE, ACCOUNT_LIMIT or MEMPOOL_FULL (N51, N52).
        """
        body = transaction.body
        if transaction.id in self._by_id:
            raise Refused(Reason.ALREADY_KNOWN, transaction=transaction.id)
        if body.nonce < account.nonce:
            raise Refused(Reason.NONCE_TOO_LOW, seen=body.nonce, wanted=account.nonce)
        if body.fee_cap < self.limits.base_fee_min:
            raise Refused(Reason.FEE_TOO_LOW, seen=body.fee_cap, wanted=self.limits.base_fee_min)
        waiting = Waiting(
            transaction=transaction,
            arrival=self._arrivals + 1,
            expires_ms=min(body.valid_until, now_ms + WAIT_MS_MAX),
            here=here,
            awaited=kept,
            gas=gas(transaction),
            cap=body.fee_cap,
            tip=body.tip,
        )
        queue = self._queues.get(transaction.sender) or Queue(nonce=account.nonce, balance=account.balance)
        replaced = queue.waiting.get(body.nonce)
        if replaced is None:
            self._check_place(queue, waiting)
        else:
            check_replacement(replaced, waiting)
        size = queue.bytes + len(transaction.raw) - (0 if replaced is None else len(replaced.transaction.raw))
        if size > ACCOUNT_BYTES_MAX:
            raise Refused(Reason.ACCOUNT_LIMIT, what="bytes", seen=size, wanted=ACCOUNT_BYTES_MAX)
        self._check_money(queue, waiting, replaced)
        waiting.kept = queue.keeps(waiting)
        self._make_room(queue, waiting, replaced)
        if replaced is not None:
            self._remove(replaced, "replaced")
        self._put(waiting, queue)

    def _check_place(self, queue: Queue, waiting: Waiting) -> None:
        """Raise Refused if the account may not have one more, or not with this nonce (N51)."""
        if len(queue.waiting) >= self.limits.per_account:
            raise Refused(Reason.ACCOUNT_LIMIT, seen=len(queue.waiting), wanted=self.limits.per_account)
        expected = queue.next_nonce()
        if waiting.nonce > expected:
            if waiting.here or waiting.nonce >= queue.nonce + self.limits.per_account:
                raise Refused(Reason.NONCE_GAP, seen=waiting.nonce, wanted=expected)
            most = self.limits.total // BEHIND_GAP_SHARE
            if self._behind_gap >= most:
                raise Refused(Reason.MEMPOOL_FULL, seen=self._behind_gap, wanted=most, what="behind a gap")

    def _check_money(self, queue: Queue, waiting: Waiting, replaced: Waiting | None) -> None:
        """Raise Refused unless the account can pay the least fee of everything that it has waiting (N51).

        One that replaces another must be able to pay its whole cap (N52): an offer that nobody can take up, raised by
        a tenth again and again, would travel through the network hundreds of times for nothing.
        """
        units = sum(each.gas for each in queue.waiting.values() if each is not replaced) + waiting.gas
        wanted = units * self.limits.base_fee_min
        if replaced is not None:
            wanted = max(wanted, waiting.gas * waiting.cap)
        if queue.balance < wanted:
            raise Refused(Reason.INSUFFICIENT_BALANCE, seen=queue.balance, wanted=wanted, waiting=len(queue.waiting))

    def _put(self, waiting: Waiting, queue: Queue) -> None:
        transaction = waiting.transaction
        self._arrivals = waiting.arrival
        self._by_id[transaction.id] = self._by_raw[transaction.raw] = waiting
        self._queues[transaction.sender] = queue
        queue.waiting[waiting.nonce] = waiting
        job = awaiting_job(transaction.body.payload)
        if job is not None:
            self._by_job.setdefault(job, {})[transaction.id] = None
        self._bytes += len(transaction.raw)
        self._gas += waiting.gas
        self._expire_later(waiting)
        self._changed(transaction.sender, queue)

    def _expire_later(self, waiting: Waiting) -> None:
        if len(self._expiries) > 2 * len(self._by_id) + EVICTED_SHARE:  # most of them are gone
            self._expiries = [
                (each.expires_ms, each.arrival, each.transaction.id)
                for each in self._by_id.values()
                if each is not waiting
            ]
            heapq.heapify(self._expiries)
        heapq.heappush(self._expiries, (waiting.expires_ms, waiting.arrival, waiting.transaction.id))

    # --- giving way

    def _make_room(self, queue: Queue, waiting: Waiting, replaced: Waiting | None) -> None:
        """Evict what is cheaper, if need be. Raises Refused MEMPOOL_FULL, and changes nothing then (N58)."""
        count, size = len(self._by_id) + 1, self._bytes + len(waiting.transaction.raw)
        if replaced is not None:
            count, size = count - 1, size - len(replaced.transaction.raw)
        places, length = count - self.limits.total, size - self.limits.total_bytes
        if places <= 0 and length <= 0:
            return
        mine = self._standing_of_new(queue, waiting)
        if self._cheapest is not None and mine <= self._cheapest:
            raise Refused(Reason.MEMPOOL_FULL, seen=mine, wanted=self._cheapest + 1, what="tip per gas")
        standings = sorted(
            (standing, -each.tail.arrival, each.tail.transaction.id)
            for each in self._queues.values()
            if (standing := self._standing(each)) < NEVER
        )
        self._cheapest = standings[0][0] if standings else NEVER
        own = queue.tail.transaction.id if queue.waiting else None
        victims: list[Waiting] = []
        for standing, _, txid in standings:
            if standing >= mine or (places <= 0 and length <= 0 and len(victims) * EVICTED_SHARE >= self.limits.total):
                break
            if txid == own:
                continue
            victims.append(self._by_id[txid])
            places, length = places - 1, length - len(victims[-1].transaction.raw)
        if places > 0 or length > 0:
            raise Refused(Reason.MEMPOOL_FULL, seen=len(self._by_id), wanted=self.limits.total)
        for victim in victims:
            self._remove(victim, "evicted")

    def _standing(self, queue: Queue) -> int:
        """Return what its last transaction is worth to a proposer: no more than the worst that it waits for."""
        if queue.tail.kept:
            return NEVER
        if queue.behind_gap:
            return -NEVER
        return queue.worst_offer(self.base_fee)

    def _standing_of_new(self, queue: Queue, waiting: Waiting) -> int:
        if waiting.kept:
            return NEVER
        if waiting.nonce > queue.next_nonce():
            return -NEVER
        before = (each for nonce, each in queue.waiting.items() if nonce < waiting.nonce and not each.kept)
        return min(each.offer(self.base_fee) for each in (waiting, *before))

    def _remove(self, waiting: Waiting, cause: str) -> None:
        transaction = waiting.transaction
        self._dropped[cause] += 1
        del self._by_id[transaction.id]
        del self._by_raw[transaction.raw]
        job = awaiting_job(transaction.body.payload)
        if job is not None:
            del self._by_job[job][transaction.id]
            if not self._by_job[job]:
                del self._by_job[job]
        queue = self._queues[transaction.sender]
        del queue.waiting[waiting.nonce]
        self._bytes -= len(transaction.raw)
        self._gas -= waiting.gas
        self._changed(transaction.sender, queue)

    def _changed(self, address: bytes, queue: Queue) -> None:
        """Bring everything that depends on a queue up to date."""
        self._cheapest = None
        self._behind_gap -= queue.behind_gap
        queue.count()
        self._behind_gap += queue.behind_gap
        for heads in self._heads:
            heads.pop(address, None)
        head = queue.waiting.get(queue.nonce)
        if head is not None:
            self._heads[0 if queue.kept else 1][address] = head
        if not queue.waiting:
            del self._queues[address]

    # --- blocks

    def has_of(self, address: bytes) -> bool:
        """Tell whether something of an account waits."""
        return address in self._queues

    def has_ready(self, *, base_fee: int, nonces: Mapping[bytes, int]) -> bool:
        """Tell whether a block could take a transaction; see `select`."""
        lanes = self._heads_at(nonces)
        return any(not head.is_parked(base_fee) for heads in lanes for head in heads)

    def select(self, *, base_fee: int, nonces: Mapping[bytes, int], turn: Turn = no_turns) -> list[bytes]:
        """Return envelopes for a block whose base fee is `base_fee` (N53).

        `nonces` are those of the accounts that have moved since the last final block. Accounts for one of whose
        transactions the block keeps a place come before all others: what such a one waits for in its own queue must
        not cost it its deadline. `turn` says which proof of a dispute the block hears (X37).
        """
        return select(self._heads_at(nonces), self._queues, base_fee, turn)

    def kept_heads(self, nonces: Mapping[bytes, int]) -> list[Waiting]:
        """Return what a block could take for which it keeps a place; see `select`."""
        return self._heads_at(nonces)[0]

    def _heads_at(self, nonces: Mapping[bytes, int]) -> tuple[list[Waiting], list[Waiting]]:
        lanes = tuple([head for address, head in heads.items() if address not in nonces] for heads in self._heads)
        for address, nonce in nonces.items():
            queue = self._queues.get(address)
            if queue is not None and nonce in queue.waiting:
                lanes[0 if queue.kept else 1].append(queue.waiting[nonce])
        return lanes[0], lanes[1]

    def settle(
        self,
        touched: Iterable[bytes],
        account_of: Callable[[bytes], Account],
        *,
        jobs: Iterable[bytes],
        is_kept: Callable[[Transaction], bool],
        base_fee: int,
        now_ms: int,
    ) -> None:
        """Take in final blocks, and drop what has no chance any more (N54).

        They have written the accounts `touched` and the `jobs`, disputes among them; `now_ms` is the time of the last.
        """
        self.base_fee, self._advised_tip, self._cheapest = base_fee, None, None
        for address in touched:
            if address in self._queues:
                self._take_in(address, account_of(address))
        for job in jobs:
            for txid in self._by_job.get(job, {}):
                waiting = self._by_id[txid]
                waiting.awaited = is_kept(waiting.transaction)
                self._changed(waiting.transaction.sender, self._queues[waiting.transaction.sender])
        while self._expiries and self._expiries[0][0] < now_ms:
            waiting_still = self._by_id.get(heapq.heappop(self._expiries)[-1])
            if waiting_still is not None:
                self._remove(waiting_still, "expired")

    def _take_in(self, address: bytes, account: Account) -> None:
        """Bring one account up to date: drop what it has used, and, from the last on, what it can't pay."""
        queue = self._queues[address]
        queue.nonce, queue.balance = account.nonce, account.balance
        self._changed(address, queue)
        for nonce in sorted(queue.waiting):
            if nonce >= account.nonce:
                break
            self._remove(queue.waiting[nonce], "used")
        owed = sum(each.gas for each in queue.waiting.values()) * self.limits.base_fee_min
        while owed > account.balance:
            last = queue.tail
            owed -= last.gas * self.limits.base_fee_min
            self._remove(last, "unpayable")


def check_replacement(old: Waiting, new: Waiting) -> None:
    """Raise Refused REPLACEMENT_TOO_CHEAP unless `new` offers a tenth more, cap and tip alike (N52)."""
    for what, seen, before in (("fee_cap", new.cap, old.cap), ("tip", new.tip, old.tip)):
        wanted = -(-before * REPLACE_BPS // BASIS)
        if seen < wanted:
            raise Refused(
                Reason.REPLACEMENT_TOO_CHEAP, what=what, seen=seen, wanted=wanted, replaces=old.transaction.id
            )
