from collections import Counter
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import DRAWS_MAX, VALIDATORS_MAX
from ledger.market.draw import REVEALED_STAKE, beacon_ready, not_of, pick, weights
from ledger.parameters import Parameters
from ledger.records import JobState, Worker
from ledger.state import State, change
from ledger.transaction import JobAccept, JobCommit, WorkerRegister, WorkerUpdate
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from vm.lowering import lowering_id
from vm.manifest import model_id

bonds = st.lists(st.integers(1, 10**6), min_size=3, max_size=12)


def a_worker(operator: str, bond: int) -> Worker:
    return Worker(
        operator=kit.address(operator),
        peer=bytes(32),
        bond=bond,
        locked=0,
        capacity=1,
        providing=0,
        verifying=0,
        ask=0,
        gas_ask=0,
        classes=1,
        max_model_bytes=0,
        registered=0,
    )


@given(bonds, st.integers())
def test_nobody_is_picked_twice(given_bonds: list[int], seed: int) -> None:
    picked = pick(sha256(str(seed).encode()), weights([a_worker(str(at), b) for at, b in enumerate(given_bonds)]), 3)
    assert len(set(picked)) == 3
    assert all(0 <= at < len(given_bonds) for at in picked)


def test_the_same_seed_picks_the_same_and_another_differs() -> None:
    weight = [1] * 50
    draws = [tuple(pick(sha256(bytes([at])), weight, 3)) for at in range(20)]
    assert draws[0] == tuple(pick(sha256(b"\x00"), weight, 3))
    assert len(set(draws)) > 15


def test_who_weighs_more_is_drawn_more_often() -> None:
    seen = Counter(pick(sha256(at.to_bytes(4, "big")), [1, 3], 1)[0] for at in range(2_000))
    assert 1_400 < seen[1] < 1_600


def test_an_operator_weighs_at_most_a_tenth_of_all_bonds_however_it_splits_them() -> None:
    others = [a_worker(f"other {at}", 10) for at in range(20)]
    whole = weights([a_worker("whale", 800), *others])
    split = weights([*(a_worker("whale", 80) for _ in range(10)), *others])
    assert whole[0] == 100
    assert sum(split[:10]) == 100
    assert whole[1:] == split[10:] == [10] * 20


def test_the_least_weight_is_one_grain() -> None:
    found = weights([a_worker("whale", 10**9), a_worker("whale", 1), a_worker("other", 1)])
    assert found[1] == found[2] == 1


def test_neither_a_party_nor_its_operators_workers_may_verify() -> None:
    genesis = kit.a_genesis(workers=0)
    mine = [kit.a_worker(f"worker {at}", operator=kit.address("boss")) for at in range(2)]
    other = [kit.a_worker("worker 2"), kit.a_worker("worker 3", operator=kit.address("client"))]
    world = kit.a_world(change(genesis, workers=[*mine, *other]))
    left = [address for address, _ in not_of(world.state, [kit.address("client"), kit.address("worker 0")])]
    assert left == [kit.address("worker 2")]


def test_the_beacon_is_ready_when_more_than_a_third_of_the_stake_has_revealed() -> None:
    world = kit.a_world(kit.a_genesis(validators=3))
    since = world.state.clock().height
    ready = []
    for _ in range(3):
        world.block()
        ready.append(beacon_ready(world.state, since))
    assert ready == [False, True, True]  # exactly a third is not more than a third


def test_of_the_most_validators_with_one_down_enough_reveal_while_a_draw_waits_j30() -> None:
    blocks = Parameters().draw_ms // Parameters().live_step_ms_max  # at the slowest pace of live time
    up = VALIDATORS_MAX - 1  # the views of the one that is down give no block
    wanted = VALIDATORS_MAX // REVEALED_STAKE + 1
    seen = [1.0] + [0.0] * wanted  # the chance that so many have led a block, or more at the last place
    for _ in range(blocks):
        seen = [
            (seen[at] if at == wanted else seen[at] * at / up) + (seen[at - 1] * (up - at + 1) / up if at else 0)
            for at in range(wanted + 1)
        ]
    assert 0.999995 < seen[wanted] <= 1.0000001


def is_drawn(job_id: bytes, state: State) -> bool:
    job = state.job(job_id)
    return job is not None and job.state is JobState.VERIFYING


