"""A worker's own canary: told falsely, opened in time, and nothing else told falsely (D61 to D64)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from ledger.market.canary import canary_of
from ledger.market.dispute.payloads import WHOLE, DisputeClaim, Subject
from ledger.market.dispute.rows import disputes_of
from ledger.records import Job, JobState, Outcome
from ledger.state import change
from ledger.transaction import Decision
from node.compute.canaries.box import CanaryBox
from node.compute.canaries.service import Canaries, CanaryPorts
from node.compute.canaries.straying import Straying, astray
from node.compute.disputes.service import Disputes
from node.compute.sender import Sender
from node.ports import Task, TaskResult
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import CUT_NAME, a_bundle, a_submission, address
from testnet.kit.plain_engine import PlainEngine
from tests.node.compute.cluster import INPUT, Cluster
from vm.compare import compare_bundles
from vm.manifest import Class, Ratio
from vm.tensor import Bundle, DType, NamedTensor, Tensor, decode_bundle

PLANTER = "worker 0"
CLIENT = address("client")


class Planting:
    """A cluster whose first worker plants canaries."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder)
        self.box = CanaryBox(folder / f"{PLANTER} canary")
        plain = self.cluster.plain[PLANTER]
        self.cluster.engines[PLANTER] = Straying(plain, self.box, self.cluster.chain, address(PLANTER))
        self.service: Canaries | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Cluster]:
        async with trio.open_nursery() as nursery:
            await self.cluster.start(nursery, *(f"worker {at}" for at in range(5)))
            self.start(nursery)
            yield self.cluster
            nursery.cancel_scope.cancel()

    def start(self, nursery: trio.Nursery) -> None:
        """Start the planter's service, as a node does."""
        self.service = self.cluster.canaries(PLANTER, self.cluster.workers[PLANTER])
        nursery.start_soon(self.service.run)

    async def planted(self, *, class_: Class = Class.NATIVE) -> bytes:
        """Plant a canary, and submit the job that carries it."""
        assert self.service is not None
        return await self.submitted(self.service.plant(CLIENT), class_=class_)

    async def submitted(self, canary: bytes, *, class_: Class = Class.NATIVE) -> bytes:
        wanted = change(a_submission(provider=PLANTER, class_=class_), canary=canary)
        return await self.cluster.send(wanted, await self.cluster.client.put(INPUT))


def verdicts(job: Job) -> list[Decision | None]:
    return [each.verdict for each in job.verifiers]


@pytest.mark.parametrize("class_", Class)
async def test_a_canary_is_told_falsely_found_and_opened(
    tmp_path: Path, class_: Class, autojump_clock: object
) -> None:  # D62, D63
    planting = Planting(tmp_path)
    async with planting.running() as cluster:
        job = await cluster.ended(await planting.planted(class_=class_))
        assert verdicts(job) == [Decision.REJECT] * 3
        assert (job.outcome, job.canary_opened) == (Outcome.CANARY, True)
        assert job.penalties == []
        await cluster.block()
        assert planting.box.find() is None


async def test_all_other_jobs_are_told_truly(tmp_path: Path, autojump_clock: object) -> None:  # D62
    planting = Planting(tmp_path)
    async with planting.running() as cluster:
        assert planting.service is not None
        planting.service.plant(CLIENT)
        assert (await cluster.ended(await cluster.submit())).outcome is Outcome.SETTLED


async def test_a_canary_that_could_not_be_opened_in_time_is_told_truly(
    tmp_path: Path, autojump_clock: object
) -> None:  # D62, J92
    planting = Planting(tmp_path)
    async with planting.running() as cluster:
        await cluster.ended(await planting.planted())
        await cluster.until(lambda: planting.box.find() is None)
        second = await cluster.ended(await planting.planted())
        assert (second.outcome, second.canary_opened) == (Outcome.SETTLED, False)


async def test_a_worker_that_was_killed_after_its_lie_confesses_when_it_is_back(
    tmp_path: Path, autojump_clock: object
) -> None:  # D61, D63
    planting = Planting(tmp_path)
    async with trio.open_nursery() as nursery:
        cluster = planting.cluster
        await cluster.start(nursery, *(f"worker {at}" for at in range(5)))
        service = cluster.canaries(PLANTER, cluster.workers[PLANTER])  # does not run: the node is down
        job = await planting.submitted(service.plant(CLIENT))
        await cluster.reached(job, JobState.CONTESTED)
        assert not cluster.known(job).canary_opened
        planting.start(nursery)
        assert (await cluster.ended(job)).outcome is Outcome.CANARY
        nursery.cancel_scope.cancel()


class Copying(Straying):
    """A lazy verifier: it has what the provider has, the lie included."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task; in every role give what the planter gives."""
        return await self._lie(task, await self._engine.run(task))


