"""The choice of the next set, on rows alone."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import VALIDATORS_MAX
from ledger.parameters import Parameters
from ledger.stake.epochs import Member
from ledger.stake.records import Validator, ValidatorState
from ledger.stake.selection import Registered, next_members
from primitives.units import BASIS, KARAT

NETWORK = Parameters(validator_bond_min=10)
READY, JAILED, BANNED, LEAVING = (
    ValidatorState.READY,
    ValidatorState.JAILED,
    ValidatorState.BANNED,
    ValidatorState.LEAVING,
)


def name(number: int) -> bytes:
    """Return an address; their order is not that of registration."""
    return bytes([255 - number % 256, number // 256]) * 10


def a_row(number: int, stake: int, state: ValidatorState = READY) -> tuple[bytes, Validator]:
    row = Validator(
        number=number,
        key=bytes([number % 256]) * 32,
        peer=bytes(32),
        onion=bytes(32),
        commission=0,
        state=state,
        stake=stake,
        shares=stake,
        jailed_until_ms=0,
    )
    return name(number), row


def a_member(number: int, weight: int) -> Member:
    return Member(validator=name(number), key=bytes(32), peer=bytes(32), onion=bytes(32), weight=weight)


def chosen(members: list[Member], registered: Registered, parameters: Parameters = NETWORK) -> dict[int, int]:
    """Return the next set's weights by number."""
    numbers = {address: row.number for address, row in registered}
    return {numbers[each.validator]: each.weight for each in next_members(parameters, members, sorted(registered))}


FOUR = [a_member(number, 1_000) for number in range(4)]
FOUR_ROWS = [a_row(number, 1_000) for number in range(4)]


def test_without_changes_the_set_stays_with_the_keys_of_the_rows() -> None:
    after = next_members(NETWORK, FOUR, sorted(FOUR_ROWS))
    assert [each.validator for each in after] == [each.validator for each in FOUR]
    assert [each.key for each in after] == [row.key for _, row in FOUR_ROWS]


def test_a_newcomer_gains_a_tenth_of_all_weight_an_epoch_until_it_has_its_own() -> None:
    rows, members, seen = [*FOUR_ROWS, a_row(4, 1_000)], FOUR, []
    for _ in range(4):
        members = next_members(NETWORK, members, sorted(rows))
        seen.append(members[4].weight)
    assert seen == [400, 840, 1_000, 1_000]


def test_a_leaver_loses_as_much_until_it_is_gone() -> None:
    rows, members, seen = [*FOUR_ROWS[:3], a_row(3, 0, LEAVING)], FOUR, []
    for _ in range(3):
        members = next_members(NETWORK, members, sorted(rows))
        seen.append([each.weight for each in members])
    assert seen == [[1_000, 1_000, 1_000, 600], [1_000, 1_000, 1_000, 240], [1_000, 1_000, 1_000]]


def test_outcasts_go_first_then_who_leaves_and_who_comes_gets_what_is_left() -> None:
    rows = [*FOUR_ROWS[:2], a_row(2, 900), a_row(3, 300, BANNED), a_row(4, 1_000)]
    members = [*FOUR[:3], a_member(3, 300)]
    # W is 3,300 and the limit 330: 300 for the outcast, 30 of the 100 that another is to lose, nothing for the new one.
    assert chosen(members, rows) == {0: 1_000, 1: 1_000, 2: 970}


def test_jail_costs_the_seat_as_a_ban_does() -> None:
    rows = [*FOUR_ROWS[:3], a_row(3, 1_000, JAILED)]
    assert chosen(FOUR, rows)[3] == 600


def test_what_several_ask_for_is_cut_in_proportion() -> None:
    rows = [*FOUR_ROWS, a_row(4, 300), a_row(5, 900)]
    assert chosen(FOUR, rows) == {0: 1_000, 1: 1_000, 2: 1_000, 3: 1_000, 4: 100, 5: 300}


def test_stake_below_the_least_bond_is_not_chosen() -> None:
    assert chosen(FOUR, [*FOUR_ROWS, a_row(4, 9), a_row(5, 10)]).keys() == {0, 1, 2, 3, 5}


