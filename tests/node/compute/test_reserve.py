"""What a worker keeps for the bonds of claims."""

import pytest

from ledger.market.settlement import run_fee_of
from ledger.parameters import Parameters
from ledger.records import Outcome
from ledger.state import change
from ledger.transaction import Transfer
from node.compute.reserve import Reserve
from primitives.units import KARAT
from testnet.kit.ledger_builders import address
from tests.node.compute.cluster import Cluster, running

RESERVE = 5 * KARAT


async def test_a_worker_takes_no_jobs_while_its_balance_is_below_its_reserve(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """D30."""
    world = cluster.chain.world
    world.must("worker 0", Transfer(to=address("client"), amount=world.balance("worker 0") - RESERVE))
    cluster.reserve = RESERVE
    async with running(cluster):
        assert (await cluster.ended(await cluster.submit())).outcome is Outcome.NOT_ACCEPTED
        assert "below the reserve of 5000000000" in caplog.text
        await cluster.chain.submit(world.sign("client", Transfer(to=address("worker 0"), amount=KARAT)))
        await cluster.block()
        assert (await cluster.ended(await cluster.submit())).outcome is Outcome.SETTLED
        assert "covers the reserve again" in caplog.text


async def test_a_claim_about_a_long_job_needs_more_than_the_reserve(cluster: Cluster) -> None:
    """D30, X12."""
    job_id = await cluster.submit()
    await cluster.block()
    job = cluster.known(job_id)
    world = cluster.chain.world
    world.must("worker 0", Transfer(to=address("client"), amount=world.balance("worker 0") - 10 * KARAT))
    reserve = Reserve(cluster.chain, address("worker 0"), RESERVE)
    hour = change(job, run_fee=run_fee_of(Parameters(), 3_600_000))
    assert hour.run_fee * 3 * 3 > 10 * KARAT
    assert (reserve.covers(job), reserve.covers(hour)) == (True, False)
    assert Reserve(cluster.chain, address("worker 0"), 0).covers(hour)
