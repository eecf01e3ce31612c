"""The pool: order, limits, prices, and what a final block leaves of it."""

from collections.abc import Mapping

import pytest

from ledger.fees import gas
from ledger.limits import ORDINARY_BYTES_MAX, ORDINARY_GAS_MAX, ORDINARY_TXS_MAX, REVEAL_BYTES_MAX, SUBMISSIONS_MAX
from ledger.market.dispute.payloads import DisputeDefend, DisputeTell
from ledger.parameters import Parameters
from ledger.records import Account
from ledger.state import change
from ledger.transaction import (
    JobCommit,
    Payload,
    ProviderReveal,
    Transaction,
    Transfer,
    open_transaction,
    sign_transaction,
)
from node.mempool.pool import ACCOUNT_BYTES_MAX, WAIT_MS_MAX, Pool, PoolLimits
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import GENESIS_MS, a_body, a_publication, a_submission, address, least_fee, seed_of
from tests.node.chains import CHARTER

LEAST = Parameters().base_fee_min
LIMITS = PoolLimits(per_account=4, total=10, total_bytes=10_000, base_fee_min=LEAST)
FRESH = Account(nonce=0, balance=10**12)
JOB = bytes(range(32))


def a_transaction(
    name: str, nonce: int, *, tip: int = 0, cap: int | None = None, amount: int = 1, payload: Payload | None = None
) -> Transaction:
    """Return a transaction whose cap leaves room for the tip at the least base fee, or is `cap`."""
    body = a_body(name, payload or Transfer(to=address("payee"), amount=amount), nonce=nonce, tip=tip)
    body = body if cap is None else change(body, fee_cap=cap)
    return open_transaction(sign_transaction(seed_of(name), CHARTER.hash, body), CHARTER.hash, verified=lambda _: True)


def a_commitment(name: str, nonce: int, *, tip: int = 0, cap: int | None = None) -> Transaction:
    return a_transaction(name, nonce, tip=tip, cap=cap, payload=JobCommit(job=JOB, commitment=bytes(32)))


def filled(*transactions: Transaction, limits: PoolLimits = LIMITS, here: bool = False) -> Pool:
    pool = Pool(limits)
    for transaction in transactions:
        pool.add(transaction, account=FRESH, now_ms=GENESIS_MS, here=here)
    return pool


def add(pool: Pool, transaction: Transaction, *, kept: bool = False, here: bool = False) -> None:
    pool.add(transaction, account=FRESH, now_ms=GENESIS_MS, here=here, kept=kept)


def refusal(pool: Pool, transaction: Transaction, *, account: Account = FRESH, here: bool = False) -> Reason:
    before = len(pool)
    with pytest.raises(Refused) as refused:
        pool.add(transaction, account=account, now_ms=GENESIS_MS, here=here)
    assert len(pool) == before
    return refused.value.reason


def chosen(pool: Pool, *, base_fee: int = LEAST, nonces: dict[str, int] | None = None) -> list[bytes]:
    moved = {address(name): nonce for name, nonce in (nonces or {}).items()}
    found = pool.select(base_fee=base_fee, nonces=moved)
    assert pool.has_ready(base_fee=base_fee, nonces=moved) == bool(found)
    return found


def settle(
    pool: Pool,
    accounts: Mapping[str, Account] | None = None,
    *,
    kept: bool | None = None,
    base_fee: int = LEAST,
    now_ms: int = GENESIS_MS,
) -> None:
    rows = {address(name): account for name, account in (accounts or {}).items()}
    jobs = [] if kept is None else [JOB]
    pool.settle(rows, rows.__getitem__, jobs=jobs, is_kept=lambda _: bool(kept), base_fee=base_fee, now_ms=now_ms)


# --- order: N53


def test_an_accounts_transactions_come_in_nonce_order_whatever_order_they_came_in() -> None:
    ordered = [a_transaction("ann", nonce) for nonce in range(3)]
    assert chosen(filled(*reversed(ordered))) == [each.raw for each in ordered]


