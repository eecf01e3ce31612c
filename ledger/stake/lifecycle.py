"""The life of a validator as a table: transitions, the diagram in the docs and the test for dead ends (Q16)."""

import enum

from ledger.moment import Moment, burn
from ledger.stake.records import Validator, ValidatorState
from ledger.stake.shares import grains_of, take_out
from ledger.state import TOTALS, change, validator_key
from ledger.transitions import ALWAYS, NOTHING, Effect, Guard, Table, rows
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, mul_div_floor


class ValidatorEvent(enum.IntEnum):
    """What moves a validator."""

    REGISTER = 1
    EXIT = 2
    UNJAIL = 3
    ABSENT = 4
    CONVICT = 5


def _jail_is_over(moment: Moment, validator: Validator) -> bool:
    if moment.time_ms < validator.jailed_until_ms:
        raise Refused(Reason.STILL_JAILED, seen=moment.time_ms, wanted=validator.jailed_until_ms)
    return True


def _jail_is_over_and_stake_suffices(moment: Moment, validator: Validator) -> bool:
    if _jail_is_over(moment, validator) and validator.stake < moment.parameters.validator_bond_min:
        raise Refused(Reason.BOND_TOO_SMALL, seen=validator.stake, wanted=moment.parameters.validator_bond_min)
    return True


def _jail(moment: Moment, address: bytes, validator: Validator) -> Validator:  # noqa: ARG001 - the shape of an effect
    """Burn a little of the stake, and begin the time in jail (Q43)."""
    lost = mul_div_floor(validator.stake, moment.parameters.absence_bps, BASIS)
    remove_staked(moment, lost)
    burn(moment.state, lost)
    until = moment.time_ms + moment.parameters.jail_ms
    return change(validator, stake=validator.stake - lost, jailed_until_ms=until)


def _unbond_own(moment: Moment, address: bytes, validator: Validator) -> Validator:
    """Take all of the operator's own stake out (Q14)."""
    shares = moment.state.delegation(address, address)
    grains = grains_of(validator, shares)
    remove_staked(moment, grains)
    due_ms = moment.time_ms + moment.parameters.unbonding_ms
    return take_out(moment.state, address, address, validator, shares=shares, grains=grains, due_ms=due_ms)


def remove_staked(moment: Moment, grains: int) -> None:
    """Take grains off the sum of all validators' stake."""
    totals = moment.state.totals()
    moment.state.put(TOTALS, change(totals, staked=totals.staked - grains))


JAIL_OVER = Guard(words="no time in jail is left", holds=_jail_is_over)
MAY_RETURN = Guard(words="no time in jail is left, and the stake suffices", holds=_jail_is_over_and_stake_suffices)

JAIL = Effect(words="burn a little of the stake, begin a time in jail", act=_jail)
UNBOND_OWN = Effect(words="unbond the operator's own stake", act=_unbond_own)

S, E = ValidatorState, ValidatorEvent
LIFE_CYCLE: Table[ValidatorState, ValidatorEvent, Validator] = Table(
    first=S.NEW,
    final=(),
    by_itself=(),
    rows=rows(
        (S.NEW, E.REGISTER, ALWAYS, S.READY, NOTHING),
        (S.READY, E.EXIT, ALWAYS, S.LEAVING, UNBOND_OWN),
        (S.READY, E.ABSENT, ALWAYS, S.JAILED, JAIL),
        (S.READY, E.CONVICT, ALWAYS, S.BANNED, NOTHING),
        (S.JAILED, E.UNJAIL, MAY_RETURN, S.READY, NOTHING),
        (S.JAILED, E.EXIT, ALWAYS, S.LEAVING, UNBOND_OWN),
        (S.JAILED, E.CONVICT, ALWAYS, S.BANNED, NOTHING),
        (S.LEAVING, E.REGISTER, JAIL_OVER, S.READY, NOTHING),
        (S.LEAVING, E.CONVICT, ALWAYS, S.BANNED, NOTHING),
        (S.BANNED, E.EXIT, ALWAYS, S.BANNED, UNBOND_OWN),
        (S.BANNED, E.CONVICT, ALWAYS, S.BANNED, NOTHING),
    ),
)


def known_validator(moment: Moment, address: bytes) -> Validator:
    """Return the validator with this address. Raises Refused VALIDATOR_UNKNOWN."""
    validator = moment.state.validator(address)
    if validator is None:
        raise Refused(Reason.VALIDATOR_UNKNOWN, validator=address)
    return validator


def advance(moment: Moment, address: bytes, validator: Validator, event: ValidatorEvent) -> Validator:
    """Write and return the validator after an event.

    Raises Refused VALIDATOR_WRONG_STATE where its state does not know the event, and what the guard does.
    """
    LIFE_CYCLE.expect(validator.state, event, Reason.VALIDATOR_WRONG_STATE)
    row = LIFE_CYCLE.row(moment, validator, validator.state, event)
    after = change(row.effect.act(moment, address, validator), state=row.next)
    moment.state.put(validator_key(address), after)
    return after
