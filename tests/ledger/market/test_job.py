"""What each payload about a job refuses, by its numbered reason."""

from dataclasses import replace

import pytest

from ledger.market.commitment import Opened
from ledger.market.judging import judge
from ledger.market.lifecycle import time_allowed
from ledger.parameters import Parameters, Tier
from ledger.records import JobState, Outcome
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobDecline,
    LoweringPublish,
    Payload,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
    WorkerUpdate,
)
from primitives import codec
from primitives.content import ContentId, content_id
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from vm.lowering import classes_of, lowering_id
from vm.manifest import Class
from vm.tensor import Bundle, decode_small_bundle

PRICE = KARAT // 2
NOWHERE = bytes(31) + b"\x01"


@pytest.fixture
def world() -> World:
    made = kit.a_world(kit.a_genesis(workers=6))
    kit.publish(made)
    return made


def refused(world: World, name: str, payload: Payload) -> Reason:
    """Return why it failed; whatever that is, nothing but the fee may have moved."""
    before = world.state
    receipt = world.do(name, payload)
    assert receipt.reason
    assert list(before.jobs()) == list(world.state.jobs())
    return Reason(receipt.reason)


def accepted(world: World, provider: str = "worker 0") -> bytes:
    job_id = world.must("client", kit.a_submission(provider=None))
    world.must(provider, JobAccept(job=job_id, price=PRICE))
    return job_id


def verifying(world: World, *, shift: float = 0.0) -> tuple[bytes, list[str]]:
    job_id = accepted(world)
    commits = kit.values("worker 0", shift=shift).commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=commits))
    world.until(lambda _: world.job(job_id).state is JobState.VERIFYING)
    return job_id, [world.name(each.worker) for each in world.job(job_id).verifiers]


def revealing(world: World, *, shift: float = 0.0) -> tuple[bytes, list[str]]:
    job_id, drawn = verifying(world, shift=shift)
    for name in drawn:
        commits = kit.values(name).commitment(world.charter, job_id, name)
        world.must(name, VerifierCommit(job=job_id, commitment=commits))
    return job_id, drawn


def provider_reveal(job_id: bytes, values: kit.Values) -> ProviderReveal:
    return ProviderReveal(job=job_id, salt=values.salt, cut=values.cut, outputs=values.outputs)


def verifier_reveal(job_id: bytes, values: kit.Values, verdict: Decision = Decision.ACCEPT) -> VerifierReveal:
    return VerifierReveal(job=job_id, salt=values.salt, cut=values.cut, outputs=values.outputs, verdict=verdict)


def checking(world: World) -> tuple[bytes, list[str]]:
    job_id, drawn = revealing(world)
    world.must("worker 0", provider_reveal(job_id, kit.values("worker 0")))
    return job_id, drawn


def test_a_submission_is_refused_for(world: World) -> None:
    job = kit.a_submission()
    long = ContentId(root=bytes(32), length=Parameters().input_bytes_max + 1)
    assert refused(world, "client", change(job, model=NOWHERE)) is Reason.MODEL_UNKNOWN
    assert refused(world, "client", change(job, tier=Tier.MAX)) is Reason.TOO_FEW_VERIFIERS
    assert refused(world, "client", change(job, lowering=NOWHERE)) is Reason.LOWERING_UNKNOWN
    exact_alone = kit.a_lowering(classes=classes_of([Class.EXACT]), cut=[], tolerance=None)
    world.must("client", LoweringPublish(lowering=exact_alone))
    assert refused(world, "client", change(job, lowering=lowering_id(exact_alone))) is Reason.CLASS_NOT_OFFERED
    assert refused(world, "client", change(job, input=long)) is Reason.INPUT_TOO_LARGE
    assert refused(world, "client", change(job, max_price=0)) is Reason.ZERO_AMOUNT
    assert refused(world, "client", change(job, provider=kit.address("client"))) is Reason.PROVIDER_UNKNOWN
    assert refused(world, "client", change(job, max_price=1)) is Reason.PRICE_TOO_LOW
    assert refused(world, "client", change(job, max_price=10**6 * KARAT)) is Reason.INSUFFICIENT_BALANCE
    world.must("worker 0", WorkerUpdate(ask=0, gas_ask=0, capacity=0))
    assert refused(world, "client", job) is Reason.NO_CAPACITY