def committed_world() -> tuple[kit.World, bytes]:
    """Return a world with a job that its provider has just committed to."""
    world = kit.a_world()
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=KARAT))
    commits = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=commits))
    return world, job_id


def test_the_draw_waits_for_reveals_after_the_commitment() -> None:
    world, job_id = committed_world()
    assert world.job(job_id).state is JobState.COMMITTED
    world.block()  # one of four validators has revealed since
    assert world.job(job_id).state is JobState.COMMITTED
    world.block()
    job = world.job(job_id)
    assert job.state is JobState.VERIFYING
    assert len(job.verifiers) == 3
    assert kit.address("worker 0") not in [each.worker for each in job.verifiers]


def test_who_registers_after_the_commitment_is_not_drawn() -> None:
    for turn in range(8):
        world = kit.a_world(kit.a_genesis(workers=4, accounts=("client", "publisher", f"late {turn}")))
        kit.publish(world)
        job_id = world.must("client", kit.a_submission())
        world.must("worker 0", JobAccept(job=job_id, price=KARAT))
        commits = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
        late = WorkerRegister(
            peer=bytes(32), bond=900 * KARAT, capacity=9, ask=0, gas_ask=0, classes=1, max_model_bytes=2**30
        )
        world.block(
            world.sign(f"late {turn}", late),
            world.sign("worker 0", JobCommit(job=job_id, commitment=commits)),
        )
        world.until(partial(is_drawn, job_id))
        assert kit.address(f"late {turn}") not in [each.worker for each in world.job(job_id).verifiers]


def test_a_verifier_without_a_free_slot_is_passed_over_until_it_has_one() -> None:
    slots = [kit.a_worker(f"worker {at}", capacity=4 if at == 0 else 1) for at in range(4)]
    world = kit.a_world(change(kit.a_genesis(workers=4), workers=slots))
    kit.publish(world)
    jobs = []
    for _ in range(2):
        job_id = world.must("client", kit.a_submission())
        world.must("worker 0", JobAccept(job=job_id, price=KARAT))
        commits = kit.values("worker 0").commitment(world.charter, job_id, "worker 0")
        world.must("worker 0", JobCommit(job=job_id, commitment=commits))
        jobs.append(job_id)
    world.blocks(4)
    assert [world.job(each).state for each in jobs] == [JobState.VERIFYING, JobState.COMMITTED]
    # The first job ends by its deadline, and with it the slots come free.
    world.until(lambda _: world.job(jobs[1]).state is not JobState.COMMITTED, at_most=70)
    assert world.job(jobs[1]).outcome is not None or world.job(jobs[1]).state is JobState.VERIFYING


def test_jobs_that_nobody_can_verify_do_not_keep_others_from_their_draw() -> None:
    genesis = kit.a_genesis(workers=10)
    bounds = {0: 255, **dict.fromkeys(range(1, 10), 4)}
    workers = [
        kit.a_worker(f"worker {at}", capacity=slots, max_model_bytes=1_000 if at < 4 else 100)
        for at, slots in bounds.items()
    ]
    world = kit.a_world(change(genesis, workers=workers))
    kit.publish(world)
    large = kit.a_model(file=bytes(1_000))
    world.must("publisher", kit.a_publication(file=bytes(1_000)))
    submission = change(kit.a_submission(), model=model_id(large), lowering=lowering_id(kit.a_lowering(large)))
    submissions = [world.sign("client", submission, ahead=at) for at in range(DRAWS_MAX)]
    stuck = [each.transaction for each in world.block(*submissions).outcome.receipts]
    for step in (JobAccept(job=bytes(32), price=1), JobCommit(job=bytes(32), commitment=bytes(32))):
        raws = [world.sign("worker 0", change(step, job=job_id), ahead=at) for at, job_id in enumerate(stuck)]
        if isinstance(step, JobCommit):
            raws = [
                *(world.sign(f"worker {at}", WorkerUpdate(ask=1, gas_ask=0, capacity=0)) for at in (1, 2, 3)),
                *raws,
            ]
        assert all(each.ok for each in world.block(*raws).outcome.receipts)
    job_id = world.must("client", kit.a_submission(provider="worker 4"))
    world.must("worker 4", JobAccept(job=job_id, price=1))
    world.must("worker 4", JobCommit(job=job_id, commitment=bytes(32)))
    world.blocks(6)
    assert all(world.job(each).state is JobState.COMMITTED for each in stuck)
    assert world.job(job_id).state is JobState.VERIFYING
