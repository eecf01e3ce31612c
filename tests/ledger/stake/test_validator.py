import pytest

from ledger.chain import Chain
from ledger.limits import REGISTERED_VALIDATORS_MAX
from ledger.stake.keys import prove
from ledger.stake.records import ValidatorState
from ledger.state import TOTALS, change
from ledger.transaction import (
    Delegate,
    Payload,
    ProvenKey,
    Undelegate,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUnjail,
    ValidatorUpdate,
)
from ledger.tree import tree_of
from primitives import codec
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.ledger_builders import World

NAME = "validator 4"
UNCHANGED = ValidatorUpdate(key=None, peer=None, onion=None, commission=None)


@pytest.fixture
def world() -> World:
    return kit.a_world(stakes.a_stake_genesis())


def refused(world: World, name: str, payload: Payload) -> Reason:
    return Reason(world.do(name, payload).reason)


def a_registration(world: World, **changed: object) -> ValidatorRegister:
    return change(stakes.a_registration(world, NAME, onion=4), **changed)


def test_whoever_registers_bonds_and_validates_after_one_full_epoch(world: World) -> None:
    before = world.balance(NAME)
    world.must(NAME, a_registration(world, bond=200 * KARAT))
    assert before - world.balance(NAME) >= 200 * KARAT
    found = stakes.validator(world, NAME)
    assert (found.number, found.state, found.stake) == (4, ValidatorState.READY, 200 * KARAT)
    assert (world.state.totals().validators, world.state.totals().registrations) == (5, 5)
    stakes.next_epoch(world)
    assert stakes.weight(world.state, NAME) == 0
    assert stakes.weight(world.state, NAME, ahead=1) == 200 * KARAT
    stakes.next_epoch(world)
    index = world.state.validators().index_of(kit.address(NAME))
    assert index == 4
    assert world.block(proposer=index).outcome.header.proposer == 4
    assert kit.supply_of(world.state) == world.state.totals().supply


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bond": 100 * KARAT - 1}, Reason.BOND_TOO_SMALL),
        ({"bond": 10_000 * KARAT}, Reason.INSUFFICIENT_BALANCE),
    ],
    ids=["too small a bond", "more than the balance"],
)
def test_a_registration_is_refused_with(world: World, changed: dict[str, object], reason: Reason) -> None:
    assert refused(world, NAME, a_registration(world, **changed)) is reason
    assert world.state.validator(kit.address(NAME)) is None


def test_keys_need_a_proof_for_this_very_validator_and_network(world: World) -> None:
    seed, hash_, me = kit.seed_of(NAME), world.charter.hash, kit.address(NAME)
    for proven in (prove(seed, hash_, kit.address("ann")), prove(seed, bytes(32), me)):
        assert refused(world, NAME, a_registration(world, key=proven)) is Reason.BAD_SIGNATURE
        assert refused(world, NAME, a_registration(world, peer=proven)) is Reason.BAD_SIGNATURE


def test_a_key_that_proves_nothing_is_refused(world: World) -> None:
    weak = ProvenKey(key=bytes(32), proof=bytes(64))  # a point of small order
    assert refused(world, NAME, a_registration(world, key=weak)) is Reason.BAD_KEY


def test_a_key_that_another_validator_ever_named_is_taken(world: World) -> None:
    taken = prove(kit.seed_of("validator 0"), world.charter.hash, kit.address(NAME))
    assert refused(world, NAME, a_registration(world, key=taken)) is Reason.KEY_TAKEN
    assert refused(world, NAME, a_registration(world, peer=taken)) is Reason.KEY_TAKEN
    fresh = prove(kit.seed_of("fresh"), world.charter.hash, kit.address("validator 0"))
    world.must("validator 0", change(UNCHANGED, key=fresh))
    assert refused(world, NAME, a_registration(world, key=taken)) is Reason.KEY_TAKEN


def test_nobody_is_a_validator_twice(world: World) -> None:
    world.must(NAME, a_registration(world))
    assert refused(world, NAME, a_registration(world)) is Reason.VALIDATOR_EXISTS


def test_there_are_so_many_validators_at_a_time(world: World) -> None:
    full = change(world.state.totals(), validators=REGISTERED_VALIDATORS_MAX)
    world.reader.write({TOTALS: codec.encode(full)})
    last = world.chain.head
    world.chain = Chain(
        world.charter,
        reader=world.reader,
        tree=tree_of(world.reader.rows.items()),
        final=last.header,
        receipts_root=last.receipts_root,
    )
    assert refused(world, NAME, a_registration(world)) is Reason.BUSY


def test_new_keys_and_a_new_onion_hold_from_the_next_set_that_is_fixed(world: World) -> None:
    me = kit.address("validator 0")
    key = prove(kit.seed_of("another key"), world.charter.hash, me)
    peer = prove(kit.seed_of("another peer"), world.charter.hash, me)
    world.block(proposer=0)
    world.must("validator 0", ValidatorUpdate(key=key, peer=peer, onion=kit.onion_of(9).tip, commission=700))
    for _ in range(2):
        member = stakes.member(world.state, "validator 0")
        assert member is not None
        assert member.key == kit.key_of("validator 0")
        assert world.state.tip(me).onion == kit.onion_of(0).tip
        stakes.next_epoch(world)
    member = stakes.member(world.state, "validator 0")
    assert member is not None
    assert (member.key, member.peer, member.onion) == (key.key, peer.key, kit.onion_of(9).tip)
    assert (world.state.tip(me).onion, world.state.tip(me).reveals) == (kit.onion_of(9).tip, 0)
    assert stakes.validator(world, "validator 0").commission == 700
    world.block(proposer=0)
    assert world.state.tip(me).reveals == 1


