"""Workers that lie or fall silent: it costs them, and nobody else."""

import pytest

from ledger.records import Outcome
from node.ports import Role, Task, TaskResult
from primitives.content import content_id
from testnet.kit.ledger_builders import (
    a_bundle,
    address,
)
from testnet.kit.liars.copying import Copying
from testnet.kit.liars.silence import Speechless, Unrevealing
from testnet.kit.liars.values import Liar, Noisy
from testnet.kit.plain_engine import honest_result
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, refunded, running, verdicts


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