def test_a_worker_that_asks_by_the_gas_is_paid_more_for_longer_runs_and_for_exact_ones() -> None:
    """J8."""
    dear = [kit.a_worker(f"worker {at}", ask=5, gas_ask=7) for at in range(6)]
    world = kit.a_world(change(kit.a_genesis(workers=6), workers=dear))
    kit.publish(world)
    long = kit.a_lowering(cost=kit.a_cost(gas=3_000_001, native_gas=1_000_000))
    world.must("client", LoweringPublish(lowering=long))
    job = change(kit.a_submission(), lowering=lowering_id(long))
    assert refused(world, "client", change(job, max_price=11)) is Reason.PRICE_TOO_LOW
    exact = change(job, class_=Class.EXACT)
    assert refused(world, "client", change(exact, max_price=26)) is Reason.PRICE_TOO_LOW
    world.must("client", change(job, max_price=12))
    world.must("client", change(exact, max_price=27))
    world.must("worker 0", WorkerUpdate(ask=5, gas_ask=0, capacity=4))
    world.must("client", change(exact, max_price=5))


def test_a_submission_that_cannot_be_verified_is_refused_with_the_count() -> None:
    world = kit.a_world(kit.a_genesis(workers=3))
    kit.publish(world)
    for provider in ("worker 0", None):
        receipt = world.do("client", kit.a_submission(provider=provider))
        assert receipt.reason == Reason.TOO_FEW_VERIFIERS
        assert receipt.facts == [("seen", 2), ("wanted", 3)]


def test_workers_of_one_operator_count_once_for_who_could_verify() -> None:
    one_house = [kit.a_worker(f"worker {at}", operator=kit.address("boss")) for at in range(8)]
    world = kit.a_world(change(kit.a_genesis(), workers=one_house))
    kit.publish(world)
    receipt = world.do("client", kit.a_submission(provider=None))
    assert (receipt.reason, dict(receipt.facts)["seen"]) == (Reason.TOO_FEW_VERIFIERS, 0)


def test_an_acceptance_is_refused_for(world: World) -> None:
    named = world.must("client", kit.a_submission(provider="worker 0"))
    assert refused(world, "worker 0", JobAccept(job=NOWHERE, price=PRICE)) is Reason.JOB_UNKNOWN
    assert refused(world, "client", JobAccept(job=named, price=PRICE)) is Reason.WORKER_UNKNOWN
    assert refused(world, "worker 1", JobAccept(job=named, price=PRICE)) is Reason.WRONG_PROVIDER
    assert refused(world, "worker 0", JobAccept(job=named, price=KARAT + 1)) is Reason.PRICE_ABOVE_CAP
    world.must("worker 0", JobAccept(job=named, price=PRICE))
    assert refused(world, "worker 0", JobAccept(job=named, price=PRICE)) is Reason.JOB_WRONG_STATE


def test_an_acceptance_needs_a_free_slot_and_free_bond() -> None:
    poor = kit.a_worker("worker 0", bond=KARAT)
    small = kit.a_worker("worker 1", max_model_bytes=1)
    busy = kit.a_worker("worker 2", capacity=1)
    able = [kit.a_worker(f"worker {at}") for at in range(3, 7)]
    world = kit.a_world(change(kit.a_genesis(workers=7), workers=[poor, small, busy, *able]))
    kit.publish(world)
    first = world.must("client", kit.a_submission(provider=None))
    assert refused(world, "worker 0", JobAccept(job=first, price=PRICE)) is Reason.BOND_TOO_SMALL
    assert refused(world, "worker 1", JobAccept(job=first, price=PRICE)) is Reason.NO_CAPACITY
    world.must("worker 2", JobAccept(job=first, price=PRICE))
    second = world.must("client", kit.a_submission(provider=None))
    assert refused(world, "worker 2", JobAccept(job=second, price=PRICE)) is Reason.NO_CAPACITY


def declined(job_id: bytes) -> JobDecline:
    return JobDecline(job=job_id, reason=Reason.RUN_TIME_LIMIT)