def test_the_best_offer_comes_first_and_an_earlier_one_among_equals() -> None:
    low, high, same = a_transaction("ann", 0, tip=1), a_transaction("ben", 0, tip=9), a_transaction("cy", 0, tip=1)
    assert chosen(filled(low, high, same)) == [high.raw, low.raw, same.raw]


def test_what_the_cap_leaves_of_the_tip_is_the_offer() -> None:
    boaster = a_transaction("ann", 0, tip=500, cap=LEAST + 60)
    modest = a_transaction("ben", 0, tip=20, cap=LEAST + 100)
    pool = filled(modest, boaster)
    assert chosen(pool) == [boaster.raw, modest.raw]
    assert chosen(pool, base_fee=LEAST + 50) == [modest.raw, boaster.raw]


def test_a_better_offer_waits_for_an_earlier_one_of_its_account() -> None:
    first, second, other = a_transaction("ann", 0), a_transaction("ann", 1, tip=9), a_transaction("ben", 0, tip=5)
    assert chosen(filled(first, second, other)) == [other.raw, first.raw, second.raw]


def test_what_a_block_keeps_a_place_for_comes_before_the_best_offer_and_so_does_what_it_waits_for() -> None:
    pool = filled(a_transaction("ann", 0, tip=9), a_transaction("ben", 0))
    add(pool, a_commitment("ben", 1), kept=True)
    high, before, kept = a_transaction("ann", 0, tip=9).raw, a_transaction("ben", 0).raw, a_commitment("ben", 1).raw
    assert chosen(pool) == [before, kept, high]
    settle(pool, kept=False)
    assert chosen(pool) == [high, before, kept]
    settle(pool, kept=True)
    assert chosen(pool) == [before, kept, high]


def test_one_whose_cap_is_below_the_base_fee_is_parked_with_all_behind_it_until_it_falls() -> None:
    parked = [a_transaction("ann", 0, cap=LEAST + 5), a_transaction("ann", 1, cap=LEAST + 90)]
    pool = filled(*parked, a_transaction("ben", 0, cap=LEAST + 9))
    settle(pool, base_fee=LEAST + 9)
    assert chosen(pool, base_fee=LEAST + 9) == [a_transaction("ben", 0, cap=LEAST + 9).raw]
    assert (pool.counts().parked, len(pool)) == (1, 3)
    assert chosen(pool, base_fee=LEAST + 10) == []
    assert len(chosen(pool, base_fee=LEAST + 5)) == 3


def test_what_a_job_waits_for_is_never_parked() -> None:
    pool = filled()
    add(pool, a_commitment("ben", 0), kept=True)
    assert chosen(pool, base_fee=10 * LEAST) == [a_commitment("ben", 0).raw]
    settle(pool, kept=False, base_fee=10 * LEAST)
    assert chosen(pool, base_fee=10 * LEAST) == []


def test_a_gap_holds_back_what_is_behind_it() -> None:
    first, third = a_transaction("ann", 0), a_transaction("ann", 2)
    pool = filled(third)
    assert chosen(pool) == []
    assert pool.is_behind_gap(pool.content(limit=1)[0])
    add(pool, first)
    assert chosen(pool) == [first.raw]
    assert pool.next_nonce(address("ann"), 0) == 1
    add(pool, a_transaction("ann", 1))
    assert len(chosen(pool)) == 3
    assert pool.counts().behind_gap == 0


def test_a_block_on_an_unfinal_parent_begins_at_that_parents_nonces() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(3)))
    assert chosen(pool, nonces={"ann": 2}) == [a_transaction("ann", 2).raw]
    assert chosen(pool, nonces={"ann": 3}) == []


