"""The life of jobs on workers that are well: taken, run, verified, settled; and registration."""

from pathlib import Path

import pytest
import trio

from ledger.records import JobState, ModelEntry, Outcome
from ledger.transaction import Transfer, WorkerRegister
from node.compute.duty import STEP_IN_MS, ranking
from node.ports import Engine, Task, TaskResult
from primitives.content import content_id
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    NO_CUT,
    RICH,
    a_lowering,
    a_model,
    address,
    least_fee,
)
from testnet.kit.plain_engine import PlainEngine, honest_result
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, running, verdicts
from vm.manifest import Class, model_id

REGISTRATION = WorkerRegister(peer=bytes(32), bond=0, capacity=0, ask=0, gas_ask=0, classes=0, max_model_bytes=0)


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
