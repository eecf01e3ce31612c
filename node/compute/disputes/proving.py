"""What a claimant shows in the judgement of a dispute: of each party how far its values are off (D26)."""

import logging

import trio

from ledger.market.dispute.payloads import DisputeBeyond, SubjectKind
from ledger.market.dispute.records import Dispute, DisputeStage
from ledger.records import Job
from ledger.transaction import Decision
from node.compute.backoff import Backoff
from node.compute.disputes.duty import parties_of
from node.compute.disputes.ports import DisputePorts
from primitives.reasons import Refused
from vm.dispute_protocol import BytesTold, ConditionAsked
from vm.manifest import Class
from vm.noise import HONEST_SIGMA, PAID_SIGMA, THOUSANDTHS

_log = logging.getLogger("assay.disputes")


class Prover:
    """What one account shows in one dispute."""

    def __init__(self, ports: DisputePorts, identity: bytes) -> None:
        self._ports = ports
        self._identity = identity
        self._me = ports.sender.address
        self._done: set[bytes] = set()
        """Parties of which there is nothing more to show."""
        self._backoff = Backoff(ports.chain)
        self._showing = trio.Lock()  # a block hears one proof: more would hold up what else we send

    async def prove(self) -> None:
        """Show of each party what costs it, and nobody has shown as much, until judging is over or all is shown.

        A party whose values can't be had holds up none of the others.
        """
        left = self._left()
        if not left:
            await self._ports.blocks.wait()
            return
        if self._me in left:  # what excuses everybody is shown of ourselves: our tries at others are for what they hold
            await self._try(self._me)
        async with trio.open_nursery() as nursery:
            for party in left:
                nursery.start_soon(self._see_to, party)

    async def _see_to(self, party: bytes) -> None:
        while party in self._left():
            if self._backoff.is_due(party):
                await self._try(party)
            else:
                await self._ports.blocks.wait()

    def _left(self) -> list[bytes]:
        """Return the parties of which something may still be shown."""
        dispute = self._ports.dispute(self._identity)
        if dispute.stage is not DisputeStage.JUDGING:
            return []
        judged = parties_of(self._ports.job(dispute.job))
        if dispute.subject.party is not None:
            judged = [each for each in judged if each == dispute.subject.party]
        return [each for each in judged if each not in self._done and self._me not in _tried(dispute, each)]

    async def _try(self, party: bytes) -> None:
        try:
            await self._show(party)
        except Refused as refused:
            self._backoff.failed(party)
            _log.warning("dispute %s, about %s: %s", self._identity.hex(), party.hex(), refused)
        else:
            self._done.add(party)

    async def _show(self, party: bytes) -> None:
        """Show what there is to show of a party, if anything. Raises Refused."""
        dispute = self._ports.dispute(self._identity)
        job = self._ports.job(dispute.job)
        await self._ports.examiner.gather(dispute.job, party)
        assert dispute.due_live_ms is not None  # it is not decided
        async with self._ports.turns.turn(due_live_ms=dispute.due_live_ms, run_ms=job.run_ms):
            proof = await self._proof_against(self._ports.dispute(self._identity), job, party)
        if proof is not None:
            async with self._showing:
                await self._ports.sender.send(DisputeBeyond(dispute=self._identity, party=party, proof=proof))

    async def _proof_against(self, dispute: Dispute, job: Job, party: bytes) -> bytes | None:
        """Return what is to be shown of a party, if anything."""
        examiner = self._ports.examiner
        if dispute.subject.kind is SubjectKind.TAIL or job.class_ is Class.EXACT:
            return await examiner.outputs(dispute.job, party)
        if party == self._me and not (dispute.ill_conditioned or dispute.traps):
            ill = await examiner.ask(dispute.job, dispute.subject, ConditionAsked(), BytesTold)
            if ill.raw is not None:
                return ill.raw
        known = next((each.thousandths for each in dispute.findings if each.party == party), 0)
        worst, proof = await examiner.worst(dispute.job, party)
        rejected = any(each.verdict is Decision.REJECT for each in job.verifiers)
        # A reject of what is within 8 σ is a false verdict: whoever rejected must not stand there without the proof.
        costs = HONEST_SIGMA if party == job.provider and rejected else PAID_SIGMA
        return proof if worst > max(known, costs * THOUSANDTHS) else None


def _tried(dispute: Dispute, party: bytes) -> list[bytes]:
    """Return who has had a try at proving something of a party."""
    return next((each.tried for each in dispute.findings if each.party == party), [])
