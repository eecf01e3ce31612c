"""Quotes: they tell what submissions would do, and change nothing (J84, J85)."""

from fractions import Fraction

import pytest

from ledger.market.quote import COLLUDING_PERCENT, Quote, chance, quote
from ledger.market.settlement import RUN_MS_PER_FEE
from ledger.parameters import Parameters, Tier
from ledger.records import JobState, Outcome
from ledger.state import change
from ledger.transaction import JobSubmit, LoweringPublish
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    RICH,
    World,
    a_cost,
    a_genesis,
    a_lowering,
    a_submission,
    a_worker,
    a_world,
    address,
    least_fee,
    publish,
    run_job,
)
from vm.lowering import lowering_id

PARAMETERS = Parameters()


@pytest.fixture
def world() -> World:
    made = a_world()
    publish(made)
    return made


def quoted(world: World, wanted: JobSubmit, *, client: str | None = "client") -> Quote:
    return quote(
        world.charter,
        world.state,
        wanted,
        client=None if client is None else address(client),
        now_ms=world.now_ms,
    )


def test_a_quote_tells_what_the_submission_then_takes(world: World) -> None:  # J84
    found = quoted(world, a_submission())
    assert found.refusal is None
    before = world.balance("client")
    final = world.block(world.sign("client", a_submission()))
    (receipt,) = final.outcome.receipts
    assert before - world.balance("client") == found.escrow + found.fee
    assert (found.fee, found.gas * PARAMETERS.base_fee_min) == (receipt.fee, receipt.fee)
    assert found.fee == least_fee(a_submission(), pieces=2)
    job = world.job(receipt.transaction)
    assert (found.escrow, found.run_ms, found.k) == (job.escrow, job.run_ms, job.k)
    assert found.verifier_fees == job.k * job.verifier_fee
    assert dict(found.deadlines)[JobState.OPEN] == (job.due_live_ms or 0) - job.history[0].live_ms


def test_a_quote_changes_nothing_and_needs_no_client(world: World) -> None:
    before = world.chain.head.state_root
    found = quoted(world, a_submission(), client=None)
    assert found.refusal is None
    assert found.verifiers_idle == 4
    world.block()
    assert world.chain.head.header.state_root == before


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"max_price": 2 * RICH}, Reason.INSUFFICIENT_BALANCE),
        ({"max_price": 1}, Reason.PRICE_TOO_LOW),
        ({"provider": bytes(20)}, Reason.PROVIDER_UNKNOWN),
    ],
)
def test_a_refusal_is_told_ahead_as_the_submission_gets_it(
    world: World, changed: dict[str, object], reason: Reason
) -> None:  # J84
    wanted = change(a_submission(), **changed)
    refusal = quoted(world, wanted).refusal
    receipt = world.do("client", wanted)
    assert refusal is not None
    assert (refusal.reason, int(refusal.reason)) == (reason, receipt.reason)


def test_too_few_verifiers_are_told_with_their_number() -> None:
    world = a_world(a_genesis(workers=3))
    publish(world)
    refusal = quoted(world, a_submission()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.facts["seen"]) == (Reason.TOO_FEW_VERIFIERS, 2)


def test_a_quote_tells_how_many_fresh_workers_are_left_for_a_dispute_j85() -> None:
    for workers, left in ((4, 0), (6, 2), (9, 3)):
        world = a_world(a_genesis(workers=workers))
        publish(world)
        found = quoted(world, a_submission())
        assert (found.refusal, found.dispute_workers) == (None, left)


def test_what_workers_take_is_told_the_cheapest_first_and_half_of_them_take_the_proposed_price() -> None:
    asks = {"w0": 5, "w1": 3, "w2": 9, "w3": 7, "w4": 1}
    workers = [a_worker(name, ask=ask * KARAT) for name, ask in asks.items()]
    world = a_world(change(a_genesis(), workers=workers))
    publish(world)
    found = quoted(world, change(a_submission(provider=None), max_price=0))
    assert [each.price // KARAT for each in found.asks] == [1, 3, 5, 7, 9]
    assert all(each.is_free for each in found.asks)
    assert (found.verifiers_idle, found.verifiers_now) == (4, 4)  # one of the five provides
    assert found.max_price == 5 * KARAT
    assert found.escrow == 5 * KARAT + found.verifier_fees


def test_a_tier_says_how_many_verify_how_often_and_what_the_provider_has_at_stake(world: World) -> None:  # J85
    found = {tier: quoted(world, change(a_submission(), tier=tier)) for tier in (Tier.SPOT, Tier.STANDARD, Tier.HIGH)}
    assert [each.k for each in found.values()] == [1, 1, 3]
    assert [each.provider_bond // KARAT for each in found.values()] == [12, 4, 2]
    risky = quoted(world, change(a_submission(), at_risk=KARAT))
    assert risky.provider_bond - found[Tier.HIGH].provider_bond == 2 * KARAT


def test_a_provider_with_a_record_is_audited_less(world: World) -> None:  # J85
    wanted = change(a_submission(), tier=Tier.SPOT)
    fresh = quoted(world, wanted).audit_bps
    for _ in range(5):
        run_job(world)
    assert quoted(world, wanted).audit_bps < fresh


def test_the_chances_are_those_of_a_draw_without_replacement() -> None:  # J85
    for workers, k in ((100, 1), (100, 3), (100, 7), (10, 3), (3, 3)):
        for percent in COLLUDING_PERCENT:
            bad = workers * percent // 100
            exact = Fraction(1)
            for at in range(k):
                exact *= Fraction(max(0, bad - at), workers - at)
            told = chance(workers, percent, k=k, audit_bps=2_000)
            assert 0 <= told.all_collude_ppm - exact * 1_000_000 < 1
            assert 0 <= told.undetected_ppm - (1 - Fraction(1, 5) * (1 - exact)) * 1_000_000 < 1
    assert chance(100, 33, k=3, audit_bps=10_000).undetected_ppm == 33_742
    assert chance(0, 33, k=3, audit_bps=10_000).all_collude_ppm == 0


def test_the_endings_are_told_with_what_they_cost(world: World) -> None:
    endings = {each.outcome: each for each in quoted(world, a_submission()).endings}
    assert endings[Outcome.SETTLED].client == -(KARAT + 3 * PARAMETERS.verifier_fee)
    assert endings[Outcome.NOT_ACCEPTED].client == 0


def test_of_models_and_lowerings_that_are_not_there_nothing_is_told(world: World) -> None:
    for changed, reason in (
        ({"model": bytes(32)}, Reason.MODEL_UNKNOWN),
        ({"lowering": bytes(32)}, Reason.LOWERING_UNKNOWN),
    ):
        with pytest.raises(Refused) as refused:
            quoted(world, change(a_submission(), **changed))
        assert refused.value.reason is reason


def test_a_quote_tells_what_each_party_holds_where_a_run_is_long_j84(world: World) -> None:
    long = a_lowering(cost=a_cost(gas=2_000_000))
    world.must("publisher", LoweringPublish(lowering=long))
    found = quoted(world, change(a_submission(max_price=PARAMETERS.verifier_fee), lowering=lowering_id(long)))
    withheld = next(each for each in found.endings if each.outcome is Outcome.WITHHELD)
    assert withheld.provider == -found.provider_bond
    convicted = next(each for each in found.rulings if each.outcome is Outcome.CONVICTED)
    assert convicted.provider == -found.provider_bond
    assert found.run_ms > RUN_MS_PER_FEE
