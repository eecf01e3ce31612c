"""What becomes of results: served once they are revealed, forgotten once nobody can ask for them (D6, D12, D53)."""

import logging

from ledger.market.lifecycle import FINAL_STATES
from ledger.records import Job, JobState
from node.compute.duty import verifier_of
from node.compute.journal import Journal, Part
from node.ports import Blobs, ChainView
from primitives.reasons import Refused

_log = logging.getLogger("assay.worker")


class Keeper:
    """Looks after one worker's journal."""

    def __init__(self, chain: ChainView, blobs: Blobs, journal: Journal, me: bytes) -> None:
        self._chain = chain
        self._blobs = blobs
        self._journal = journal
        self._me = me

    async def tidy(self, part: Part, job_id: bytes) -> None:
        """Serve what is revealed, and forget what needs no reveal any more."""
        job = self._chain.state().job(job_id)
        if job is None:
            return  # of a transaction that is not final here yet
        try:
            await self._serve(part, job_id, job)
        except Refused as refused:  # others can fill the store: that must not end the worker
            _log.warning("job %s: what we revealed is not served: %s", job_id.hex(), refused)
        # That nothing is owed is not enough: a node that reads its chain anew is behind its own commitments (D6).
        if job.state in FINAL_STATES or (not job.large and self._has_revealed(part, job)):
            self._journal.forget(part, job_id)

    async def _serve(self, part: Part, job_id: bytes, job: Job) -> None:
        """Put into the store what is owed to others: what was revealed, and large outputs in a dispute alone (D53)."""
        work = self._journal.find(part, job_id) if self._has_revealed(part, job) else None
        if work is None:
            return
        if job.large:
            await self._blobs.put(work.cut)  # D12: not before the reveal is final
        entry = self._chain.state().lowering(job.model, job.lowering)
        assert entry is not None  # a job names one that is registered
        if entry.lowering.outputs_are_whole:
            if part is Part.PROVIDER:
                await self._blobs.put(work.outputs)
        elif job.state in (JobState.CONTESTED, JobState.DISPUTED):
            await self._blobs.put(work.outputs)

    def _has_revealed(self, part: Part, job: Job) -> bool:
        mine = verifier_of(self._me, job)
        return job.outputs is not None if part is Part.PROVIDER else mine is not None and mine.verdict is not None
