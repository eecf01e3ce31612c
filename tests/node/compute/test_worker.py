from pathlib import Path

import pytest
import trio

from ledger.records import Job, JobState, ModelEntry, Outcome
from ledger.transaction import Transfer, WorkerRegister
from node.compute.duty import STEP_IN_MS, Duty, ranking
from node.compute.journal import Journal, Part, Work
from node.compute.worker import TEND_BLOCKS
from node.ports import Engine, Role, Task, TaskResult
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.ledger_builders import (
    NO_CUT,
    RICH,
    a_bundle,
    a_lowering,
    a_model,
    a_submission,
    address,
    least_fee,
    supply_of,
)
from testnet.kit.liars.copying import Copying
from testnet.kit.liars.silence import Speechless, Unrevealing
from testnet.kit.liars.values import Liar, Noisy
from testnet.kit.plain_engine import FAILING_INPUT, PlainEngine, honest_result
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, running
from vm.manifest import Class, model_id

REGISTRATION = WorkerRegister(peer=bytes(32), bond=0, capacity=0, ask=0, gas_ask=0, classes=0, max_model_bytes=0)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def verdicts(job: Job) -> list[str | None]:
    return [None if each.verdict is None else each.verdict.name for each in job.verifiers]


async def test_a_job_is_provided_verified_and_settled(cluster: Cluster) -> None:
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
    assert job.outcome is Outcome.SETTLED
    assert job.provider == address("worker 0")
    assert job.price == KARAT // 100
    assert verdicts(job) == ["ACCEPT"] * 3
    assert job.outputs == content_id(honest_result(INPUT).outputs)
    assert not cluster.chain.refused


