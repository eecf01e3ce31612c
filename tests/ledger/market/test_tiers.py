"""Each tier from submission to payment: how many verify, what is locked, who is paid when."""

import pytest

from ledger.market.draw import chooses
from ledger.parameters import Parameters, Tier, Tiers, TierTerms, accepts_needed
from ledger.records import Job, JobEvent, JobState, Outcome, Penalty
from ledger.state import change
from ledger.transaction import (
    JobAccept,
    JobCommit,
    LoweringPublish,
    ProviderReveal,
    VerifierCommit,
    WorkerExit,
    WorkerUpdate,
)
from primitives.hashing import sha256
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import Script, World
from vm.lowering import lowering_id
from vm.manifest import Class

PRICE = KARAT // 2
V = Parameters().verifier_fee
SILENT = 5 * V
RARELY = Parameters(tiers=Tiers(spot=TierTerms(q_bps=1, k=1, bond_multiple=12)), audit_trust=1)
"""A provider with a long record is hardly ever drawn."""


def a_world(*, workers: int = 10, parameters: Parameters | None = None) -> World:
    world = kit.a_world(kit.a_genesis(workers=workers, parameters=parameters or Parameters()))
    kit.publish(world)
    return world


def committed(world: World, tier: Tier, *, at_risk: int = 0) -> bytes:
    """Return a job to which its provider is committed."""
    job_id = world.must("client", kit.a_submission(tier=tier, at_risk=at_risk))
    world.must("worker 0", JobAccept(job=job_id, price=PRICE))
    mine = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=mine))
    return job_id


def commit(world: World, job_id: bytes, name: str) -> None:
    mine = kit.values(name).commitment(world.charter, job_id, name)
    world.must(name, VerifierCommit(job=job_id, commitment=mine))


def drawn(world: World, job_id: bytes) -> list[str]:
    world.until(lambda _: world.job(job_id).state is JobState.VERIFYING)
    return [world.name(each.worker) for each in world.job(job_id).verifiers]


@pytest.mark.parametrize(("tier", "k", "multiple"), [(Tier.STANDARD, 1, 4), (Tier.HIGH, 3, 2), (Tier.MAX, 7, 2)])
def test_a_job_of_a_tier_is_verified_by_its_k_and_settled_j50(tier: Tier, k: int, multiple: int) -> None:
    world = a_world()
    job = world.job(kit.run_job(world, Script(tier=tier)))
    assert (job.outcome, job.k, len(job.verifiers), job.audit_bps) == (Outcome.SETTLED, k, k, 10_000)
    assert job.provider_locked == multiple * PRICE + k * V
    assert sum(each.amount for each in job.payouts) == KARAT + k * V
    assert world.state.track(kit.address("worker 0")).trusted == 1


@pytest.mark.parametrize(("class_", "fees", "runs"), [(Class.NATIVE, 3, 11), (Class.EXACT, 10, 11)])
def test_what_a_verifier_earns_locks_and_loses_grows_with_its_run_in_the_class_j10(
    class_: Class, fees: int, runs: int
) -> None:
    long = kit.a_lowering(cost=kit.a_cost(gas=9_100_000, native_gas=2_100_000))
    world = a_world()
    world.must("publisher", LoweringPublish(lowering=long))
    wanted = change(kit.a_submission(tier=Tier.STANDARD), lowering=lowering_id(long), class_=class_)
    before = world.balance("client")
    job_id = world.must("client", wanted)
    fee = fees * V
    job = world.job(job_id)
    assert (job.verifier_fee, job.run_fee, job.escrow) == (fee, runs * V, KARAT + fee)
    assert world.balance("client") <= before - KARAT - fee
    world.must("worker 0", JobAccept(job=job_id, price=PRICE))
    assert world.job(job_id).provider_locked == max(4 * PRICE, 20 * runs * V) + fee
    mine = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=mine))
    world.until(lambda _: world.job(job_id).state is JobState.VERIFYING)
    [verifier] = world.job(job_id).verifiers
    assert verifier.locked == 50 * fee
    world.until(lambda _: world.job(job_id).outcome is not None)
    assert Penalty(worker=verifier.worker, amount=5 * fee) in world.job(job_id).penalties