def test_nobody_names_an_onion_of_its_own_a_second_time(world: World) -> None:
    world.must("validator 0", change(UNCHANGED, onion=kit.onion_of(9).tip))
    assert refused(world, "validator 0", change(UNCHANGED, onion=kit.onion_of(0).tip)) is Reason.KEY_TAKEN
    assert refused(world, "validator 0", change(UNCHANGED, onion=kit.onion_of(9).tip)) is Reason.KEY_TAKEN


def test_a_validator_may_go_back_to_a_key_of_its_own(world: World) -> None:
    me = kit.address("validator 0")
    world.must("validator 0", change(UNCHANGED, key=prove(kit.seed_of("another"), world.charter.hash, me)))
    world.must("validator 0", change(UNCHANGED, key=prove(kit.seed_of("validator 0"), world.charter.hash, me)))
    assert stakes.validator(world, "validator 0").key == kit.key_of("validator 0")


def test_who_leaves_fades_from_the_sets_and_the_roll_and_is_paid_out(world: World) -> None:
    world.must("validator 3", ValidatorExit())
    found = stakes.validator(world, "validator 3")
    assert (found.state, found.stake, found.shares) == (ValidatorState.LEAVING, 0, 0)
    assert refused(world, "validator 3", ValidatorExit()) is Reason.VALIDATOR_WRONG_STATE
    seen = []
    for _ in range(4):
        assert stakes.is_on_roll(world, "validator 3")
        seen.append(stakes.weight(world.state, "validator 3") // KARAT)
        stakes.next_epoch(world)
    assert seen == [1_000, 1_000, 600, 240]
    assert not stakes.is_on_roll(world, "validator 3")
    stakes.epochs(world, 5)
    assert world.balance("validator 3") > 999 * KARAT
    assert world.state.totals().validators == 3
    assert list(world.state.pools(kit.address("validator 3"))) == []
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_is_leaving_may_stay_after_all(world: World) -> None:
    world.must(NAME, a_registration(world))
    world.must("client", Delegate(validator=kit.address(NAME), amount=50 * KARAT))
    world.must(NAME, ValidatorExit())
    assert stakes.validator(world, NAME).stake == 50 * KARAT
    world.must(NAME, a_registration(world, bond=100 * KARAT, commission=9))
    found = stakes.validator(world, NAME)
    assert (found.number, found.state, found.stake, found.commission) == (4, ValidatorState.READY, 150 * KARAT, 9)


def test_who_has_left_may_come_back_as_the_one_it_was(world: World) -> None:
    world.must(NAME, a_registration(world))
    world.must(NAME, ValidatorExit())
    stakes.epochs(world, 6)
    assert not stakes.is_on_roll(world, NAME)
    assert world.state.totals().validators == 4
    world.must(NAME, a_registration(world, bond=150 * KARAT))
    assert stakes.is_on_roll(world, NAME)
    assert (stakes.validator(world, NAME).number, world.state.totals().validators) == (4, 5)


def test_a_grain_that_stays_in_a_leaver_holds_no_place_and_can_be_taken_out(world: World) -> None:
    world.must(NAME, a_registration(world))
    world.must("client", Delegate(validator=kit.address(NAME), amount=1))
    world.must(NAME, ValidatorExit())
    stakes.epochs(world, 6)
    assert world.state.totals().validators == 4
    world.must("client", Undelegate(validator=kit.address(NAME), amount=None))
    assert stakes.validator(world, NAME).shares == 0
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_neither_a_ban_nor_a_time_in_jail_ends_with_a_departure(world: World) -> None:
    world.block(evidence=[stakes.a_double_vote(world, "validator 3")])
    world.must("validator 3", ValidatorExit())
    stakes.epochs(world, 8)
    assert not stakes.is_on_roll(world, "validator 3")
    again = stakes.a_registration(world, "validator 3", onion=9)
    assert refused(world, "validator 3", again) is Reason.VALIDATOR_EXISTS
    world.must("validator 2", ValidatorExit())
    evidence = stakes.a_double_vote(world, "validator 2")
    stakes.epochs(world, 5)
    assert not stakes.is_on_roll(world, "validator 2")
    world.block(evidence=[evidence])
    assert stakes.validator(world, "validator 2").state is ValidatorState.BANNED


def test_nobody_keeps_a_key_or_an_onion_from_others_that_has_no_proof_of_it(world: World) -> None:
    wanted = a_registration(world)
    for onion in (wanted.key.key, wanted.peer.key, wanted.onion):
        world.must("validator 0", change(UNCHANGED, onion=onion))
        assert refused(world, "validator 0", change(UNCHANGED, onion=onion)) is Reason.KEY_TAKEN
    world.must(NAME, wanted)


def test_an_operator_that_stays_keeps_the_least_bond(world: World) -> None:
    world.must(NAME, a_registration(world))
    me = kit.address(NAME)
    short = Undelegate(validator=me, amount=stakes.BOND - 100 * KARAT + 1)
    assert refused(world, NAME, short) is Reason.BOND_TOO_SMALL
    assert refused(world, NAME, Undelegate(validator=me, amount=None)) is Reason.BOND_TOO_SMALL
    world.must(NAME, Undelegate(validator=me, amount=stakes.BOND - 100 * KARAT))
    assert stakes.validator(world, NAME).stake == 100 * KARAT


def test_who_is_not_in_jail_is_not_let_out_and_strangers_have_nothing_to_change(world: World) -> None:
    assert refused(world, "validator 0", ValidatorUnjail()) is Reason.VALIDATOR_WRONG_STATE
    for payload in (ValidatorUnjail(), ValidatorExit(), UNCHANGED):
        assert refused(world, "client", payload) is Reason.VALIDATOR_UNKNOWN
