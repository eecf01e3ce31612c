"""The mempool with 50,000 transactions of as many accounts, its limit."""

import time
from collections.abc import Callable, Iterator

from benches.figures import Figure
from ledger.records import Account
from ledger.transaction import Body, Transaction, Transfer, transaction_id
from node.mempool.pool import Pool, PoolLimits
from primitives import codec
from primitives.hashing import sha256

TOTAL = 50_000
TRIES = 5
LEAST = 200
NOW_MS = 1_790_000_000_000
ACCOUNT = Account(nonce=0, balance=10**12)
METHOD = f"{TOTAL:,} wait, one of each account, tips from 0 to 996"


def run() -> Iterator[Figure]:
    """Yield what the steps of the pool take."""
    pool = Pool(PoolLimits(per_account=64, total=TOTAL, total_bytes=64 << 20, base_fee_min=LEAST))
    transactions = [a_transaction(at) for at in range(TOTAL + 1)]
    start = time.perf_counter()
    for each in transactions[:TOTAL]:
        pool.add(each, account=ACCOUNT, now_ms=NOW_MS)
    yield figure("a transaction comes in", (time.perf_counter() - start) / TOTAL, "us", 1e6)
    yield figure("a full block is chosen", best(lambda: pool.select(base_fee=LEAST, nonces={})), "ms", 1e3)
    senders = [each.sender for each in transactions[:4_000]]
    moved = dict.fromkeys(senders, 1)
    yield figure(
        "the same on an unfinal block of 4,000", best(lambda: pool.select(base_fee=LEAST, nonces=moved)), "ms", 1e3
    )
    ready = best(lambda: pool.has_ready(base_fee=LEAST, nonces=moved))
    yield figure("whether there is something to choose", ready, "us", 1e6)
    start = time.perf_counter()
    pool.add(transactions[TOTAL], account=ACCOUNT, now_ms=NOW_MS)
    yield figure("the pool is full, and a hundredth gives way", time.perf_counter() - start, "ms", 1e3)
    used, start = Account(nonce=1, balance=10**12), time.perf_counter()
    pool.settle(senders, lambda _: used, jobs=[], is_kept=lambda _: False, base_fee=LEAST, now_ms=NOW_MS)
    yield figure("a final block of 4,000 is taken in", time.perf_counter() - start, "ms", 1e3)
    yield figure("the tip is advised", best(pool.advised_tip, tries=1), "ms", 1e3)


def figure(what: str, seconds: float, unit: str, factor: float) -> Figure:
    """Return a figure of this benchmark."""
    return Figure(what=what, value=seconds * factor, unit=unit, method=METHOD)


def best(step: Callable[[], object], *, tries: int = TRIES) -> float:
    """Return the least seconds that a step takes."""
    took = []
    for _ in range(tries):
        start = time.perf_counter()
        step()
        took.append(time.perf_counter() - start)
    return min(took)


def a_transaction(at: int) -> Transaction:
    """Return a transfer that nobody signed, of an account of its own."""
    tip = at * 7 % 997
    body = Body(
        sender=sha256(at.to_bytes(4, "big")),
        nonce=0,
        fee_cap=4 * LEAST + tip,
        tip=tip,
        valid_until=NOW_MS + 600_000,
        payload=Transfer(to=bytes(20), amount=1),
    )
    raw = codec.encode(body)
    return Transaction(id=transaction_id(raw), body=body, raw=raw + bytes(68))