class Claims(Disputes):
    """Loses the first claims, and makes the next; does nothing else."""

    def __init__(self, sender: Sender, *, lost: int = 0) -> None:
        self.made: list[tuple[bytes, Subject]] = []
        self._sender = sender
        self._lost = lost

    async def claim(self, job_id: bytes, subject: Subject) -> bytes:
        """Make a claim to a trace that nobody can open."""
        self.made.append((job_id, subject))
        if len(self.made) <= self._lost:
            raise Refused(Reason.EXPIRED, job=job_id)
        await self._sender.send(DisputeClaim(job=job_id, subject=subject, commitment=bytes(32)))
        return job_id


@pytest.mark.parametrize("lost", [0, 2])
async def test_what_verifiers_have_accepted_is_brought_before_the_referee_once(
    tmp_path: Path, autojump_clock: object, lost: int
) -> None:  # D64
    planting = Planting(tmp_path)
    cluster = planting.cluster
    for at in range(1, 5):
        name = f"worker {at}"
        cluster.engines[name] = Copying(cluster.plain[name], planting.box, cluster.chain, address(name))
    async with trio.open_nursery() as nursery:
        await cluster.start(nursery, *(f"worker {at}" for at in range(5)))
        worker = cluster.workers[PLANTER]
        claims = Claims(worker.sender, lost=lost)
        service = Canaries(CanaryPorts(chain=cluster.chain, sender=worker.sender, disputes=claims), planting.box)
        nursery.start_soon(service.run)
        job = await planting.submitted(service.plant(CLIENT))
        settled = await cluster.reached(job, JobState.SETTLED)
        assert verdicts(settled) == [Decision.ACCEPT] * 3
        await cluster.until(lambda: cluster.known(job).canary_opened)
        for _ in range(15):
            await cluster.block()
        assert claims.made == [(job, WHOLE)] * (lost + 1)
        assert len(list(disputes_of(cluster.chain.state(), job))) == 1
        nursery.cancel_scope.cancel()


class NothingFollows(PlainEngine):
    """An engine in which no outputs follow from values at the cut."""

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Trap."""
        raise Refused(Reason.RUN_TRAPPED, job=task.job)


async def test_a_canary_from_which_nothing_would_follow_is_told_truly(
    tmp_path: Path, autojump_clock: object
) -> None:  # D62
    planting = Planting(tmp_path)
    cluster = planting.cluster
    cluster.engines[PLANTER] = Straying(NothingFollows(), planting.box, cluster.chain, address(PLANTER))
    async with planting.running():
        job = await cluster.ended(await planting.planted())
        assert (job.outcome, job.canary_opened) == (Outcome.SETTLED, False)


def test_a_box_holds_one_canary_and_nobody_else_reads_it(tmp_path: Path) -> None:  # D61
    folder = tmp_path / "box"
    box = CanaryBox(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    first = box.plant(genesis=bytes(32), client=CLIENT, provider=address(PLANTER))
    known = {"genesis": bytes(32), "client": CLIENT, "provider": address(PLANTER), "salt": first.salt}
    assert first.canary == canary_of(**known)
    second = box.plant(genesis=bytes(32), client=CLIENT, provider=address(PLANTER))
    assert second.canary != first.canary
    assert CanaryBox(folder).find() == second
    box.keep(change(second, job=bytes(32)))
    with pytest.raises(Refused) as refused:
        box.plant(genesis=bytes(32), client=CLIENT, provider=address(PLANTER))
    assert refused.value.reason is Reason.BUSY
    (folder / "planted").write_bytes(b"damaged")
    assert box.find() is None


TENTH = Ratio(numerator=1, denominator=10)


@pytest.mark.parametrize("numbers", [[1.0, -4.0, 3.0], [0.0, 0.0], [1e30, 1.0], [float("inf"), 2.0]])
def test_a_lie_is_beyond_what_is_tolerated_and_a_number(numbers: list[float]) -> None:  # D62
    true = decode_bundle(a_bundle(CUT_NAME, numbers))
    false = astray(true, 1.0)
    assert not compare_bundles(true, false, TENTH).within
    assert [each.name for each in false.tensors] == [each.name for each in true.tensors]


@pytest.mark.parametrize("dtype", [DType.BOOL, DType.INT64, DType.UINT8])
def test_of_whole_numbers_the_last_bit_differs(dtype: DType) -> None:
    tensor = Tensor(dtype=dtype, shape=[1], data=bytes(8 if dtype is DType.INT64 else 1))
    false = astray(Bundle(tensors=[NamedTensor(name=b"x", tensor=tensor)]), 1.0)
    assert false.tensors[0].tensor.data[0] == 1