def test_the_decline_of_the_one_named_ends_a_job_at_once_and_refunds_it(world: World) -> None:
    before = world.balance("client")
    job_id = world.must("client", kit.a_submission(provider="worker 0"))
    assert refused(world, "client", declined(job_id)) is Reason.WORKER_UNKNOWN
    assert refused(world, "worker 1", declined(job_id)) is Reason.WRONG_PROVIDER
    world.must("worker 0", declined(job_id))
    job = world.job(job_id)
    assert (job.state, job.outcome, job.escrow) == (JobState.VOID, Outcome.DECLINED, 0)
    assert [(each.worker, each.reason) for each in job.declined] == [(kit.address("worker 0"), Reason.RUN_TIME_LIMIT)]
    fees = kit.least_fee(kit.a_submission(), pieces=2) + kit.least_fee(declined(job_id))
    assert before - world.balance("client") == fees
    assert refused(world, "worker 0", JobAccept(job=job_id, price=PRICE)) is Reason.JOB_WRONG_STATE


def test_an_unnamed_job_keeps_three_declines_and_stays_open(world: World) -> None:
    job_id = world.must("client", kit.a_submission(provider=None))
    world.must("worker 0", declined(job_id))
    assert refused(world, "worker 0", declined(job_id)) is Reason.ALREADY_DECLINED
    world.must("worker 1", declined(job_id))
    world.must("worker 2", declined(job_id))
    assert refused(world, "worker 3", declined(job_id)) is Reason.ALREADY_DECLINED
    assert world.job(job_id).state is JobState.OPEN
    world.must("worker 3", JobAccept(job=job_id, price=PRICE))


def test_only_the_provider_commits_and_once(world: World) -> None:
    job_id = accepted(world)
    assert refused(world, "worker 1", JobCommit(job=job_id, commitment=NOWHERE)) is Reason.NOT_A_PARTY
    world.must("worker 0", JobCommit(job=job_id, commitment=NOWHERE))
    assert refused(world, "worker 0", JobCommit(job=job_id, commitment=NOWHERE)) is Reason.JOB_WRONG_STATE


def test_only_the_drawn_commit_and_once(world: World) -> None:
    job_id, drawn = verifying(world)
    assert refused(world, "worker 0", VerifierCommit(job=job_id, commitment=NOWHERE)) is Reason.NOT_A_PARTY
    world.must(drawn[0], VerifierCommit(job=job_id, commitment=NOWHERE))
    assert refused(world, drawn[0], VerifierCommit(job=job_id, commitment=NOWHERE)) is Reason.ALREADY_COMMITTED


def test_the_provider_reveals_only_what_it_committed_to(world: World) -> None:
    job_id, drawn = revealing(world)
    mine = kit.values("worker 0")
    other = kit.values("worker 0", shift=0.5)
    assert refused(world, drawn[0], provider_reveal(job_id, mine)) is Reason.NOT_A_PARTY
    assert refused(world, "worker 0", provider_reveal(job_id, other)) is Reason.COMMITMENT_MISMATCH
    salted = kit.Values(cut=mine.cut, outputs=mine.outputs, salt=bytes(32))
    assert refused(world, "worker 0", provider_reveal(job_id, salted)) is Reason.COMMITMENT_MISMATCH
    assert refused(world, drawn[0], verifier_reveal(job_id, kit.values(drawn[0]))) is Reason.JOB_WRONG_STATE
    world.must("worker 0", provider_reveal(job_id, mine))
    job = world.job(job_id)
    assert (job.cut, job.outputs) == (content_id(mine.cut), content_id(mine.outputs))
    assert refused(world, "worker 0", provider_reveal(job_id, mine)) is Reason.JOB_WRONG_STATE


ROW = [1.0] * kit.OUTPUTS
SHAPES = {
    "another cut name": (kit.a_bundle(b"other", ROW), kit.a_bundle(kit.OUTPUT_NAME, ROW), Reason.WRONG_SHAPE),
    "another output name": (kit.a_bundle(kit.CUT_NAME, ROW), kit.a_bundle(b"other", ROW), Reason.WRONG_SHAPE),
    "an output that is too high": (
        kit.a_bundle(kit.CUT_NAME, ROW),
        kit.a_bundle(kit.OUTPUT_NAME, [1.0] * 2 * kit.OUTPUTS),
        Reason.WRONG_SHAPE,
    ),
    "a row too short": (kit.a_bundle(kit.CUT_NAME, ROW), kit.a_bundle(kit.OUTPUT_NAME, ROW[1:]), Reason.WRONG_SHAPE),
    "no bundle": (b"", kit.a_bundle(kit.OUTPUT_NAME, ROW), Reason.MALFORMED),
    "a negative zero": (kit.a_bundle(kit.CUT_NAME, [-0.0] * 20), kit.a_bundle(kit.OUTPUT_NAME, ROW), Reason.MALFORMED),
    "over 4 KiB": (kit.a_bundle(kit.CUT_NAME, [1.0] * 1025), kit.a_bundle(kit.OUTPUT_NAME, ROW), Reason.TOO_LARGE),
}


