"""Canaries before the referee: who accepted a lie is slashed, who told it on purpose is not (J91, J95)."""

from ledger.market.canary import canary_of
from ledger.market.dispute.money import claim_bond
from ledger.market.order_payloads import CanaryOpen
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome, PayoutKind
from ledger.transaction import Decision
from primitives.hashing import sha256
from testnet.kit import ledger_builders as kit
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PRICE, PROVIDER, Court

ACCEPT, REJECT = Decision.ACCEPT, Decision.REJECT
SALT = sha256(b"a canary")
RICH_POT = Parameters(protocol_share_bps=5_000, canary_epoch_bps=10_000)
FEE = RICH_POT.verifier_fee
BOND = FEE * RICH_POT.verifier_bond_multiple
FALSE = played.off_by(1_000)


def a_canary(world: kit.World) -> bytes:
    return canary_of(
        genesis=world.charter.hash, client=kit.address("client"), provider=kit.address(PROVIDER), salt=SALT
    )


def a_world_with_a_pot() -> kit.World:
    world = played.a_world(parameters=RICH_POT)
    played.a_job_played(world, played.right())
    assert world.state.totals().protocol > 3 * RICH_POT.canary_jackpot
    return world


def bonds(world: kit.World, names: list[str]) -> list[int]:
    return [world.worker(name).bond for name in names]


def test_the_lazy_one_of_three_is_slashed_and_the_provider_pays_no_more_than_costs() -> None:  # J95
    world = a_world_with_a_pot()
    job_id = played.a_job_played(world, FALSE, (ACCEPT, REJECT, REJECT), verifiers={0: FALSE}, canary=a_canary(world))
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    before, client = bonds(world, parties), world.balance("client")
    court = Court(world, job_id)
    court.claim(parties[2], played.truth())
    court.all_drawn_claim(played.truth())
    world.must(PROVIDER, CanaryOpen(job=job_id, salt=SALT))
    court.open_all()
    court.prove_deviation(parties[2], PROVIDER, FALSE)
    court.finish()
    job = world.job(job_id)
    assert (job.state, job.outcome, job.ruled) == (JobState.VOID, Outcome.CANARY, Outcome.CANARY)
    lost = [was - now for was, now in zip(before, bonds(world, parties), strict=True)]
    assert lost == [0, BOND, 0, 0]  # what the lazy one lost covers the costs
    assert world.balance("client") - client == kit.a_submission().max_price + FEE
    found = [each.to for each in job.payouts if each.kind is PayoutKind.JACKPOT]
    assert found == [kit.address(name) for name in parties[2:]]
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_where_all_are_lazy_the_planter_has_the_referee_find_out() -> None:  # J91, J95
    world = a_world_with_a_pot()
    lazy = dict.fromkeys(range(3), FALSE)
    job_id = played.a_job_played(world, FALSE, (ACCEPT,) * 3, verifiers=lazy, canary=a_canary(world))
    assert world.job(job_id).state is JobState.SETTLED
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    before = bonds(world, parties)
    world.must(PROVIDER, CanaryOpen(job=job_id, salt=SALT))
    court = Court(world, job_id)
    court.claim(PROVIDER, played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_deviation(PROVIDER, PROVIDER, FALSE)
    court.finish()
    job = world.job(job_id)
    assert (job.state, job.outcome) == (JobState.VOID, Outcome.CANARY)
    lost = [was - now for was, now in zip(before, bonds(world, parties), strict=True)]
    assert lost == [0, BOND, BOND, BOND]
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_confession_to_a_lie_that_was_not_told_harms_no_honest_verifier() -> None:  # J91
    world = a_world_with_a_pot()
    job_id = played.a_job_played(
        world, played.right(), (REJECT, ACCEPT, ACCEPT), verifiers={0: played.off_by(2)}, canary=a_canary(world)
    )
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    before, provider = bonds(world, parties), world.balance(PROVIDER)
    world.must(PROVIDER, CanaryOpen(job=job_id, salt=SALT))
    court = Court(world, job_id)
    court.claim(parties[2], played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.finish()
    job = world.job(job_id)
    assert (job.state, job.outcome) == (JobState.PAST_CHALLENGE, Outcome.CLEARED)
    lost = [was - now for was, now in zip(before, bonds(world, parties), strict=True)]
    assert lost == [0, BOND, 0, 0]
    assert world.balance(PROVIDER) > provider + PRICE // 4


def test_who_disputed_before_the_confession_gets_the_costs_back_from_the_provider() -> None:  # J95
    world = a_world_with_a_pot()
    job_id = played.a_job_played(world, FALSE, (REJECT,) * 3, canary=a_canary(world))
    court = Court(world, job_id)
    before = world.worker(PROVIDER).bond
    court.claim("stranger", played.truth())
    drawn = court.all_drawn_claim(played.truth())
    paid = [world.balance(name) for name in drawn]
    world.must(PROVIDER, CanaryOpen(job=job_id, salt=SALT))
    court.open_all()
    court.prove_deviation("stranger", PROVIDER, FALSE)
    court.finish()
    job = world.job(job_id)
    assert job.outcome is Outcome.CANARY
    assert 0 < before - world.worker(PROVIDER).bond <= claim_bond(RICH_POT, job)
    assert all(world.balance(name) > was for name, was in zip(drawn, paid, strict=True))
    assert kit.supply_of(world.state) == world.state.totals().supply
