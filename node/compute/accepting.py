"""Acceptances: of one job; or of the items of a batch that are found to run while another is being accepted (D60)."""

from dataclasses import dataclass, field

import trio

from ledger.market.batch import find_batch, item_id
from ledger.market.order_payloads import BatchAccept
from ledger.records import Job, JobState
from ledger.transaction import JobAccept
from node.compute.sender import Sender
from node.ports import ChainView
from primitives.reasons import Refused


@dataclass
class _Group:
    """Items of one batch that are to be accepted at one price."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    """Held while an acceptance is under way."""
    ready: dict[int, bytes] = field(default_factory=dict)
    """Jobs by their numbers in the batch."""
    waiting: int = 0


class Acceptor:
    """Sends a worker's acceptances."""

    def __init__(self, chain: ChainView, sender: Sender) -> None:
        self._chain = chain
        self._sender = sender
        self._groups: dict[tuple[bytes, int], _Group] = {}

    async def accept(self, job_id: bytes, job: Job, price: int) -> None:
        """Accept an open job. Raises Refused as the ledger does."""
        if job.batch is None:
            await self._sender.send(JobAccept(job=job_id, price=price))
            return
        key = (job.batch, price)
        group = self._groups.setdefault(key, _Group())
        group.ready[self._number(job_id, job.batch)] = job_id
        group.waiting += 1
        try:
            async with group.lock:
                await self._accept_ready(group, job.batch, price)
        finally:
            group.waiting -= 1
            if not group.waiting:
                del self._groups[key]
        if self._is_open(job_id):  # one of them may stand against all
            await self._sender.send(JobAccept(job=job_id, price=price))

    async def _accept_ready(self, group: _Group, batch: bytes, price: int) -> None:
        """Accept all that are ready by now, if any has not been accepted with an earlier one."""
        numbers = [number for number in sorted(group.ready) if self._is_open(group.ready[number])]
        group.ready.clear()
        if not numbers:
            return
        try:
            await self._sender.send(BatchAccept(batch=batch, items=numbers, price=price))
        except Refused:
            return  # each is tried by itself

    def _is_open(self, job_id: bytes) -> bool:
        job = self._chain.state().job(job_id)
        return job is not None and job.state is JobState.OPEN

    def _number(self, job_id: bytes, batch_id: bytes) -> int:
        batch = find_batch(self._chain.state(), batch_id)
        assert batch is not None  # J80
        return next(at for at in range(batch.items) if item_id(batch_id, at) == job_id)
