"""Workers do what jobs of each tier ask of them."""

from pathlib import Path

import pytest
import trio

from ledger.parameters import Parameters, Tier, Tiers, TierTerms
from ledger.records import Job, JobEvent, JobState, Outcome
from node.ports import Task, TaskResult
from primitives.content import content_id
from testnet.kit.ledger_builders import address
from testnet.kit.plain_engine import PlainEngine, honest_result
from tests.node.compute.cluster import INPUT, Cluster, running

RARELY = Parameters(tiers=Tiers(spot=TierTerms(q_bps=1, k=1, bond_multiple=12)), audit_trust=1)


def everybody(cluster: Cluster) -> list[str]:
    return list(cluster.blobs)


@pytest.mark.parametrize(("tier", "k"), [(Tier.SPOT, 1), (Tier.STANDARD, 1), (Tier.MAX, 7)])
async def test_the_verifiers_of_a_tier_run_its_jobs(tmp_path: Path, tier: Tier, k: int) -> None:
    cluster = Cluster(tmp_path, registered=9)
    async with running(cluster, *everybody(cluster)):
        job = await cluster.ended(await cluster.submit(tier=tier))
    assert (job.outcome, len(job.verifiers), job.penalties) == (Outcome.SETTLED, k, [])
    assert sum(len(engine.runs) for engine in cluster.plain.values()) == 1 + k
    assert not cluster.chain.refused


async def test_a_provider_reveals_a_job_that_was_not_drawn_and_nobody_else_runs_it(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, parameters=RARELY)
    cluster.chain.world.trust("worker 0", 10**9)
    async with running(cluster):
        job = await cluster.reached(await cluster.submit(tier=Tier.SPOT), JobState.UNVERIFIED)
    assert (job.verifiers, job.provider) == ([], address("worker 0"))
    assert job.outputs == content_id(honest_result(INPUT).outputs)
    assert sum(len(engine.runs) for engine in cluster.plain.values()) == 1
    assert not cluster.chain.refused


def replaced(job: Job | None) -> bool:
    return job is not None and job.redrawn


async def test_who_is_drawn_in_place_of_silent_verifiers_verifies(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, registered=9)
    async with running(cluster, "worker 0") as nursery:
        job_id = await cluster.submit()
        await cluster.until(lambda: replaced(cluster.job(job_id)))
        silent = {each.worker for each in cluster.known(job_id).penalties}
        await cluster.start(nursery, *[name for name in everybody(cluster) if name != "worker 0"])
        job = await cluster.ended(job_id)
    assert (job.outcome, len(job.verifiers), len(job.penalties)) == (Outcome.SETTLED, 3, 3)
    assert not {each.worker for each in job.verifiers} & silent
    assert [each.event for each in job.history].count(JobEvent.REDRAW) == 1


async def test_who_is_replaced_stops_running_the_job_d70(tmp_path: Path) -> None:
    class Endless(PlainEngine):
        """Never comes to a result."""

        stopped = False

        async def run(self, task: Task) -> TaskResult:
            try:
                await trio.sleep_forever()
            finally:
                self.stopped = True

    cluster = Cluster(tmp_path, registered=9)
    engines = {name: Endless() for name in everybody(cluster) if name != "worker 0"}
    cluster.engines |= engines
    async with running(cluster, *everybody(cluster)):
        job_id = await cluster.submit()
        await cluster.until(lambda: replaced(cluster.job(job_id)))
        await cluster.block()
        silent = [each.worker for each in cluster.known(job_id).penalties]
        assert [engines[name].stopped for name in engines if address(name) in silent] == [True] * 3
