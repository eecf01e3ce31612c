"""Disputes that only services take part in: nobody sends a command after the job's last reveal, or a challenge."""

from pathlib import Path

import pytest
import trio.testing

from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.payloads import WHOLE, SubjectKind, tail_of
from ledger.market.dispute.records import DisputeOutcome, DisputeStage, Fall, Role
from ledger.records import Job, JobState, Outcome
from ledger.state import change
from ledger.transaction import Decision, Transfer
from node.compute.disputes.shown import shown_cut, shown_outputs
from node.ports import Task, Told
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.ledger_builders import address
from tests.ledger.market.dispute import played
from tests.node.compute.disputes.bench import STEP_MS, WORKERS, Far, Oracle, not_drawn, sitting
from tests.vm.referee.jobs import cut_of, outputs_of
from vm import dispute_protocol as vm
from vm.manifest import Class

HOUR_MS = 3_600_000
FAR = 100.0
"""σ: beyond all doubt."""


def lost(job: Job) -> list[bytes]:
    return [each.worker for each in job.penalties]


async def test_a_rejecting_verifier_has_a_lying_provider_convicted(tmp_path: Path) -> None:
    """D24, D26."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        assert bench.job.state is JobState.CONTESTED
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert bench.job.ruled is Outcome.CONVICTED
        assert lost(bench.job) == [address(played.PROVIDER)]
        [dispute] = bench.disputes
        assert dispute.outcome is DisputeOutcome.UPHELD
        assert {each.role for each in dispute.claims if each.trace is not None} >= {Role.PARTY, Role.DRAWN}


async def test_a_wrong_label_is_disputed_by_its_tail(tmp_path: Path) -> None:
    """D24."""
    async with sitting(tmp_path, played.wrong_label(), [Decision.REJECT] * 3) as (bench, nursery):
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert bench.job.ruled is Outcome.CONVICTED
        assert [each.subject.kind for each in bench.disputes] == [SubjectKind.TAIL]
        assert lost(bench.job) == [address(played.PROVIDER)]


async def test_a_dispute_about_something_else_keeps_nobody_from_the_one_about_the_lie(tmp_path: Path) -> None:
    """D24."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        diversion = tail_of(bench.job.verifiers[0].worker)
        await bench.start(nursery, "stranger")
        nursery.start_soon(bench.services["stranger"].claim, bench.job_id, diversion)
        await bench.until(lambda: bench.job.state is JobState.DISPUTED)
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert sorted(each.subject.kind for each in bench.disputes) == [SubjectKind.WHOLE, SubjectKind.TAIL]
        assert bench.job.ruled is Outcome.CONVICTED


async def test_in_class_exact_an_output_that_differs_is_disputed_as_a_whole(tmp_path: Path) -> None:
    """D23, D26."""
    verdicts = [Decision.REJECT] * 3
    async with sitting(tmp_path, played.wrong_label(), verdicts, class_=Class.EXACT) as (bench, nursery):
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert [each.subject for each in bench.disputes] == [WHOLE]
        assert bench.job.ruled is Outcome.CONVICTED
        assert lost(bench.job) == [address(played.PROVIDER)]


async def test_whoever_rejects_what_its_own_run_gives_claims_nothing(tmp_path: Path) -> None:
    """D24."""
    async with sitting(tmp_path, played.off_by(12.0), [Decision.REJECT] * 3) as (bench, nursery):
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is not JobState.CONTESTED)
        assert bench.disputes == []


async def test_a_false_challenger_loses_to_the_accused_and_the_drawn(tmp_path: Path) -> None:
    """D20, D25, D28."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        bench.oracles["stranger"] = Far(played.lie())
        await bench.start(nursery, *WORKERS, "stranger")
        stranger = bench.services["stranger"]
        _, subject = await stranger.examine(bench.job_id)
        assert subject == WHOLE
        nursery.start_soon(stranger.claim, bench.job_id, subject)
        await bench.until(lambda: bench.job.state is JobState.PAST_CHALLENGE)
        assert bench.job.ruled is Outcome.CLEARED
        [dispute] = bench.disputes
        struck = [at for at, each in enumerate(dispute.traces) if each.fall is Fall.WRONG]
        assert len(dispute.traces) == 1 + len(struck)
        assert [each.who for each in dispute.claims if each.trace in struck] == [address("stranger")]
        assert lost(bench.job) == []


async def test_allies_do_not_tell_the_same_twice(tmp_path: Path) -> None:
    """D25."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        bench.oracles["stranger"] = Far(played.lie())
        await bench.start(nursery, *WORKERS, "stranger")
        nursery.start_soon(bench.services["stranger"].claim, bench.job_id, WHOLE)
        await bench.until(lambda: bool(bench.disputes) and bench.disputes[0].stage is DisputeStage.JUDGING)
        told = [
            name
            for name in WORKERS
            if any(isinstance(each, vm.RunAsked | vm.LeafAsked | vm.DefenceAsked) for each in bench.oracles[name].asked)
        ]
        assert len(told) == 1


