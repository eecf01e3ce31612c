"""A node's worker with its sandboxes, tied together for the role."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from node.compute.canaries.box import CanaryBox
from node.compute.canaries.budget import Budget
from node.compute.canaries.planting import Planting, PlantingPorts
from node.compute.canaries.service import Canaries, CanaryPorts
from node.compute.canaries.straying import Straying
from node.compute.disputes.examine import Examiner
from node.compute.disputes.journal import ClaimJournal
from node.compute.disputes.ports import DisputePorts
from node.compute.disputes.service import Disputes
from node.compute.disputes.turns import LONG_MAX
from node.compute.engine import SandboxEngine
from node.compute.readiness import Guarded, Readiness
from node.compute.registering import WorkerTerms
from node.compute.sender import Sender
from node.compute.worker import JobFailure, Worker, WorkerPorts
from node.config import ComputeSection
from node.home import Home
from node.ports import Blobs, ChainView, Machine
from primitives.address import address_of
from primitives.ed25519 import public_key_of
from primitives.reasons import Refused
from vm.manifest import MODEL_BYTES_MAX
from vm.pool import Pool, PoolConfig, open_pool
from vm.sandbox_protocol import Checked, Optimisation

EngineWrap = Callable[[Machine], Machine]
"""What testnet.kit puts around a worker's engine; the product has none."""

RETRY_S = 10.0
"""Before the next try to start a sandbox: one fails within its time limit, so this wastes little."""

_log = logging.getLogger("assay.worker")


class Working:
    """A worker in its place."""

    def __init__(
        self,
        worker: Worker,
        disputes: Disputes,
        canaries: Canaries,
        pool: Pool,
        readiness: Readiness,
        planting: Planting | None = None,
    ) -> None:
        self.layers: tuple[str, ...] = ()
        """What holds a sandbox back on this machine; empty until the first one has said so."""
        self.disputes = disputes
        self.canaries = canaries
        self._planting = planting
        self._worker = worker
        self._pool = pool
        self._readiness = readiness

    @property
    def deviating(self) -> tuple[str, ...] | None:
        """Known-answer tests that this machine fails, None until a sandbox has told; unless empty, it takes no jobs."""
        return self._readiness.deviating

    @property
    def address(self) -> bytes:
        """The worker's account, 20 bytes."""
        return self._worker.address

    @property
    def reserve(self) -> int:
        """What the worker keeps of its balance for the bonds of claims, grains."""
        return self._worker.reserve.least

    def failures(self) -> tuple[JobFailure, ...]:
        """Return what the worker could not do lately, the latest last."""
        return tuple(self._worker.failures)

    async def check(self, model: bytes, shapes: Sequence[Sequence[int]]) -> Checked:
        """Judge a model file for inputs of these shapes in a sandbox; raises Refused."""
        return await self._pool.check(model, shapes=shapes, offered=True)

    async def run(self) -> None:
        """Work until cancelled; what is owed without a run does not wait for a sandbox to start (D16)."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._enlist)
            nursery.start_soon(self._worker.run)
            nursery.start_soon(self.disputes.run)
            nursery.start_soon(self.canaries.run)
            if self._planting is not None:
                nursery.start_soon(self._planting.run)

    async def _enlist(self) -> None:
        """Register, unless this machine computes otherwise than the network does (D16)."""
        await self._learn()
        if self.deviating:
            _log.error("this machine fails known-answer tests and takes no jobs: %s", ", ".join(self.deviating))
            await self._worker.stand_down()
        else:
            await self._worker.enlist()

    async def _learn(self) -> None:
        """Wait until a sandbox has told what holds it and what this machine computes."""
        while True:
            try:
                self.layers = tuple(layer.name.lower() for layer in await self._pool.layers())
                self._readiness.tell(await self._pool.deviating())
            except Refused as fault:
                _log.error("no sandbox starts on this machine: %s", fault)
                await trio.sleep(RETRY_S)
            else:
                return


@asynccontextmanager
async def open_working(
    *,
    chain: ChainView,
    blobs: Blobs,
    seed: bytes,
    peer: bytes,
    compute: ComputeSection,
    home: Home,
    engine_wrap: EngineWrap | None,
    canary_seed: bytes | None,
) -> AsyncIterator[Working]:
    """Give a worker with the account of `seed` (32 bytes) on the node with network key `peer`; `home` is its own.

    `canary_seed` is that of the account which orders its canaries, if it plants any by itself.
    """
    sandboxes = PoolConfig(
        size=compute.pool_size,
        threads=compute.threads,
        optimisation=Optimisation.ALL if compute.optimisation else Optimisation.DISABLED,
        wall_limit_s=compute.wall_limit_s,
        memory_limit_bytes=compute.memory_limit_bytes,
    )
    terms = WorkerTerms(
        seed=seed,
        peer=peer,
        bond=compute.bond_grains,
        ask=compute.ask_grains,
        gas_ask=compute.gas_ask_grains,
        capacity=compute.capacity,
        max_model_bytes=MODEL_BYTES_MAX,
        reserve=compute.reserve_grains,
    )
    async with open_pool(sandboxes) as pool, open_pool(replace(sandboxes, size=LONG_MAX)) as aside:
        product = SandboxEngine(pool, long_questions=aside)
        readiness = Readiness()
        engine = Guarded(product if engine_wrap is None else engine_wrap(product), product, readiness)
        box = CanaryBox(home.canaries)
        straying = Straying(engine, box, chain, address_of(public_key_of(seed)))
        ports = WorkerPorts(chain=chain, blobs=blobs, engine=straying, rehearsal=engine)
        worker = Worker(ports, terms, home.work)
        examiner = Examiner(chain, worker.tasks, engine)
        dispute_ports = DisputePorts(chain=chain, examiner=examiner, sender=worker.sender, blocks=worker.blocks)
        disputes = Disputes(dispute_ports, ClaimJournal(home.claims), audit_bps=compute.audit_bps)
        confessor = Canaries(CanaryPorts(chain=chain, sender=worker.sender, disputes=disputes), box)
        planting = None
        if canary_seed is not None:
            orders = PlantingPorts(
                chain=chain,
                blobs=blobs,
                sender=Sender(chain, canary_seed, worker.blocks),
                seed=canary_seed,
                box=box,
                budget=Budget(home.canaries, compute.canary_budget_grains, lambda: chain.head.timestamp_ms),
                worker=worker.address,
                plant=confessor.plant,
                chance=secrets.SystemRandom(),
            )
            planting = Planting(orders, per_day=compute.canaries_per_day)
        yield Working(worker, disputes, confessor, pool, readiness, planting)