async def test_an_unnamed_job_goes_to_the_worker_that_ranks_first(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit(provider=None)
        job = await cluster.ended(job_id)
    entry = cluster.chain.state().model(job.model)
    assert entry is not None
    assert job.provider == ranking(job_id, job, entry, cluster.chain.state())[0]
    assert job.outcome is Outcome.SETTLED
    assert not cluster.chain.refused


async def test_the_next_in_rank_steps_in_after_a_delay_of_live_time(cluster: Cluster) -> None:
    job_id = await cluster.submit(provider=None)
    await cluster.block()
    job = cluster.known(job_id)
    entry = cluster.chain.state().model(job.model)
    assert entry is not None
    first, second = ranking(job_id, job, entry, cluster.chain.state())[:2]
    present = [name for name in WORKERS if address(name) != first]
    async with running(cluster, *present):
        job = await cluster.ended(job_id)
    assert job.provider == second
    assert job.outcome is Outcome.SETTLED
    assert job.history[1].live_ms - job.history[0].live_ms >= STEP_IN_MS


async def test_nobody_takes_a_job_below_the_ask(cluster: Cluster) -> None:
    async with running(cluster):
        job = await cluster.ended(await cluster.submit(provider=None, max_price=KARAT // 100 - 1))
    assert job.outcome is Outcome.NOT_ACCEPTED
    assert all(not each.rehearsals for each in cluster.plain.values())


async def test_many_jobs_at_once_are_all_settled_within_the_slots(cluster: Cluster) -> None:
    async with running(cluster):
        jobs = [await cluster.submit(provider=f"worker {at % 5}", raw=b"input %d" % at) for at in range(15)]
        for job_id in jobs:
            assert (await cluster.ended(job_id)).outcome is Outcome.SETTLED
    for _, worker in cluster.chain.state().workers():
        assert (worker.providing, worker.verifying) == (0, 0)


async def test_a_flood_of_offers_keeps_no_worker_from_what_it_owes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.compute.worker.ATTENDED_MAX", 2)
    async with running(cluster):
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.ACCEPTED)
        for at in range(20):
            await cluster.submit(provider=None, raw=b"input %d" % at)
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    assert verdicts(job) == ["ACCEPT"] * 3


async def test_rehearsals_that_hang_keep_no_provider_from_what_it_accepted_d14(cluster: Cluster) -> None:
    class Hanging(PlainEngine):
        """Ends its first rehearsal when others have taken all places, and no other."""

        def __init__(self) -> None:
            super().__init__()
            self.ended: bytes | None = None
            self.full = trio.Event()

        async def rehearse(self, task: Task, entry: ModelEntry) -> None:
            await super().rehearse(task, entry)
            if self.ended is not None:
                if self.rehearsals == 4:
                    self.full.set()
                await trio.sleep_forever()
            self.ended = task.job
            await self.full.wait()

    engine = Hanging()
    cluster.plain["worker 0"] = engine
    jobs = [await cluster.submit() for _ in range(5)]
    async with running(cluster):
        await cluster.until(engine.full.is_set)
        assert engine.ended is not None
        await cluster.reached(engine.ended, JobState.COMMITTED)
        assert [cluster.known(each).state for each in jobs].count(JobState.OPEN) == 4


async def test_the_output_is_held_by_nobody_before_the_reveal_is_final(cluster: Cluster) -> None:
    output = content_id(honest_result(INPUT).outputs)
    cut = content_id(honest_result(INPUT).cut)
    before = 0
    async with running(cluster):
        job_id = await cluster.submit()
        while (job := cluster.job(job_id)) is None or job.outputs is None:
            await cluster.block()
            if cluster.known(job_id).outputs is None:
                assert not any(blobs.has(output) or blobs.has(cut) for blobs in cluster.blobs.values())
                before += cluster.known(job_id).commitment is not None
        await cluster.ended(job_id)
        await cluster.block()
    assert before > 0
    assert cluster.blobs["worker 0"].has(output)
    assert sum(blobs.has(output) for blobs in cluster.blobs.values()) == 4


async def test_verifiers_are_pointed_to_the_provider_for_model_and_input(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.COMMITTED)
        cluster.client.held.clear()
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    drawn = next(name for name in WORKERS if address(name) == job.verifiers[0].worker)
    assert cluster.blobs[drawn].hinted


# --- what can't be done


async def refunded(cluster: Cluster, outcome: Outcome, *, raw: bytes = INPUT) -> Job:
    before = cluster.chain.world.balance("client")
    job = await cluster.ended(await cluster.submit(raw=raw))
    assert job.outcome is outcome
    paid = before - cluster.chain.world.balance("client") - least_fee(a_submission(), pieces=2)
    assert paid == 0
    assert supply_of(cluster.chain.state()) == cluster.chain.state().totals().supply
    return job


async def test_a_model_that_is_not_admitted_is_declined_before_acceptance(cluster: Cluster) -> None:
    cluster.plain["worker 0"] = RefusesModels()
    async with running(cluster):
        job = await refunded(cluster, Outcome.DECLINED)
    assert [(each.worker, each.reason) for each in job.declined] == [(address("worker 0"), Reason.OPERATOR_REFUSED)]
    assert cluster.plain["worker 0"].rehearsals == 1
    (failure,) = cluster.workers["worker 0"].failures
    assert (failure.duty, failure.refused.reason) == (Duty.ACCEPT, Reason.OPERATOR_REFUSED)
    assert not cluster.plain["worker 0"].runs


class RefusesModels(PlainEngine):
    def __init__(self, reason: Reason = Reason.OPERATOR_REFUSED) -> None:
        super().__init__()
        self.reason = reason

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        self.rehearsals += 1
        raise Refused(self.reason, model=task.model_id)


async def test_a_run_that_fails_in_rehearsal_is_not_tried_again(cluster: Cluster) -> None:
    cluster.plain["worker 0"] = RefusesModels(Reason.RUN_TIME_LIMIT)
    async with running(cluster):
        job = await refunded(cluster, Outcome.DECLINED)
    assert [each.reason for each in job.declined] == [Reason.RUN_TIME_LIMIT]
    assert cluster.plain["worker 0"].rehearsals == 1


async def test_an_unnamed_job_that_some_decline_is_done_by_another(cluster: Cluster) -> None:
    job_id = await cluster.submit(provider=None)
    await cluster.block()
    job = cluster.known(job_id)
    entry = cluster.chain.state().model(job.model)
    assert entry is not None
    ranked = ranking(job_id, job, entry, cluster.chain.state())
    order = sorted(WORKERS, key=lambda name: ranked.index(address(name)))
    for name in order[:4]:
        cluster.plain[name] = RefusesModels()
    async with running(cluster):
        job = await cluster.ended(job_id)
    assert [each.worker for each in job.declined] == [address(name) for name in order[:3]]
    assert job.provider == address(order[4])
    assert job.outcome is Outcome.SETTLED


async def test_a_job_whose_input_nobody_holds_is_declined(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        cluster.client.held.pop(content_id(INPUT).root)
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.DECLINED
    assert [each.reason for each in job.declined] == [Reason.CONTENT_NOT_FOUND]


async def test_an_input_that_comes_a_little_late_is_waited_for(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        raw = cluster.client.held.pop(content_id(INPUT).root)
        await cluster.block()
        await cluster.block()
        cluster.client.held[content_id(INPUT).root] = raw
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED


async def test_a_run_that_fails_after_acceptance_ends_in_a_refund(cluster: Cluster) -> None:
    async with running(cluster):
        await refunded(cluster, Outcome.PROVIDER_SILENT_AFTER_ACCEPT, raw=FAILING_INPUT)


# --- liars and the silent


@pytest.mark.parametrize("lie", range(3))
async def test_each_lie_of_a_provider_is_rejected_and_refunded(cluster: Cluster, lie: int) -> None:
    engine = Liar(cluster.plain["worker 0"])
    engine._told |= {bytes([at]) * 32: engine._lies[at] for at in range(lie)}
    cluster.engines["worker 0"] = engine
    async with running(cluster):
        job = await refunded(cluster, Outcome.REJECTED, raw=an_encoded_input())
    assert verdicts(job) == ["REJECT"] * 3
    reveal = [each.event.name for each in job.history].index("PROVIDER_REVEAL")
    assert [each.event.name for each in job.history][:reveal].count("VERIFIER_COMMIT") == 3


def an_encoded_input() -> bytes:
    return a_bundle(b"x", [at / 7 for at in range(20)])


async def test_a_liar_tells_its_three_lies_in_turn_and_verifies_honestly(cluster: Cluster) -> None:
    cluster.engines["worker 0"] = Liar(cluster.plain["worker 0"])
    async with running(cluster):
        outputs = []
        for _ in range(3):
            job = await cluster.ended(await cluster.submit(raw=an_encoded_input()))
            assert job.outcome is Outcome.REJECTED
            outputs.append((job.cut, job.outputs))
        assert len({repr(each) for each in outputs}) == 3
        for _ in range(3):
            honest = await cluster.ended(await cluster.submit(provider="worker 1", raw=an_encoded_input()))
            assert honest.outcome is Outcome.SETTLED


async def test_noise_gives_other_roots_and_is_accepted(cluster: Cluster) -> None:
    cluster.engines["worker 0"] = Noisy(cluster.plain["worker 0"])
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
    assert job.outcome is Outcome.SETTLED
    roots = {each.root for each in (job.outputs, *(verifier.outputs for verifier in job.verifiers)) if each}
    assert len(roots) == 2


@pytest.mark.parametrize(
    ("silent", "outcome"),
    [
        (Speechless, Outcome.PROVIDER_SILENT_AFTER_ACCEPT),
        (Unrevealing, Outcome.PROVIDER_SILENT_AT_REVEAL),
    ],
)
async def test_a_silent_provider_costs_itself_and_not_the_client(
    cluster: Cluster, silent: type[Speechless | Unrevealing], outcome: Outcome
) -> None:
    cluster.engines["worker 0"] = silent(cluster.plain["worker 0"])
    async with running(cluster):
        job = await refunded(cluster, outcome)
    assert [each.worker for each in job.penalties] == [address("worker 0")]


async def test_a_job_settles_without_the_verifier_that_never_reveals(cluster: Cluster) -> None:
    cluster.engines["worker 1"] = Unrevealing(cluster.plain["worker 1"], Role.VERIFY)
    async with running(cluster):
        seen = []
        for _ in range(4):
            job = await cluster.ended(await cluster.submit())
            seen.append(address("worker 1") in [each.worker for each in job.verifiers])
            assert job.outcome is Outcome.SETTLED
            assert [each.worker for each in job.penalties] == ([address("worker 1")] if seen[-1] else [])
    assert any(seen)


async def test_a_copying_verifier_has_nothing_to_commit(cluster: Cluster, autojump_clock: object) -> None:
    wanted = content_id(honest_result(INPUT).outputs)
    asked = 0

    def find(job: bytes) -> bytes | None:
        nonlocal asked
        asked += 1
        nodes = [cluster.client, *cluster.blobs.values()]
        return next((node.held[wanted.root] for node in nodes if wanted.root in node.held), None)

    names = WORKERS[1:4]
    for name in names:
        cluster.engines[name] = Copying(cluster.plain[name], find)
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
        copiers = [address(name) for name in names]
        drawn = [each for each in job.verifiers if each.worker in copiers]
    assert drawn
    assert asked
    assert all(each.commitment is None for each in drawn)


# --- restarts and losses


STATES = [
    JobState.OPEN,
    JobState.ACCEPTED,
    JobState.COMMITTED,
    JobState.VERIFYING,
    JobState.REVEALING,
    JobState.CHECKING,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("who", ["provider", "verifiers", "all"])
async def test_a_restart_at_any_step_changes_nothing(cluster: Cluster, state: JobState, who: str) -> None:
    async with running(cluster) as nursery:
        job_id = await cluster.submit()
        await cluster.reached(job_id, state)
        chosen = {"provider": WORKERS[:1], "verifiers": WORKERS[1:], "all": WORKERS}[who]
        for name in chosen:
            await cluster.stop(name)
        cluster.chain.lose()
        await cluster.block()
        for name in chosen:
            await cluster.start(nursery, name)
        job = await cluster.ended(job_id)
        await cluster.block()
    assert job.outcome is Outcome.SETTLED
    assert verdicts(job) == ["ACCEPT"] * 3
    assert not job.penalties
    assert cluster.blobs["worker 0"].has(content_id(honest_result(INPUT).outputs))


async def test_a_result_that_is_in_the_journal_is_not_computed_again(cluster: Cluster) -> None:
    async with running(cluster) as nursery:
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.ACCEPTED)
        assert cluster.plain["worker 0"].runs == [(job_id, Role.PROVIDE)]
        cluster.chain.lose()
        await cluster.restart(nursery, "worker 0")
        assert (await cluster.ended(job_id)).outcome is Outcome.SETTLED
    assert cluster.plain["worker 0"].runs == [(job_id, Role.PROVIDE)]


async def test_the_journal_is_empty_once_jobs_are_over(cluster: Cluster, tmp_path: Path) -> None:
    async with running(cluster):
        await cluster.ended(await cluster.submit())
        await cluster.block()
    assert not any(Journal(tmp_path / name).entries() for name in WORKERS)


class Full(FakeBlobs):
    """A store with no room left."""

    async def put(self, raw: bytes) -> ContentId:
        raise Refused(Reason.STORE_FULL, seen=len(raw), wanted=0)

    async def _keep(self, raw: bytes) -> bytes:
        return raw  # there was room when it was fetched


async def test_a_full_store_ends_no_worker_neither_at_work_nor_at_its_start(cluster: Cluster) -> None:
    full = Full()
    full.others = cluster.blobs["worker 0"].others
    cluster.blobs["worker 0"] = full
    async with running(cluster) as nursery:
        assert (await cluster.ended(await cluster.submit())).outcome is Outcome.SETTLED
        for _ in range(TEND_BLOCKS + 1):
            await cluster.block()
        await cluster.restart(nursery, "worker 0")
        assert (await cluster.ended(await cluster.submit(raw=b"another"))).outcome is Outcome.SETTLED


async def test_a_worker_whose_chain_is_read_anew_keeps_what_it_has_not_revealed_d6(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with running(cluster, "worker 0"):
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.COMMITTED)
        journal = Journal(tmp_path / "worker 1")  # of an earlier life, which had seen more of the chain
        journal.keep(Part.VERIFIER, Work(job=job_id, salt=bytes(32), cut=b"cut", outputs=b"outputs"))
        async with running(cluster, "worker 1"):
            assert journal.find(Part.VERIFIER, job_id) is not None


async def test_transactions_that_the_mempool_loses_are_sent_again(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        await cluster.block()
        for at in range(60):
            await trio.testing.wait_all_tasks_blocked()
            if at % 3 == 0:
                cluster.chain.lose()
            await cluster.block()
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED


async def test_a_worker_that_fell_behind_reads_the_state_again(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        while (job := cluster.job(job_id)) is None or job.outcome is None:
            await cluster.block()
            for follower in list(cluster.chain._followers):
                follower.close()
            cluster.chain._followers.clear()
            await trio.testing.wait_all_tasks_blocked()
    assert cluster.known(job_id).outcome is Outcome.SETTLED


# --- registration


async def test_a_worker_registers_itself_and_brings_its_terms_up_to_date(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    async with running(cluster, "worker 5"):
        await cluster.until(lambda: cluster.chain.state().worker(address("worker 5")) is not None)
        worker = cluster.chain.state().worker(address("worker 5"))
    assert worker is not None
    assert (worker.bond, worker.capacity, worker.ask) == (100 * KARAT, 4, KARAT // 100)
    assert cluster.chain.world.balance("worker 5") == RICH - 100 * KARAT - least_fee(REGISTRATION)


async def test_a_poor_worker_registers_once_it_can_pay(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    world = cluster.chain.world
    everything = world.balance("worker 5") - KARAT
    world.must("worker 5", Transfer(to=address("client"), amount=everything))
    async with running(cluster, "worker 5"):
        for _ in range(5):
            await cluster.block()
        assert cluster.chain.state().worker(address("worker 5")) is None
        await cluster.chain.submit(world.sign("client", Transfer(to=address("worker 5"), amount=200 * KARAT)))
        await cluster.until(lambda: cluster.chain.state().worker(address("worker 5")) is not None)


async def test_the_job_runs_with_the_published_model_and_lowering(cluster: Cluster) -> None:
    seen: list[Task] = []

    class Noting(PlainEngine):
        async def run(self, task: Task) -> TaskResult:
            seen.append(task)
            return await super().run(task)

    engine: Engine = Noting()
    cluster.engines["worker 0"] = engine
    async with running(cluster):
        await cluster.ended(await cluster.submit())
    (task,) = seen
    assert (task.model, task.input, task.lowering, task.class_, task.model_id) == (
        b"an ONNX file",
        INPUT,
        a_lowering(),
        Class.NATIVE,
        model_id(a_model()),
    )


async def test_a_job_of_class_exact_is_settled_on_outputs_alone(cluster: Cluster) -> None:
    """V124."""
    async with running(cluster):
        job = await cluster.ended(await cluster.submit(class_=Class.EXACT))
    assert (job.outcome, job.class_, job.cut) == (Outcome.SETTLED, Class.EXACT, content_id(NO_CUT))
    assert verdicts(job) == ["ACCEPT"] * 3


async def test_outputs_that_do_not_follow_from_the_providers_own_cut_are_rejected(cluster: Cluster) -> None:
    """D10, J25."""

    class Mixed(Noisy):
        """Noisy at the cut, and honest about the outputs of another: no comparison of values finds that out."""

        async def run(self, task: Task) -> TaskResult:
            honest, noisy = await self._engine.run(task), await super().run(task)
            return TaskResult(cut=noisy.cut, outputs=honest.outputs, wall_ms=1)

    cluster.engines["worker 0"] = Mixed(cluster.plain["worker 0"])
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
    assert job.outcome is Outcome.REJECTED
    assert verdicts(job) == ["REJECT"] * 3


@pytest.mark.parametrize("class_", list(Class))
@pytest.mark.parametrize(
    ("reason", "tries"),
    [
        (Reason.LOWERING_DIFFERS, 1),
        (Reason.RUN_TRAPPED, 1),
        (Reason.RUN_CRASHED, 5),
        (Reason.RUN_MEMORY_LIMIT, 5),
        (Reason.RUN_TIME_LIMIT, 1),
    ],
)
async def test_verifiers_of_a_job_that_can_not_be_run_as_ordered_reject_and_lose_nothing(
    cluster: Cluster, class_: Class, reason: Reason, tries: int
) -> None:
    """D15: client and provider are one, with a lowering, an input or a model that does honest machines harm."""

    class Honest(PlainEngine):
        async def run(self, task: Task) -> TaskResult:
            raise Refused(reason, job=task.job)

    job = await objected(cluster, Honest, class_)
    drawn = [name for name in WORKERS if address(name) in [each.worker for each in job.verifiers]]
    for name in drawn:
        assert [each.refused.reason for each in cluster.workers[name].failures] == [reason] * tries


async def objected(cluster: Cluster, honest: type[PlainEngine], class_: Class = Class.NATIVE) -> Job:
    """Return a job to which all verifiers have objected, at nobody's cost but its client's."""
    for name in WORKERS[1:]:
        cluster.engines[name] = honest()
    async with running(cluster):
        job = await cluster.ended(await cluster.submit(class_=class_))
    assert (job.outcome, job.penalties) == (Outcome.REJECTED, [])
    assert verdicts(job) == ["REJECT"] * 3
    return job


async def test_a_cut_from_which_nothing_follows_is_rejected(cluster: Cluster) -> None:
    """D15: within the tolerance, but such that the tail ends in a trap."""

    class Trapped(PlainEngine):
        async def tail(self, task: Task, cut: bytes) -> bytes:
            raise Refused(Reason.RUN_TRAPPED, node="2 Gather", seen="index")

    cluster.engines["worker 0"] = Noisy(cluster.plain["worker 0"])
    await objected(cluster, Trapped)
