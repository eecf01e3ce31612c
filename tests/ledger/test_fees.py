from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import fees
from ledger.fees import GAS_TARGET, KIND_GAS, STEP_PARTS, next_base_fee
from ledger.limits import BLOCK_GAS_MAX, ORDINARY_BYTES_MAX, ORDINARY_GAS_MAX, ORDINARY_TXS_MAX
from ledger.parameters import Parameters
from ledger.state import change
from ledger.transaction import JobAccept, JobCommit, Payload, Transfer, open_transaction, sign_transaction
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World

LEAST = Parameters().base_fee_min
GIFT = Transfer(to=kit.address("stranger"), amount=5)
used = st.integers(0, ORDINARY_GAS_MAX)
prices = st.integers(0, 2**62)


def test_every_kind_of_payload_has_its_gas() -> None:
    assert list(KIND_GAS) == list(get_args(Payload))


def test_gas_counts_started_pieces_of_256_bytes() -> None:
    assert [fees.gas_of(GIFT, length) for length in (1, 256, 257, 512)] == [500, 500, 900, 900]


def test_blocks_full_of_transfers_or_of_bytes_are_nearly_full_of_gas() -> None:
    assert ORDINARY_TXS_MAX * fees.gas_of(GIFT, 200) == ORDINARY_GAS_MAX
    assert ORDINARY_GAS_MAX * 3 // 4 < ORDINARY_BYTES_MAX // fees.PIECE_BYTES * fees.PIECE_GAS < ORDINARY_GAS_MAX


