"""Large results: shown by their ids, opened where the beacon picks, and delivered sealed (D50 to D53)."""

from pathlib import Path

import pytest

from ledger.records import Job, JobState, Outcome
from ledger.state import change
from ledger.transaction import Decision, LoweringPublish
from node.compute.journal import Journal, Part
from node.keys.envelopes import open_result, reply_key, reply_secret
from node.ports import Task, TaskResult
from primitives.content import ContentId
from testnet.kit.large_builders import a_large_lowering, a_large_submission, large_values
from testnet.kit.ledger_builders import address, seed_of
from testnet.kit.plain_engine import PlainEngine
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, running
from vm.manifest import Class

CANARY = bytes(range(32))
SECRET = reply_secret(seed_of("client"), CANARY)


class LargeEngine(PlainEngine):
    """Gives large values: off by `shift` at the cut, and with outputs off by `label`."""

    def __init__(self, *, shift: float = 0.0, label: float = 0.0) -> None:
        super().__init__()
        self._shift, self._label = shift, label

    async def run(self, task: Task) -> TaskResult:
        mine = large_values("x", shift=self._shift, label=self._label, class_=task.class_)
        return TaskResult(cut=mine.cut, outputs=mine.outputs, wall_ms=1)

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return outputs that tell whose cut they follow from."""
        del task
        return large_values("x", label=0.5 if cut != large_values("x").cut else 0.0).outputs


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    found = Cluster(tmp_path)
    found.chain.world.must("publisher", LoweringPublish(lowering=a_large_lowering()))
    found.engines = {name: LargeEngine() for name in WORKERS}
    return found


async def ordered(cluster: Cluster, class_: Class = Class.NATIVE) -> bytes:
    content = await cluster.client.put(INPUT)
    wanted = change(a_large_submission(class_), reply_key=reply_key(SECRET), canary=CANARY)
    return await cluster.send(wanted, content)


async def delivered(cluster: Cluster, job_id: bytes, sealed: ContentId | None, sealer: bytes) -> bytes:
    assert sealed is not None
    cluster.client.others = list(cluster.blobs.values())
    raw = await cluster.client.fetch(sealed)
    return open_result(raw, SECRET, genesis=cluster.chain.genesis_hash, job=job_id, sealer=sealer)


def holders(cluster: Cluster, content: ContentId | None) -> list[str]:
    assert content is not None
    return [name for name, blobs in cluster.blobs.items() if blobs.has(content)]


def verdicts(job: Job) -> list[Decision | None]:
    return [each.verdict for each in job.verifiers]


@pytest.mark.parametrize("class_", list(Class))
async def test_a_large_result_reaches_its_client_sealed_and_nobody_else(cluster: Cluster, class_: Class) -> None:
    async with running(cluster):
        job_id = await ordered(cluster, class_)
        job = await cluster.ended(job_id)
        assert (job.outcome, verdicts(job)) == (Outcome.SETTLED, [Decision.ACCEPT] * 3)
        assert JobState.SAMPLING in [each.state for each in job.history]
        wanted = large_values("x", class_=class_).outputs
        assert await delivered(cluster, job_id, job.sealed, address("worker 0")) == wanted
        for each in job.verifiers:  # the provider may be gone by now
            assert await delivered(cluster, job_id, each.sealed, each.worker) == wanted
        assert holders(cluster, job.outputs) == []
    assert not cluster.chain.refused


async def test_a_verifier_that_rounds_otherwise_holds_what_follows_from_the_providers_cut(cluster: Cluster) -> None:
    """J76: it accepts, and delivers the provider's outputs and not its own."""
    cluster.engines["worker 0"] = LargeEngine(shift=1e-5, label=0.5)
    async with running(cluster):
        job_id = await ordered(cluster)
        job = await cluster.ended(job_id)
        assert (job.outcome, verdicts(job)) == (Outcome.SETTLED, [Decision.ACCEPT] * 3)
        wanted = large_values("x", label=0.5).outputs
        for each in job.verifiers:
            assert each.outputs != job.outputs
            assert await delivered(cluster, job_id, each.sealed, each.worker) == wanted
        assert "worker 0" in holders(cluster, job.cut)


@pytest.mark.parametrize(
    "lie",
    [LargeEngine(shift=1e-3), LargeEngine(label=0.25), LargeEngine(shift=1e-5, label=0.25)],
    ids=["another cut", "another output", "another output after a cut within the tolerance"],
)
async def test_a_large_lie_is_rejected_and_shown_in_the_open_for_the_dispute(
    cluster: Cluster, lie: LargeEngine
) -> None:
    """D53."""
    cluster.engines["worker 0"] = lie
    async with running(cluster):
        job_id = await ordered(cluster)
        job = await cluster.reached(job_id, JobState.CONTESTED)
        assert verdicts(job) == [Decision.REJECT] * 3
        assert all(each.sealed is None for each in job.verifiers)
        await cluster.until(lambda: "worker 0" in holders(cluster, job.outputs))


async def test_a_large_result_is_kept_until_nobody_can_challenge_it_any_more(cluster: Cluster) -> None:
    """D50."""
    async with running(cluster):
        job_id = await ordered(cluster)
        await cluster.ended(job_id)
        assert Journal(cluster.folder / "worker 0").find(Part.PROVIDER, job_id) is not None
        await cluster.until(lambda: cluster.known(job_id).state is JobState.PAST_CHALLENGE, at_most=700)
        await cluster.until(lambda: not list((cluster.folder / "worker 0").iterdir()))


@pytest.mark.parametrize("state", [JobState.CHECKING, JobState.SAMPLING])
async def test_parties_that_were_killed_open_what_was_picked_after_their_restart(
    cluster: Cluster, state: JobState
) -> None:
    async with running(cluster) as nursery:
        job_id = await ordered(cluster)
        job = await cluster.reached(job_id, state)
        names = [cluster.chain.world.name(each.worker) for each in job.verifiers]
        for name in ("worker 0", names[0]):
            await cluster.restart(nursery, name)
        assert (await cluster.ended(job_id)).outcome is Outcome.SETTLED
