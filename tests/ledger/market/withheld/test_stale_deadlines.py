"""A filing and the job that it ends may fall due in one block (L43, H15)."""

from ledger.market.withheld.payloads import Stage
from ledger.records import JobState, Outcome
from testnet.kit.large_builders import LargeJob, large_values
from testnet.kit.ledger_builders import a_world
from tests.ledger.market.withheld.played import PROVIDER, a_filing


def test_a_job_that_a_filing_ends_is_not_moved_again_by_its_own_deadline() -> None:
    world = a_world()
    large, mine = LargeJob(world=world), large_values(PROVIDER)
    large.verify(mine)
    large.reveal(mine)
    large.pick()
    for name in (PROVIDER, *large.drawn):
        world.must(name, large.opening(mine if name == PROVIDER else large.own(name)))
    assert world.job(large.job).state is JobState.SETTLED
    window_ms = world.charter.parameters.withheld_ms // 2
    while (world.job(large.job).due_live_ms or 0) - world.state.clock().live_ms > window_ms:
        world.block(passed_ms=2_000)
    world.must("client", a_filing(large.job, Stage.OUTPUT))
    # The job's deadline was moved to a millisecond behind the filing's: no block ends between them.
    while world.job(large.job).state is JobState.SETTLED:
        world.block(passed_ms=1_700)
    assert world.job(large.job).outcome is Outcome.WITHHELD