@given(prices, used)
def test_a_base_fee_moves_by_an_eighth_or_one_toward_the_target_and_stays_above_the_least(price: int, gas: int) -> None:
    after = next_base_fee(price, gas, floor=0)
    assert abs(after - price) <= max(1, price // STEP_PARTS)
    assert (after >= price) if gas >= GAS_TARGET else (after <= price)
    assert (after == price) == (gas == GAS_TARGET or (gas < GAS_TARGET and price == 0))
    assert next_base_fee(price, gas, floor=LEAST) == max(LEAST, after)


@given(prices, used, used)
def test_fuller_blocks_never_lead_to_a_lower_base_fee(price: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert next_base_fee(price, low, floor=LEAST) <= next_base_fee(price, high, floor=LEAST)


def after_blocks(price: int, gas: int, count: int) -> int:
    for _ in range(count):
        price = next_base_fee(price, gas, floor=LEAST)
    return price


def test_full_blocks_double_the_base_fee_in_six_and_empty_ones_bring_it_back_to_the_least_and_no_further() -> None:
    assert after_blocks(LEAST, ORDINARY_GAS_MAX, 5) < 2 * LEAST <= after_blocks(LEAST, ORDINARY_GAS_MAX, 6)
    high = after_blocks(LEAST, ORDINARY_GAS_MAX, 200)
    assert LEAST * 9**200 // 8**200 * 97 // 100 < high <= LEAST * 9**200 // 8**200
    assert after_blocks(high, 0, 200) == LEAST
    assert after_blocks(7, 0, 8) == LEAST
    assert after_blocks(LEAST, GAS_TARGET, 200) == LEAST


@given(st.lists(used, max_size=60))
def test_a_base_fee_depends_on_nothing_but_the_gas_that_was_used(history: list[int]) -> None:
    price, expected = LEAST, LEAST
    for gas in history:
        price = next_base_fee(price, gas, floor=LEAST)
        away = abs(gas - GAS_TARGET)
        step = max(1, (expected * away // GAS_TARGET) // 8) if away else 0
        expected = max(LEAST, expected + step if gas > GAS_TARGET else expected - step)
        assert price == expected


def test_a_suggested_cap_outlasts_a_dozen_full_blocks() -> None:
    for price in (LEAST, 10**6, 10**12):
        after = price
        for _ in range(11):
            after = next_base_fee(after, ORDINARY_GAS_MAX, floor=LEAST)
        assert after <= fees.suggested_cap(price)


# --- in blocks


@pytest.fixture
def crowd() -> World:
    return kit.a_world(kit.a_genesis(accounts=[*(f"payer {at}" for at in range(40)), "client", "publisher"]))


def flood(world: World, *, each: int, price: int) -> list[bytes]:
    """Return transfers of forty accounts, each with so many, at a cap of so many grains per gas."""
    raws = []
    for at in range(40):
        name = f"payer {at}"
        nonce = world.state.account(kit.address(name)).nonce
        for ahead in range(each):
            body = kit.a_body(name, GIFT, nonce=nonce + ahead, time_ms=world.now_ms)
            raws.append(sign_transaction(kit.seed_of(name), world.charter.hash, change(body, fee_cap=price)))
    return raws


def test_full_blocks_raise_what_the_next_costs_and_headers_and_burns_tell_it(crowd: World) -> None:
    burned = 0
    for _ in range(3):
        price = crowd.state.clock().base_fee
        final = crowd.block(*flood(crowd, each=50, price=10 * LEAST))
        gas = len(final.block.transactions) * fees.gas_of(GIFT, 200)
        burned += gas * price
        assert final.block.header.base_fee == price
        assert crowd.state.totals().burned == burned
        assert (crowd.state.clock().gas_used, crowd.state.clock().base_fee) == (
            gas,
            next_base_fee(price, gas, floor=LEAST),
        )
    assert crowd.state.clock().base_fee > LEAST
    assert crowd.block().block.header.parent_gas_used == 40 * 50 * fees.gas_of(GIFT, 200)
    assert kit.supply_of(crowd.state) == crowd.state.totals().supply


def test_gas_ends_a_block_before_its_places_do_where_payloads_take_more(crowd: World) -> None:
    world = crowd
    kit.publish(world)
    run = [world.sign("publisher", kit.a_publication(), ahead=at) for at in range(3)]
    final = world.block(*flood(world, each=75, price=LEAST), *run)
    assert len(final.block.transactions) == ORDINARY_TXS_MAX
    assert ORDINARY_GAS_MAX < BLOCK_GAS_MAX
    assert world.state.clock().gas_used == ORDINARY_GAS_MAX


def test_what_a_job_waits_for_pays_the_least_base_fee_and_moves_no_price(crowd: World) -> None:
    kit.publish(crowd)
    job = crowd.must("client", kit.a_submission(provider="worker 0"))
    crowd.must("worker 0", JobAccept(job=job, price=10**9 // 2))
    for _ in range(3):
        crowd.block(*flood(crowd, each=70, price=10 * LEAST))
    price = crowd.state.clock().base_fee
    assert price > LEAST
    mine = kit.values("worker 0").commitment(crowd.charter, job, "worker 0")
    late = crowd.sign("worker 0", JobCommit(job=bytes(32), commitment=mine))
    final = crowd.block(late, crowd.sign("worker 0", JobCommit(job=job, commitment=mine)))
    (receipt,) = final.outcome.receipts
    assert receipt.ok
    assert receipt.fee == kit.least_fee(JobCommit(job=job, commitment=mine))
    assert crowd.state.clock().gas_used == 0
    assert crowd.state.clock().base_fee < price


def test_a_cap_below_the_base_fee_keeps_a_transaction_out_until_it_has_fallen(crowd: World) -> None:
    for _ in range(2):
        crowd.block(*flood(crowd, each=70, price=10 * LEAST))
    raw = crowd.sign("client", GIFT)
    with pytest.raises(Refused) as caught:
        fees.charge(open_transaction(raw, crowd.charter.hash), crowd.state.clock().base_fee)
    assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.FEE_TOO_LOW, LEAST)
    assert crowd.block(raw).block.transactions == []
    while crowd.state.clock().base_fee > LEAST:
        crowd.block()
    assert crowd.block(raw).block.transactions == [raw]
