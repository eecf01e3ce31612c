"""The service that confesses: it opens the worker's canary in time, and disputes what verifiers accepted (D63, D64)."""

import logging
from dataclasses import dataclass

import trio

from ledger.chain import FinalBlock
from ledger.events import JobSubmitted
from ledger.market.dispute.payloads import WHOLE, dispute_id
from ledger.market.dispute.rows import find_dispute
from ledger.market.lifecycle import FINAL_STATES
from ledger.market.order_payloads import CanaryOpen
from ledger.records import Job, JobState
from ledger.state import change
from ledger.transaction import Decision
from node.compute.backoff import Backoff
from node.compute.canaries.box import CanaryBox, Planted
from node.compute.disputes.service import Disputes
from node.compute.sender import Sender
from node.ports import ChainView
from primitives.reasons import Refused

CONFESSED_IN = (JobState.UNVERIFIED, JobState.CONTESTED, JobState.SETTLED, JobState.DISPUTED)
"""States in which a canary can be opened (J91)."""
CLAIMED_IN = (JobState.CONTESTED, JobState.SETTLED, JobState.DISPUTED)
"""States in which a claim can be made; others may have disputed something else first."""
ROWS_AT_ONCE = 256
"""Jobs looked through before others get their turn: some milliseconds."""

_log = logging.getLogger("assay.canaries")


@dataclass(frozen=True, kw_only=True)
class CanaryPorts:
    """What the service needs of its node."""

    chain: ChainView
    sender: Sender
    disputes: Disputes


class Canaries:
    """What one worker does about its own canary."""

    def __init__(self, ports: CanaryPorts, box: CanaryBox) -> None:
        self._ports = ports
        self._box = box
        self._backoff = Backoff(ports.chain)
        """Of claims, by job."""
        self.address = ports.sender.address

    def plant(self, client: bytes) -> bytes:
        """Return what a client (address) has to put into its submission for this worker. Raises Refused BUSY (D61)."""
        planted = self._box.plant(genesis=self._ports.chain.genesis_hash, client=client, provider=self.address)
        return planted.canary

    async def run(self) -> None:
        """Confess until cancelled."""
        while True:
            async with self._ports.chain.follow() as blocks:
                await self._look_around()
                async for final in blocks:
                    self._note(final)
                    await self._tend()

    async def _look_around(self) -> None:
        """Find the job that carries our canary, as after a start."""
        planted = self._box.find()
        if planted is not None and planted.job is None:
            for at, (job_id, job) in enumerate(self._ports.chain.state().jobs()):
                if at % ROWS_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
                if job.canary == planted.canary:
                    self._box.keep(change(planted, job=job_id))
        await self._tend()

    def _note(self, final: FinalBlock) -> None:
        planted = self._box.find()
        if planted is None or planted.job is not None:
            return
        for event in final.outcome.events:
            match event:
                case JobSubmitted(job=job_id, client=planted.client) if self._job(job_id).canary == planted.canary:
                    self._box.keep(change(planted, job=job_id))
                case _:
                    pass

    async def _tend(self) -> None:
        """Do what our canary's job asks for by now."""
        planted = self._box.find()
        if planted is None or planted.job is None:
            return
        job = self._job(planted.job)
        if job.state in FINAL_STATES or job.provider not in (None, self.address):
            self._box.forget()
            self._backoff.forget(planted.job)
            return
        try:
            await self._confess(planted, job)
        except Refused as refused:
            _log.warning("canary %s: %s", planted.job.hex(), refused)

    async def _confess(self, planted: Planted, job: Job) -> None:
        """Open the canary; where a verdict is accept, have the referee find out who lied (J91)."""
        assert planted.job is not None
        if not planted.lied or job.state not in CONFESSED_IN:
            return
        if not job.canary_opened:
            await self._ports.sender.send(CanaryOpen(job=planted.job, salt=planted.salt))
            return
        accepted = any(each.verdict is Decision.ACCEPT for each in job.verifiers)
        if accepted and job.state in CLAIMED_IN:
            await self._claim(planted.job)

    async def _claim(self, job_id: bytes) -> None:
        """Dispute the whole job, unless it is disputed already: then our dispute service defends us there (D64)."""
        disputed = find_dispute(self._ports.chain.state(), dispute_id(job_id, WHOLE)) is not None
        if disputed or not self._backoff.is_due(job_id):
            return
        try:
            await self._ports.disputes.claim(job_id, WHOLE)
        except Refused:
            self._backoff.failed(job_id)
            raise

    def _job(self, job_id: bytes) -> Job:
        job = self._ports.chain.state().job(job_id)
        assert job is not None  # final jobs stay in the state
        return job
