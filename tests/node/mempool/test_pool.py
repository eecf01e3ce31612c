"""The pool: order, limits, and what a final block leaves of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.records import Account
from ledger.transaction import Transaction, Transfer, open_transaction, sign_transaction
from node.mempool.pool import Pool, PoolLimits
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import GENESIS_MS, a_body, a_publication, address, seed_of
from tests.node.chains import CHARTER

LIMITS = PoolLimits(per_account=4, total=10, total_bytes=10_000)
NAMES = ("ann", "ben", "cy")


def a_transaction(name: str, nonce: int, *, tip: int = 0, amount: int = 1) -> Transaction:
    body = a_body(name, Transfer(to=address("payee"), amount=amount), nonce=nonce, tip=tip)
    return open_transaction(sign_transaction(seed_of(name), CHARTER.hash, body), CHARTER.hash, verified=lambda _: True)


def filled(*transactions: Transaction, limits: PoolLimits = LIMITS, here: bool = False) -> Pool:
    pool = Pool(limits)
    for transaction in transactions:
        pool.add(transaction, account_nonce=0, here=here)
    return pool


def refusal(pool: Pool, transaction: Transaction, *, account_nonce: int = 0, here: bool = False) -> Reason:
    with pytest.raises(Refused) as refused:
        pool.add(transaction, account_nonce=account_nonce, here=here)
    return refused.value.reason


def chosen(
    pool: Pool,
    *,
    count_max: int = 100,
    bytes_max: int = 100_000,
    nonces: dict[str, int] | None = None,
    kept: Transaction | None = None,
) -> list[bytes]:
    at = {address(name): nonce for name, nonce in (nonces or {}).items()}
    return pool.select(
        lambda each: at.get(each, 0), is_kept=lambda each: each is kept, count_max=count_max, bytes_max=bytes_max
    )


def test_an_accounts_transactions_come_in_nonce_order_whatever_order_they_came_in() -> None:
    ordered = [a_transaction("ann", nonce) for nonce in range(4)]
    assert chosen(filled(*reversed(ordered))) == [each.raw for each in ordered]


def test_the_best_offer_comes_first_and_an_earlier_one_among_equals() -> None:
    low, high, same = a_transaction("ann", 0, tip=1), a_transaction("ben", 0, tip=9), a_transaction("cy", 0, tip=1)
    assert chosen(filled(low, high, same)) == [high.raw, low.raw, same.raw]


def test_what_a_block_keeps_a_place_for_comes_before_the_best_offer() -> None:
    high, kept = a_transaction("ann", 0, tip=9), a_transaction("ben", 0)
    assert chosen(filled(high, kept), kept=kept, count_max=1) == [kept.raw]


def test_a_gap_holds_back_what_is_behind_it() -> None:
    first, third = a_transaction("ann", 0), a_transaction("ann", 2)
    pool = filled(third)
    assert chosen(pool) == []
    assert not pool.has_ready(lambda _: 0)
    pool.add(first, account_nonce=0, here=False)
    assert chosen(pool) == [first.raw]
    assert pool.next_nonce(address("ann"), 0) == 1


def test_a_block_takes_no_more_than_fits() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(3)), a_transaction("ben", 0))
    one = len(a_transaction("ann", 0).raw)
    assert len(chosen(pool, count_max=2)) == 2
    assert len(chosen(pool, bytes_max=2 * one + 1)) == 2


def test_a_block_on_an_unfinal_parent_begins_at_that_parents_nonces() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(3)))
    assert chosen(pool, nonces={"ann": 2}) == [a_transaction("ann", 2).raw]


def test_each_limit_has_its_reason() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(4)))
    assert refusal(pool, a_transaction("ann", 0)) is Reason.ALREADY_KNOWN
    assert refusal(pool, a_transaction("ann", 4)) is Reason.ACCOUNT_LIMIT
    assert refusal(pool, a_transaction("ben", 3), account_nonce=4) is Reason.NONCE_TOO_LOW
    assert refusal(pool, a_transaction("ben", 4)) is Reason.NONCE_GAP
    for nonce in range(4):
        pool.add(a_transaction("ben", nonce), account_nonce=0, here=False)
    assert refusal(pool, a_transaction("cy", 0)) is Reason.MEMPOOL_FULL


def test_what_waits_behind_a_gap_and_pays_nothing_fills_half_of_the_pool_at_most() -> None:
    pool = filled(
        *(a_transaction("ann", nonce) for nonce in (1, 2, 3)), *(a_transaction("ben", nonce) for nonce in (1, 2))
    )
    assert refusal(pool, a_transaction("ben", 3)) is Reason.MEMPOOL_FULL
    pool.add(a_transaction("cy", 0), account_nonce=0, here=False)


def test_a_quarter_of_the_pool_is_kept_for_what_a_block_keeps_a_place_for() -> None:
    pool = filled(*(a_transaction(name, nonce) for name in ("ann", "ben") for nonce in range(4)))
    assert refusal(pool, a_transaction("cy", 0)) is Reason.MEMPOOL_FULL
    pool.add(a_transaction("cy", 0), account_nonce=0, here=False, kept=True)


def test_the_pool_is_bounded_in_bytes() -> None:
    size = len(a_transaction("ann", 0).raw)
    pool = filled(a_transaction("ann", 0), limits=PoolLimits(per_account=9, total=9, total_bytes=2 * size - 1))
    assert refusal(pool, a_transaction("ben", 0)) is Reason.MEMPOOL_FULL


def test_a_replacement_is_bounded_in_bytes_too() -> None:
    long = sign_transaction(seed_of("ann"), CHARTER.hash, a_body("ann", a_publication(), nonce=0, tip=9))
    limits = PoolLimits(per_account=9, total=9, total_bytes=len(long) - 1)
    pool = filled(a_transaction("ann", 0), limits=limits)
    assert refusal(pool, open_transaction(long, CHARTER.hash)) is Reason.MEMPOOL_FULL
    assert pool.verified(a_transaction("ann", 0).raw)


def test_a_client_of_this_node_gives_the_next_nonce_and_no_later_one() -> None:
    pool = filled(a_transaction("ann", 0), here=True)
    assert refusal(pool, a_transaction("ann", 2), here=True) is Reason.NONCE_GAP
    pool.add(a_transaction("ann", 1), account_nonce=0, here=True)
    assert pool.of_clients() == [a_transaction("ann", 0).raw, a_transaction("ann", 1).raw]


def test_a_replacement_pays_a_tenth_more() -> None:
    old, cheap, dear = (a_transaction("ann", 0, tip=tip, amount=tip) for tip in (100, 110, 111))
    pool = filled(old)
    assert refusal(pool, cheap) is Reason.FEE_TOO_LOW
    pool.add(dear, account_nonce=0, here=False)
    assert chosen(pool) == [dear.raw]
    assert not pool.verified(old.raw)
    assert len(pool) == 1


def test_a_final_block_drops_what_has_no_chance_any_more() -> None:
    used, kept, poor = a_transaction("ann", 0), a_transaction("ann", 1), a_transaction("ben", 0)
    pool = filled(used, kept, poor)
    accounts = {address("ann"): Account(nonce=1, balance=10**9), address("ben"): Account(nonce=0, balance=5)}
    pool.settle(accounts.__getitem__, now_ms=GENESIS_MS)
    assert kept.id in pool
    assert len(pool) == 1
    pool.settle(accounts.__getitem__, now_ms=kept.body.valid_until + 1)
    assert len(pool) == 0
    assert not pool.verified(kept.raw)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 6), st.integers(0, 3)), max_size=30))
def test_whatever_comes_the_pool_keeps_its_limits_and_its_order(asked: list[tuple[str, int, int]]) -> None:
    pool = Pool(LIMITS)
    for name, nonce, tip in asked:
        try:
            pool.add(a_transaction(name, nonce, tip=tip), account_nonce=1, here=False)
        except Refused:
            continue
    assert len(pool) <= LIMITS.total
    block = [
        open_transaction(raw, CHARTER.hash, verified=pool.verified)
        for raw in chosen(pool, nonces=dict.fromkeys(NAMES, 1))
    ]
    for name in NAMES:
        mine = [each.body.nonce for each in block if each.sender == address(name)]
        assert mine == list(range(1, 1 + len(mine)))
        assert len(mine) <= LIMITS.per_account
        assert pool.next_nonce(address(name), 1) == 1 + len(mine)
