"""Workers that are drawn for a dispute and don't get what they need to run the job."""

from pathlib import Path

from ledger.market.dispute.records import DisputeStage, Role
from ledger.market.withheld.payloads import Stage
from ledger.market.withheld.records import FilingState
from ledger.market.withheld.rows import filings_of
from ledger.records import JobState
from ledger.transaction import Decision
from testnet.kit.ledger_builders import WORKER_BOND, address
from tests.ledger.market.dispute import played
from tests.node.compute.disputes.bench import WORKERS, sitting

FAR = 100.0
"""σ: beyond all doubt."""


async def test_drawn_workers_ask_for_an_input_that_nobody_serves_and_lose_nothing(tmp_path: Path) -> None:
    """D40."""
    async with sitting(tmp_path, played.off_by(FAR), [Decision.REJECT] * 3) as (bench, nursery):
        world = bench.chain.world
        verifiers = [world.name(each.worker) for each in bench.job.verifiers]
        await bench.start(nursery, *verifiers)
        await bench.until(lambda: [each.stage for each in bench.disputes] == [DisputeStage.CLAIMING])
        drawn = [world.name(each.who) for each in bench.disputes[0].claims if each.role is Role.DRAWN]
        bench.lose_input()
        await bench.start(nursery, *(name for name in WORKERS if name not in verifiers))
        await bench.until(lambda: bench.job.state is JobState.VOID)
        filings = [filing for _, filing in filings_of(bench.chain.state(), bench.job_id)]
        assert {world.name(each.filer) for each in filings} == set(drawn)
        assert {each.stage for each in filings} == {Stage.INPUT}
        assert FilingState.LAPSED in {each.state for each in filings}
        assert address(played.PROVIDER) in [each.worker for each in bench.job.penalties]
        assert all(world.worker(name).bond == WORKER_BOND for name in drawn)  # H31
