"""A worker in its place: it takes jobs only if its machine computes what the network does."""

from pathlib import Path

import pytest
import trio

from node.working import Working
from primitives.reasons import Reason, Refused
from tests.node.compute.cluster import Cluster
from vm.pool import Pool, PoolConfig
from vm.sandbox_protocol import Layer


class Told(Pool):
    """A pool whose sandbox tells what the test says, after it has failed to start a few times."""

    def __init__(self, deviating: tuple[str, ...], *, failures: int = 0) -> None:
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


async def test_a_machine_that_fails_a_known_answer_takes_no_jobs_and_says_which(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """D16."""
    cluster = Cluster(tmp_path)
    worker = cluster.worker("worker 0")
    told = Told(("matmul by hand",))
    working = Working(worker, cluster.disputes("worker 0", worker), cluster.canaries("worker 0", worker), told)
    with trio.fail_after(10):
        await working.run()
    assert (working.deviating, working.layers) == (("matmul by hand",), ("seccomp",))
    assert "matmul by hand" in caplog.text


async def test_a_machine_that_computes_right_takes_jobs_once_a_sandbox_starts(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """D16."""
    del autojump_clock
    cluster = Cluster(tmp_path)
    worker = cluster.worker("worker 0")
    told = Told((), failures=3)
    working = Working(worker, cluster.disputes("worker 0", worker), cluster.canaries("worker 0", worker), told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(working.run)
        await trio.sleep(1_000)
        assert working.deviating == ()
        job = await cluster.submit()
        await cluster.until(lambda: (found := cluster.job(job)) is not None and found.provider is not None)
        nursery.cancel_scope.cancel()