def test_a_block_takes_no_more_ordinary_ones_than_it_has_places_bytes_and_gas_for() -> None:
    large = PoolLimits(per_account=10**6, total=10**6, total_bytes=10**9, base_fee_min=LEAST)
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(ORDINARY_TXS_MAX + 1)), limits=large)
    add(pool, a_commitment("ben", 0), kept=True)
    assert len(chosen(pool)) == ORDINARY_TXS_MAX + 1
    reveal = ProviderReveal(job=JOB, salt=bytes(32), cut=bytes(12_000), outputs=bytes(12_000))
    long = [a_transaction("ann", nonce, payload=reveal) for nonce in range(50)]
    assert len(chosen(filled(*long, limits=large))) == ORDINARY_BYTES_MAX // len(long[0].raw)
    dense = [a_transaction("ann", nonce, payload=change(reveal, cut=b"", outputs=bytes(200))) for nonce in range(1_600)]
    assert len(chosen(filled(*dense, limits=large))) == ORDINARY_GAS_MAX // gas(dense[0]) < len(dense)
    jobs = [a_transaction("ann", nonce, payload=a_submission()) for nonce in range(200)]
    assert len(chosen(filled(*jobs, limits=large))) == SUBMISSIONS_MAX


def test_of_proofs_in_disputes_a_block_takes_one_and_of_what_one_dispute_waits_for_an_account_has_one_x37() -> None:
    pool = filled(limits=PoolLimits(per_account=9, total=99, total_bytes=10**6, base_fee_min=LEAST))
    proof = DisputeDefend(dispute=JOB, root=JOB, proof=b"a proof")
    for name in ("ann", "ben"):
        add(pool, a_transaction(name, 0, payload=proof), kept=True)
    told = DisputeTell(dispute=JOB, root=JOB, roots=[], value_type=None)
    for nonce, dispute in enumerate((JOB, bytes(32), JOB)):
        add(pool, a_transaction("eve", nonce, payload=change(told, dispute=dispute)), kept=True)
    assert pool.counts().kept == 4
    assert len(chosen(pool)) == 1 + 3


# --- limits: N51, N58


def test_each_limit_has_its_reason() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in range(4)))
    assert refusal(pool, a_transaction("ann", 0)) is Reason.ALREADY_KNOWN
    assert refusal(pool, a_transaction("ann", 4)) is Reason.ACCOUNT_LIMIT
    assert refusal(pool, a_transaction("ben", 3), account=Account(nonce=4, balance=10**12)) is Reason.NONCE_TOO_LOW
    assert refusal(pool, a_transaction("ben", 4)) is Reason.NONCE_GAP
    assert refusal(pool, a_transaction("ben", 0, cap=LEAST - 1)) is Reason.FEE_TOO_LOW


def test_an_account_can_pay_the_least_fee_of_all_that_it_has_waiting() -> None:
    fee = least_fee(Transfer(to=address("payee"), amount=1))
    pool, account = Pool(LIMITS), Account(nonce=0, balance=2 * fee)
    for nonce in range(2):
        pool.add(a_transaction("ann", nonce), account=account, now_ms=GENESIS_MS)
    assert refusal(pool, a_transaction("ann", 2), account=account) is Reason.INSUFFICIENT_BALANCE
    pool.add(a_transaction("ann", 1, tip=1, cap=2 * LEAST), account=account, now_ms=GENESIS_MS)
    settle(pool, {"ann": Account(nonce=0, balance=2 * fee - 1)})
    assert [each.nonce for each in pool.content(limit=9)] == [0]
    assert pool.counts().dropped == {"replaced": 1, "unpayable": 1}


def test_what_waits_behind_a_gap_and_pays_nothing_fills_a_quarter_of_the_pool_at_most() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in (1, 2)))
    assert refusal(pool, a_transaction("ben", 3)) is Reason.MEMPOOL_FULL
    add(pool, a_transaction("cy", 0))


def a_full_pool() -> Pool:
    """Return a pool of five accounts with two transactions each; the tips of the first are 1 to 5, of the others 10."""
    return filled(
        *(a_transaction(f"payer {at}", nonce, tip=10 if nonce else at) for at in range(1, 6) for nonce in (0, 1))
    )


