"""A worker in its place: it takes jobs only if its machine computes what the network does."""

import pytest
import trio
import trio.testing

from ledger.records import JobState, Outcome
from node.compute.readiness import Guarded, Readiness
from node.ports import Role, Task
from node.working import Working
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import a_lowering, a_model
from testnet.kit.plain_engine import PlainEngine
from tests.node.compute.cluster import INPUT, Cluster, running
from vm.manifest import Class, model_id
from vm.pool import Pool, PoolConfig
from vm.sandbox_protocol import Layer


class Told(Pool):
    """A pool whose sandbox tells what the test says, after it has failed to start a few times."""

    def __init__(self, deviating: tuple[str, ...] = (), *, failures: int = 0) -> None:
        super().__init__(PoolConfig())
        self._deviating = deviating
        self._failures = failures

    async def layers(self) -> tuple[Layer, ...]:
        if self._failures:
            self._failures -= 1
            raise Refused(Reason.RUN_CRASHED, seen="status 1")
        return (Layer.SECCOMP,)

    async def deviating(self) -> tuple[str, ...]:
        return self._deviating


class Silent(Told):
    """A pool whose sandbox never starts."""

    async def layers(self) -> tuple[Layer, ...]:
        await trio.sleep_forever()
        raise AssertionError


def in_place(cluster: Cluster, pool: Pool) -> Working:
    """Return worker 0 in its place."""
    worker = cluster.worker("worker 0")
    disputes, canaries = cluster.disputes("worker 0", worker), cluster.canaries("worker 0", worker)
    return Working(worker, disputes, canaries, pool, Readiness())


async def test_a_machine_that_fails_a_known_answer_takes_no_jobs_and_says_which(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """D16."""
    working = in_place(cluster, Told(("matmul by hand",)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(working.run)
        await cluster.until(lambda: not cluster.chain.world.worker("worker 0").capacity)
        assert (working.deviating, working.layers) == (("matmul by hand",), ("seccomp",))
        job = await cluster.ended(await cluster.submit(provider=None))
        nursery.cancel_scope.cancel()
    assert "matmul by hand" in caplog.text
    assert job.outcome is Outcome.NOT_ACCEPTED


async def test_a_machine_that_computes_right_takes_jobs_once_a_sandbox_starts(
    cluster: Cluster, autojump_clock: trio.testing.MockClock
) -> None:
    """D16."""
    del autojump_clock
    working = in_place(cluster, Told(failures=3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(working.run)
        await trio.sleep(1_000)
        assert working.deviating == ()
        job = await cluster.submit()
        await cluster.until(lambda: (found := cluster.job(job)) is not None and found.provider is not None)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("pool", [Silent(), Told(("matmul by hand",))], ids=["no sandbox", "a wrong machine"])
async def test_a_worker_reveals_what_it_has_committed_to_without_a_sandbox(cluster: Cluster, pool: Pool) -> None:
    """D16: the values are in its journal."""
    async with running(cluster) as nursery:
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.COMMITTED)
        await cluster.stop("worker 0")
        nursery.start_soon(in_place(cluster, pool).run)
        job = await cluster.ended(job_id)
    assert (job.outcome, job.penalties) == (Outcome.SETTLED, [])


async def test_nothing_runs_before_the_known_answers_are_told_nor_if_they_are_wrong() -> None:
    """D16."""
    task = Task(
        job=bytes(32),
        role=Role.PROVIDE,
        model_id=model_id(a_model()),
        model=b"an ONNX file",
        lowering=a_lowering(),
        class_=Class.NATIVE,
        input=INPUT,
    )
    plain, readiness = PlainEngine(), Readiness()
    guarded = Guarded(plain, plain, readiness)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guarded.run, task)
        await trio.testing.wait_all_tasks_blocked()
        assert not plain.runs
        readiness.tell(())
    assert plain.runs == [(task.job, Role.PROVIDE)]
    readiness.tell(("matmul by hand",))
    with pytest.raises(Refused) as refused:
        await guarded.tail(task, b"a cut")
    assert refused.value.reason is Reason.KNOWN_ANSWERS_WRONG
