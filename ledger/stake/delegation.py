"""Delegation: anybody's grains behind a validator, in and out (Q12 to Q15)."""

from ledger.limits import SWEEP_PAYOUTS_MAX
from ledger.moment import Moment, credit, debit
from ledger.stake.lifecycle import known_validator, remove_staked
from ledger.stake.records import Validator, ValidatorState
from ledger.stake.shares import grains_of, pay_claim, put_in, shares_of, take_out
from ledger.state import TOTALS, change, validator_key
from ledger.transaction import Delegate, Undelegate
from primitives.reasons import Reason, Refused

STAKED_IN = (ValidatorState.READY, ValidatorState.JAILED)
"""The states in which a validator takes stake."""


def delegate(moment: Moment, sender: bytes, payload: Delegate) -> None:
    """Add the sender's grains to a validator's stake (Q12).

    Raises Refused VALIDATOR_UNKNOWN, VALIDATOR_WRONG_STATE, ZERO_AMOUNT, TOO_LARGE, INSUFFICIENT_BALANCE.
    """
    validator = known_validator(moment, payload.validator)
    if validator.state not in STAKED_IN:
        wanted = " or ".join(state.name.lower() for state in STAKED_IN)
        raise Refused(Reason.VALIDATOR_WRONG_STATE, seen=validator.state.name.lower(), wanted=wanted)
    if payload.amount == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="more than 0")
    add_stake(moment, sender, payload.validator, validator, payload.amount)


def add_stake(moment: Moment, delegator: bytes, address: bytes, validator: Validator, grains: int) -> None:
    """Move grains from an account's balance to a validator's stake.

    Raises Refused INSUFFICIENT_BALANCE, ZERO_AMOUNT, TOO_LARGE.
    """
    state = moment.state
    debit(state, delegator, grains)
    state.put(validator_key(address), put_in(state, delegator, address, validator, grains))
    totals = state.totals()
    state.put(TOTALS, change(totals, staked=totals.staked + grains))


def undelegate(moment: Moment, sender: bytes, payload: Undelegate) -> None:
    """Start to take the sender's grains out of a validator's stake (Q13, Q14).

    Raises Refused VALIDATOR_UNKNOWN, DELEGATION_UNKNOWN, ZERO_AMOUNT, BOND_TOO_SMALL, BUSY.
    """
    validator = known_validator(moment, payload.validator)
    held = moment.state.delegation(sender, payload.validator)
    if held == 0:
        raise Refused(Reason.DELEGATION_UNKNOWN, validator=payload.validator)
    if payload.amount == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="more than 0")
    if payload.amount is None:
        shares, grains = held, grains_of(validator, held)
    else:
        shares, grains = shares_of(validator, payload.amount), payload.amount
        if shares == validator.shares and grains < validator.stake:
            grains = validator.stake  # nobody stays to whom the rest could belong (Q13)
    if shares > held or grains > validator.stake:
        raise Refused(Reason.BOND_TOO_SMALL, seen=grains_of(validator, held), wanted=payload.amount)
    if sender == payload.validator and validator.state in STAKED_IN:
        _check_own(moment, validator, held - shares)
    remove_staked(moment, grains)
    due_ms = moment.time_ms + moment.parameters.unbonding_ms
    after = take_out(moment.state, sender, payload.validator, validator, shares=shares, grains=grains, due_ms=due_ms)
    moment.state.put(validator_key(payload.validator), after)


def _check_own(moment: Moment, validator: Validator, left: int) -> None:
    """Raise Refused BOND_TOO_SMALL if an operator that stays would keep less than the least bond (Q10)."""
    own = grains_of(validator, left)
    if own < moment.parameters.validator_bond_min:
        wanted = f"{moment.parameters.validator_bond_min}, or an exit"
        raise Refused(Reason.BOND_TOO_SMALL, seen=own, wanted=wanted)


def pay_unbonded(moment: Moment) -> None:
    """Pay out what was taken out an unbonding time ago (Q15)."""
    state = moment.state
    for due_ms, delegator, validator, claim in list(state.claims(limit=SWEEP_PAYOUTS_MAX)):
        if due_ms > moment.time_ms:
            break
        credit(state, delegator, pay_claim(state, delegator, validator, due_ms, claim))