class Deaf(Oracle):
    """Fails to tell how far some values are off, or those of everybody."""

    def __init__(self, cut: bytes | None = None) -> None:
        super().__init__(played.truth())
        self._cut = cut

    async def ask(self, task: Task, asked: vm.Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        if isinstance(asked, vm.WorstAsked) and self._cut in (None, asked.cut):
            raise Refused(Reason.CONTENT_NOT_FOUND, job=task.job)
        return await super().ask(task, asked, told, cut=cut)


async def test_a_party_whose_values_can_not_be_had_holds_up_no_proof_about_another(tmp_path: Path) -> None:
    """D26: whoever is drawn hears nothing, and whoever rejected nothing about itself and its like."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        verifiers = [bench.chain.world.name(each.worker) for each in bench.job.verifiers]
        bench.oracles = {name: Deaf(cut_of(played.CUT).raw) if name in verifiers else Deaf() for name in WORKERS}
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert bench.job.ruled is Outcome.CONVICTED
        assert lost(bench.job) == [address(played.PROVIDER)]


class Crashing(Oracle):
    """Fails so often to tell its trace, and then no more."""

    def __init__(self, failures: int) -> None:
        super().__init__(played.truth())
        self._failures = failures

    async def ask(self, task: Task, asked: vm.Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        if isinstance(asked, vm.TraceAsked):
            self._failures -= 1
            if self._failures >= 0:
                raise Refused(Reason.RUN_CRASHED, job=task.job)
        return await super().ask(task, asked, told, cut=cut)


async def test_a_claim_that_is_owed_is_tried_until_its_window_is_over(tmp_path: Path) -> None:
    """D11."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        verifiers = [bench.chain.world.name(each.worker) for each in bench.job.verifiers]
        bench.oracles = {name: Crashing(5) for name in WORKERS if name not in verifiers}
        await bench.start(nursery, *WORKERS)
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert all(each.trace == 0 for each in bench.disputes[0].claims)
        assert lost(bench.job) == [address(played.PROVIDER)]


async def test_who_was_killed_after_its_claim_opens_it_when_it_is_back(tmp_path: Path) -> None:
    """D21."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        await bench.start(nursery, *WORKERS)
        await bench.until(
            lambda: bool(bench.disputes) and all(each.commitment is not None for each in bench.disputes[0].claims[:4])
        )
        claimed = bench.chain.world.name(bench.disputes[0].claims[0].who)
        bench.stop(claimed)
        await bench.until(lambda: bench.disputes[0].stage is DisputeStage.OPENING)
        bench.oracles[claimed] = Far(played.lie(2))  # a machine that would give something else now
        await bench.start(nursery, claimed)
        await bench.until(lambda: bench.disputes[0].stage is DisputeStage.JUDGING)
        assert all(each.trace == 0 for each in bench.disputes[0].claims)


async def test_services_that_are_killed_after_every_block_win_nevertheless(tmp_path: Path) -> None:
    """D20, D21."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        bench.oracles["stranger"] = Far(played.lie())
        await bench.start(nursery, *WORKERS, "stranger")
        nursery.start_soon(bench.services["stranger"].claim, bench.job_id, WHOLE)
        while bench.job.state is not JobState.PAST_CHALLENGE:
            await trio.testing.wait_all_tasks_blocked()
            bench.beat()
            await trio.testing.wait_all_tasks_blocked()
            for name in WORKERS:
                bench.stop(name)
            await bench.start(nursery, *WORKERS)
        [dispute] = bench.disputes
        assert bench.job.ruled is Outcome.CLEARED
        assert dispute.outcome is DisputeOutcome.UPHELD
        assert lost(bench.job) == []


async def test_a_chain_that_halts_for_an_hour_before_every_third_block_costs_the_honest_nothing(tmp_path: Path) -> None:
    """D20: deadlines are in live time, and what expires in the halt is sent again."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        bench.oracles["stranger"] = Far(played.lie())
        await bench.start(nursery, *WORKERS, "stranger")
        nursery.start_soon(bench.services["stranger"].claim, bench.job_id, WHOLE)
        height = 0
        while bench.job.state is not JobState.PAST_CHALLENGE:
            await trio.testing.wait_all_tasks_blocked()
            height += 1
            bench.beat(passed_ms=STEP_MS if height % 3 else HOUR_MS)
        [dispute] = bench.disputes
        assert bench.job.ruled is Outcome.CLEARED
        assert dispute.outcome is DisputeOutcome.UPHELD
        assert lost(bench.job) == []
        assert {each.role for each in dispute.claims if each.trace is None} == set()


async def test_there_is_no_case_against_what_is_right(tmp_path: Path) -> None:
    """D23."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        await bench.start(nursery, "stranger")
        found, subject = await bench.services["stranger"].examine(bench.job_id)
        assert subject is None
        assert [each.party for each in found] == [
            address(played.PROVIDER),
            *(each.worker for each in bench.job.verifiers),
        ]
        assert not any(each.outputs_differ for each in found)


async def test_who_can_not_pay_the_bond_of_a_claim_is_told_what_it_lacks_before_anything_is_run(tmp_path: Path) -> None:
    """D28, X12."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        world = bench.chain.world
        world.must("stranger", Transfer(to=address("client"), amount=world.balance("stranger") - KARAT))
        await bench.start(nursery, "stranger")
        with pytest.raises(Refused) as refused:
            await bench.services["stranger"].claim(bench.job_id, WHOLE)
        assert refused.value.reason is Reason.INSUFFICIENT_BALANCE
        told = refused.value.facts
        assert (told["seen"], told["wanted"]) == (
            world.balance("stranger"),
            claim_bond(bench.chain.genesis.parameters, bench.job),
        )
        assert bench.oracles["stranger"].asked == []


async def test_a_job_that_nobody_knows_is_not_examined(tmp_path: Path) -> None:
    """D23."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        await bench.start(nursery, "stranger")
        with pytest.raises(Refused) as refused:
            await bench.services["stranger"].examine(b"?" * 32)
        assert refused.value.reason is Reason.JOB_UNKNOWN


async def test_what_was_revealed_is_read_from_final_blocks(tmp_path: Path) -> None:
    """D22."""
    lying = played.off_by(FAR)
    async with sitting(tmp_path, lying) as (bench, _):
        provider, verifier = address(played.PROVIDER), bench.job.verifiers[1].worker
        for party, held in ((provider, lying), (verifier, played.right())):
            assert await shown_cut(bench.chain, FakeBlobs(), bench.job, party) == cut_of(held.cut).raw
            assert await shown_outputs(bench.chain, FakeBlobs(), bench.job, party) == outputs_of(held.outputs).raw
        with pytest.raises(Refused) as refused:
            await shown_cut(bench.chain, FakeBlobs(), bench.job, address("stranger"))
        assert refused.value.reason is Reason.CONTENT_NOT_FOUND


async def test_what_no_block_holds_is_fetched(tmp_path: Path) -> None:
    """D22."""
    async with sitting(tmp_path, played.right()) as (bench, _):
        forgotten = change(bench.job, history=[])
        peers = FakeBlobs()
        for raw in (cut_of(played.CUT).raw, outputs_of(played.right().outputs).raw):
            await peers.put(raw)
        provider, blobs = address(played.PROVIDER), FakeBlobs([peers])
        assert await shown_cut(bench.chain, blobs, forgotten, provider) == cut_of(played.CUT).raw
        assert await shown_outputs(bench.chain, blobs, forgotten, provider) == outputs_of(played.right().outputs).raw


async def test_an_auditor_challenges_a_false_job_that_was_not_drawn(tmp_path: Path) -> None:
    """D27."""
    async with sitting(tmp_path) as (bench, nursery):
        await bench.start(nursery, *WORKERS[1:])
        await bench.start(nursery, "stranger", audit_bps=10_000)
        await not_drawn(bench, played.off_by(FAR))
        await bench.until(lambda: bench.job.state is JobState.VOID)
        assert bench.job.ruled is Outcome.CONVICTED
        assert bench.disputes[0].claims[0].who == address("stranger")


async def test_whoever_audits_nothing_lets_a_false_job_pass(tmp_path: Path) -> None:
    """D27."""
    async with sitting(tmp_path) as (bench, nursery):
        await bench.start(nursery, *WORKERS[1:], "stranger")
        await not_drawn(bench, played.off_by(FAR))
        await bench.until(lambda: bench.job.state is JobState.PAST_CHALLENGE)
        assert bench.disputes == []
