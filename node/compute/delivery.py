"""What a party shows of a result: whole or by its id, sealed to the client, and leaf by leaf (D50 to D53)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.market.sampling import picked_leaves
from ledger.records import Job
from ledger.state import State
from ledger.transaction import SampleOpen, Shown
from node.compute.journal import Work
from node.keys.envelopes import seal_result
from node.ports import Blobs
from primitives.content import ContentId, Slice, content_id, cut_slice, tree_of
from vm.lowering import Lowering


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a reveal says of a result."""

    cut: Shown
    outputs: Shown
    sealed: ContentId | None


@dataclass(frozen=True, kw_only=True)
class Sealer:
    """Who seals results, and on which network."""

    genesis: bytes
    address: bytes
    blobs: Blobs

    async def sealed(self, job_id: bytes, job: Job, outputs: bytes, lowering: Lowering) -> ContentId | None:
        """Keep large outputs, sealed to the job's client, for it to fetch, and return their id (D51)."""
        if lowering.outputs_are_whole:
            return None
        assert job.reply_key is not None  # J72
        raw = seal_result(outputs, job.reply_key, genesis=self.genesis, job=job_id, sealer=self.address)
        return await self.blobs.put(raw)


def shown(work: Work, job: Job, lowering: Lowering) -> tuple[Shown, Shown]:
    """Return cut and outputs as a reveal shows them (J70)."""
    cut = work.cut if lowering.cut_is_whole(job.class_) else content_id(work.cut)
    return cut, work.outputs if lowering.outputs_are_whole else content_id(work.outputs)


def samples(work: Work, job: Job, state: State, *, count: int) -> SampleOpen:
    """Return the opening of the leaves that the beacon has picked of our bundles (D52)."""
    picked = picked_leaves(state, work.job, job, count)
    return SampleOpen(job=work.job, cut=_leaves(work.cut, picked.cut), outputs=_leaves(work.outputs, picked.outputs))


def _leaves(raw: bytes, numbers: Sequence[int]) -> list[Slice]:
    if not numbers:
        return []
    tree = tree_of(raw)
    return [cut_slice(raw, tree, number, 1) for number in numbers]