def test_who_cannot_lock_the_fees_of_a_long_run_verifies_none_of_its_jobs_j12() -> None:
    world = a_world()
    dear = kit.a_lowering(cost=kit.a_cost(gas=9_000_000, native_gas=900_000_000))
    world.must("publisher", LoweringPublish(lowering=dear))
    wanted = change(kit.a_submission(tier=Tier.STANDARD), lowering=lowering_id(dear))
    assert world.do("client", wanted).reason == Reason.TOO_FEW_VERIFIERS


def test_a_value_at_risk_raises_what_the_provider_locks_j11() -> None:
    world = a_world()
    job = world.job(committed(world, Tier.STANDARD, at_risk=3 * KARAT))
    assert job.provider_locked == 4 * (PRICE + 3 * KARAT) + V
    dear = world.must("client", kit.a_submission(tier=Tier.SPOT, at_risk=100 * KARAT))
    assert world.do("worker 1", JobAccept(job=dear, price=PRICE)).reason == Reason.WRONG_PROVIDER
    assert world.do("worker 0", JobAccept(job=dear, price=PRICE)).reason == Reason.BOND_TOO_SMALL


def test_the_beacon_chooses_about_as_many_jobs_as_the_rate_says_j51() -> None:
    chosen = sum(chooses(sha256(at.to_bytes(4, "big")), bytes(32), 2_000) for at in range(5_000))
    assert 900 < chosen < 1_100
    assert all(chooses(sha256(at.to_bytes(4, "big")), bytes(32), 10_000) for at in range(100))


def test_a_job_that_is_not_drawn_is_paid_when_its_window_ends_and_bonds_stay_locked_till_then_j55() -> None:
    world = a_world(parameters=RARELY)
    world.trust("worker 0", 10**9)
    before = world.balance("worker 0")
    job_id = committed(world, Tier.SPOT)
    assert world.job(job_id).audit_bps == 1
    world.until(lambda _: world.job(job_id).state is JobState.REVEALING)
    mine = kit.values("worker 0")
    shown = ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs)
    world.must("worker 0", shown)
    job = world.job(job_id)
    assert (job.state, job.outcome, job.verifiers) == (JobState.UNVERIFIED, None, [])
    assert job.escrow == KARAT + V
    assert world.worker("worker 0").providing == 0
    assert world.worker("worker 0").locked == 12 * PRICE + V
    assert world.state.revealed(job_id) is None
    assert world.do("worker 0", WorkerExit(amount=None)).reason == Reason.BOND_LOCKED
    world.until(lambda _: world.job(job_id).state is JobState.PAST_CHALLENGE, at_most=700)
    job = world.job(job_id)
    assert job.history[-1].live_ms - job.history[-2].live_ms == Parameters().challenge_ms
    assert (job.outcome, job.escrow, job.provider_locked) == (Outcome.UNCHALLENGED, 0, 0)
    assert world.worker("worker 0").locked == 0
    earned = sum(each.amount for each in job.payouts if each.to == kit.address("worker 0"))
    assert earned == PRICE * 93 // 100
    assert world.balance("worker 0") > before
    assert world.state.track(kit.address("worker 0")).trusted == 10**9
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_new_provider_is_always_verified_whatever_the_tier_j52() -> None:
    world = a_world(parameters=RARELY)
    job_id = committed(world, Tier.SPOT)
    assert world.job(job_id).audit_bps == 10_000
    assert len(drawn(world, job_id)) == 1


def test_a_job_that_is_chosen_stays_so_while_it_waits_for_verifiers_j51() -> None:
    world = a_world(workers=4)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=PRICE))
    world.must("worker 3", WorkerUpdate(ask=0, gas_ask=0, capacity=0))
    mine = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=mine))
    world.until(lambda _: world.job(job_id).chosen)
    assert world.job(job_id).state is JobState.COMMITTED
    world.must("worker 3", WorkerUpdate(ask=0, gas_ask=0, capacity=1))
    assert len(drawn(world, job_id)) == 3


