"""Whole nodes in virtual time: they agree, lose nothing over a crash, and never say what is not on their disk."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from node.ports import TxState
from testnet.kit.ledger_builders import address
from tests.node.cluster import Cluster

Clock = trio.testing.MockClock


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory in memory: these tests need the order of writes, not the time that a disk takes for each."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
async def cluster(folder: Path, autojump_clock: Clock) -> AsyncIterator[Cluster]:
    async with trio.open_nursery() as nursery:
        made = Cluster(folder, nursery)
        yield made
        nursery.cancel_scope.cancel()
    made.check_agreement()
    made.close()


async def test_transfers_become_final_everywhere(cluster: Cluster, autojump_clock: Clock) -> None:
    before = cluster.validators[0].part.chain.state().account(address("publisher")).balance
    sent = [await cluster.transfer(cluster.validators[0], amount=7) for _ in range(30)]
    for member in cluster.validators:
        chain = member.part.chain
        await cluster.until(lambda chain=chain: all(chain.transaction(each).state is TxState.FINAL for each in sent))
        assert chain.state().account(address("publisher")).balance == before + 7 * len(sent)
        assert len(member.part.pool) == 0


async def test_an_idle_chain_makes_a_block_each_idle_time(cluster: Cluster, autojump_clock: Clock) -> None:
    await cluster.grow(1, *cluster.validators)
    began_ms = cluster.now_ms()
    await cluster.grow(10, *cluster.validators)
    assert 9 * 400 <= cluster.now_ms() - began_ms <= 10 * 600


async def test_followers_in_a_line_follow_and_hand_transactions_on(cluster: Cluster, autojump_clock: Clock) -> None:
    near = cluster.join("near", only=["validator 0"])
    far = cluster.join("far", only=["near"])
    await cluster.grow(3, far, near, *cluster.validators)
    txid = await cluster.transfer(far)
    await cluster.until(lambda: far.part.chain.transaction(txid).state is TxState.FINAL)


async def test_a_follower_that_comes_late_catches_up(cluster: Cluster, autojump_clock: Clock) -> None:
    await cluster.grow(80, *cluster.validators)
    late = cluster.join("late")
    await cluster.until(lambda: late.height >= 80)


async def test_a_validator_that_was_killed_catches_up_and_votes_again(cluster: Cluster, autojump_clock: Clock) -> None:
    victim, *others = cluster.validators
    await cluster.grow(2, *cluster.validators)
    for rounds in range(1, 4):
        await victim.kill()
        await cluster.grow(3 * rounds, *others)
        victim.start()
        await cluster.grow(2, *cluster.validators)
    since = victim.part.chain.head_view
    await cluster.grow(4, *cluster.validators)
    assert any(view > since for _, signer, view, _ in cluster.votes if signer == victim.keys[0])


async def test_two_of_four_halt_the_chain_and_bring_it_back(cluster: Cluster, autojump_clock: Clock) -> None:
    stopped, kept = cluster.validators[2:], cluster.validators[:2]
    await cluster.grow(2, *cluster.validators)
    for member in stopped:
        await member.kill()
    await trio.sleep(5)
    halted_at = max(member.height for member in kept)
    await trio.sleep(60)
    assert max(member.height for member in kept) == halted_at
    live_ms = kept[0].part.chain.head.live_ms
    for member in stopped:
        member.start()
    await cluster.grow(1, *cluster.validators)
    assert kept[0].part.chain.head.live_ms - live_ms <= 2 * 2_000 + 1


async def test_a_validator_that_lost_its_disk_is_silent_until_its_votes_cannot_matter(
    cluster: Cluster, autojump_clock: Clock
) -> None:
    victim, *others = cluster.validators
    await cluster.grow(5, *cluster.validators)
    await victim.kill()
    victim.lose_disk()
    height = others[0].height
    voted = {view for _, signer, view, _ in cluster.votes if signer == victim.keys[0]}
    victim.start()
    await cluster.until(
        lambda: any(signer == victim.keys[0] and view not in voted for _, signer, view, _ in cluster.votes)
    )
    again = min(view for _, signer, view, _ in cluster.votes if signer == victim.keys[0] and view not in voted)
    assert victim.height >= height
    assert again > max(voted)


@pytest.mark.parametrize("blocks", [0, 1, 2, 7])
async def test_a_validator_with_an_old_copy_of_its_disk_never_votes_against_itself(
    cluster: Cluster, autojump_clock: Clock, blocks: int
) -> None:
    victim, *others = cluster.validators
    await cluster.grow(2, *cluster.validators)
    await victim.kill()
    victim.copy_disk()
    for _ in range(3):
        victim.start()
        await cluster.until(lambda: victim.part.driver is not None and victim.part.driver.is_proven)
        await cluster.grow(blocks, *cluster.validators)
        await victim.kill()
        victim.restore_disk()
        await cluster.grow(1, *others)
    victim.start()
    await cluster.grow(5, *cluster.validators)


async def test_of_all_that_are_killed_at_once_one_may_have_an_old_disk(cluster: Cluster, autojump_clock: Clock) -> None:
    victim, *_ = cluster.validators
    await victim.kill()
    victim.copy_disk()
    victim.start()
    await cluster.grow(3, *cluster.validators)
    for member in cluster.validators:
        await member.kill()
    victim.restore_disk()
    for member in cluster.validators:
        member.start()
    await cluster.grow(3, *cluster.validators)


async def test_a_validator_that_is_needed_goes_on_though_another_is_down(
    cluster: Cluster, autojump_clock: Clock
) -> None:
    victim, down, *others = cluster.validators
    await cluster.grow(2, *cluster.validators)
    await down.kill()
    await victim.kill()
    await trio.sleep(30)
    victim.start()
    await cluster.grow(3, victim, *others)
    down.start()
    await cluster.grow(3, *cluster.validators)


async def test_all_may_be_killed_at_once(cluster: Cluster, autojump_clock: Clock) -> None:
    for _ in range(3):
        await cluster.grow(2, *cluster.validators)
        for member in cluster.validators:
            await member.kill()
        for member in cluster.validators:
            member.start()
    await cluster.grow(2, *cluster.validators)


@pytest.mark.parametrize("seed", range(4))
async def test_blocks_go_on_while_messages_are_lost(folder: Path, autojump_clock: Clock, seed: int) -> None:
    async with trio.open_nursery() as nursery:
        cluster = Cluster(folder, nursery, loss=0.2, seed=seed)
        follower = cluster.join("follower")
        await cluster.grow(20, follower, *cluster.validators)
        nursery.cancel_scope.cancel()
    cluster.check_agreement()
    cluster.close()
