"""Large values: shown by their ids, sealed to the client, and opened where the beacon picks (J70 to J76)."""

from dataclasses import replace

import pytest

from ledger.market.sampling import picked_leaves
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome
from ledger.state import change
from ledger.transaction import Decision, ModelPublish, SampleOpen
from primitives.content import LEAF_BYTES, content_id, leaf_count
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from testnet.kit.large_builders import (
    CUT_ROWS,
    LargeJob,
    a_large_lowering,
    a_large_submission,
    a_seal,
    large_values,
    leaves,
    provider_reveal,
    verifier_reveal,
)
from testnet.kit.ledger_builders import World
from vm.manifest import Class

HONEST = large_values("worker 0")
SMALL_ORDER = bytes(32)


@pytest.fixture
def world() -> World:
    return kit.a_world()


def played(world: World, mine: kit.Values = HONEST, class_: Class = Class.NATIVE) -> LargeJob:
    job = LargeJob(world=world, class_=class_)
    job.verify(mine)
    return job


def sampling(world: World) -> LargeJob:
    job = played(world)
    job.reveal(HONEST)
    job.pick()
    return job


@pytest.mark.parametrize("class_", list(Class))
def test_a_job_with_large_values_settles_when_all_have_opened_what_was_picked(world: World, class_: Class) -> None:
    mine = large_values("worker 0", class_=class_)
    job = played(world, mine, class_)
    job.reveal(mine)
    job.pick()
    for name in ("worker 0", *job.drawn):
        assert world.job(job.job).state is JobState.SAMPLING
        world.must(name, job.opening(mine if name == "worker 0" else job.own(name)))
    found = world.job(job.job)
    assert (found.state, found.outcome, found.large, found.opened) == (JobState.SETTLED, Outcome.SETTLED, True, True)
    assert found.sealed == a_seal(mine)
    assert all(each.opened and each.holds and each.sealed == a_seal(mine) for each in found.verifiers)
    assert kit.supply_of(world.state) == world.state.totals().supply
    assert not list(world.state.unsampled())


def test_large_outputs_are_ordered_with_a_key_to_seal_them_to(world: World) -> None:
    """J72."""
    world.must("publisher", ModelPublish(model=kit.a_model(), lowering=a_large_lowering()))
    assert world.do("client", a_large_submission(reply_key=None)).reason == Reason.REPLY_KEY_WANTED
    assert world.do("client", a_large_submission(reply_key=SMALL_ORDER)).reason == Reason.BAD_KEY
    world.must("client", a_large_submission())


def test_a_reveal_shows_large_values_by_ids_of_the_right_length_and_seals_the_outputs(world: World) -> None:
    """J70 to J72."""
    job = played(world)
    good = provider_reveal(job.job, HONEST)
    seal = a_seal(HONEST)
    for wrong, reason in (
        (change(good, salt=bytes(32)), Reason.COMMITMENT_MISMATCH),
        (change(good, outputs=content_id(b"")), Reason.COMMITMENT_MISMATCH),
        (change(good, sealed=None), Reason.WRONG_SEAL),
        (change(good, sealed=change(seal, length=seal.length + 1)), Reason.WRONG_SEAL),
    ):
        assert job.refused("worker 0", wrong) == reason
    world.must("worker 0", good)


def test_a_party_bound_to_a_bundle_of_another_length_cannot_reveal(world: World) -> None:
    """J71."""
    short = replace(HONEST, outputs=HONEST.outputs[:-1])
    job = played(world, short)
    assert job.refused("worker 0", provider_reveal(job.job, short)) == Reason.WRONG_SHAPE


def test_what_fits_is_shown_whole_and_what_does_not_by_its_id(world: World) -> None:
    """J70."""
    kit.publish(world)
    mine = kit.values("worker 0")
    job = LargeJob(world=world)
    job.job = kit.run_job(world, kit.Script(reveals=False))
    small = provider_reveal(job.job, mine)
    assert job.refused("worker 0", change(small, cut=mine.cut)) == Reason.JOB_WRONG_STATE  # it is over by now
    large = played(world := kit.a_world(), whole := large_values("worker 0", class_=Class.EXACT), Class.EXACT)
    shown = provider_reveal(large.job, whole, class_=Class.EXACT)
    assert large.refused("worker 0", change(shown, cut=content_id(whole.cut))) == Reason.WRONG_SHAPE
    world.must("worker 0", shown)


def test_a_verdict_that_the_ids_contradict_is_refused(world: World) -> None:
    """J76: equal cuts have equal outputs, whoever computes them."""
    lying = large_values("worker 0", label=1.0)
    job = played(world, lying)
    world.must("worker 0", provider_reveal(job.job, lying))
    name = job.drawn[0]
    assert job.refused(name, verifier_reveal(job.job, job.own(name))) == Reason.VERDICT_CONTRADICTS
    world.must(name, verifier_reveal(job.job, job.own(name), Decision.REJECT))


def test_of_cuts_with_other_ids_the_verifier_says_what_it_found(world: World) -> None:
    """J76."""
    close = large_values("worker 0", shift=1e-5)
    job = played(world, close)
    job.reveal(close)
    assert all(each.verdict is Decision.ACCEPT for each in world.job(job.job).verifiers)