def test_when_the_pool_is_full_the_cheapest_gives_way_from_its_accounts_end() -> None:
    pool = a_full_pool()
    assert refusal(pool, a_transaction("ann", 0, tip=1)) is Reason.MEMPOOL_FULL
    add(pool, a_transaction("ann", 0, tip=2))
    assert a_transaction("payer 1", 1, tip=10).id not in pool
    assert len(pool) == LIMITS.total
    assert refusal(pool, a_transaction("ben", 0, tip=1)) is Reason.MEMPOOL_FULL
    assert pool.counts().dropped == {"evicted": 1}


def test_a_good_tip_behind_a_bad_one_is_worth_no_more_than_that() -> None:
    pool = a_full_pool()
    assert refusal(pool, a_transaction("payer 1", 2, tip=9)) is Reason.MEMPOOL_FULL
    add(pool, a_transaction("payer 5", 2, tip=9))
    assert a_transaction("payer 1", 1, tip=10).id not in pool


def test_what_is_behind_a_gap_gives_way_first_and_makes_nothing_give_way() -> None:
    pool = filled(*(a_transaction(f"payer {at}", nonce) for at in range(4) for nonce in (0, 1)))
    add(pool, a_transaction("ann", 1, tip=99))
    add(pool, a_transaction("payer 4", 0))
    assert refusal(pool, a_transaction("ben", 1, tip=99)) is Reason.MEMPOOL_FULL
    add(pool, a_transaction("cy", 0))
    assert not pool.holds_nonce(address("ann"), 1)


def test_what_a_job_waits_for_makes_the_cheapest_give_way_and_never_gives_way_itself() -> None:
    pool = filled(*(a_transaction(f"payer {at}", 0, tip=100) for at in range(5)))
    for at in range(5):
        add(pool, a_commitment(f"worker {at}", 0), kept=True)
    for at in range(5, 10):
        add(pool, a_commitment(f"worker {at}", 0), kept=True)
    assert pool.counts().kept == LIMITS.total
    assert refusal(pool, a_transaction("ann", 0, tip=10**6)) is Reason.MEMPOOL_FULL
    with pytest.raises(Refused):
        add(pool, a_commitment("worker 10", 0), kept=True)
    settle(pool, kept=False)
    add(pool, a_transaction("ann", 0, tip=1))


def test_of_what_an_account_says_to_one_job_the_first_alone_never_gives_way() -> None:
    pool = filled()
    for nonce in (1, 0, 2, 3):
        add(pool, a_commitment("ben", nonce), kept=True)
        assert pool.counts().kept == 1
    for at in range(LIMITS.total - 1):
        add(pool, a_transaction(f"payer {at}", 0, tip=9))
    assert pool.holds_nonce(address("ben"), 0)
    assert not pool.holds_nonce(address("ben"), 1)


def test_what_the_base_fee_parks_gives_way_before_what_it_does_not() -> None:
    pool = filled(*(a_transaction(f"payer {at}", 0, cap=LEAST + 100 * at, tip=50) for at in range(10)))
    settle(pool, base_fee=LEAST + 250)
    add(pool, a_transaction("ann", 0, cap=LEAST + 251, tip=1))
    assert not pool.holds_nonce(address("payer 0"), 0)
    assert refusal(pool, a_transaction("ben", 0, cap=LEAST + 50, tip=0)) is Reason.MEMPOOL_FULL


def test_the_pool_is_bounded_in_bytes() -> None:
    size = len(a_transaction("ann", 0).raw)
    limits = change_limits(total_bytes=2 * size - 1)
    pool = filled(a_transaction("ann", 0), limits=limits)
    assert refusal(pool, a_transaction("ben", 0)) is Reason.MEMPOOL_FULL
    add(pool, a_transaction("ben", 0, tip=1))
    assert not pool.holds_nonce(address("ann"), 0)


