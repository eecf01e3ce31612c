import pytest

from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.stake.epochs import instance_of
from ledger.stake.records import ValidatorState
from ledger.stake.rewards import jail_absent
from ledger.state import change
from ledger.transaction import Delegate, ValidatorExit, ValidatorUnjail, ValidatorUpdate
from primitives.reasons import Reason
from primitives.units import BASIS, KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.ledger_builders import World

PARAMETERS = change(stakes.SHORT, reward_ppm=1_000, absence_views_min=3)
PAID = stakes.POT // 1_000
"""By an epoch without a missed view."""


@pytest.fixture
def world() -> World:
    return kit.a_world(stakes.a_stake_genesis(parameters=PARAMETERS))


def leaders(world: World, *, after: int) -> list[int]:
    """Return who leads the views above one of the running epoch, for a while."""
    validators = instance_of(world.charter.hash, world.state.validators()).validators
    return [validators.leader(view) for view in range(after + 1, after + 200)]


def led_view(world: World, *, absent: int) -> tuple[int, int]:
    """Return the next view that another than `absent` leads, and its leader."""
    after = world.chain.head.child_parent_view
    for at, leader in enumerate(leaders(world, after=after)):
        if leader != absent:
            return after + 1 + at, leader
    raise AssertionError("nobody else leads")


