"""Workers that are killed, lose transactions or fall behind: they go on where they were."""

from pathlib import Path

import pytest
import trio

from ledger.records import JobState, Outcome
from node.compute.journal import Journal, Part, Work
from node.compute.worker import TEND_BLOCKS
from node.ports import Role
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.plain_engine import honest_result
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, running, verdicts

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
