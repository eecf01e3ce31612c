"""The dispute service: takes part in every dispute that concerns this node's account, and forgets nothing (D20)."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

import trio

from ledger.chain import FinalBlock
from ledger.events import DisputeMoved, ProviderRevealed, VerifierRevealed
from ledger.market.dispute.lifecycle import time_allowed
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
    Subject,
    SubjectKind,
    claim_commitment,
    dispute_id,
)
from ledger.market.dispute.records import Dispute, DisputeStage
from ledger.market.dispute.rows import disputes, find_dispute
from ledger.records import Job, JobState
from ledger.transaction import Decision
from node.compute.blocks import BlockSignal
from node.compute.disputes.duty import Answer, Duty, Owed, claim_of, owed, parties_of
from node.compute.disputes.examine import Examiner, Found
from node.compute.disputes.journal import Claimed, ClaimJournal
from node.compute.duty import verifier_of
from node.compute.sender import Sender
from node.ports import ChainView, Told
from primitives.reasons import Reason, Refused
from primitives.units import BASIS
from vm import dispute_protocol as vm
from vm.manifest import Class
from vm.noise import HONEST_SIGMA, PAID_SIGMA, THOUSANDTHS
from vm.trace import trace_root

SALT_BYTES = 32
TRIES_MAX = 5
"""Times that one step is tried, a block apart: what passes has passed by then, or its window is over."""
RUNNING_MAX = 2
"""Questions at the sandboxes at once: what a worker owes its jobs must find one, too."""
ROWS_AT_ONCE = 256
"""Disputes or jobs looked through before others get their turn: some milliseconds."""
AWAITED = (JobState.REVEALING, JobState.CHECKING, JobState.SAMPLING)
"""States from which a job that we reject comes to be contested."""
REJECTED = (JobState.CONTESTED, JobState.DISPUTED)
"""States in which a reject of ours waits for a dispute about it."""

_log = logging.getLogger("assay.disputes")


@dataclass(frozen=True, kw_only=True)
class DisputePorts:
    """What the service needs of its node."""

    chain: ChainView
    examiner: Examiner
    sender: Sender
    blocks: BlockSignal


class Disputes:
    """What one account does about disputes."""

    def __init__(self, ports: DisputePorts, journal: ClaimJournal, *, audit_bps: int = 0) -> None:
        """`audit_bps`: of 10,000 jobs that were not drawn, how many are examined without being asked (D27)."""
        self._ports = ports
        self._journal = journal
        self._audit_bps = audit_bps
        self._asking = trio.CapacityLimiter(RUNNING_MAX)
        self._attended: set[bytes] = set()
        self._claiming: dict[bytes, trio.Lock] = {}
        """By dispute, until it is decided."""
        self.address = ports.sender.address

    async def run(self) -> None:
        """Attend to disputes until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                async with self._ports.chain.follow() as blocks:
                    await self._look_around(nursery)
                    async for final in blocks:
                        self._note(nursery, final)

    async def examine(self, job_id: bytes, *, provider_only: bool = False) -> tuple[list[Found], Subject | None]:
        """Return what our own canonical runs say of a job's parties, and what a claim would be about (D23, D28).

        None: there is no case. Raises Refused JOB_WRONG_STATE unless somebody has revealed values, 5xx and 6xx where
        nothing can be run.
        """
        parties = parties_of(self._job(job_id))[: 1 if provider_only else None]
        if not parties:
            raise Refused(Reason.JOB_WRONG_STATE, seen=self._job(job_id).state.name.lower(), wanted="values to examine")
        await self._ports.examiner.gather(job_id, *parties)
        async with self._asking:
            found = await self._ports.examiner.look(job_id, parties)
        class_ = self._job(job_id).class_
        cases = [subject for each in found if (subject := each.subject(class_)) is not None]
        whole = [each for each in cases if each.kind is SubjectKind.WHOLE]
        return found, next(iter([*whole, *cases]), None)

    async def claim(self, job_id: bytes, subject: Subject) -> bytes:
        """Commit to what our own run gives, which opens a dispute unless there is one; return the dispute's id.

        Raises Refused as the ledger does, 5xx and 6xx where nothing can be run.
        """
        identity = dispute_id(job_id, subject)
        # A reject of ours and the dispute that it opens may ask for the same claim at once: one salt, one commitment.
        async with self._claiming.setdefault(identity, trio.Lock()):
            dispute = find_dispute(self._ports.chain.state(), identity)
            mine = None if dispute is None else claim_of(self.address, dispute)
            if mine is None or mine.commitment is None:
                await self._commit(identity, job_id, subject)
        return identity

    async def _commit(self, identity: bytes, job_id: bytes, subject: Subject) -> None:
        claimed = self._journal.find(identity) or await self._claimed(identity, job_id, subject)
        commits = claim_commitment(
            genesis=self._ports.chain.genesis_hash,
            dispute=identity,
            claimant=self.address,
            root=trace_root(claimed.trace),
            salt=claimed.salt,
        )
        await self._ports.sender.send(DisputeClaim(job=job_id, subject=subject, commitment=commits))

    # --- which disputes and jobs to attend to

    async def _look_around(self, nursery: trio.Nursery) -> None:
        """Find every dispute, and every reject of ours, that waits for us, as after a start."""
        state = self._ports.chain.state()
        for identity in self._journal.disputes():
            dispute = find_dispute(state, identity)
            if dispute is not None and dispute.stage is DisputeStage.DECIDED:
                self._journal.forget(identity)
        for at, (identity, dispute) in enumerate(disputes(state)):
            if at % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if dispute.stage is not DisputeStage.DECIDED:
                self._start(nursery, self._attend, identity)
        for at, (job_id, job) in enumerate(state.jobs()):
            if at % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if job.state in (*AWAITED, *REJECTED) and self._rejects(job):
                self._start(nursery, self._stand_by, job_id)

    def _note(self, nursery: trio.Nursery, final: FinalBlock) -> None:
        for event in final.outcome.events:
            match event:
                case DisputeMoved(dispute=identity):
                    self._start(nursery, self._attend, identity)
                case VerifierRevealed(job=job_id, verifier=self.address, verdict=Decision.REJECT):
                    self._start(nursery, self._stand_by, job_id)
                case ProviderRevealed(job=job_id) if secrets.randbelow(BASIS) < self._audit_bps:
                    self._start(nursery, self._audit, job_id)
                case _:
                    pass  # what is attended to is looked at after each block anyway

    def _start(self, nursery: trio.Nursery, attend: Callable[[bytes], Awaitable[None]], identity: bytes) -> None:
        if identity not in self._attended:
            self._attended.add(identity)
            nursery.start_soon(self._attending, attend, identity)

    async def _attending(self, attend: Callable[[bytes], Awaitable[None]], identity: bytes) -> None:
        try:
            await attend(identity)
        except Refused as refused:
            _log.warning("%s is let go: %s", identity.hex(), refused)
        finally:
            self._attended.discard(identity)

    def _rejects(self, job: Job) -> bool:
        mine = verifier_of(self.address, job)
        return mine is not None and mine.verdict is Decision.REJECT

    # --- jobs

    async def _stand_by(self, job_id: bytes) -> None:
        """Open the dispute that a reject of ours was about, unless our own canonical run speaks against it (D24)."""
        while self._job(job_id).state in AWAITED:
            await self._ports.blocks.wait()
        for _ in range(TRIES_MAX):
            if self._job(job_id).state not in REJECTED:
                return
            try:
                _, subject = await self.examine(job_id, provider_only=True)  # it is what the reject was about
                if subject is None:
                    _log.warning("job %s: our reject was wrong, and nothing is claimed", job_id.hex())
                    return
                # Whoever else has disputed the job may have done so about something else, to keep this one away.
                if find_dispute(self._ports.chain.state(), dispute_id(job_id, subject)) is None:
                    await self.claim(job_id, subject)
                return
            except Refused as refused:
                _log.warning("job %s is not disputed: %s", job_id.hex(), refused)
                await self._ports.blocks.wait()

    async def _audit(self, job_id: bytes) -> None:
        """Examine a job that was not drawn, and open a dispute if there is a case (D27)."""
        if self._job(job_id).state is not JobState.UNVERIFIED or self._job(job_id).provider == self.address:
            return
        _, subject = await self.examine(job_id, provider_only=True)
        if subject is not None:
            await self.claim(job_id, subject)

    # --- disputes

    async def _attend(self, identity: bytes) -> None:
        """Do what the dispute asks of us, step by step, until it asks nothing more."""
        tried: dict[tuple[DisputeStage, object], int] = {}
        done: set[bytes] = set()
        while (due := self._owed(identity)) is not Duty.NONE:
            step = (self._dispute(identity).stage, due)
            if due is Duty.WAIT or tried.get(step, 0) >= TRIES_MAX:
                await self._ports.blocks.wait()
                continue
            try:
                await self._do(due, identity, done)
            except Refused as refused:
                tried[step] = tried.get(step, 0) + 1
                _log.warning("dispute %s, %s: %s", identity.hex(), _named(due), refused)
                await self._ports.blocks.wait()
        if self._dispute(identity).stage is DisputeStage.DECIDED:
            self._journal.forget(identity)
            self._claiming.pop(identity, None)

    def _owed(self, identity: bytes) -> Owed:
        dispute = self._dispute(identity)
        job, chain = self._job(dispute.job), self._ports.chain
        window_ms = time_allowed(chain.genesis.parameters, dispute.stage, job.run_ms) or 0
        return owed(self.address, dispute, job, live_ms=chain.head.live_ms, window_ms=window_ms)

    async def _do(self, due: Owed, identity: bytes, done: set[bytes]) -> None:
        match due:
            case Duty.NONE | Duty.WAIT:
                return
            case Duty.CLAIM:
                dispute = self._dispute(identity)
                await self.claim(dispute.job, dispute.subject)
            case Duty.OPEN:
                await self._open(identity)
            case Duty.PROVE:
                await self._prove(identity, done)
            case Answer():
                await self._answer(due, identity)
            case _:
                assert_never(due)

    async def _claimed(self, identity: bytes, job_id: bytes, subject: Subject) -> Claimed:
        """Run the job, and keep what comes out: on disk before the commitment is sent (D21)."""
        await self._ports.examiner.gather(job_id, subject.party)
        async with self._asking:
            told = await self._ports.examiner.ask(job_id, subject, vm.TraceAsked(), vm.TraceTold)
        salt = secrets.token_bytes(SALT_BYTES)
        claimed = Claimed(dispute=identity, outline=told.outline, trace=told.trace, salt=salt)
        self._journal.keep(claimed)
        return claimed

    async def _open(self, identity: bytes) -> None:
        claimed = self._journal.find(identity)
        if claimed is None:
            raise Refused(Reason.NOT_FOUND, what="claim", dispute=identity, wanted="an entry of the journal")
        payload = DisputeOpen(dispute=identity, outline=claimed.outline, trace=claimed.trace, salt=claimed.salt)
        await self._ports.sender.send(payload)

    async def _answer(self, due: Answer, identity: bytes) -> None:
        """Tell, open or show what the duel asks of our trace (D25)."""
        dispute = self._dispute(identity)
        mine = claim_of(self.address, dispute)
        assert mine is not None
        assert mine.trace is not None  # it stands
        root = dispute.traces[mine.trace].root
        match due.asked:
            case vm.RunAsked() | vm.NoiseAsked() | vm.ValueAsked():
                parts = await self._ask(dispute, due.asked, vm.PartsTold)
                payload = DisputeTell(dispute=identity, root=root, roots=parts.roots, value_type=parts.value_type)
                await self._ports.sender.send(payload)
            case vm.LeafAsked():
                leaf = _there(await self._ask(dispute, due.asked, vm.BytesTold), identity)
                await self._ports.sender.send(DisputeLeaf(dispute=identity, root=root, leaf=leaf))
            case vm.DefenceAsked():
                proof = _there(await self._ask(dispute, due.asked, vm.BytesTold), identity)
                await self._ports.sender.send(DisputeDefend(dispute=identity, root=root, proof=proof))
            case _:
                assert_never(due.asked)

    async def _ask(self, dispute: Dispute, asked: vm.Asked, told: type[Told]) -> Told:
        async with self._asking:
            return await self._ports.examiner.ask(dispute.job, dispute.subject, asked, told)

    async def _prove(self, identity: bytes, done: set[bytes]) -> None:
        """Show of each party how far its values are off, where that costs it, and nobody has shown as much (D26)."""
        dispute = self._dispute(identity)
        job = self._job(dispute.job)
        left = [each for each in parties_of(job) if each not in done and self.address not in _tried(dispute, each)]
        if dispute.subject.party is not None:
            left = [each for each in left if each == dispute.subject.party]
        if not left:
            await self._ports.blocks.wait()
            return
        # What excuses everybody is shown of ourselves, so that our tries at others are left for what they hold.
        party = self.address if self.address in left else left[0]
        await self._ports.examiner.gather(dispute.job, party)
        async with self._asking:
            proof = await self._proof_against(dispute, job, party)
        done.add(party)
        if proof is not None:
            await self._ports.sender.send(DisputeBeyond(dispute=identity, party=party, proof=proof))

    async def _proof_against(self, dispute: Dispute, job: Job, party: bytes) -> bytes | None:
        """Return what is to be shown of a party, if anything."""
        examiner = self._ports.examiner
        if dispute.subject.kind is SubjectKind.TAIL or job.class_ is Class.EXACT:
            return await examiner.outputs(dispute.job, party)
        if party == self.address and not (dispute.ill_conditioned or dispute.traps):
            ill = await examiner.ask(dispute.job, dispute.subject, vm.ConditionAsked(), vm.BytesTold)
            if ill.raw is not None:
                return ill.raw
        known = next((each.thousandths for each in dispute.findings if each.party == party), 0)
        worst, proof = await examiner.worst(dispute.job, party)
        rejected = any(each.verdict is Decision.REJECT for each in job.verifiers)
        # A reject of what is within 8 σ is a false verdict: whoever rejected must not stand there without the proof.
        costs = HONEST_SIGMA if party == job.provider and rejected else PAID_SIGMA
        return proof if worst > max(known, costs * THOUSANDTHS) else None

    def _dispute(self, identity: bytes) -> Dispute:
        dispute = find_dispute(self._ports.chain.state(), identity)
        assert dispute is not None  # disputes stay in the state
        return dispute

    def _job(self, job_id: bytes) -> Job:
        job = self._ports.chain.state().job(job_id)
        if job is None:
            raise Refused(Reason.JOB_UNKNOWN, job=job_id)
        return job


def _tried(dispute: Dispute, party: bytes) -> list[bytes]:
    """Return who has had a try at proving something of a party."""
    return next((each.tried for each in dispute.findings if each.party == party), [])


def _there(told: vm.BytesTold, dispute: bytes) -> bytes:
    """Return the bytes that were told. Raises Refused NOT_FOUND if there are none: our trace says nothing there."""
    if told.raw is None:
        raise Refused(Reason.NOT_FOUND, what="answer", dispute=dispute, wanted="what our trace gives")
    return told.raw


def _named(due: Owed) -> str:
    return due.name.lower() if isinstance(due, Duty) else f"asked for {due.step.name.lower()}"
