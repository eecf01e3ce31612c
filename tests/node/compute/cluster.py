"""Workers on one fake chain, each with its own content and journal; blocks come when all of them wait."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.testing

from ledger.parameters import Parameters, Tier
from ledger.records import Job, JobState, Outcome
from ledger.transaction import JobSubmit
from node.compute.canaries.box import CanaryBox
from node.compute.canaries.service import Canaries, CanaryPorts
from node.compute.disputes.examine import Examiner
from node.compute.disputes.journal import ClaimJournal
from node.compute.disputes.ports import DisputePorts
from node.compute.disputes.service import Disputes
from node.compute.registering import WorkerTerms
from node.compute.worker import Worker, WorkerPorts
from node.ports import Engine
from primitives.content import ContentId
from primitives.units import KARAT
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import (
    a_genesis,
    a_model,
    a_submission,
    a_world,
    address,
    key_of,
    least_fee,
    publish,
    seed_of,
    supply_of,
)
from testnet.kit.plain_engine import PlainEngine
from vm.manifest import Class

BLOCKS_MAX = 300
INPUT = b"the input of a job"


class Cluster:
    """Five workers, a client that holds model and input, and the chain between them."""

    def __init__(self, folder: Path, *, registered: int = 5, parameters: Parameters | None = None) -> None:
        people = ["client", "publisher", *(["worker 5"] if registered <= 5 else [])]  # it may come later
        genesis = a_genesis(workers=registered, accounts=people, parameters=parameters or Parameters())
        self.chain = FakeChain(a_world(genesis))
        self.client = FakeBlobs()
        self.blobs = {f"worker {at}": FakeBlobs() for at in range(max(6, registered))}
        for blobs in self.blobs.values():
            blobs.others = [self.client, *(each for each in self.blobs.values() if each is not blobs)]
        self.engines: dict[str, Engine] = {}
        self.plain = {name: PlainEngine() for name in self.blobs}
        self.scopes: dict[str, trio.CancelScope] = {}
        self.workers: dict[str, Worker] = {}
        self.folder = folder
        self.reserve = 0
        publish(self.chain.world)
        self.client.held[a_model().file.root] = b"an ONNX file"

    def worker(self, name: str) -> Worker:
        plain = self.plain[name]
        ports = WorkerPorts(
            chain=self.chain, blobs=self.blobs[name], engine=self.engines.get(name, plain), rehearsal=plain
        )
        terms = WorkerTerms(
            seed=seed_of(name),
            peer=key_of(f"peer of {name}"),
            bond=100 * KARAT,
            ask=KARAT // 100,
            gas_ask=0,
            capacity=4,
            max_model_bytes=256 * 1024 * 1024,
            reserve=self.reserve,
        )
        return Worker(ports, terms, self.folder / name)

    def disputes(self, name: str, worker: Worker) -> Disputes:
        """Return what a worker does about disputes; its engine has no model to run canonically."""
        examiner = Examiner(self.chain, worker.tasks, self.plain[name])
        ports = DisputePorts(chain=self.chain, examiner=examiner, sender=worker.sender, blocks=worker.blocks)
        return Disputes(ports, ClaimJournal(self.folder / f"{name} claims"))

    def canaries(self, name: str, worker: Worker) -> Canaries:
        """Return what a worker does about its own canary."""
        ports = CanaryPorts(chain=self.chain, sender=worker.sender, disputes=self.disputes(name, worker))
        return Canaries(ports, CanaryBox(self.folder / f"{name} canary"))

    async def start(self, nursery: trio.Nursery, *names: str) -> None:
        for name in names:
            nursery.start_soon(self._run, name)
        await trio.testing.wait_all_tasks_blocked()

    async def _run(self, name: str) -> None:
        with trio.CancelScope() as self.scopes[name]:
            self.workers[name] = self.worker(name)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.workers[name].enlist)
                nursery.start_soon(self.workers[name].run)

    async def restart(self, nursery: trio.Nursery, name: str) -> None:
        await self.stop(name)
        await self.start(nursery, name)

    async def stop(self, name: str) -> None:
        self.scopes[name].cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def submit(
        self,
        *,
        provider: str | None = "worker 0",
        max_price: int = KARAT,
        raw: bytes = INPUT,
        class_: Class = Class.NATIVE,
        tier: Tier = Tier.HIGH,
    ) -> bytes:
        content = await self.client.put(raw)
        wanted = a_submission(provider=provider, max_price=max_price, class_=class_, tier=tier)
        return await self.send(wanted, content)

    async def send(self, wanted: JobSubmit, content: ContentId) -> bytes:
        payload = JobSubmit(
            model=wanted.model,
            lowering=wanted.lowering,
            input=content,
            at_risk=wanted.at_risk,
            reply_key=wanted.reply_key,
            canary=wanted.canary,
            tier=wanted.tier,
            class_=wanted.class_,
            max_price=wanted.max_price,
            provider=wanted.provider,
        )
        waiting = sum(1 for each in self.chain.pool.values() if each.sender == address("client"))
        return await self.chain.submit(self.chain.world.sign("client", payload, ahead=waiting))

    async def block(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        self.chain.step()
        await trio.testing.wait_all_tasks_blocked()

    async def until(self, done: Callable[[], bool], *, at_most: int = BLOCKS_MAX) -> None:
        for _ in range(at_most):
            if done():
                return
            await self.block()
        raise AssertionError(f"not within {at_most} blocks")

    def job(self, job_id: bytes) -> Job | None:
        return self.chain.state().job(job_id)

    def known(self, job_id: bytes) -> Job:
        job = self.job(job_id)
        assert job is not None
        return job

    async def ended(self, job_id: bytes) -> Job:
        await self.until(lambda: (job := self.job(job_id)) is not None and job.outcome is not None)
        return self.known(job_id)

    async def reached(self, job_id: bytes, state: JobState) -> Job:
        await self.until(lambda: (job := self.job(job_id)) is not None and job.state is state)
        return self.known(job_id)


WORKERS = tuple(f"worker {at}" for at in range(5))


@asynccontextmanager
async def running(cluster: Cluster, *names: str) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        await cluster.start(nursery, *(names or WORKERS))
        yield nursery
        nursery.cancel_scope.cancel()


def verdicts(job: Job) -> list[str | None]:
    return [None if each.verdict is None else each.verdict.name for each in job.verifiers]


async def refunded(cluster: Cluster, outcome: Outcome, *, raw: bytes = INPUT) -> Job:
    before = cluster.chain.world.balance("client")
    job = await cluster.ended(await cluster.submit(raw=raw))
    assert job.outcome is outcome
    paid = before - cluster.chain.world.balance("client") - least_fee(a_submission(), pieces=2)
    assert paid == 0
    assert supply_of(cluster.chain.state()) == cluster.chain.state().totals().supply
    return job
