"""What the API tells of validators, their stake and their offences."""

from collections.abc import AsyncIterator

import pytest

from ledger.stake.epochs import set_hash
from ledger.transaction import Delegate, Undelegate
from node.p2p.peer_id import peer_id_of, peer_id_text
from primitives.address import address_text
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import stake_builders as stakes
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import World, a_world, address, key_of
from tests.node.rpc.served import Node, served_rpc


def text(name: str) -> str:
    return address_text(address(name), "dasy")


@pytest.fixture
async def staked() -> AsyncIterator[Node]:
    """An API on a chain on which everything that validators can do has been done."""
    async with served_rpc(FakeChain(a_world(stakes.a_stake_genesis()))) as node:
        world = node.chain.world
        world.must("validator 4", stakes.a_registration(world, "validator 4", onion=4))
        world.must("client", Delegate(validator=address("validator 4"), amount=30 * KARAT))
        world.must("client", Undelegate(validator=address("validator 4"), amount=10 * KARAT))
        world.block(evidence=[stakes.a_double_vote(world, "validator 3")], proposer=0)
        yield node


async def test_validators_are_listed_with_their_stake_and_their_place(staked: Node) -> None:
    told = await staked.call("validator.list")
    assert (told["epoch"], told["registered"]) == (0, 5)
    assert [each["address"] for each in told["validators"]] == [text(f"validator {at}") for at in (0, 1, 2, 3, 4)]
    first, banned, newest = (told["validators"][at] for at in (0, 3, 4))
    assert (first["state"], first["index"], first["weight"]) == ("ready", 0, str(1_000 * KARAT))
    assert first["next_weight"] == first["weight"]
    assert (banned["state"], banned["offences"], banned["stake"]) == ("banned", 1, str(950 * KARAT))
    assert (newest["index"], newest["weight"], newest["reveals"]) == (None, "0", None)
    assert len((await staked.call("validator.list", limit=2))["validators"]) == 2


async def test_one_validator_is_told_or_is_none(staked: Node) -> None:
    told = await staked.call("validator.get", address=text("validator 4"))
    assert told["stake"] == str(int(told["own_stake"]) + 20 * KARAT)
    assert told["unbonding"] == str(10 * KARAT)
    assert told["peer_id"].startswith("12D3Koo")
    assert (await staked.refusal("validator.get", address=text("client")))["data"]["reason"] == Reason.VALIDATOR_UNKNOWN


async def test_evidence_shows_the_votes_and_what_they_cost(staked: Node) -> None:
    (told,) = (await staked.call("validator.evidence"))["evidence"]
    assert (told["epoch"], told["validator"], told["offence"]) == (0, text("validator 3"), "double_finalize")
    assert told["first"]["block"] != told["second"]["block"]
    assert told["first"]["view"] == told["second"]["view"]
    assert (told["slash_bps"], told["slashed"], told["reporter"]) == (500, str(50 * KARAT), text("validator 0"))
    assert (await staked.call("validator.evidence", validator=text("validator 0")))["evidence"] == []
    assert (await staked.call("validator.evidence", epoch=1))["evidence"] == []
    assert (await staked.call("validator.evidence", epoch=0, validator=text("validator 3")))["evidence"] == [told]


async def test_an_epoch_is_told_with_its_members_and_when_it_ends(staked: Node) -> None:
    world: World = staked.chain.world
    told = await staked.call("epoch.get")
    assert (told["epoch"], told["running"], told["ends_ms"] - told["started_ms"]) == (0, 0, told["epoch_ms"])
    assert told["validators_hash"] == set_hash(world.state.validators()).hex()
    assert [each["validator"] for each in told["members"]] == [text(f"validator {at}") for at in range(4)]
    assert told["members"][1]["peer_id"] == peer_id_text(peer_id_of(key_of("peer of validator 1")))
    assert sum(each["proposed"] for each in told["members"]) == world.chain.head.header.height
    following = await staked.call("epoch.get", epoch=1)
    assert (following["started_ms"], following["members"][0]["proposed"]) == (None, None)
    assert (await staked.refusal("epoch.get", epoch=7))["data"]["reason"] == Reason.NOT_FOUND


async def test_an_account_is_told_what_it_delegated_and_what_comes_back_when(staked: Node) -> None:
    world: World = staked.chain.world
    told = await staked.call("delegation.list", delegator=text("client"))
    (delegation,), (claim,) = told["delegations"], told["unbonding"]
    assert (delegation["validator"], delegation["amount"]) == (text("validator 4"), str(20 * KARAT))
    assert delegation["state"] == "ready"
    assert (claim["validator"], claim["amount"]) == (text("validator 4"), str(10 * KARAT))
    assert claim["due_ms"] > world.now_ms
    nobody = await staked.call("delegation.list", delegator=text("stranger"))
    assert nobody == {"delegations": [], "unbonding": []}