def test_the_hundred_best_staked_are_chosen_and_of_equals_the_oldest() -> None:
    rows = [a_row(number, 1_000) for number in range(VALIDATORS_MAX + 5)]
    rows[102] = a_row(102, 1_001)
    members = [a_member(number, 1_000) for number in range(3)]
    after: list[Member] = members
    for _ in range(60):
        after = next_members(NETWORK, after, sorted(rows))
    assert [each.validator for each in after] == [name(number) for number in (*range(99), 102)]


def test_who_is_better_staked_waits_until_a_place_is_free() -> None:
    rows = [a_row(number, 1_000 + number) for number in range(VALIDATORS_MAX + 1)]
    members = [a_member(number, 1_000 + number) for number in range(VALIDATORS_MAX)]
    members[0] = a_member(0, 50_000)
    after, sizes = members, []
    for _ in range(10):
        if after[0].validator != name(0):
            break
        sizes.append(len(after))
        after = next_members(NETWORK, after, sorted(rows))
        assert name(100) not in [each.validator for each in after] or len(after) == VALIDATORS_MAX
    assert set(sizes) == {VALIDATORS_MAX}
    assert len(sizes) > 1
    assert name(100) in [each.validator for each in next_members(NETWORK, after, sorted(rows))]


def test_members_with_next_to_no_weight_give_way_to_several_newcomers() -> None:
    rows = [*(a_row(number, 0, LEAVING) for number in range(4)), a_row(4, 10**12), a_row(5, 10**12)]
    members = [a_member(number, 3) for number in range(4)]
    for _ in range(400):
        members = next_members(NETWORK, members, sorted(rows))
    assert [(each.validator, each.weight) for each in members] == [(name(4), 10**12), (name(5), 10**12)]


def test_nobody_comes_in_while_no_place_is_free() -> None:
    leaving = [a_row(0, 0, LEAVING), a_row(1, 0, LEAVING)]
    rows = [*leaving, *(a_row(number, 1) for number in range(2, VALIDATORS_MAX + 1))]
    members = [a_member(0, 5), a_member(1, 5), *(a_member(number, 1) for number in range(2, VALIDATORS_MAX))]
    # The limit is 3 of 108: the two lose 1 and 2.
    after = chosen(members, rows, Parameters(validator_bond_min=1, churn_bps=300))
    assert (after[0], after[1], len(after)) == (4, 3, VALIDATORS_MAX)


def test_the_last_validators_never_go_altogether() -> None:
    members = [a_member(0, 3), a_member(1, 1)]
    rows = [a_row(0, 0, LEAVING), a_row(1, 0, BANNED)]
    for _ in range(10):
        members = next_members(NETWORK, members, sorted(rows))
        assert members


STATES = st.sampled_from([READY, READY, READY, JAILED, BANNED, LEAVING])
STAKES = st.sampled_from([0, 1, 9, 10, 11, 500, KARAT, 10**6 * KARAT])


@given(
    st.lists(st.tuples(STAKES, STATES, st.none() | st.integers(1, 10**6 * KARAT)), min_size=1, max_size=12),
    st.integers(1, 3_300),
)
def test_whatever_is_asked_no_more_than_the_limit_moves_and_somebody_stays(
    people: list[tuple[int, ValidatorState, int | None]], churn_bps: int
) -> None:
    rows = [a_row(number, stake, state) for number, (stake, state, _) in enumerate(people)]
    members = [a_member(number, weight) for number, (*_, weight) in enumerate(people) if weight is not None]
    if not members:
        return
    after = next_members(Parameters(validator_bond_min=10, churn_bps=churn_bps), members, sorted(rows))
    before = {each.validator: each.weight for each in members}
    now = {each.validator: each.weight for each in after}
    moved = sum(abs(now.get(who, 0) - before.get(who, 0)) for who, _ in rows)
    assert after
    assert moved <= max(2, sum(before.values()) * churn_bps // BASIS)
    numbers = {address: row.number for address, row in rows}
    assert [numbers[each.validator] for each in after] == sorted(numbers[each.validator] for each in after)