def an_epoch_without(world: World, absent: int, *, blocks: int = 60) -> None:
    """Run an epoch in which one validator never proposes and its views are skipped."""
    for _ in range(blocks):
        view, leader = led_view(world, absent=absent)
        world.block(view=view, proposer=leader, passed_ms=stakes.EPOCH_MS // blocks)
    view, leader = led_view(world, absent=absent)
    ends_ms = world.state.epoch().started_ms + stakes.EPOCH_MS
    world.block(view=view, proposer=leader, passed_ms=max(1, ends_ms - world.now_ms))


def test_an_epoch_pays_its_blocks_out_of_the_pot_in_proportion(world: World) -> None:
    for proposer in (0, 0, 1):
        world.block(proposer=proposer)
    world.block(proposer=2, passed_ms=stakes.EPOCH_MS)
    stake = [stakes.validator(world, f"validator {at}").stake for at in range(4)]
    assert stake == [kit.RICH + PAID // 2, kit.RICH + PAID // 4, kit.RICH + PAID // 4, kit.RICH]
    assert world.state.totals().rewards == stakes.POT - PAID
    assert world.state.totals().staked == sum(stake)
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_the_operator_takes_its_commission_and_delegators_share_the_rest_by_their_stake(world: World) -> None:
    one = kit.address("validator 1")
    world.must("validator 1", ValidatorUpdate(key=None, peer=None, onion=None, commission=1_000))
    world.must("client", Delegate(validator=one, amount=kit.RICH // 2))
    stakes.next_epoch(world)
    before = world.balance("validator 1")
    world.block(proposer=1, passed_ms=stakes.EPOCH_MS)
    paid = (stakes.POT - PAID) // 1_000
    assert world.balance("validator 1") - before == paid // 10
    row = stakes.validator(world, "validator 1")
    shares = world.state.delegation(kit.address("client"), one)
    worth = shares * row.stake // row.shares
    # What the first epoch paid came before the delegation weighed, but after it was in: it shared in that, too.
    assert worth > kit.RICH // 2
    assert (row.shares - shares) * row.stake // row.shares > kit.RICH
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_views_that_are_skipped_pay_nobody_and_count_against_their_leaders(world: World) -> None:
    missed = leaders(world, after=0)[:3]
    world.block(view=4, proposer=0)
    epoch = world.state.epoch()
    assert epoch.proposed == [1, 0, 0, 0]
    assert epoch.missed == [missed.count(at) for at in range(4)]
    world.block(proposer=0, passed_ms=stakes.EPOCH_MS)
    assert world.state.totals().rewards == stakes.POT - PAID * 2 // 5
    assert world.state.epoch().missed == [0, 0, 0, 0]


def test_as_many_views_as_there_are_validators_skipped_at_once_count_against_nobody(world: World) -> None:
    world.block(view=5, proposer=0)
    assert world.state.epoch().missed == [0, 0, 0, 0]
    world.block(view=5 + 4, proposer=0)
    assert sum(world.state.epoch().missed) == 3


def test_who_misses_most_of_its_views_pays_a_little_and_goes_to_jail_for_a_while(world: World) -> None:
    an_epoch_without(world, 2)
    found = stakes.validator(world, "validator 2")
    assert found.state is ValidatorState.JAILED
    assert found.stake == kit.RICH * (BASIS - PARAMETERS.absence_bps) // BASIS
    assert found.jailed_until_ms == world.now_ms + PARAMETERS.jail_ms
    assert all(stakes.validator(world, f"validator {at}").state is ValidatorState.READY for at in (0, 1, 3))
    assert stakes.weight(world.state, "validator 2", ahead=1) < kit.RICH
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_is_in_jail_earns_nothing_and_returns_when_its_time_is_over(world: World) -> None:
    an_epoch_without(world, 2)
    stake = stakes.validator(world, "validator 2").stake
    assert world.do("validator 2", ValidatorUnjail()).reason == Reason.STILL_JAILED
    world.block(proposer=2)
    stakes.next_epoch(world)
    assert stakes.validator(world, "validator 2").stake == stake
    left_ms = stakes.validator(world, "validator 2").jailed_until_ms - world.now_ms
    assert world.block(world.sign("validator 2", ValidatorUnjail()), passed_ms=left_ms).outcome.receipts[0].ok
    assert stakes.validator(world, "validator 2").state is ValidatorState.READY


def jailed(world: World, *, proposed: list[int], missed: list[int]) -> list[int]:
    """Return who is jailed after an epoch with these counts, by index."""
    state, clock = world.state.child(), world.state.clock()
    moment = Moment(
        charter=world.charter,
        state=state,
        height=clock.height,
        time_ms=clock.time_ms,
        live_ms=clock.live_ms,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=[],
    )
    epoch = change(state.epoch(), proposed=proposed, missed=missed)
    jail_absent(moment, epoch, state.validators())
    rows = [state.validator(each.validator) for each in state.validators().members]
    assert state.totals().staked == sum(row.stake for row in rows if row is not None)
    return [at for at, row in enumerate(rows) if row is not None and row.state is ValidatorState.JAILED]


def test_absence_is_more_than_half_of_the_views_and_at_least_a_few(world: World) -> None:
    for one, wanted in {(2, 3): [1], (3, 3): [], (0, 2): [], (0, 3): [1], (99, 100): [1], (100, 99): []}.items():
        assert jailed(world, proposed=[9, one[0], 9, 9], missed=[0, one[1], 0, 0]) == wanted, one


def test_absence_of_a_third_is_punished_and_of_more_than_a_third_is_not() -> None:
    three = kit.a_world(stakes.a_stake_genesis(validators=3, parameters=PARAMETERS))
    assert jailed(three, proposed=[9, 9, 0], missed=[0, 0, 9]) == [2]
    four = kit.a_world(stakes.a_stake_genesis(validators=4, parameters=PARAMETERS))
    assert jailed(four, proposed=[9, 9, 0, 0], missed=[0, 0, 9, 9]) == []


def test_a_few_missed_views_are_forgiven() -> None:
    world = kit.a_world(stakes.a_stake_genesis(parameters=change(PARAMETERS, absence_views_min=1_000)))
    an_epoch_without(world, 2)
    assert stakes.validator(world, "validator 2").state is ValidatorState.READY


def test_where_more_than_a_third_is_absent_it_was_the_network_and_nobody_is_jailed() -> None:
    world = kit.a_world(
        change(
            stakes.a_stake_genesis(parameters=PARAMETERS),
            validators=kit.a_genesis(stakes=[kit.RICH, kit.RICH, 2 * kit.RICH, kit.RICH]).validators,
        )
    )
    an_epoch_without(world, 2)
    assert stakes.validator(world, "validator 2").state is ValidatorState.READY


def test_too_small_a_stake_does_not_return_from_jail() -> None:
    parameters = change(PARAMETERS, validator_bond_min=kit.RICH)
    world = kit.a_world(stakes.a_stake_genesis(parameters=parameters))
    an_epoch_without(world, 2)
    world.block(passed_ms=PARAMETERS.jail_ms)
    assert world.do("validator 2", ValidatorUnjail()).reason == Reason.BOND_TOO_SMALL
    world.must("validator 2", Delegate(validator=kit.address("validator 2"), amount=2 * KARAT))
    world.must("validator 2", ValidatorUnjail())


def test_who_leaves_while_in_jail_does_not_shorten_it_by_coming_back(world: World) -> None:
    an_epoch_without(world, 2)
    world.must("validator 2", ValidatorExit())
    again = stakes.a_registration(world, "validator 2", onion=12)
    found = stakes.validator(world, "validator 2")
    assert found.state is ValidatorState.LEAVING
    assert world.do("validator 2", again).reason == Reason.STILL_JAILED


def test_who_has_no_stake_left_but_still_proposes_is_paid_itself(world: World) -> None:
    world.must("validator 1", ValidatorExit())
    before = world.balance("validator 1")
    world.block(proposer=1, passed_ms=stakes.EPOCH_MS)
    assert world.balance("validator 1") > before
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_an_empty_pot_pays_nothing() -> None:
    world = kit.a_world(stakes.a_stake_genesis(parameters=Parameters(epoch_ms=1), rewards=0))
    world.blocks(3)
    assert [stakes.validator(world, f"validator {at}").stake for at in range(4)] == [kit.RICH] * 4
