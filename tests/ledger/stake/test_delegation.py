import pytest

from ledger.limits import SWEEP_PAYOUTS_MAX
from ledger.stake.records import Pool, Validator, ValidatorState
from ledger.stake.rewards import SHARE_GRAINS_MAX
from ledger.stake.shares import grains_of, put_in, shares_of, take_out
from ledger.state import MemoryReader, State, pool_key
from ledger.transaction import Delegate, Payload, Undelegate, ValidatorExit
from primitives.reasons import Reason, Refused
from primitives.units import KARAT, NUMBER_MAX
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.ledger_builders import World

ZERO = kit.address("validator 0")


@pytest.fixture
def world() -> World:
    return kit.a_world(stakes.a_stake_genesis(rewards=0))


def refused(world: World, name: str, payload: Payload) -> Reason:
    return Reason(world.do(name, payload).reason)


def a_validator(*, stake: int, shares: int) -> Validator:
    return Validator(
        number=0,
        key=bytes(32),
        peer=bytes(32),
        onion=bytes(32),
        commission=0,
        state=ValidatorState.READY,
        stake=stake,
        shares=shares,
        jailed_until_ms=0,
    )


def test_delegated_stake_weighs_from_the_set_after_the_next(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=50 * KARAT))
    assert stakes.validator(world, "validator 0").stake == 1_050 * KARAT
    assert world.state.totals().staked == 4_050 * KARAT
    stakes.epochs(world, 2)
    assert stakes.weight(world.state, "validator 0") == 1_050 * KARAT


def test_what_is_taken_out_is_paid_to_the_grain_when_the_unbonding_time_is_over(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=50 * KARAT))
    world.must("client", Undelegate(validator=ZERO, amount=20 * KARAT))
    taken_ms, balance = world.now_ms, world.balance("client")
    assert world.state.totals().staked == 4_030 * KARAT
    ((due_ms, who, validator, claim),) = world.state.claims()
    assert (due_ms, who, validator) == (taken_ms + world.charter.parameters.unbonding_ms, kit.address("client"), ZERO)
    assert claim.shares == 20 * KARAT
    world.block(passed_ms=due_ms - world.now_ms - 1)
    assert world.balance("client") == balance
    world.block(passed_ms=1)
    assert world.balance("client") == balance + 20 * KARAT
    assert list(world.state.claims()) == []
    assert list(world.state.pools(ZERO)) == []
    assert list(world.state.delegations(kit.address("client"))) == [(ZERO, 30 * KARAT)]


def test_all_can_be_taken_out_at_once_and_in_pieces_of_one_block(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=50 * KARAT))
    pieces = [
        world.sign("client", Undelegate(validator=ZERO, amount=amount), ahead=at)
        for at, amount in enumerate((7 * KARAT, 8 * KARAT, None))
    ]
    world.block(*pieces)
    assert [row.shares for *_, row in world.state.claims()] == [50 * KARAT]
    assert world.state.delegation(kit.address("client"), ZERO) == 0
    assert kit.supply_of(world.state) == world.state.totals().supply


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (Delegate(validator=ZERO, amount=0), Reason.ZERO_AMOUNT),
        (Delegate(validator=ZERO, amount=2_000 * KARAT), Reason.INSUFFICIENT_BALANCE),
        (Delegate(validator=kit.address("client"), amount=1), Reason.VALIDATOR_UNKNOWN),
        (Undelegate(validator=kit.address("client"), amount=1), Reason.VALIDATOR_UNKNOWN),
        (Undelegate(validator=ZERO, amount=1), Reason.DELEGATION_UNKNOWN),
    ],
    ids=["nothing", "more than there is", "to no validator", "from no validator", "what was never put in"],
)
def test_it_is_refused_to_move(world: World, payload: Payload, reason: Reason) -> None:
    assert refused(world, "client", payload) is reason


def test_nobody_takes_out_more_than_is_theirs_or_nothing(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=5 * KARAT))
    assert refused(world, "client", Undelegate(validator=ZERO, amount=5 * KARAT + 1)) is Reason.BOND_TOO_SMALL
    assert refused(world, "client", Undelegate(validator=ZERO, amount=2**63 - 1)) is Reason.BOND_TOO_SMALL
    assert refused(world, "client", Undelegate(validator=ZERO, amount=0)) is Reason.ZERO_AMOUNT


