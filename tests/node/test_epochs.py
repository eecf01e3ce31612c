"""Validators in memory go from epoch to epoch: they join, leave, change keys, crash at the seams (N76, N77, C24)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.messages import SignedVote, Vote, VoteKind, encode_message, sign_bytes
from ledger.genesis import Charter, charter_of
from ledger.parameters import Parameters
from ledger.stake.keys import prove
from ledger.stake.records import ValidatorState
from ledger.transaction import ValidatorExit, ValidatorRegister, ValidatorUpdate
from node.p2p.ipc import Direct
from node.traffic import CONSENSUS_CHANNEL
from primitives import ed25519
from primitives.units import KARAT
from testnet.kit.ledger_builders import RICH, a_genesis, address, key_of, onion_of, seed_of
from tests.node.cluster import Cluster, Member

Clock = trio.testing.MockClock
OPERATORS = [f"validator {at}" for at in range(6)]


def a_charter(epoch_ms: int = 3_000) -> Charter:
    """Return a network with short epochs, in which whole validators may come and go."""
    parameters = Parameters(epoch_ms=epoch_ms, churn_bps=3_300)
    return charter_of(a_genesis(accounts=["client", "publisher", *OPERATORS], parameters=parameters))


@pytest.fixture
async def cluster(tmp_path: Path, autojump_clock: Clock) -> AsyncIterator[Cluster]:
    async with trio.open_nursery() as nursery:
        made = Cluster(tmp_path, nursery, charter=a_charter())
        yield made
        nursery.cancel_scope.cancel()
    made.close()


def epochs_of(member: Member) -> list[int]:
    """Return the epoch of each final block."""
    chain = member.part.chain
    found = [chain.block(height) for height in range(chain.head.height + 1)]
    return [each[0].header.epoch for each in found if each is not None]


def members_in(member: Member, epoch: int) -> list[bytes]:
    """Return the addresses of the validators of an epoch."""
    epoch_set = member.part.chain.state().epoch_set(epoch)
    assert epoch_set is not None
    return [each.validator for each in epoch_set.members]


async def reach(cluster: Cluster, epoch: int, *members: Member) -> None:
    """Wait until an epoch has begun on `members`, or on all."""
    await cluster.until(
        lambda: all(each.part.chain.epoch >= epoch for each in members or tuple(cluster.members.values()))
    )


async def test_a_network_goes_from_epoch_to_epoch_and_followers_with_it(cluster: Cluster) -> None:
    follower = cluster.join("follower")
    await reach(cluster, 4)
    assert sorted(set(epochs_of(follower)))[:4] == [0, 1, 2, 3]
    late = cluster.join("late")
    await reach(cluster, 5)
    cluster.check_agreement()
    ends = [late.part.chain.end_of(epoch) for epoch in range(4)]
    assert [None if each is None else each.vote.epoch for each in ends] == [0, 1, 2, 3]
    assert late.part.chain.end_of(99) is None
    assert late.part.driver is None


async def test_a_validator_joins_and_votes_without_a_restart(cluster: Cluster) -> None:
    newcomer = cluster.join("validator 4", keys=[4])
    await cluster.grow(2, newcomer)
    assert newcomer.part.driver is None
    await cluster.act("validator 4", registration(cluster, 4), through=newcomer)
    await cluster.until(lambda: newcomer.part.driver is not None)
    assert address("validator 4") in members_in(newcomer, newcomer.part.chain.epoch)
    await cluster.until(lambda: any(signer == 4 for _, signer, _, _ in cluster.votes))
    await cluster.until(lambda: proposals_of(newcomer) > 0)
    await reach(cluster, newcomer.part.chain.epoch + 1)
    cluster.check_agreement()


def registration(cluster: Cluster, number: int) -> ValidatorRegister:
    """Return what makes somebody a validator with as much stake as the others."""
    name, genesis_hash = f"validator {number}", cluster.charter.hash
    return ValidatorRegister(
        key=prove(seed_of(name), genesis_hash, address(name)),
        peer=prove(seed_of(f"peer of {name}"), genesis_hash, address(name)),
        onion=onion_of(number).tip,
        commission=1_000,
        bond=RICH - KARAT,
    )


def proposals_of(member: Member) -> int:
    """Return how many of its final blocks a validator has proposed in the last epochs."""
    chain = member.part.chain
    blocks = [chain.block(height) for height in range(max(1, chain.head.height - 20), chain.head.height + 1)]
    assert member.part.epochs is not None
    return sum(member.part.epochs.is_mine(each[0].header) for each in blocks if each is not None)


async def test_a_validator_leaves_and_follows_on(cluster: Cluster) -> None:
    leaver = cluster.validators[2]
    await cluster.act("validator 2", ValidatorExit(), through=leaver)
    await cluster.until(lambda: leaver.part.driver is None and leaver.part.chain.epoch > 1)
    assert address("validator 2") not in members_in(leaver, leaver.part.chain.epoch)
    await cluster.grow(5, *cluster.validators)
    cluster.check_agreement()


async def test_a_validator_changes_its_keys_without_a_restart(cluster: Cluster) -> None:
    changer = cluster.validators[1]
    await changer.kill()
    changer.keys = [1, 7]
    changer.start()
    name, genesis_hash = "validator 1", cluster.charter.hash
    update = ValidatorUpdate(
        key=prove(seed_of("validator 7"), genesis_hash, address(name)),
        peer=None,
        onion=onion_of(7).tip,
        commission=None,
    )
    await cluster.act(name, update, through=changer)
    await cluster.until(lambda: key_of("validator 7") in keys_in(changer, changer.part.chain.epoch))
    began = changer.part.chain.epoch
    await cluster.until(lambda: any(epoch == began and signer == 1 for epoch, signer, _, _ in cluster.votes))
    await cluster.until(lambda: proposals_of(changer) > 0)
    await reach(cluster, began + 2)
    cluster.check_agreement()


def keys_in(member: Member, epoch: int) -> list[bytes]:
    """Return the vote keys of an epoch."""
    epoch_set = member.part.chain.state().epoch_set(epoch)
    assert epoch_set is not None
    return [each.key for each in epoch_set.members]


async def test_a_validator_that_was_away_for_epochs_comes_back_and_votes(cluster: Cluster) -> None:
    away, *others = cluster.validators
    await away.kill()
    await reach(cluster, 3, *others)
    away.start()
    await cluster.until(lambda: away.part.epochs is not None and away.part.epochs.is_proven)
    cluster.check_agreement()


async def test_a_whole_network_that_stops_at_any_moment_of_an_epoch_s_end_goes_on(cluster: Cluster) -> None:
    for stop in range(5):
        first = cluster.validators[0].part.chain
        end_s = (first.state().epoch().started_ms + 3_000 - cluster.now_ms()) / 1_000
        await trio.sleep(max(0.0, end_s - 0.1 + stop * 0.1))
        for member in cluster.validators:
            await member.kill()
        for member in cluster.validators:
            member.start()
        epoch = max(member.part.chain.epoch for member in cluster.validators)
        await reach(cluster, epoch + 1)
    cluster.check_agreement()


async def test_epochs_end_on_a_network_that_loses_messages(tmp_path: Path, autojump_clock: Clock) -> None:
    async with trio.open_nursery() as nursery:
        cluster = Cluster(tmp_path, nursery, charter=a_charter(epoch_ms=1_000), loss=0.15, seed=3)
        await reach(cluster, 8)
        cluster.check_agreement()
        nursery.cancel_scope.cancel()
    cluster.close()


async def test_a_validator_that_signs_two_blocks_is_banned_by_the_evidence(cluster: Cluster) -> None:
    follower = cluster.join("follower")
    liar, witness = cluster.validators[3], cluster.validators[0]
    await cluster.grow(2, follower)
    await liar.kill()
    view = witness.part.chain.head_view + 3

    async def convict() -> None:
        while witness.part.evidence.waiting() == [] and not list(follower.part.chain.state().convictions()):
            for block in (b"a", b"b"):
                body = encode_message(two_faced(cluster, witness.part.chain.epoch, view, block * 32))
                cluster.hub.deliver(
                    liar.peer, witness.peer, Direct(peer=liar.peer, channel=CONSENSUS_CHANNEL, priority=True, body=body)
                )
            await trio.sleep(0.5)

    cluster.hub.nodes[liar.peer] = cluster.hub.nodes[witness.peer]
    await convict()
    await cluster.until(lambda: bool(list(follower.part.chain.state().convictions())))
    ((_, who, conviction),) = follower.part.chain.state().convictions()
    assert who == address("validator 3")
    assert conviction.slashed > 0
    validator = follower.part.chain.state().validator(who)
    assert validator is not None
    assert validator.state is ValidatorState.BANNED
    await cluster.until(lambda: all(len(each.part.evidence) == 0 for each in (witness, follower)))
    await cluster.until(lambda: who not in members_in(follower, follower.part.chain.epoch))


def two_faced(cluster: Cluster, epoch: int, view: int, block: bytes) -> SignedVote:
    vote = Vote(epoch=epoch, view=view, kind=VoteKind.NOTARIZE, block=block)
    signature = ed25519.sign(seed_of("validator 3"), sign_bytes(cluster.charter.hash, vote))
    return SignedVote(vote=vote, signer=3, signature=signature)
