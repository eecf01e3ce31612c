"""Jobs as tasks for an engine: with model and input, which are held here from then on (D5)."""

from collections.abc import Sequence

from ledger.market.dispute.parties import revealed_of
from ledger.market.withheld.payloads import Stage
from ledger.records import Job
from node.compute.withholding import Withholding
from node.p2p.peer_id import peer_id_of
from node.ports import Blobs, ChainView, Role, Task
from primitives.content import ContentId
from primitives.reasons import Reason, Refused


class Tasks:
    """The jobs of one account's node."""

    def __init__(self, chain: ChainView, blobs: Blobs, withholding: Withholding) -> None:
        self._chain = chain
        self._blobs = blobs
        self._withholding = withholding

    async def of(self, job_id: bytes, role: Role) -> Task:
        """Return a job with its model and input. Raises Refused CONTENT_NOT_FOUND, TOO_LARGE, STORE_FULL."""
        job, state = self._job(job_id), self._chain.state()
        entry, meant = state.model(job.model), state.lowering(job.model, job.lowering)
        assert entry is not None  # a job names what is published
        assert meant is not None
        return Task(
            job=job_id,
            role=role,
            model_id=job.model,
            model=await self._fetch(job_id, role, Stage.MODEL, entry.model.file),
            lowering=meant.lowering,
            class_=job.class_,
            input=await self._fetch(job_id, role, Stage.INPUT, job.input),
        )

    async def cut(self, job_id: bytes, content: ContentId) -> bytes:
        """Return the values at the cut that a job's provider has revealed. Raises Refused as `of` does."""
        return await self._fetch(job_id, Role.VERIFY, Stage.CUT, content)

    def owed(self, job_id: bytes, party: bytes) -> "Owed":
        """Return where to fetch what a party (address) of a job has revealed and owes."""
        return Owed(self._withholding, job_id, self._job(job_id), party)

    async def _fetch(self, job_id: bytes, role: Role, stage: Stage, content: ContentId) -> bytes:
        """Return what a role needs: what a provider owes a verifier, it is made to show if need be (D40)."""
        job = self._job(job_id)
        provider = None if job.provider is None else self._chain.state().worker(job.provider)
        hints = [] if provider is None else [peer_id_of(provider.peer)]
        if role is Role.PROVIDE or job.provider is None:
            return await self._blobs.fetch(content, hints=hints)
        return await self._withholding.fetch(job_id, stage, content, holder=job.provider, hints=hints)

    def _job(self, job_id: bytes) -> Job:
        job = self._chain.state().job(job_id)
        if job is None:
            raise Refused(Reason.JOB_UNKNOWN, job=job_id)
        return job


class Owed:
    """What a party of a job has revealed: fetched from peers, and else made to be shown on the chain (D40)."""

    def __init__(self, withholding: Withholding, job_id: bytes, job: Job, party: bytes) -> None:
        self._withholding = withholding
        self._job_id = job_id
        self._job = job
        self._party = party

    async def fetch(self, content: ContentId, *, hints: Sequence[bytes] = ()) -> bytes:
        """Return content, from `hints` first. Raises Refused CONTENT_NOT_FOUND, TOO_LARGE, STORE_FULL."""
        told = revealed_of(self._job, self._party)
        stage = Stage.CUT if told is not None and content == told[0] else Stage.OUTPUT
        return await self._withholding.fetch(self._job_id, stage, content, holder=self._party, hints=hints)