def test_a_validator_that_leaves_takes_no_more_stake(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=5 * KARAT))
    world.must("validator 0", ValidatorExit())
    assert refused(world, "client", Delegate(validator=ZERO, amount=1)) is Reason.VALIDATOR_WRONG_STATE
    world.must("client", Undelegate(validator=ZERO, amount=None))


def test_shares_bought_and_worth_are_rounded_down_and_those_that_must_go_up() -> None:
    state, who = State(MemoryReader()), kit.address("ann")
    before = a_validator(stake=10, shares=7)
    after = put_in(state, who, ZERO, before, 5)
    assert state.delegation(who, ZERO) == 3  # 5 * 7 / 10 = 3.5
    assert (after.stake, after.shares) == (15, 10)
    assert grains_of(after, 3) == 4
    assert shares_of(after, 4) == 3
    assert shares_of(after, 3) == 2


def test_shares_are_refused_that_are_none_or_more_than_a_row_holds() -> None:
    state, who = State(MemoryReader()), kit.address("ann")
    cases = {
        Reason.ZERO_AMOUNT: a_validator(stake=10, shares=1),
        Reason.TOO_LARGE: a_validator(stake=1, shares=NUMBER_MAX),
    }
    for reason, validator in cases.items():
        with pytest.raises(Refused) as caught:
            put_in(state, who, ZERO, validator, 5)
        assert caught.value.reason is reason
    with pytest.raises(Refused) as caught:
        put_in(state, who, ZERO, a_validator(stake=0, shares=5), 5)
    assert caught.value.reason is Reason.ZERO_AMOUNT


@pytest.mark.parametrize("pool", [Pool(stake=0, shares=9), Pool(stake=1, shares=NUMBER_MAX)], ids=["all", "most"])
def test_what_would_come_into_a_pool_that_was_slashed_away_waits_for_the_next_epoch(world: World, pool: Pool) -> None:
    state = world.state.child()
    state.put(pool_key(ZERO, 0), pool)
    row = state.validator(ZERO)
    assert row is not None
    with pytest.raises(Refused) as caught:
        take_out(state, ZERO, ZERO, row, shares=10, grains=10, due_ms=1)
    assert caught.value.reason is Reason.BUSY


def test_a_block_pays_a_limited_number_and_the_next_goes_on(world: World) -> None:
    world.must("client", Delegate(validator=ZERO, amount=SWEEP_PAYOUTS_MAX + 10))
    for at in range(SWEEP_PAYOUTS_MAX + 10):
        world.block(world.sign("client", Undelegate(validator=ZERO, amount=1)), passed_ms=1)
        assert at + 1 == len(list(world.state.claims()))
    world.block(passed_ms=world.charter.parameters.unbonding_ms)
    assert len(list(world.state.claims())) == 10
    world.block()
    assert list(world.state.claims()) == []
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_takes_the_last_shares_out_gets_all_the_stake() -> None:
    world = kit.a_world(stakes.a_stake_genesis())
    world.must("client", Delegate(validator=ZERO, amount=100 * KARAT))
    stakes.epochs(world, 3)
    world.must("validator 0", ValidatorExit())
    left = stakes.validator(world, "validator 0")
    assert left.stake > left.shares  # it has earned
    world.must("client", Undelegate(validator=ZERO, amount=left.stake - 1))
    assert (stakes.validator(world, "validator 0").stake, stakes.validator(world, "validator 0").shares) == (0, 0)
    stakes.epochs(world, 10)
    assert not stakes.is_on_roll(world, "validator 0")
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_last_share_in_a_leaver_never_becomes_so_dear_that_later_delegators_lose_by_rounding() -> None:
    world = kit.a_world(stakes.a_stake_genesis())
    world.must("client", Delegate(validator=ZERO, amount=1))
    world.must("validator 0", ValidatorExit())
    for _ in range(2):
        world.block(proposer=0, passed_ms=1)
        stakes.next_epoch(world)
    left = stakes.validator(world, "validator 0")
    assert (left.stake, left.shares) == (SHARE_GRAINS_MAX, 1)
    assert world.balance("validator 0") > kit.RICH + KARAT  # what its weight has earned meanwhile
    world.must("validator 0", stakes.a_registration(world, "validator 0", onion=20))
    world.must("ann", Delegate(validator=ZERO, amount=KARAT))
    worth = grains_of(stakes.validator(world, "validator 0"), world.state.delegation(kit.address("ann"), ZERO))
    assert KARAT - SHARE_GRAINS_MAX <= worth <= KARAT
    assert kit.supply_of(world.state) == world.state.totals().supply