@pytest.mark.parametrize(("cut", "outputs", "reason"), SHAPES.values(), ids=list(SHAPES))
def test_a_provider_bound_to_what_is_not_of_the_models_form_cannot_reveal(
    world: World, cut: bytes, outputs: bytes, reason: Reason
) -> None:
    job_id = accepted(world)
    bad = kit.Values(cut=cut, outputs=outputs, salt=bytes(32))
    world.must("worker 0", JobCommit(job=job_id, commitment=bad.commitment(world.charter, job_id, "worker 0")))
    world.until(lambda _: bool(world.job(job_id).verifiers))
    for name in [world.name(each.worker) for each in world.job(job_id).verifiers]:
        commits = kit.values(name).commitment(world.charter, job_id, name)
        world.must(name, VerifierCommit(job=job_id, commitment=commits))
    assert refused(world, "worker 0", provider_reveal(job_id, bad)) is reason
    world.until(lambda _: world.job(job_id).outcome is not None)
    assert world.job(job_id).outcome is Outcome.PROVIDER_SILENT_AT_REVEAL


def test_a_verifier_reveals_only_what_it_committed_to_and_once(world: World) -> None:
    job_id, drawn = checking(world)
    assert refused(world, "worker 0", verifier_reveal(job_id, kit.values("worker 0"))) is Reason.NOT_A_PARTY
    copied = verifier_reveal(job_id, kit.values("worker 0"))
    assert refused(world, drawn[0], copied) is Reason.COMMITMENT_MISMATCH
    world.must(drawn[0], verifier_reveal(job_id, kit.values(drawn[0])))
    again = verifier_reveal(job_id, kit.values(drawn[0]))
    assert refused(world, drawn[0], again) is Reason.ALREADY_REVEALED


def test_a_copied_commitment_opens_for_nobody_else(world: World) -> None:
    job_id, drawn = verifying(world)
    theirs = world.job(job_id).commitment or b""
    world.must(drawn[0], VerifierCommit(job=job_id, commitment=theirs))
    for name in drawn[1:]:
        commits = kit.values(name).commitment(world.charter, job_id, name)
        world.must(name, VerifierCommit(job=job_id, commitment=commits))
    world.must("worker 0", provider_reveal(job_id, kit.values("worker 0")))
    # The copier knows salt and values now, and still can't open it: the commitment binds the provider's address.
    copied = verifier_reveal(job_id, kit.values("worker 0"))
    assert refused(world, drawn[0], copied) is Reason.COMMITMENT_MISMATCH


def test_a_verdict_against_the_chains_own_comparison_is_refused(world: World) -> None:
    job_id, drawn = checking(world)
    lie = verifier_reveal(job_id, kit.values(drawn[0]), Decision.REJECT)
    assert refused(world, drawn[0], lie) is Reason.VERDICT_CONTRADICTS
    world.must(drawn[0], verifier_reveal(job_id, kit.values(drawn[0]), Decision.ACCEPT))


def test_a_verifier_who_did_not_commit_cannot_reveal(world: World) -> None:
    job_id, drawn = verifying(world)
    for name in drawn[:2]:
        commits = kit.values(name).commitment(world.charter, job_id, name)
        world.must(name, VerifierCommit(job=job_id, commitment=commits))
    world.until(lambda _: world.job(job_id).state is JobState.REVEALING)
    late = kit.values(drawn[2]).commitment(world.charter, job_id, drawn[2])
    assert refused(world, drawn[2], VerifierCommit(job=job_id, commitment=late)) is Reason.JOB_WRONG_STATE
    world.must("worker 0", provider_reveal(job_id, kit.values("worker 0")))
    shown = verifier_reveal(job_id, kit.values(drawn[2]))
    assert refused(world, drawn[2], shown) is Reason.COMMITMENT_MISMATCH


def test_an_act_after_the_deadline_but_before_the_sweep_counts(world: World) -> None:
    job_id = world.must("client", kit.a_submission())
    due = world.job(job_id).due_live_ms or 0
    world.until(lambda state: due - state.clock().live_ms <= 1_000)
    world.block(world.sign("worker 0", JobAccept(job=job_id, price=PRICE)), passed_ms=2_000)
    assert world.job(job_id).state is JobState.ACCEPTED