def test_a_replacement_is_bounded_in_bytes_too() -> None:
    long = a_transaction("ann", 0, tip=99, payload=a_publication())
    pool = filled(a_transaction("ann", 0), limits=change_limits(total_bytes=len(long.raw) - 1))
    assert refusal(pool, long) is Reason.MEMPOOL_FULL
    assert pool.verified(a_transaction("ann", 0).raw)


def test_an_account_may_have_so_many_bytes_waiting_and_another_begins_anew() -> None:
    reveal = ProviderReveal(job=JOB, salt=bytes(32), cut=bytes(REVEAL_BYTES_MAX), outputs=bytes(REVEAL_BYTES_MAX))
    many = PoolLimits(per_account=10**6, total=10**6, total_bytes=10**9, base_fee_min=LEAST)
    size = len(a_transaction("ann", 0, payload=reveal).raw)
    pool = filled(*(a_transaction("ann", at, payload=reveal) for at in range(ACCOUNT_BYTES_MAX // size)), limits=many)
    over = a_transaction("ann", ACCOUNT_BYTES_MAX // size, payload=reveal)
    assert refusal(pool, over) is Reason.ACCOUNT_LIMIT
    add(pool, a_transaction("bob", 0, payload=reveal))


def change_limits(*, total_bytes: int) -> PoolLimits:
    return PoolLimits(per_account=9, total=9, total_bytes=total_bytes, base_fee_min=LEAST)


# --- clients, replacement, repeats


def test_a_client_of_this_node_gives_the_next_nonce_and_no_later_one_or_replaces_one() -> None:
    pool = filled(a_transaction("ann", 0), here=True)
    assert refusal(pool, a_transaction("ann", 2), here=True) is Reason.NONCE_GAP
    add(pool, a_transaction("ann", 1), here=True)
    assert pool.of_clients() == [a_transaction("ann", 0).raw, a_transaction("ann", 1).raw]
    dearer = a_transaction("ann", 0, cap=2 * LEAST)
    add(pool, dearer, here=True)
    assert sorted(pool.of_clients()) == sorted([dearer.raw, a_transaction("ann", 1).raw])


def test_a_replacement_offers_a_tenth_more_in_cap_and_tip() -> None:
    old = a_transaction("ann", 0, tip=100, cap=1_000)
    pool = filled(old)
    for cap, tip in ((1_099, 200), (2_000, 109), (1_000, 100)):
        assert refusal(pool, a_transaction("ann", 0, tip=tip, cap=cap, amount=2)) is Reason.REPLACEMENT_TOO_CHEAP
    dear = a_transaction("ann", 0, tip=110, cap=1_100)
    add(pool, dear)
    assert chosen(pool) == [dear.raw]
    assert not pool.verified(old.raw)
    assert len(pool) == 1


def test_a_replacement_offers_no_more_than_the_account_can_pay() -> None:
    old = a_transaction("ann", 0)
    account = Account(nonce=0, balance=2 * gas(old) * LEAST)
    pool = Pool(LIMITS)
    pool.add(old, account=account, now_ms=GENESIS_MS)
    beyond = a_transaction("ann", 0, cap=2 * LEAST + 1)
    assert refusal(pool, beyond, account=account) is Reason.INSUFFICIENT_BALANCE
    pool.add(a_transaction("ann", 0, cap=2 * LEAST), account=account, now_ms=GENESIS_MS)


def test_a_signature_that_was_found_good_is_known_for_a_while() -> None:
    pool = Pool(LIMITS)
    pool.seen.note(b"one")
    assert pool.verified(b"one")
    assert not pool.verified(b"two")


# --- whose proof is heard (X37)


def test_the_proof_whose_turn_it_is_comes_first_and_no_other_whatever_they_offer_n53() -> None:
    def a_proof(name: str, dispute: int, tip: int = 0, nonce: int = 0) -> Transaction:
        payload = DisputeDefend(dispute=bytes([dispute]) * 32, root=JOB, proof=b"a proof")
        return a_transaction(name, nonce, tip=tip, payload=payload)

    def turn(transaction: Transaction) -> tuple[int, int] | None:
        payload = transaction.body.payload
        assert isinstance(payload, DisputeDefend)
        return {1: (3, 5), 2: (0, 9), 3: (0, 10), 4: None}[payload.dispute[0]]

    pool = Pool(LIMITS)
    rich, late, stale = a_proof("ann", 1, 900), a_proof("ben", 3, 500), a_proof("eve", 4, 999)
    behind, mine = a_proof("dan", 2, 0, nonce=1), a_proof("cy", 2)
    before, gift = a_transaction("dan", 0), a_transaction("fay", 0, tip=900)
    for proof in (rich, late, stale, behind, mine):
        add(pool, proof, kept=True)
    for other in (before, gift):
        add(pool, other)
    found = pool.select(base_fee=LEAST, nonces={}, turn=turn)
    assert found == [mine.raw, before.raw, gift.raw]  # the one behind another of its account waits for it


# --- after a block (N54)


def test_a_final_block_drops_used_nonces_and_those_whose_time_is_over() -> None:
    used, left, other = a_transaction("ann", 0), a_transaction("ann", 1), a_transaction("ben", 0)
    pool = filled(used, left, other)
    settle(pool, {"ann": Account(nonce=1, balance=10**12)}, now_ms=left.body.valid_until)
    assert left.id in pool
    assert len(pool) == 2
    assert chosen(pool) == [left.raw, other.raw]
    settle(pool, now_ms=left.body.valid_until + 1)
    assert len(pool) == 0
    assert pool.counts().dropped == {"used": 1, "expired": 2}


def test_a_final_block_drops_all_of_an_account_that_others_have_used() -> None:
    pool = filled(*(a_transaction("ann", nonce) for nonce in (0, 1, 3)))
    settle(pool, {"ann": Account(nonce=9, balance=10**12)})
    assert (len(pool), pool.counts().behind_gap, pool.counts().bytes) == (0, 0, 0)
    pool.add(a_transaction("ann", 9), account=Account(nonce=9, balance=10**12), now_ms=GENESIS_MS)
    assert len(chosen(pool)) == 1


def test_nothing_waits_longer_than_three_hours_whatever_it_allows_itself() -> None:
    body = change(a_body("ann", Transfer(to=address("payee"), amount=1), nonce=0), valid_until=GENESIS_MS + 86_400_000)
    raw = sign_transaction(seed_of("ann"), CHARTER.hash, body)
    pool = filled(open_transaction(raw, CHARTER.hash))
    settle(pool, now_ms=GENESIS_MS + WAIT_MS_MAX)
    assert len(pool) == 1
    settle(pool, now_ms=GENESIS_MS + WAIT_MS_MAX + 1)
    assert len(pool) == 0


def test_what_has_left_the_pool_leaves_no_list_that_grows() -> None:
    pool = Pool(LIMITS)
    for nonce in range(500):
        pool.add(a_transaction("ann", nonce), account=Account(nonce=nonce, balance=10**12), now_ms=GENESIS_MS)
        settle(pool, {"ann": Account(nonce=nonce + 1, balance=10**12)})
    assert len(pool._expiries) <= 150


# --- advice: N59


def test_a_tip_is_advised_once_more_waits_than_the_next_block_holds() -> None:
    large = PoolLimits(per_account=10**6, total=10**6, total_bytes=10**9, base_fee_min=LEAST)
    pool = filled(*(a_transaction("ann", nonce, tip=30) for nonce in range(ORDINARY_TXS_MAX)), limits=large)
    assert pool.advised_tip() == 0
    add(pool, a_transaction("ben", 0, tip=7))
    assert pool.advised_tip() == 8
    add(pool, a_transaction("cy", 0, tip=90))
    settle(pool)
    assert pool.advised_tip() == 31
