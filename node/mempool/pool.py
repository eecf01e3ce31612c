"""Transactions that wait for a block: in nonce order for each account, by fee between accounts (N50).

Only transactions whose signature is good are put in, so whoever meets one again need not check it again.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from ledger.records import Account
from ledger.transaction import Transaction
from primitives.reasons import Reason, Refused

REPLACE_BPS = 11_000
"""A transaction of the same nonce replaces another if its tip is a tenth higher: who replaces pays for the traffic."""
_BASIS = 10_000
BEHIND_A_GAP = 2
"""Quarters of the pool that such transactions may fill: they may never come into a block, and so pay nothing."""
ORDINARY = 3
"""Quarters that all others may fill but those for which a block keeps a place (L36)."""
_WHOLE = 4


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may wait."""

    per_account: int
    total: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A transaction in the pool."""

    transaction: Transaction
    arrival: int
    """Earlier ones have a smaller number."""
    here: bool
    """Handed to this node by a client, so that it is this node's part to spread it."""


class Pool:
    """The transactions that wait, and how many more may."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._by_id: dict[bytes, Waiting] = {}
        self._by_raw: dict[bytes, Waiting] = {}
        self._by_account: dict[bytes, dict[int, Waiting]] = {}
        self._bytes = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, txid: bytes) -> bool:
        return txid in self._by_id

    def verified(self, raw: bytes) -> bool:
        """Tell whether this very envelope is in the pool, so that its signature is known to be good."""
        return raw in self._by_raw

    def next_nonce(self, address: bytes, account_nonce: int) -> int:
        """Return the first nonce from `account_nonce` on that no transaction of the account has."""
        waiting = self._by_account.get(address, {})
        nonce = account_nonce
        while nonce in waiting:
            nonce += 1
        return nonce

    def add(self, transaction: Transaction, *, account_nonce: int, here: bool, kept: bool = False) -> None:
        """Put a transaction in. The caller has checked it against the state.

        From a client of this node it must be the account's next one; from other nodes transactions come in any order,
        and may run ahead by as many as an account may have waiting. `kept`: a block keeps a place for it (L36).
        Raises Refused ALREADY_KNOWN, NONCE_TOO_LOW, NONCE_GAP, FEE_TOO_LOW, ACCOUNT_LIMIT or MEMPOOL_FULL (N51).
        """
        if transaction.id in self._by_id:
            raise Refused(Reason.ALREADY_KNOWN, transaction=transaction.id)
        nonce = transaction.body.nonce
        if nonce < account_nonce:
            raise Refused(Reason.NONCE_TOO_LOW, seen=nonce, wanted=account_nonce)
        mine = self._by_account.get(transaction.sender, {})
        replaced = mine.get(nonce)
        if replaced is not None:
            self._check_replacement(replaced.transaction, transaction)
        else:
            self._check_place(transaction, mine, account_nonce=account_nonce, here=here)
        is_next = nonce <= self.next_nonce(transaction.sender, account_nonce)
        self._check_room(transaction, replaced, quarters=_WHOLE if kept else ORDINARY if is_next else BEHIND_A_GAP)
        if replaced is not None:
            self._remove(replaced)
        self._arrivals += 1
        waiting = Waiting(transaction=transaction, arrival=self._arrivals, here=here)
        self._by_id[transaction.id] = waiting
        self._by_raw[transaction.raw] = waiting
        self._by_account.setdefault(transaction.sender, {})[nonce] = waiting
        self._bytes += len(transaction.raw)

    def _check_replacement(self, old: Transaction, new: Transaction) -> None:
        """Raise Refused FEE_TOO_LOW unless `new` offers a tenth more (N52)."""
        wanted = -(-_offer(old) * REPLACE_BPS // _BASIS) + 1
        if _offer(new) < wanted:
            raise Refused(Reason.FEE_TOO_LOW, seen=_offer(new), wanted=wanted, replaces=old.id)

    def _check_place(
        self, transaction: Transaction, mine: dict[int, Waiting], *, account_nonce: int, here: bool
    ) -> None:
        nonce = transaction.body.nonce
        if len(mine) >= self._limits.per_account:
            raise Refused(Reason.ACCOUNT_LIMIT, seen=len(mine), wanted=self._limits.per_account)
        expected = self.next_nonce(transaction.sender, account_nonce)
        if nonce > expected and (here or nonce >= account_nonce + self._limits.per_account):
            raise Refused(Reason.NONCE_GAP, seen=nonce, wanted=expected)

    def _check_room(self, transaction: Transaction, replaced: Waiting | None, *, quarters: int) -> None:
        """Raise Refused MEMPOOL_FULL if the part of the pool that is open to this transaction is full (N51)."""
        count, size = len(self._by_id), self._bytes + len(transaction.raw)
        if replaced is not None:
            count, size = count - 1, size - len(replaced.transaction.raw)
        if _WHOLE * count >= quarters * self._limits.total:
            raise Refused(Reason.MEMPOOL_FULL, seen=count, wanted=quarters * self._limits.total // _WHOLE)
        if _WHOLE * size > quarters * self._limits.total_bytes:
            raise Refused(Reason.MEMPOOL_FULL, seen=size, wanted=quarters * self._limits.total_bytes // _WHOLE)

    def has_ready(self, nonce_of: Callable[[bytes], int]) -> bool:
        """Tell whether a block on the state with these account nonces could take a transaction."""
        return any(nonce_of(address) in mine for address, mine in self._by_account.items())

    def select(
        self,
        nonce_of: Callable[[bytes], int],
        *,
        is_kept: Callable[[Transaction], bool],
        count_max: int,
        bytes_max: int,
    ) -> list[bytes]:
        """Return envelopes for a block on that state: each account's in nonce order, the best offers first (N53).

        Those for which the block keeps a place come before all others.
        """

        def rank(address: bytes, nonce: int) -> tuple[bool, int, int, bytes, int]:
            waiting = self._by_account[address][nonce]
            is_other = not is_kept(waiting.transaction)
            return is_other, -_offer(waiting.transaction), waiting.arrival, address, nonce

        heads = ((address, nonce_of(address)) for address in self._by_account)
        ready = [rank(address, nonce) for address, nonce in heads if nonce in self._by_account[address]]
        heapq.heapify(ready)
        chosen: list[bytes] = []
        size = 0
        while ready and len(chosen) < count_max:
            _, _, _, address, nonce = heapq.heappop(ready)
            mine = self._by_account[address]
            raw = mine[nonce].transaction.raw
            if size + len(raw) > bytes_max:
                continue  # the account's later ones wait with it
            size += len(raw)
            chosen.append(raw)
            if nonce + 1 in mine:
                heapq.heappush(ready, rank(address, nonce + 1))
        return chosen

    def settle(self, account_of: Callable[[bytes], Account], *, now_ms: int) -> None:
        """Drop what a final block has left without a chance: used nonces, past times, no money for the fee (N54)."""
        gone: list[Waiting] = []
        for address, mine in self._by_account.items():
            account = account_of(address)
            gone += [
                each
                for nonce, each in mine.items()
                if nonce < account.nonce
                or each.transaction.body.valid_until < now_ms
                or each.transaction.body.fee_cap > account.balance
            ]
        for waiting in gone:
            self._remove(waiting)

    def of_clients(self) -> list[bytes]:
        """Return the envelopes that this node's own clients handed in, oldest first."""
        return [waiting.transaction.raw for waiting in self._by_id.values() if waiting.here]

    def _remove(self, waiting: Waiting) -> None:
        transaction = waiting.transaction
        del self._by_id[transaction.id]
        del self._by_raw[transaction.raw]
        mine = self._by_account[transaction.sender]
        del mine[transaction.body.nonce]
        if not mine:
            del self._by_account[transaction.sender]
        self._bytes -= len(transaction.raw)


def _offer(transaction: Transaction) -> int:
    """Return the tip that a transaction offers at most; the base fee is the same for all."""
    return min(transaction.body.tip, transaction.body.fee_cap)
