"""The dispute service: takes part in every dispute that concerns this node's account, and forgets nothing (D20)."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import assert_never

import trio

from ledger.chain import FinalBlock
from ledger.events import DisputeMoved, ProviderRevealed, VerifierRevealed
from ledger.market.dispute.lifecycle import time_allowed
from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.parties import is_party
from ledger.market.dispute.payloads import (
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
from ledger.market.lifecycle import FINAL_STATES
from ledger.records import Job, JobState
from ledger.transaction import Decision
from node.compute.backoff import Backoff
from node.compute.disputes.duty import Answer, Duty, Owed, claim_of, owed, parties_of
from node.compute.disputes.examine import Found
from node.compute.disputes.journal import Claimed, ClaimJournal
from node.compute.disputes.ports import DisputePorts
from node.compute.disputes.proving import Prover
from node.compute.duty import verifier_of
from node.ports import Told
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, NUMBER_MAX
from vm import dispute_protocol as vm
from vm.trace import trace_root

SALT_BYTES = 32
NEVER_MS = NUMBER_MAX
"""When what nobody waits for is due: behind all that is owed."""
ROWS_AT_ONCE = 256
"""Disputes or jobs looked through before others get their turn: some milliseconds."""
TIDY_BLOCKS = 64
"""How often claims are looked through that may be over: a minute, and no file is larger than some KiB."""
AWAITED = (JobState.REVEALING, JobState.CHECKING, JobState.SAMPLING)
"""States from which a job that we reject comes to be contested."""
REJECTED = (JobState.CONTESTED, JobState.DISPUTED)
"""States in which a reject of ours waits for a dispute about it."""

_log = logging.getLogger("assay.disputes")


class Disputes:
    """What one account does about disputes."""

    def __init__(self, ports: DisputePorts, journal: ClaimJournal, *, audit_bps: int = 0) -> None:
        """`audit_bps`: of 10,000 jobs that were not drawn, how many are examined without being asked (D27)."""
        self._ports = ports
        self._journal = journal
        self._audit_bps = audit_bps
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
                        if final.outcome.header.height % TIDY_BLOCKS == 0:
                            self._tidy()

    async def examine(
        self, job_id: bytes, *, provider_only: bool = False, due_live_ms: int | None = None
    ) -> tuple[list[Found], Subject | None]:
        """Return what our own canonical runs say of a job's parties, and what a claim would be about (D23, D28).

        What is due first is looked at first; without a time it waits for all that is owed.
        None: there is no case. Raises Refused JOB_WRONG_STATE unless somebody has revealed values, 5xx and 6xx where
        nothing can be run.
        """
        parties = parties_of(self._ports.job(job_id))[: 1 if provider_only else None]
        if not parties:
            raise Refused(
                Reason.JOB_WRONG_STATE, seen=self._ports.job(job_id).state.name.lower(), wanted="values to examine"
            )
        await self._ports.examiner.gather(job_id, *parties)
        async with self._turn(job_id, due_live_ms):
            found = await self._ports.examiner.look(job_id, parties)
        class_ = self._ports.job(job_id).class_
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
                self._check_bond(job_id, opens=dispute is None, is_drawn=mine is not None)
                await self._commit(identity, job_id, subject)
        return identity

    def _check_bond(self, job_id: bytes, *, opens: bool, is_drawn: bool) -> None:
        """Raise Refused INSUFFICIENT_BALANCE before anything is run for a claim that could not be paid (X12)."""
        job = self._ports.job(job_id)
        if is_drawn or (not opens and is_party(job, self.address)):
            return
        bond = claim_bond(self._ports.chain.genesis.parameters, job)
        balance = self._ports.chain.state().account(self.address).balance
        if balance < bond:
            raise Refused(Reason.INSUFFICIENT_BALANCE, what="for the bond of a claim", seen=balance, wanted=bond)

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
        self._tidy()
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

    def _tidy(self) -> None:
        """Forget the claims of disputes that are decided, and of those that can't be opened any more (D21)."""
        state = self._ports.chain.state()
        for identity in self._journal.disputes():
            claimed, dispute = self._journal.find(identity), find_dispute(state, identity)
            job = None if claimed is None else state.job(claimed.job)
            # Neither dispute nor job may be there yet on a node that reads its chain anew.
            never = dispute is None and job is not None and job.state in FINAL_STATES
            decided = dispute is not None and dispute.stage is DisputeStage.DECIDED
            may_go_on = job is not None and job.state is JobState.DISPUTED  # X5: the claim may be one of the next round
            if claimed is None or never or (decided and not may_go_on):
                self._journal.forget(identity)
                self._claiming.pop(identity, None)

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
        while self._ports.job(job_id).state in AWAITED:
            await self._ports.blocks.wait()
        backoff = Backoff(self._ports.chain)
        while self._ports.job(job_id).state in REJECTED:
            if not backoff.is_due(job_id):
                await self._ports.blocks.wait()
                continue
            try:
                await self._make_good(job_id)
            except Refused as refused:
                backoff.failed(job_id)
                _log.warning("job %s is not disputed: %s", job_id.hex(), refused)
            else:
                return

    async def _make_good(self, job_id: bytes) -> None:
        """Examine a job that we have rejected, and claim what is found of its provider. Raises Refused."""
        self._check_bond(job_id, opens=True, is_drawn=False)
        # The provider is what the reject was about.
        _, subject = await self.examine(job_id, provider_only=True, due_live_ms=self._ports.job(job_id).due_live_ms)
        if subject is None:
            _log.warning("job %s: our reject was wrong, and nothing is claimed", job_id.hex())
        # Whoever else has disputed the job may have done so about something else, to keep this one away.
        elif find_dispute(self._ports.chain.state(), dispute_id(job_id, subject)) is None:
            await self.claim(job_id, subject)

    async def _audit(self, job_id: bytes) -> None:
        """Examine a job that was not drawn, and open a dispute if there is a case (D27)."""
        if self._ports.job(job_id).state is not JobState.UNVERIFIED or self._ports.job(job_id).provider == self.address:
            return
        self._check_bond(job_id, opens=True, is_drawn=False)
        _, subject = await self.examine(job_id, provider_only=True)
        if subject is not None:
            await self.claim(job_id, subject)

    # --- disputes

    async def _attend(self, identity: bytes) -> None:
        """Do what the dispute asks of us, step by step, until it asks nothing more (D11)."""
        backoff, prover = Backoff(self._ports.chain), Prover(self._ports, identity)
        while (due := self._owed(identity)) is not Duty.NONE:
            step = (self._ports.dispute(identity).stage, due)
            if due is Duty.WAIT or not backoff.is_due(step):
                await self._ports.blocks.wait()
                continue
            try:
                await self._do(due, identity, prover)
            except Refused as refused:
                backoff.failed(step)
                _log.warning("dispute %s, %s: %s", identity.hex(), _named(due), refused)
        dispute = self._ports.dispute(identity)
        mine = claim_of(self.address, dispute)
        # X5: what is not claimed in it may be of the next round; `_tidy` forgets it once there can be none.
        if dispute.stage is DisputeStage.DECIDED and mine is not None and mine.commitment is not None:
            self._journal.forget(identity)
            self._claiming.pop(identity, None)

    def _owed(self, identity: bytes) -> Owed:
        dispute = self._ports.dispute(identity)
        job, chain = self._ports.job(dispute.job), self._ports.chain
        window_ms = time_allowed(chain.genesis.parameters, dispute.stage, job.run_ms) or 0
        return owed(self.address, dispute, job, live_ms=chain.head.live_ms, window_ms=window_ms)

    async def _do(self, due: Owed, identity: bytes, prover: Prover) -> None:
        match due:
            case Duty.NONE | Duty.WAIT:
                return
            case Duty.CLAIM:
                dispute = self._ports.dispute(identity)
                await self.claim(dispute.job, dispute.subject)
            case Duty.OPEN:
                await self._open(identity)
            case Duty.PROVE:
                await prover.prove()
            case Answer():
                await self._answer(due, identity)
            case _:
                assert_never(due)

    async def _claimed(self, identity: bytes, job_id: bytes, subject: Subject) -> Claimed:
        """Run the job, and keep what comes out: on disk before the commitment is sent (D21)."""
        await self._ports.examiner.gather(job_id, subject.party)
        dispute = find_dispute(self._ports.chain.state(), identity)
        due_live_ms = self._ports.job(job_id).due_live_ms if dispute is None else dispute.due_live_ms
        async with self._turn(job_id, due_live_ms):
            told = await self._ports.examiner.ask(job_id, subject, vm.TraceAsked(), vm.TraceTold)
        salt = secrets.token_bytes(SALT_BYTES)
        claimed = Claimed(dispute=identity, job=job_id, outline=told.outline, trace=told.trace, salt=salt)
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
        dispute = self._ports.dispute(identity)
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
        async with self._turn(dispute.job, dispute.due_live_ms):
            return await self._ports.examiner.ask(dispute.job, dispute.subject, asked, told)

    def _turn(self, job_id: bytes, due_live_ms: int | None) -> AbstractAsyncContextManager[None]:
        """Hold a place at the sandboxes for a question about a job."""
        run_ms = self._ports.job(job_id).run_ms
        return self._ports.turns.turn(due_live_ms=NEVER_MS if due_live_ms is None else due_live_ms, run_ms=run_ms)


def _there(told: vm.BytesTold, dispute: bytes) -> bytes:
    """Return the bytes that were told. Raises Refused NOT_FOUND if there are none: our trace says nothing there."""
    if told.raw is None:
        raise Refused(Reason.NOT_FOUND, what="answer", dispute=dispute, wanted="what our trace gives")
    return told.raw


def _named(due: Owed) -> str:
    return due.name.lower() if isinstance(due, Duty) else f"asked for {due.step.name.lower()}"
