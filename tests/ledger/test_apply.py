from collections.abc import Callable
from functools import partial

import pytest

from ledger.apply import apply_block, precheck, told
from ledger.block import Block, block_id, transactions_root
from ledger.fees import gas_of
from ledger.onion import peel, reveal
from ledger.parameters import Parameters
from ledger.state import change
from ledger.transaction import JobAccept, Receipt, Transfer, open_transaction, sign_transaction
from primitives import codec
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World

LEAST = Parameters().base_fee_min
FIRST = kit.address("validator 0")
GIFT = Transfer(to=kit.address("stranger"), amount=5)
GAS = gas_of(GIFT, 200)
FEE = kit.least_fee(GIFT)


@pytest.fixture
def world() -> World:
    return kit.a_world()


def refusal(act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def test_a_transfer_moves_the_amount_and_burns_the_base_fee(world: World) -> None:
    before = world.balance("client")
    receipt = world.do("client", GIFT)
    assert (receipt.ok, receipt.fee) == (True, FEE)
    assert world.balance("client") == before - 5 - FEE
    assert world.balance("stranger") == 5
    assert world.state.totals().burned == FEE


def test_the_tip_goes_to_the_operator_of_the_proposer(world: World) -> None:
    world.block(world.sign("client", GIFT, tip=7))
    assert world.state.account(kit.address("validator 0")).balance == 7 * GAS
    assert world.state.totals().burned == FEE


def test_the_cap_limits_the_tip(world: World) -> None:
    body = change(kit.a_body("client", GIFT, nonce=0), tip=100, fee_cap=LEAST + 3)
    final = world.block(sign_transaction(kit.seed_of("client"), world.charter.hash, body))
    assert final.outcome.receipts[0].fee == FEE + 3 * GAS


def test_a_transaction_that_fails_pays_its_fee_and_changes_nothing_else(world: World) -> None:
    before = world.balance("client")
    receipt = world.do("client", Transfer(to=kit.address("stranger"), amount=before))
    assert (receipt.reason, receipt.fee) == (Reason.INSUFFICIENT_BALANCE, FEE)
    assert dict(receipt.facts) == {"seen": before - FEE, "wanted": before}
    assert (world.balance("client"), world.balance("stranger")) == (before - FEE, 0)
    assert world.state.account(kit.address("client")).nonce == 1


def test_a_transfer_of_nothing_fails_and_one_to_oneself_is_neutral(world: World) -> None:
    assert world.do("client", change(GIFT, amount=0)).reason == Reason.ZERO_AMOUNT
    before = world.balance("client")
    world.must("client", Transfer(to=kit.address("client"), amount=100))
    assert world.balance("client") == before - FEE


def unfit(world: World) -> dict[str, tuple[bytes, Reason]]:
    """Return transactions that can't stand in the next block at all."""
    body = kit.a_body("client", GIFT, nonce=0)
    poor = kit.a_body("pauper", GIFT, nonce=0)

    def signed(**changed: object) -> bytes:
        return sign_transaction(kit.seed_of("client"), world.charter.hash, change(body, **changed))

    return {
        "nonce gap": (signed(nonce=1), Reason.NONCE_GAP),
        "expired": (signed(valid_until=kit.GENESIS_MS), Reason.EXPIRED),
        "valid too long": (signed(valid_until=kit.GENESIS_MS + 86_402_000), Reason.VALID_TOO_LONG),
        "fee cap too low": (signed(fee_cap=LEAST - 1), Reason.FEE_TOO_LOW),
        "no balance": (sign_transaction(kit.seed_of("pauper"), world.charter.hash, poor), Reason.INSUFFICIENT_BALANCE),
    }


def test_what_cannot_stand_in_a_block_is_left_out_by_a_proposer_and_refused_by_the_precheck(world: World) -> None:
    for name, (raw, reason) in unfit(world).items():
        transaction = open_transaction(raw, world.charter.hash)
        seen = refusal(partial(precheck, world.charter, world.state, transaction, now_ms=world.now_ms + 1_000))
        assert seen.reason is reason, name
    final = world.block(*(raw for raw, _ in unfit(world).values()))
    assert final.block.transactions == []


def a_block(world: World, *transactions: bytes) -> Block:
    """Return the next block, proposed but not final."""
    head = world.chain.head
    return world.chain.propose(
        head.id,
        view=head.header.view + 1,
        transactions=transactions,
        now_ms=world.now_ms + 1_000,
        proposer=0,
        reveal=reveal(kit.onion_of(0), world.state.tip(FIRST).reveals),
    )


def test_a_block_with_a_transaction_that_cannot_stand_in_it_is_invalid(world: World) -> None:
    for raw, _ in [*unfit(world).values(), (b"no transaction", None)]:
        header = change(a_block(world).header, tx_root=transactions_root([raw]))
        bad = Block(header=header, transactions=[raw])
        seen = refusal(partial(apply_block, world.charter, world.chain.head, bad))
        assert (seen.reason, seen.facts["index"]) == (Reason.BLOCK_BAD_TRANSACTION, 0)


def test_the_same_transaction_does_not_count_twice(world: World) -> None:
    raw = world.sign("client", GIFT)
    assert world.block(raw, raw).block.transactions == [raw]
    assert world.block(raw).block.transactions == []


def test_a_senders_transactions_count_in_nonce_order(world: World) -> None:
    second, first = world.sign("client", GIFT, ahead=1), world.sign("client", GIFT)
    assert world.block(second, first).block.transactions == [first]
    assert world.block(second).block.transactions == [second]


BAD_HEADERS: dict[str, tuple[dict[str, object], Reason]] = {
    "version": ({"version": 2}, Reason.BLOCK_WRONG_VERSION),
    "network": ({"genesis": bytes(32)}, Reason.WRONG_NETWORK),
    "parent": ({"parent": bytes(32)}, Reason.BLOCK_WRONG_PARENT),
    "parent's view": ({"parent_view": 7}, Reason.BLOCK_WRONG_PARENT),
    "view not above the parent's": ({"view": 0}, Reason.BLOCK_WRONG_PARENT),
    "epoch": ({"epoch": 1}, Reason.BLOCK_WRONG_PARENT),
    "height": ({"height": 2}, Reason.BLOCK_WRONG_HEIGHT),
    "time not above the parent's": ({"timestamp_ms": kit.GENESIS_MS}, Reason.BLOCK_WRONG_TIME),
    "proposer beyond the list": ({"proposer": 4}, Reason.BLOCK_WRONG_PROPOSER),
    "another's onion": ({"proposer": 1}, Reason.BLOCK_WRONG_BEACON),
    "state root": ({"state_root": bytes(32)}, Reason.BLOCK_WRONG_STATE_ROOT),
    "receipts root": ({"receipts_root": bytes(32)}, Reason.BLOCK_WRONG_RECEIPTS_ROOT),
    "transactions root": ({"tx_root": bytes(32)}, Reason.BLOCK_WRONG_TX_ROOT),
    "evidence root": ({"evidence_root": bytes(32)}, Reason.BLOCK_BAD_EVIDENCE),
    "validators": ({"validators_hash": bytes(32)}, Reason.BLOCK_WRONG_VALIDATORS),
    "next validators": ({"next_validators_hash": bytes(32)}, Reason.BLOCK_WRONG_VALIDATORS),
    "reveal": ({"beacon_reveal": bytes(32)}, Reason.BLOCK_WRONG_BEACON),
    "gas of the parent": ({"parent_gas_used": 1}, Reason.BLOCK_WRONG_BASE_FEE),
    "base fee": ({"base_fee": 1}, Reason.BLOCK_WRONG_BASE_FEE),
}


@pytest.mark.parametrize(("changed", "reason"), BAD_HEADERS.values(), ids=list(BAD_HEADERS))
def test_a_block_is_invalid_with_another(world: World, changed: dict[str, object], reason: Reason) -> None:
    block = a_block(world, world.sign("client", GIFT))
    bad = change(block, header=change(block.header, **changed))
    assert refusal(lambda: apply_block(world.charter, world.chain.head, bad)).reason is reason
    assert apply_block(world.charter, world.chain.head, block).id == block_id(block.header)


def test_live_time_grows_by_the_interval_and_at_most_two_seconds(world: World) -> None:
    grown = []
    for passed_ms in (1, 700, 2_000, 2_001, 86_400_000):
        before = world.state.clock().live_ms
        world.block(passed_ms=passed_ms)
        grown.append(world.state.clock().live_ms - before)
    assert grown == [1, 700, 2_000, 2_000, 2_000]


def test_each_block_stirs_the_beacon_and_moves_the_proposers_tip(world: World) -> None:
    before, tip = world.state.clock().beacon, world.state.tip(FIRST)
    world.block()
    after = world.state.tip(FIRST)
    assert world.state.clock().beacon != before
    assert peel(after.last) == tip.last
    assert (after.reveals, after.height) == (1, 1)


def test_a_header_carries_the_roots_of_its_parent(world: World) -> None:
    first = world.block(world.sign("client", GIFT))
    second = world.block()
    assert second.block.header.state_root == first.outcome.state_root
    assert second.block.header.receipts_root == first.outcome.receipts_root
    assert first.outcome.receipts_root != second.outcome.receipts_root


def test_the_precheck_gives_the_reason_that_the_receipt_would_and_changes_nothing(world: World) -> None:
    kit.publish(world)
    for payload in (
        Transfer(to=kit.address("stranger"), amount=10**6 * KARAT),
        kit.a_submission(max_price=10**6 * KARAT),
        change(kit.a_submission(), model=bytes(32)),
        JobAccept(job=bytes(32), price=1),
    ):
        transaction = open_transaction(world.sign("client", payload), world.charter.hash)
        root, before = world.chain.head.state_root, world.balance("client")
        seen = refusal(partial(precheck, world.charter, world.state, transaction, now_ms=world.now_ms))
        assert (world.chain.head.state_root, world.balance("client")) == (root, before)
        assert world.do("client", payload).reason == seen.reason


def test_the_precheck_takes_what_would_succeed_and_counts_on_what_waits(world: World) -> None:
    first = open_transaction(world.sign("client", GIFT), world.charter.hash)
    second = open_transaction(world.sign("client", GIFT, ahead=1), world.charter.hash)
    precheck(world.charter, world.state, first, now_ms=world.now_ms)
    precheck(world.charter, world.state, second, now_ms=world.now_ms, next_nonce=1)
    seen = refusal(lambda: precheck(world.charter, world.state, second, now_ms=world.now_ms))
    assert seen.reason is Reason.NONCE_GAP


def test_facts_in_a_receipt_are_numbers_of_records_or_text() -> None:
    refusal = Refused(Reason.BOND_TOO_SMALL, seen=2**63, low=-1, root=b"\x01", words="few", none=None, most=2**63 - 1)
    assert told(refusal) == [
        ("seen", str(2**63)),
        ("low", "-1"),
        ("root", "01"),
        ("words", "few"),
        ("none", None),
        ("most", 2**63 - 1),
    ]
    receipt = Receipt(transaction=bytes(32), reason=1, fee=0, facts=told(refusal))
    assert codec.decode(Receipt, codec.encode(receipt), at_most=1_000) == receipt
