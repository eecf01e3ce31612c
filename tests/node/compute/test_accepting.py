"""Items of a batch are accepted together, and one that stands against it keeps none of the others back (D60)."""

from pathlib import Path

import trio

from ledger.market.batch import item_id
from ledger.market.order_payloads import BatchAccept, BatchItem
from ledger.records import Outcome
from ledger.state import change
from ledger.transaction import JobAccept, open_transaction
from primitives.hashing import sha256
from testnet.kit.ledger_builders import a_batch
from tests.node.compute.cluster import Cluster

ITEMS = 3


async def ordered(cluster: Cluster, *, provider: str | None) -> list[bytes]:
    """Submit a batch of three, and return its jobs."""
    items = []
    for at in range(ITEMS):
        raw = b"input %d" % at
        items.append(BatchItem(input=await cluster.client.put(raw), canary=sha256(raw)))
    payload = change(a_batch(b"", provider=provider), items=items)
    waiting = len(cluster.chain.pool)
    batch = await cluster.chain.submit(cluster.chain.world.sign("client", payload, ahead=waiting))
    return [item_id(batch, at) for at in range(ITEMS)]


def acceptances(cluster: Cluster) -> list[BatchAccept | JobAccept]:
    found = []
    for final in cluster.chain.world.finals:
        for raw in final.block.transactions:
            payload = open_transaction(raw, cluster.chain.genesis_hash).body.payload
            if isinstance(payload, BatchAccept | JobAccept):
                found.append(payload)
    return found


async def test_a_batch_for_one_worker_is_accepted_by_two_transactions_and_settled(
    tmp_path: Path, autojump_clock: object
) -> None:  # D60
    cluster = Cluster(tmp_path)
    async with trio.open_nursery() as nursery:
        await cluster.start(nursery, *(f"worker {at}" for at in range(5)))
        jobs = await ordered(cluster, provider="worker 0")
        assert {(await cluster.ended(job)).outcome for job in jobs} == {Outcome.SETTLED}
        accepted = [each.items for each in acceptances(cluster) if isinstance(each, BatchAccept)]
        assert len(accepted) <= len(acceptances(cluster)) <= 2
        assert sorted(item for items in accepted for item in items) == list(range(ITEMS))
        nursery.cancel_scope.cancel()


async def test_a_batch_for_anybody_is_shared_out_and_settled(tmp_path: Path, autojump_clock: object) -> None:  # D60
    cluster = Cluster(tmp_path)
    async with trio.open_nursery() as nursery:
        await cluster.start(nursery, *(f"worker {at}" for at in range(5)))
        jobs = await ordered(cluster, provider=None)
        assert {(await cluster.ended(job)).outcome for job in jobs} == {Outcome.SETTLED}
        nursery.cancel_scope.cancel()


async def test_where_the_worker_has_no_room_for_all_it_takes_what_it_can(
    tmp_path: Path, autojump_clock: object
) -> None:  # D60
    cluster = Cluster(tmp_path)
    async with trio.open_nursery() as nursery:
        await cluster.start(nursery, *(f"worker {at}" for at in range(5)))
        first = [await cluster.submit(raw=b"other %d" % at) for at in range(2)]
        jobs = await ordered(cluster, provider="worker 0")
        assert {(await cluster.ended(job)).outcome for job in [*first, *jobs]} == {Outcome.SETTLED}
        nursery.cancel_scope.cancel()
