"""The worker service: follows the chain, provides and verifies jobs, and forgets nothing over a restart."""

import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import trio

from ledger.chain import FinalBlock
from ledger.events import JobDrawn, JobSubmitted
from ledger.market.commitment import commitment
from ledger.records import DECLINES_MAX, Job, JobState, ModelEntry
from ledger.transaction import (
    JobCommit,
    JobDecline,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
)
from node.compute.accepting import Acceptor
from node.compute.backoff import Backoff
from node.compute.blocks import BlockSignal
from node.compute.delivery import Sealer, samples, shown
from node.compute.duty import Duty, duty_of, price_of
from node.compute.failing import TRIES_MAX, is_lasting, may_decline, may_object
from node.compute.journal import Journal, Part, Work
from node.compute.keeping import Keeper
from node.compute.objection import objection
from node.compute.registering import WorkerTerms, register, stand_down
from node.compute.reserve import Reserve
from node.compute.sender import Sender
from node.compute.tasks import Tasks
from node.compute.verdict import Case, Found, weigh
from node.compute.withholding import Withholding
from node.ports import Blobs, ChainView, Engine, Rehearsal, Role
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.manifest import Model

ATTENDED_MAX = 256
"""Jobs attended to at once, most of them waiting; other offers wait. What we owe does not: our slots bound it."""
SALT_BYTES = 32
ROWS_AT_ONCE = 256
"""Jobs looked through before others get their turn: some milliseconds."""
TEND_BLOCKS = 8
"""How often results are looked after that are kept for disputes: these give a minute to serve them."""
FAILURES_MAX = 256
"""Failures that are remembered for whoever asks, the latest."""

_log = logging.getLogger("assay.worker")


@dataclass(frozen=True, kw_only=True)
class WorkerPorts:
    """What a worker needs of its node."""

    chain: ChainView
    blobs: Blobs
    engine: Engine
    rehearsal: Rehearsal


@dataclass(frozen=True, kw_only=True)
class JobFailure:
    """A step of a job that failed, and why."""

    job: bytes
    duty: Duty
    refused: Refused


