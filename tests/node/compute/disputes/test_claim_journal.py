from pathlib import Path

import pytest
import trio
import trio.testing

from ledger.market.dispute.payloads import WHOLE, dispute_id
from ledger.market.dispute.records import DisputeStage
from ledger.records import JobState
from ledger.state import change
from node.compute.disputes.journal import Claimed, ClaimJournal
from node.compute.disputes.service import TIDY_BLOCKS
from tests.ledger.market.dispute import again, played
from tests.node.compute.disputes.bench import Bench, sitting
from vm.program import Outline
from vm.tensor import DType, TensorType
from vm.trace import Run, Trace

DISPUTE = b"d" * 32
TRACE = Trace(
    vm_version=1,
    program=b"p" * 32,
    inputs=[b"i" * 32] * 32,
    first=Run(count=7, root=b"f" * 32),
    perturbed=Run(count=7, root=b"s" * 32),
    noise=[b"n" * 32] * 32,
)
OUTLINE = Outline(
    inputs=[TensorType(dtype=DType.FLOAT32, shape=[2**31 - 1] * 8)] * 32,
    outputs=[1] * 32,
    cut=[2] * 32,
    tail=b"t" * 32,
    constants=3,
    operations=7,
    constants_root=b"c" * 32,
    operations_root=b"o" * 32,
)
CLAIMED = Claimed(dispute=DISPUTE, job=b"j" * 32, outline=OUTLINE, trace=TRACE, salt=b"s" * 32)


def test_the_longest_claim_is_found_again_after_a_restart(tmp_path: Path) -> None:
    """D21."""
    ClaimJournal(tmp_path).keep(CLAIMED)
    journal = ClaimJournal(tmp_path)
    assert journal.find(DISPUTE) == CLAIMED
    assert journal.find(b"e" * 32) is None
    assert journal.disputes() == [DISPUTE]


def test_nobody_else_on_the_machine_reads_a_claim_that_is_not_opened_yet(tmp_path: Path) -> None:
    ClaimJournal(tmp_path / "claims")
    assert (tmp_path / "claims").stat().st_mode & 0o777 == 0o700


def test_a_claim_is_forgotten_once(tmp_path: Path) -> None:
    journal = ClaimJournal(tmp_path)
    journal.keep(CLAIMED)
    journal.forget(DISPUTE)
    journal.forget(DISPUTE)
    assert journal.disputes() == []


@pytest.mark.parametrize("left", [0, 1, 40])
def test_a_damaged_claim_counts_as_absent(tmp_path: Path, left: int) -> None:
    journal = ClaimJournal(tmp_path)
    journal.keep(CLAIMED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:left])
    assert journal.find(DISPUTE) is None


async def test_claims_are_forgotten_once_nobody_can_ask_for_them(tmp_path: Path) -> None:
    """D21: of what was never disputed, and of what is damaged; not of a job that is still to come."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        await bench.start(nursery, "worker 1")
        journal = ClaimJournal(tmp_path / "worker 1")
        journal.keep(change(CLAIMED, dispute=dispute_id(bench.job_id, WHOLE), job=bench.job_id))
        journal.keep(CLAIMED)
        (tmp_path / "worker 1" / f"{'00' * 32}.claim").write_bytes(b"damaged")
        await bench.until(lambda: bench.job.state is JobState.PAST_CHALLENGE)
        assert len(journal.disputes()) == 2
        for _ in range(TIDY_BLOCKS):
            bench.beat()
            await trio.testing.wait_all_tasks_blocked()
        assert journal.disputes() == [DISPUTE]


async def test_a_claim_of_the_next_round_is_kept_while_the_one_before_is_decided(tmp_path: Path) -> None:
    """D21: what is committed in the very block in which claims are forgotten is opened all the same (X5)."""
    world = again.a_world()
    court = again.used_up(world)
    identity = dispute_id(court.job_id, WHOLE)
    bench = Bench(tmp_path, world, court.job_id)
    async with trio.open_nursery() as nursery:
        await bench.start(nursery, "client")
        journal = ClaimJournal(tmp_path / "client")
        journal.keep(change(CLAIMED, dispute=identity, job=court.job_id))
        for _ in range(TIDY_BLOCKS):
            bench.beat()
            await trio.testing.wait_all_tasks_blocked()
        assert bench.job.state is JobState.DISPUTED
        assert journal.disputes() == [identity]
        nursery.cancel_scope.cancel()


async def test_who_claims_as_a_round_without_it_is_decided_keeps_what_opens_its_claim(tmp_path: Path) -> None:
    """D21: it may begin the next round (X5)."""
    world = again.a_world()
    court = again.in_judgement(world)
    identity = dispute_id(court.job_id, WHOLE)
    bench = Bench(tmp_path, world, court.job_id)
    async with trio.open_nursery() as nursery:
        await bench.start(nursery, "client")
        journal = ClaimJournal(tmp_path / "client")
        journal.keep(change(CLAIMED, dispute=identity, job=court.job_id))
        await bench.until(lambda: court.dispute.stage is DisputeStage.DECIDED)
        await trio.testing.wait_all_tasks_blocked()
        assert journal.disputes() == [identity]
        nursery.cancel_scope.cancel()
