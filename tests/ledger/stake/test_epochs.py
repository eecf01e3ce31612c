from functools import partial

import pytest

from ledger.apply import apply_block
from ledger.block import Block
from ledger.chain import start_chain
from ledger.genesis import charter_of, first_set
from ledger.limits import EVIDENCE_EPOCHS_MAX
from ledger.parameters import Parameters
from ledger.stake.epochs import instance_of, kept_epochs, seed_of, set_hash
from ledger.state import change
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.ledger_builders import World


@pytest.fixture
def world() -> World:
    return kit.a_world(stakes.a_stake_genesis())


def test_genesis_fixes_the_first_two_sets_which_differ_in_their_randomness(world: World) -> None:
    genesis = world.charter.genesis
    sets = [world.state.epoch_set(epoch) for epoch in (0, 1)]
    assert sets == [first_set(genesis, 0), first_set(genesis, 1)]
    assert sets[0] is not None
    assert sets[1] is not None
    assert sets[0].members == sets[1].members
    assert [each.seed for each in sets if each] == [seed_of(genesis.beacon, 0), seed_of(genesis.beacon, 1)]
    assert world.state.epoch_set(2) is None


def test_members_stand_in_the_order_of_genesis_and_weigh_their_stake(world: World) -> None:
    members = world.state.validators().members
    assert [each.validator for each in members] == [each.operator for each in world.charter.genesis.validators]
    assert [each.weight for each in members] == [each.stake for each in world.charter.genesis.validators]
    assert world.state.validators().weight == 4 * kit.RICH


def test_the_first_block_so_long_after_the_start_of_an_epoch_ends_it(world: World) -> None:
    before = world.block(passed_ms=stakes.EPOCH_MS - 1)
    assert not before.outcome.ends_epoch
    last = world.block(passed_ms=1)
    assert last.outcome.ends_epoch
    assert (last.block.header.epoch, last.outcome.child_epoch, last.outcome.child_parent_view) == (0, 1, 0)
    assert world.state.epoch().started_ms == last.block.header.timestamp_ms


def test_the_children_of_an_epochs_last_block_begin_a_new_instance(world: World) -> None:
    stakes.next_epoch(world)
    child = world.block(view=3).block.header
    assert (child.epoch, child.parent_view, child.view) == (1, 0, 3)
    grandchild = world.block().block.header
    assert (grandchild.epoch, grandchild.parent_view, grandchild.view) == (1, 3, 4)


@pytest.mark.parametrize("wrong", [{"epoch": 0}, {"epoch": 2}, {"parent_view": 1, "view": 2}, {"view": 0}], ids=str)
def test_a_child_of_an_epochs_last_block_is_invalid_with(world: World, wrong: dict[str, int]) -> None:
    stakes.next_epoch(world)
    parent = world.chain.head
    good = world.block().block
    bad = Block(header=change(good.header, **wrong), transactions=[])
    with pytest.raises(Refused) as caught:
        apply_block(world.charter, parent, bad)
    assert caught.value.reason is Reason.BLOCK_WRONG_PARENT


def test_headers_name_the_running_set_and_the_next(world: World) -> None:
    for _ in range(3):
        running, following = world.state.validators(), world.state.validators(ahead=1)
        header = world.block().block.header
        assert (header.validators_hash, header.next_validators_hash) == (set_hash(running), set_hash(following))
        stakes.next_epoch(world)


def test_the_last_block_fixes_the_set_after_the_next_from_the_beacon_at_that_point(world: World) -> None:
    stakes.next_epoch(world)
    fixed = world.state.epoch_set(2)
    assert fixed is not None
    assert fixed.seed == seed_of(world.state.clock().beacon, 2)
    assert world.state.epoch_set(3) is None


def test_the_instance_of_an_epoch_has_its_members_and_randomness(world: World) -> None:
    stakes.next_epoch(world)
    epoch_set = world.state.validators()
    instance = instance_of(world.charter.hash, epoch_set)
    assert (instance.genesis_hash, instance.epoch) == (world.charter.hash, 1)
    assert (instance.validators.seed, instance.validators.total) == (epoch_set.seed, epoch_set.weight)
    assert [each.key for each in instance.validators.members] == [each.key for each in epoch_set.members]


def test_sets_are_kept_as_long_as_they_can_name_a_culprit_and_then_dropped(world: World) -> None:
    kept = kept_epochs(world.charter.parameters)
    assert kept == 5
    stakes.epochs(world, 8)
    known = [epoch for epoch in range(12) if world.state.epoch_set(epoch) is not None]
    assert known == list(range(8 - kept, 10))


def test_no_more_than_a_thousand_past_sets_are_kept() -> None:
    assert kept_epochs(Parameters(epoch_ms=1)) == EVIDENCE_EPOCHS_MAX
    assert kept_epochs(Parameters()) == 14 * 24
    assert kept_epochs(Parameters(epoch_ms=10, unbonding_ms=51)) == 6


def test_a_node_that_only_checks_follows_through_epochs(world: World) -> None:
    for _ in range(3):
        world.blocks(2)
        stakes.next_epoch(world)
    other, reader = start_chain(charter_of(world.charter.genesis))
    for final in world.finals:
        outcome = other.check(final.block, now_ms=None)
        other.finalize(outcome.id)
        reader.write(outcome.writes)
    assert reader.rows == world.reader.rows


def test_a_proposer_beyond_the_set_is_refused(world: World) -> None:
    head = world.chain.head
    propose = partial(world.chain.propose, head.id, view=1, transactions=(), now_ms=world.now_ms + 1)
    with pytest.raises(Refused) as caught:
        propose(proposer=4, reveal=bytes(32))
    assert caught.value.reason is Reason.BLOCK_WRONG_PROPOSER