class Worker:
    """One worker on one node."""

    def __init__(self, ports: WorkerPorts, terms: WorkerTerms, journal: Path) -> None:
        self._ports = ports
        self._terms = terms
        self._journal = Journal(journal)
        self._blocks = BlockSignal()
        self._sender = Sender(ports.chain, terms.seed, self._blocks)
        self._acceptor = Acceptor(ports.chain, self._sender)
        self._withholding = Withholding(ports.chain, ports.blobs, self._sender, self._blocks)
        self._tasks = Tasks(ports.chain, ports.blobs, self._withholding)
        self._rehearsing = trio.CapacityLimiter(max(1, terms.capacity))
        self._providing = trio.CapacityLimiter(max(1, terms.capacity))
        self._verifying = trio.CapacityLimiter(max(1, terms.capacity))
        self._wanted: dict[bytes, None] = {}
        self._attended: set[bytes] = set()
        self.failures: deque[JobFailure] = deque(maxlen=FAILURES_MAX)
        """What this worker could not do, the latest last."""
        self.address = self._sender.address
        self._keeper = Keeper(ports.chain, ports.blobs, self._journal, self.address)
        self.reserve = Reserve(ports.chain, self.address, terms.reserve)
        """What is kept for the bonds of claims."""
        self._sealer = Sealer(genesis=ports.chain.genesis_hash, address=self.address, blobs=ports.blobs)

    @property
    def sender(self) -> Sender:
        """Return what sends for this worker's account: whoever else sends for it must take turns there."""
        return self._sender

    @property
    def tasks(self) -> Tasks:
        """Return what finds model and input of a job."""
        return self._tasks

    @property
    def blocks(self) -> BlockSignal:
        """Return what rings at each final block."""
        return self._blocks

    async def enlist(self) -> None:
        """Register, or bring the registration up to our terms."""
        await register(self._ports.chain, self._sender, self._blocks, self._terms)

    async def stand_down(self) -> None:
        """Take no new jobs, and be drawn for none (D16)."""
        await stand_down(self._ports.chain, self._sender, self._blocks)

    async def run(self) -> None:
        """Work until cancelled: what is owed at once, and offers as soon as we are registered."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._withholding.run)
            nursery.start_soon(self._tend)
            nursery.start_soon(self.reserve.watch, self._blocks)
            while True:
                async with self._ports.chain.follow() as blocks:
                    await self._look_around(nursery)
                    async for final in blocks:
                        self._note(nursery, final)
                        self._blocks.ring()
                        self._fill(nursery)

    # --- which jobs to attend to

    async def _look_around(self, nursery: trio.Nursery) -> None:
        """Find every job that is ours to attend to, as after a start; clear the journal of those that are over."""
        for part, job_id in self._journal.entries():
            await self._keeper.tidy(part, job_id)
        for at, (job_id, job) in enumerate(self._ports.chain.state().jobs()):
            if at % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if job.outcome is None and self._duty(job_id) is not Duty.NONE:
                if job.state is JobState.OPEN:
                    self._wanted[job_id] = None
                else:
                    self._start(nursery, job_id)
        self._blocks.ring()
        self._fill(nursery)

    def _note(self, nursery: trio.Nursery, final: FinalBlock) -> None:
        for event in final.outcome.events:
            match event:
                case JobSubmitted(job=job_id, named=named) if named in (None, self.address):
                    self._wanted[job_id] = None
                case JobDrawn(job=job_id, verifiers=verifiers) if self.address in verifiers:
                    self._start(nursery, job_id)  # D14
                case _:
                    pass  # a job that is attended to is looked at after each block anyway

    def _fill(self, nursery: trio.Nursery) -> None:
        for job_id in list(self._wanted):
            if len(self._attended) >= ATTENDED_MAX:
                return
            del self._wanted[job_id]
            self._start(nursery, job_id)

    def _start(self, nursery: trio.Nursery, job_id: bytes) -> None:
        if job_id not in self._attended:
            self._attended.add(job_id)
            nursery.start_soon(self._attend, job_id)

    async def _attend(self, job_id: bytes) -> None:
        """Do what the job asks of us, step by step, until it asks nothing more."""
        backoff = Backoff(self._ports.chain)
        try:
            while (duty := self._duty(job_id)) is not Duty.NONE:
                if not backoff.is_due(duty):
                    await self._blocks.wait()
                    continue
                try:
                    await self._do(duty, job_id)
                except Refused as refused:
                    _log.warning("job %s, %s: %s", job_id.hex(), duty.name.lower(), refused)
                    self.failures.append(JobFailure(job=job_id, duty=duty, refused=refused))
                    if await self._is_let_go(duty, job_id, refused.reason, backoff):
                        return
        finally:
            self._attended.discard(job_id)

    async def _is_let_go(self, duty: Duty, job_id: bytes, reason: Reason, backoff: Backoff) -> bool:
        """Note a failure; tell whether to end with the job: with an offer, or where no try could help (D11)."""
        # An offer's deadline is too near to wait long, and its client waits to learn what is wrong.
        tries = backoff.failed(duty, apart_max=1) if duty is Duty.ACCEPT else backoff.failed(duty)
        is_over = tries >= TRIES_MAX or is_lasting(duty, reason)
        if duty is Duty.ACCEPT and is_over:
            await self._decline(job_id, reason)
            return True
        if duty is Duty.VERIFY and is_over and self._object(job_id, reason):
            backoff.forget(duty)  # there is something to commit to
            return False
        return is_lasting(duty, reason)

    def _duty(self, job_id: bytes) -> Duty:
        job = self._ports.chain.state().job(job_id)
        if job is None:
            return Duty.NONE
        live_ms = self._ports.chain.head.live_ms
        duty = duty_of(self.address, job_id, job, self._ports.chain.state(), live_ms=live_ms)
        return Duty.WAIT if duty is Duty.ACCEPT and not self.reserve.covers(job) else duty  # D30

    async def _do(self, duty: Duty, job_id: bytes) -> None:
        match duty:
            case Duty.NONE:
                return
            case Duty.WAIT:
                await self._blocks.wait()
            case Duty.ACCEPT:
                await self._accept(job_id)
            case Duty.PROVIDE:
                await self._provide(job_id)
            case Duty.REVEAL:
                await self._reveal(job_id)
            case Duty.VERIFY:
                await self._verify(job_id)
            case Duty.JUDGE:
                await self._judge(job_id)
            case Duty.SAMPLE:
                await self._sample(job_id)
            case _:
                assert_never(duty)

    # --- the provider

    async def _accept(self, job_id: bytes) -> None:
        """Accept a job that was found to run here (D4)."""

        async def rehearse() -> None:
            async with self._rehearsing:  # D14: not in the place of what was accepted
                task = await self._tasks.of(job_id, Role.PROVIDE)
                await self._ports.rehearsal.rehearse(task, self._entry(job_id))

        await self._while_in(JobState.OPEN, job_id, rehearse)
        if self._duty(job_id) is Duty.ACCEPT:
            worker = self._ports.chain.state().worker(self.address)
            assert worker is not None
            price = price_of(worker, self._job(job_id), self._ports.chain.state())
            await self._acceptor.accept(job_id, self._job(job_id), price)

    async def _decline(self, job_id: bytes, reason: Reason) -> None:
        """Tell the chain what is wrong with a job, if that is what was found and it is still open (D13)."""
        job = self._job(job_id)
        if not may_decline(reason) or job.state is not JobState.OPEN or len(job.declined) >= DECLINES_MAX:
            return
        try:
            await self._sender.send(JobDecline(job=job_id, reason=reason))
        except Refused as refused:
            _log.info("job %s is not declined: %s", job_id.hex(), refused)

    async def _provide(self, job_id: bytes) -> None:
        work = await self._work(Part.PROVIDER, job_id)
        if work is not None:
            commits = self._commitment(work)
            await self._sender.send(JobCommit(job=job_id, commitment=commits))

    async def _reveal(self, job_id: bytes) -> None:
        work, job, lowering = self._kept(Part.PROVIDER, job_id), self._job(job_id), self._lowering(job_id)
        cut, outputs = shown(work, job, lowering)
        sealed = await self._sealer.sealed(job_id, job, work.outputs, lowering)
        await self._sender.send(ProviderReveal(job=job_id, salt=work.salt, cut=cut, outputs=outputs, sealed=sealed))
        await self._keeper.tidy(Part.PROVIDER, job_id)

    # --- the verifier

    async def _verify(self, job_id: bytes) -> None:
        work = await self._work(Part.VERIFIER, job_id)
        if work is not None:
            commits = self._commitment(work)
            await self._sender.send(VerifierCommit(job=job_id, commitment=commits))

    def _object(self, job_id: bytes, reason: Reason) -> bool:
        """Keep an objection as our result if the job can't be run as it was ordered (D15); tell whether we did."""
        if not may_object(reason) or self._journal.find(Part.VERIFIER, job_id) is not None:
            return False
        cut, outputs = objection(self._model(job_id), self._lowering(job_id), self._job(job_id).class_)
        self._journal.keep(Part.VERIFIER, _salted(job_id, cut, outputs))
        return True

    async def _judge(self, job_id: bytes) -> None:
        """Compare the provider's values with our own, and reveal ours with the verdict (D10)."""
        work, job, lowering = self._kept(Part.VERIFIER, job_id), self._job(job_id), self._lowering(job_id)
        found = await self._weighed(job_id, job, work)
        cut, outputs = shown(work, job, lowering)
        sealed = None if found.outputs is None else await self._sealer.sealed(job_id, job, found.outputs, lowering)
        reveal = VerifierReveal(
            job=job_id, salt=work.salt, cut=cut, outputs=outputs, verdict=found.verdict, sealed=sealed
        )
        await self._sender.send(reveal)
        if found.outputs is not None and lowering.outputs_are_whole:
            await self._ports.blobs.put(found.outputs)  # who accepts a result helps to keep it
        await self._keeper.tidy(Part.VERIFIER, job_id)

    async def _weighed(self, job_id: bytes, job: Job, work: Work) -> Found:
        """Return our verdict on what the provider has shown."""
        showed = self._ports.chain.state().revealed(job_id)
        if showed is None or job.outputs is None:
            raise Refused(Reason.JOB_WRONG_STATE, job=job_id, wanted="the provider's values")
        case = Case(
            model=self._model(job_id),
            lowering=self._lowering(job_id),
            class_=job.class_,
            cut=showed.cut,
            outputs=job.outputs,
        )

        async def fetch(content: ContentId) -> bytes:
            return await self._tasks.cut(job_id, content)

        async def follow(cut: bytes) -> bytes:
            task = await self._tasks.of(job_id, Role.VERIFY)
            async with self._verifying:
                return await self._ports.engine.tail(task, cut)

        return await weigh(case, work.cut, work.outputs, fetch=fetch, follow=follow)

    # --- both

    async def _sample(self, job_id: bytes) -> None:
        """Open the leaves that the beacon has picked of our large values (D52)."""
        job, state = self._job(job_id), self._ports.chain.state()
        part = Part.PROVIDER if job.provider == self.address else Part.VERIFIER
        count = self._ports.chain.genesis.parameters.sample_leaves
        await self._sender.send(samples(self._kept(part, job_id), job, state, count=count))

    async def _work(self, part: Part, job_id: bytes) -> Work | None:
        """Return the job's result, run now unless it is in the journal; None if the job did not wait for it."""
        known = self._journal.find(part, job_id)
        if known is not None:
            return known
        role, state, slots = {
            Part.PROVIDER: (Role.PROVIDE, JobState.ACCEPTED, self._providing),
            Part.VERIFIER: (Role.VERIFY, JobState.VERIFYING, self._verifying),
        }[part]
        made: list[Work] = []

        async def run() -> None:
            await self._tasks.of(job_id, role)  # what has to be asked for on the chain takes no slot meanwhile
            async with slots:
                result = await self._ports.engine.run(await self._tasks.of(job_id, role))
            made.append(_salted(job_id, result.cut, result.outputs))

        await self._while_in(state, job_id, run)
        for work in made:
            self._journal.keep(part, work)  # D6: before the commitment is sent
            return work
        return None

    async def _while_in(self, state: JobState, job_id: bytes, act: Callable[[], Awaitable[None]]) -> None:
        """Act, but give up as soon as the job is no longer in `state`, or asks nothing of us (D70)."""
        raised: list[Refused] = []
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                while self._job(job_id).state is state and self._duty(job_id) is not Duty.NONE:
                    await self._blocks.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                await act()
            except Refused as refused:  # not through the nursery, which would wrap it into a group
                raised.append(refused)
            nursery.cancel_scope.cancel()
        if raised:
            raise raised[0]

    def _job(self, job_id: bytes) -> Job:
        job = self._ports.chain.state().job(job_id)
        assert job is not None  # final jobs stay in the state
        return job

    def _entry(self, job_id: bytes) -> ModelEntry:
        entry = self._ports.chain.state().model(self._job(job_id).model)
        assert entry is not None
        return entry

    def _model(self, job_id: bytes) -> Model:
        return self._entry(job_id).model

    def _lowering(self, job_id: bytes) -> Lowering:
        job = self._job(job_id)
        entry = self._ports.chain.state().lowering(job.model, job.lowering)
        assert entry is not None  # a job names one that is registered
        return entry.lowering

    def _commitment(self, work: Work) -> bytes:
        return commitment(
            genesis=self._ports.chain.genesis_hash,
            job=work.job,
            worker=self.address,
            cut=work.cut,
            outputs=work.outputs,
            salt=work.salt,
        )

    def _kept(self, part: Part, job_id: bytes) -> Work:
        """Return the work behind our commitment; raises Refused NOT_FOUND if this node has lost it."""
        work = self._journal.find(part, job_id)
        if work is None:
            raise Refused(Reason.NOT_FOUND, what="result", job=job_id, wanted="an entry of the journal")
        return work

    async def _tend(self) -> None:
        """Look after the results of jobs that nobody attends to any more, for ever."""
        while True:
            for _ in range(TEND_BLOCKS):
                await self._blocks.wait()
            for part, job_id in self._journal.entries():
                if job_id not in self._attended:
                    await self._keeper.tidy(part, job_id)


def _salted(job_id: bytes, cut: bytes, outputs: bytes) -> Work:
    return Work(job=job_id, salt=secrets.token_bytes(SALT_BYTES), cut=cut, outputs=outputs)
