import pytest

from ledger.stake.lifecycle import LIFE_CYCLE, ValidatorEvent
from ledger.stake.records import ValidatorState

OWN = (ValidatorEvent.REGISTER, ValidatorEvent.EXIT, ValidatorEvent.UNJAIL)
"""Events that an operator causes alone, whenever it wants or its time in jail is over."""


@pytest.mark.parametrize("state", ValidatorState, ids=lambda state: state.name)
def test_q16_from_every_state_its_own_operator_and_delegators_come_to_the_end(state: ValidatorState) -> None:
    reached = {state}
    for _ in ValidatorState:
        reached |= {row.next for row in LIFE_CYCLE.rows if row.state in reached and row.event in OWN}
    assert reached & {ValidatorState.LEAVING, ValidatorState.BANNED}  # and off the roll then (Q18)


def test_an_offence_is_punished_in_every_state_that_has_stake_and_a_ban_is_for_good() -> None:
    for state in set(ValidatorState) - {ValidatorState.NEW}:
        (row,) = [row for row in LIFE_CYCLE.rows if row.state is state and row.event is ValidatorEvent.CONVICT]
        assert row.next is ValidatorState.BANNED
    after = {row.next for row in LIFE_CYCLE.rows if row.state is ValidatorState.BANNED}
    assert after == {ValidatorState.BANNED}