def test_leaves_are_picked_by_the_beacon_of_a_later_block_all_different_and_the_same_for_all(world: World) -> None:
    """J73."""
    job = played(world)
    job.reveal(HONEST)
    assert world.job(job.job).picked is None
    before = SampleOpen(job=job.job, cut=[], outputs=[])
    assert list(world.state.unsampled()) == [job.job]
    assert world.chain.urgent(world.chain.head.id)
    # In the block of the pick no opening can stand: it ends with the pick.
    assert job.refused("worker 0", before) == Reason.JOB_WRONG_STATE
    found = world.job(job.job)
    assert found.picked == world.state.clock().beacon
    picked = picked_leaves(world.state, job.job, found, 4)
    for numbers, raw in ((picked.cut, HONEST.cut), (picked.outputs, HONEST.outputs)):
        assert len(set(numbers)) == 4
        assert numbers == sorted(numbers)
        assert numbers[-1] < leaf_count(len(raw))
    assert picked_leaves(world.state, bytes(32), found, 4) != picked
    assert len(picked_leaves(world.state, job.job, found, 16).outputs) == 16


def test_what_was_not_picked_or_is_not_what_was_shown_is_refused(world: World) -> None:
    """J74."""
    job = sampling(world)
    good = job.opening(HONEST)
    other = leaves(large_values("x", label=1.0).outputs, [piece.start for piece in good.outputs])
    two = change(good.outputs[0], data=good.outputs[0].data + bytes(LEAF_BYTES))
    for wrong, reason in (
        (change(good, cut=good.cut[:-1]), Reason.WRONG_SAMPLE),
        (change(good, cut=good.cut[::-1]), Reason.WRONG_SAMPLE),
        (change(good, cut=leaves(HONEST.cut, [0, 1, 2, 3])), Reason.WRONG_SAMPLE),
        (change(good, outputs=[two, *good.outputs[1:]]), Reason.WRONG_SAMPLE),
        (change(good, outputs=other), Reason.CONTENT_MISMATCH),
        (change(good, job=bytes(32)), Reason.JOB_UNKNOWN),
    ):
        assert job.refused("worker 0", wrong) == reason
    assert job.refused("client", good) == Reason.NOT_A_PARTY
    world.must("worker 0", good)
    assert job.refused("worker 0", good) == Reason.ALREADY_REVEALED


def test_a_leaf_shows_if_a_bundle_has_another_form_than_the_lowering_gives() -> None:
    """J75: names and shapes stand in the first leaf; here all leaves of the cut are picked."""
    world = kit.a_world(kit.a_genesis(parameters=Parameters(sample_leaves=16)))
    foreign = replace(HONEST, cut=kit.a_bundle(b"logitz", [1.0] * kit.OUTPUTS, rows=CUT_ROWS))
    job = played(world, foreign)
    job.reveal(foreign, Decision.REJECT)
    job.pick()
    assert job.refused("worker 0", job.opening(foreign)) == Reason.WRONG_SHAPE
    world.must(job.drawn[0], job.opening(job.own(job.drawn[0])))


def test_a_verifier_that_does_not_open_counts_as_silent(world: World) -> None:
    """J74."""
    job = sampling(world)
    for name in ("worker 0", *job.drawn[:2]):
        world.must(name, job.opening(HONEST if name == "worker 0" else job.own(name)))
    bond = world.worker(job.drawn[2]).bond
    world.until(lambda _: world.job(job.job).outcome is not None)
    found = world.job(job.job)
    assert found.outcome is Outcome.SETTLED
    assert [world.name(each.worker) for each in found.penalties] == [job.drawn[2]]
    assert world.worker(job.drawn[2]).bond < bond
    paid = {world.name(each.to) for each in found.payouts if each.to is not None}
    assert job.drawn[2] not in paid
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_provider_that_does_not_open_is_treated_as_one_that_does_not_reveal(world: World) -> None:
    """J74."""
    job = sampling(world)
    for name in job.drawn:
        world.must(name, job.opening(job.own(name)))
    world.until(lambda _: world.job(job.job).outcome is not None)
    found = world.job(job.job)
    assert (found.state, found.outcome) == (JobState.VOID, Outcome.PROVIDER_SILENT_AT_REVEAL)
    assert "worker 0" in [world.name(each.worker) for each in found.penalties]
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_provider_that_has_seen_a_reject_escapes_no_dispute_by_not_opening(world: World) -> None:
    """J74."""
    lying = large_values("worker 0", label=1.0)
    job = played(world, lying)
    job.reveal(lying, Decision.REJECT)
    job.pick()
    for name in job.drawn:
        world.must(name, job.opening(job.own(name)))
    world.until(lambda _: world.job(job.job).state is not JobState.SAMPLING)
    assert world.job(job.job).state is JobState.CONTESTED
    world.until(lambda _: world.job(job.job).outcome is not None)
    found = world.job(job.job)
    assert (found.state, found.outcome) == (JobState.VOID, Outcome.PROVIDER_SILENT_AT_REVEAL)
    assert [world.name(each.worker) for each in found.penalties] == ["worker 0"]


def test_nobody_opens_twice_or_for_another_and_a_job_without_large_values_knows_no_opening(world: World) -> None:
    job_id = kit.run_job(world)
    small = LargeJob(world=world, job=job_id)
    assert small.refused("worker 0", SampleOpen(job=job_id, cut=[], outputs=[])) == Reason.JOB_WRONG_STATE