def redrawn(world: World, tier: Tier, commits: int) -> tuple[bytes, list[str], Job]:
    """Return a job of which so many verifiers commit, at the end of their time: who was drawn first, and the job."""
    job_id = committed(world, tier)
    first = drawn(world, job_id)
    for name in first[:commits]:
        commit(world, job_id, name)
    world.until(lambda _: world.job(job_id).history[-1].event in (JobEvent.REDRAW, JobEvent.DUE))
    return job_id, first, world.job(job_id)


@pytest.mark.parametrize(("tier", "commits"), [(Tier.STANDARD, 0), (Tier.HIGH, 0), (Tier.HIGH, 1), (Tier.MAX, 4)])
def test_silent_verifiers_are_replaced_once_and_lose_j54(tier: Tier, commits: int) -> None:
    world = a_world(workers=16)
    burned = world.state.totals().burned
    job_id, first, job = redrawn(world, tier, commits)
    silent = first[commits:]
    assert (job.state, job.redrawn, len(job.verifiers)) == (JobState.VERIFYING, True, job.k)
    names = [world.name(each.worker) for each in job.verifiers]
    assert names[:commits] == first[:commits]
    assert not set(names) & set(silent)
    assert {world.name(each.worker): each.amount for each in job.penalties} == dict.fromkeys(silent, SILENT)
    assert world.state.totals().burned - burned >= len(silent) * SILENT
    for name in silent:
        left = world.worker(name)
        assert (left.locked, left.verifying, left.bond) == (0, 0, kit.WORKER_BOND - SILENT)
    for name in names:
        assert (world.worker(name).locked, world.worker(name).verifying) == (50 * V, 1)
    assert (job.due_live_ms or 0) - job.history[-1].live_ms == Parameters().verify_ms
    for name in names[commits:]:
        commit(world, job_id, name)
    assert world.job(job_id).state is JobState.REVEALING
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_falls_silent_after_a_redraw_is_not_replaced_again_j54() -> None:
    world = a_world(workers=16)
    job_id, _, job = redrawn(world, Tier.HIGH, 1)
    assert job.redrawn
    world.until(lambda _: world.job(job_id).history[-1].event is JobEvent.DUE)
    assert world.job(job_id).state is JobState.REVEALING
    world.until(lambda _: world.job(job_id).outcome is not None)
    job = world.job(job_id)
    assert job.outcome is Outcome.PROVIDER_SILENT_AT_REVEAL
    assert len(job.penalties) == 5
    assert all(not worker.locked and not worker.verifying for _, worker in world.state.workers())
    assert kit.supply_of(world.state) == world.state.totals().supply


@pytest.mark.parametrize(("tier", "commits"), [(Tier.HIGH, 2), (Tier.MAX, 5)])
def test_where_enough_have_committed_nobody_is_replaced_j54(tier: Tier, commits: int) -> None:
    world = a_world(workers=16)
    assert commits == accepts_needed(Parameters().tiers.of(tier).k)
    _, _, job = redrawn(world, tier, commits)
    assert (job.state, job.redrawn, job.penalties) == (JobState.REVEALING, False, [])


def test_a_redraw_takes_fewer_where_they_are_enough_to_settle_and_none_where_they_are_not_j54() -> None:
    for workers, replaced in ((9, True), (8, False)):
        world = a_world(workers=workers)
        _, _, job = redrawn(world, Tier.MAX, 4)
        assert job.redrawn is replaced
        assert len(job.verifiers) == (5 if replaced else 7)


def test_max_settles_with_five_of_seven_and_not_with_four_j41() -> None:
    for reveal, outcome in ((5, Outcome.SETTLED), (4, Outcome.TOO_FEW_REVEALS)):
        world = a_world(workers=8)
        job = world.job(kit.run_job(world, Script(tier=Tier.MAX, verifiers_reveal=reveal)))
        assert job.outcome is outcome
        assert len(job.penalties) == 7 - reveal


def test_one_reject_of_one_that_is_not_claimed_counts_as_silence_j56() -> None:
    world = a_world()
    job = world.job(kit.run_job(world, Script(tier=Tier.STANDARD, provider_shift=0.01)))
    assert (job.outcome, [each.amount for each in job.penalties]) == (Outcome.REJECTED, [SILENT])
    assert [each.state for each in job.history[-2:]] == [JobState.CONTESTED, JobState.VOID]
    assert world.state.track(kit.address("worker 0")).rejected == 1