def opened(cut: bytes, outputs: bytes) -> Opened:
    return Opened(cut=decode_small_bundle(cut), cut_id=content_id(cut), outputs_id=content_id(outputs))


def verdict(own: Opened, provided: Opened, class_: Class = Class.NATIVE) -> Decision | None:
    return judge(own, provided, kit.a_lowering(), class_)


def shown(shift: float = 0.0) -> Opened:
    values = kit.values("x", shift=shift)
    return opened(values.cut, values.outputs)


OTHER = content_id(kit.a_bundle(kit.OUTPUT_NAME, ROW))


def test_cuts_beyond_the_tolerance_are_rejected_and_equal_ones_leave_it_to_the_outputs() -> None:
    own, far = shown(), shown(shift=1e-3)
    assert verdict(own, own) is Decision.ACCEPT
    assert verdict(own, far) is Decision.REJECT
    assert verdict(own, replace(own, outputs_id=OTHER)) is Decision.REJECT


def test_of_cuts_within_the_tolerance_the_tail_decides_whatever_the_outputs_are() -> None:
    """J25: two honest machines may end on either side of a step of the tail."""
    own, close = shown(), shown(shift=1e-5)
    assert own.cut != close.cut
    assert verdict(own, close) is None
    assert verdict(own, replace(close, outputs_id=OTHER)) is None


def test_in_class_exact_a_bit_decides() -> None:
    """J24."""
    nothing = codec.encode(Bundle(tensors=[]))
    own = opened(nothing, kit.values("x").outputs)
    row = [each / 2 for each in (1.0 + 1e-7, *(1.0 + at / kit.OUTPUTS for at in range(1, kit.OUTPUTS)))]
    close = opened(nothing, kit.a_bundle(kit.OUTPUT_NAME, row))
    assert verdict(own, own, Class.EXACT) is Decision.ACCEPT
    assert verdict(own, close, Class.EXACT) is Decision.REJECT


def test_of_cuts_that_are_shown_by_their_ids_equal_ones_alone_are_compared() -> None:
    """J76."""
    own, close = replace(shown(), cut=None), replace(shown(shift=1e-5), cut=None)
    assert verdict(own, own) is Decision.ACCEPT
    assert verdict(own, replace(own, outputs_id=OTHER)) is Decision.REJECT
    assert verdict(own, close) is None


def test_where_the_tail_decides_a_verifier_says_either(world: World) -> None:
    """J24."""
    job_id, drawn = revealing(world, shift=1e-5)
    world.must("worker 0", provider_reveal(job_id, kit.values("worker 0", shift=1e-5)))
    world.must(drawn[0], verifier_reveal(job_id, kit.values(drawn[0]), Decision.REJECT))
    world.must(drawn[1], verifier_reveal(job_id, kit.values(drawn[1]), Decision.ACCEPT))


def test_a_job_of_class_exact_settles_on_outputs_alone() -> None:
    """V124, J22."""
    world = kit.a_world(kit.a_genesis(workers=6))
    job_id = kit.run_job(world, kit.Script(class_=Class.EXACT))
    job = world.job(job_id)
    assert (job.outcome, job.class_, job.cut) == (Outcome.SETTLED, Class.EXACT, content_id(kit.NO_CUT))


def test_deadlines_in_which_a_job_is_run_grow_with_its_cost(world: World) -> None:
    """J7."""
    slow = kit.a_lowering(cost=kit.a_cost(gas=4_999_750, trace_bytes=12_600))
    world.must("client", LoweringPublish(lowering=slow))
    job_id = world.must("client", change(kit.a_submission(), lowering=lowering_id(slow)))
    job, parameters = world.job(job_id), Parameters()
    assert job.run_ms == 20_000
    assert (job.due_live_ms or 0) - job.history[0].live_ms == parameters.accept_ms + 20_000
    grown = [state for state in JobState if time_allowed(parameters, state, 9) != time_allowed(parameters, state, 0)]
    assert grown == [JobState.OPEN, JobState.ACCEPTED, JobState.VERIFYING, JobState.CONTESTED]


def test_an_unnamed_job_is_taken_by_whoever_accepts_first(world: World) -> None:
    job_id = accepted(world, provider="worker 3")
    assert world.name(world.job(job_id).provider or b"") == "worker 3"
    assert refused(world, "worker 4", JobAccept(job=job_id, price=1)) is Reason.JOB_WRONG_STATE
