"""What one's own canonical runs say of what the parties of a job have shown (D23)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.market.dispute.payloads import WHOLE, Subject, SubjectKind, tail_of
from ledger.records import Job
from node.compute.disputes.shown import revealed, shown_cut, shown_outputs
from node.compute.tasks import Tasks
from node.ports import Advocate, ChainView, Role, Told
from primitives import codec
from vm.dispute_protocol import Asked, BytesTold, OutputsAsked, ResultAsked, WorstAsked, WorstTold
from vm.manifest import Class
from vm.noise import PAID_SIGMA, THOUSANDTHS


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of one party."""

    party: bytes
    """Address, 20 bytes."""
    thousandths: int
    """How far its values at the cut are off, of σ; 0 in class exact."""
    outputs_differ: bool
    """From what follows from its own values at the cut; in class exact from the job's."""

    def subject(self, class_: Class) -> Subject | None:
        """Return what a claim against the party is about; None if there is no case."""
        if self.thousandths > PAID_SIGMA * THOUSANDTHS or (self.outputs_differ and class_ is Class.EXACT):
            return WHOLE
        return tail_of(self.party) if self.outputs_differ else None


class Examiner:
    """Asks the sandbox about jobs, with all that it needs for that."""

    def __init__(self, chain: ChainView, tasks: Tasks, advocate: Advocate) -> None:
        self._chain = chain
        self._tasks = tasks
        self._advocate = advocate

    async def ask(self, job_id: bytes, subject: Subject, asked: Asked, told: type[Told]) -> Told:
        """Return the answer to a question about a job's canonical runs, or a party's tail. Raises Refused."""
        cut = None
        if subject.kind is SubjectKind.TAIL:
            assert subject.party is not None
            cut = await self._cut(job_id, subject.party)
        return await self._advocate.ask(await self._tasks.of(job_id, Role.DISPUTE), asked, told, cut=cut)

    async def gather(self, job_id: bytes, *parties: bytes | None) -> None:
        """Hold model, input and the cuts of some parties: what has to be asked for on the chain takes a while.

        So it is done before a question takes its place among those that run. Raises Refused CONTENT_NOT_FOUND.
        """
        await self._tasks.of(job_id, Role.DISPUTE)
        for party in parties:
            if party is not None and self._job(job_id).class_ is not Class.EXACT:
                await self._cut(job_id, party)

    async def look(self, job_id: bytes, parties: Sequence[bytes]) -> list[Found]:
        """Return what is found of each of some parties (addresses) of a job that have shown values. Raises Refused.

        Outputs are looked at only where all values at the cut pass: each party's tail is a run of its own.
        """
        found = [
            Found(party=party, thousandths=(await self.worst(job_id, party))[0], outputs_differ=False)
            for party in parties
        ]
        class_ = self._job(job_id).class_
        if any(each.subject(class_) is not None for each in found):
            return found
        return [
            Found(
                party=each.party,
                thousandths=each.thousandths,
                outputs_differ=await self.outputs_differ(job_id, each.party),
            )
            for each in found
        ]

    async def worst(self, job_id: bytes, party: bytes) -> tuple[int, bytes | None]:
        """Return how far a party's values at the cut are off, in thousandths of σ, and what proves it."""
        if self._job(job_id).class_ is Class.EXACT:
            return 0, None
        cut = await self._cut(job_id, party)
        told = await self.ask(job_id, WHOLE, WorstAsked(cut=cut), WorstTold)
        return told.thousandths, told.proof

    async def outputs(self, job_id: bytes, party: bytes) -> bytes | None:
        """Return what proves that a party's outputs are not what they must be, None if they are.

        Large ones are served in a dispute alone (D53). Raises Refused CONTENT_NOT_FOUND before it.
        """
        job = self._job(job_id)
        raw = await shown_outputs(self._chain, self._tasks.owed(job_id, party), job, party)
        return (await self.ask(job_id, self._follows(job, party), OutputsAsked(outputs=raw), BytesTold)).raw

    async def outputs_differ(self, job_id: bytes, party: bytes) -> bool:
        """Tell whether a party's outputs are not what they must be, by their ids: it need not show them for that."""
        job = self._job(job_id)
        told = await self.ask(job_id, self._follows(job, party), ResultAsked(), BytesTold)
        return told.raw is None or told.raw != codec.encode(revealed(job, party).outputs)

    def _follows(self, job: Job, party: bytes) -> Subject:
        """Return whose runs say what a party's outputs must be: in class exact the job's, else its own tail."""
        return WHOLE if job.class_ is Class.EXACT else tail_of(party)

    async def _cut(self, job_id: bytes, party: bytes) -> bytes:
        """Return a party's cut; what it owes and does not serve is asked for on the chain (D40)."""
        return await shown_cut(self._chain, self._tasks.owed(job_id, party), self._job(job_id), party)

    def _job(self, job_id: bytes) -> Job:
        job = self._chain.state().job(job_id)
        assert job is not None  # final jobs stay in the state
        return job
