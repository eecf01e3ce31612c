from typing import Any

import msgspec
import pytest

from ledger.records import Job, JobState, Verifier
from ledger.state import State, job_key, worker_key
from ledger.transaction import LoweringPublish, WorkerUpdate
from node.compute.duty import STEP_IN_MS, Duty, duty_of, ranking
from primitives.units import KARAT
from testnet.kit.ledger_builders import World, a_cost, a_lowering, a_submission, a_world, address, publish
from vm.lowering import lowering_id


@pytest.fixture
def world() -> World:
    made = a_world()
    publish(made)
    return made


def submitted(world: World, *, provider: str | None = "worker 0", max_price: int = KARAT) -> bytes:
    return world.must("client", a_submission(provider=provider, max_price=max_price))


def duty(world: World, job_id: bytes, name: str = "worker 0", *, after_ms: int = 0, **changed: object) -> Duty:
    job = msgspec.structs.replace(world.job(job_id), **changed)
    live_ms = world.state.clock().live_ms + after_ms
    return duty_of(address(name), job_id, job, world.state, live_ms=live_ms)


def a_verifier(name: str, *, commitment: bytes | None = None) -> Verifier:
    return Verifier(
        worker=address(name),
        locked=0,
        commitment=commitment,
        cut=None,
        outputs=None,
        verdict=None,
        forced=False,
        opened=False,
        holds=False,
        sealed=None,
    )


def test_a_job_is_accepted_by_whom_it_names_alone_d2(world: World) -> None:
    job_id = submitted(world)
    assert duty(world, job_id) is Duty.ACCEPT
    assert duty(world, job_id, "worker 1") is Duty.NONE
    assert duty(world, job_id, "stranger") is Duty.NONE


def test_a_price_below_the_ask_is_declined_d2(world: World) -> None:
    job_id = submitted(world)
    assert duty(world, job_id, max_price=KARAT // 100 - 1) is Duty.NONE
    assert duty(world, job_id, max_price=KARAT // 100) is Duty.ACCEPT


def test_a_price_below_what_the_run_is_worth_is_declined_d2(world: World) -> None:
    """J8."""
    long = a_lowering(cost=a_cost(native_gas=2_000_000))
    world.must("client", LoweringPublish(lowering=long))
    world.must("worker 0", WorkerUpdate(ask=KARAT // 100, gas_ask=500, capacity=4))
    job_id = world.must("client", msgspec.structs.replace(a_submission(), lowering=lowering_id(long)))
    assert duty(world, job_id, max_price=KARAT // 100 + 999) is Duty.NONE
    assert duty(world, job_id, max_price=KARAT // 100 + 1_000) is Duty.ACCEPT


def test_nobody_provides_for_himself_d2(world: World) -> None:
    assert duty(world, submitted(world), client=address("worker 0")) is Duty.NONE


def test_a_worker_without_a_free_slot_or_bond_waits_d2(world: World) -> None:
    job_id = submitted(world)
    worker = world.state.worker(address("worker 0"))
    assert worker is not None
    for full in (
        msgspec.structs.replace(worker, providing=worker.capacity),
        msgspec.structs.replace(worker, locked=worker.bond),
    ):
        state = with_worker(world.state, full)
        assert duty_of(address("worker 0"), job_id, world.job(job_id), state, live_ms=0) is Duty.WAIT


def with_worker(state: State, worker: object) -> State:
    changed = state.child()
    changed.put(worker_key(address("worker 0")), worker)  # type: ignore[arg-type]  # a Worker
    return changed


def test_an_unnamed_job_is_each_ones_turn_in_the_order_of_its_ranking_d3(world: World) -> None:
    job_id = submitted(world, provider=None)
    entry = world.state.model(world.job(job_id).model)
    assert entry is not None
    order = [world.name(each) for each in ranking(job_id, world.job(job_id), entry, world.state)]
    assert sorted(order) == [f"worker {at}" for at in range(5)]
    for place, name in enumerate(order):
        assert duty(world, job_id, name, after_ms=place * STEP_IN_MS) is Duty.ACCEPT
        if place:
            assert duty(world, job_id, name, after_ms=place * STEP_IN_MS - 1) is Duty.WAIT


def test_different_jobs_are_ranked_differently_d3(world: World) -> None:
    firsts = set()
    for _ in range(12):
        job_id = submitted(world, provider=None)
        entry = world.state.model(world.job(job_id).model)
        assert entry is not None
        firsts.add(ranking(job_id, world.job(job_id), entry, world.state)[0])
    assert len(firsts) > 2


PARTS = [
    (JobState.ACCEPTED, Duty.PROVIDE),
    (JobState.COMMITTED, Duty.WAIT),
    (JobState.VERIFYING, Duty.WAIT),
    (JobState.REVEALING, Duty.REVEAL),
    (JobState.CHECKING, Duty.NONE),
    (JobState.SAMPLING, Duty.WAIT),
    (JobState.UNVERIFIED, Duty.NONE),
    (JobState.CONTESTED, Duty.NONE),
    (JobState.DISPUTED, Duty.NONE),
    (JobState.SETTLED, Duty.NONE),
    (JobState.PAST_CHALLENGE, Duty.NONE),
    (JobState.VOID, Duty.NONE),
]


@pytest.mark.parametrize(("state", "owed"), PARTS, ids=lambda value: value.name)
def test_what_a_provider_owes_follows_from_the_state_d1(world: World, state: JobState, owed: Duty) -> None:
    job_id = submitted(world)
    held: dict[str, Any] = {"state": state, "provider": address("worker 0")}
    assert duty(world, job_id, **held) is owed
    assert duty(world, job_id, "worker 1", **held) is Duty.NONE


@pytest.mark.parametrize(
    ("state", "committed", "owed"),
    [
        (JobState.VERIFYING, False, Duty.VERIFY),
        (JobState.VERIFYING, True, Duty.WAIT),
        (JobState.REVEALING, True, Duty.WAIT),
        (JobState.REVEALING, False, Duty.NONE),
        (JobState.CHECKING, True, Duty.JUDGE),
        (JobState.CHECKING, False, Duty.NONE),
        (JobState.VOID, True, Duty.NONE),
    ],
)
def test_what_a_verifier_owes_follows_from_the_state_d1(
    world: World, state: JobState, committed: bool, owed: Duty
) -> None:
    job_id = submitted(world)
    drawn = a_verifier("worker 1", commitment=bytes(32) if committed else None)
    held: dict[str, Any] = {"state": state, "provider": address("worker 0"), "verifiers": [drawn]}
    assert duty(world, job_id, "worker 1", **held) is owed
    assert duty(world, job_id, "worker 2", **held) is Duty.NONE


def test_every_state_of_a_job_has_been_thought_of() -> None:
    assert {state for state, _ in PARTS} | {JobState.OPEN} == set(JobState)


def test_the_job_of_a_key_is_the_one_looked_at(world: World) -> None:
    job_id = submitted(world)
    assert world.state.find(Job, job_key(job_id)) == world.job(job_id)
