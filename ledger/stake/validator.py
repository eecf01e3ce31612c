"""Validators: registration, keys and terms, exit, return from jail (Q10, Q11, Q17)."""

from ledger.limits import REGISTERED_VALIDATORS_MAX
from ledger.moment import Moment
from ledger.records import Marker
from ledger.stake.delegation import add_stake
from ledger.stake.keys import take_key, take_onion
from ledger.stake.lifecycle import ValidatorEvent, advance, known_validator
from ledger.stake.records import Validator, ValidatorState
from ledger.state import TOTALS, change, roll_key, validator_key
from ledger.transaction import ValidatorRegister, ValidatorUpdate
from primitives.reasons import Reason, Refused


def register(moment: Moment, sender: bytes, payload: ValidatorRegister) -> None:
    """Make the sender a validator, or one that is leaving stay (Q10).

    Raises Refused VALIDATOR_EXISTS, BOND_TOO_SMALL, BUSY, BAD_KEY, BAD_SIGNATURE, KEY_TAKEN, STILL_JAILED,
    INSUFFICIENT_BALANCE.
    """
    state = moment.state
    known = state.validator(sender)
    if known is not None and known.state is not ValidatorState.LEAVING:
        raise Refused(Reason.VALIDATOR_EXISTS, validator=sender, seen=known.state.name.lower())
    if payload.bond < moment.parameters.validator_bond_min:
        raise Refused(Reason.BOND_TOO_SMALL, seen=payload.bond, wanted=moment.parameters.validator_bond_min)
    _put_on_roll(moment, sender)
    before = known or _new(moment, payload)
    same_onion = known is not None and known.onion == payload.onion
    named = change(
        before,
        key=take_key(moment, sender, payload.key),
        peer=take_key(moment, sender, payload.peer),
        onion=payload.onion if same_onion else take_onion(moment, sender, payload.onion),
        commission=payload.commission,
    )
    ready = advance(moment, sender, named, ValidatorEvent.REGISTER)
    add_stake(moment, sender, sender, ready, payload.bond)


def _put_on_roll(moment: Moment, address: bytes) -> None:
    """Have the ends of epochs look at a validator, which they may do already. Raises Refused BUSY (Q10, Q18)."""
    state, totals = moment.state, moment.state.totals()
    if state.find(Marker, roll_key(address)) is not None:
        return
    if totals.validators >= REGISTERED_VALIDATORS_MAX:
        wanted = f"fewer than {REGISTERED_VALIDATORS_MAX} validators"
        raise Refused(Reason.BUSY, seen=totals.validators, wanted=wanted)
    state.put(roll_key(address), Marker())
    state.put(TOTALS, change(totals, validators=totals.validators + 1))


def _new(moment: Moment, payload: ValidatorRegister) -> Validator:
    """Return a row for one more validator, in the state before its first."""
    totals = moment.state.totals()
    moment.state.put(TOTALS, change(totals, registrations=totals.registrations + 1))
    return Validator(
        number=totals.registrations,
        key=payload.key.key,
        peer=payload.peer.key,
        onion=payload.onion,
        commission=payload.commission,
        state=ValidatorState.NEW,
        stake=0,
        shares=0,
        jailed_until_ms=0,
    )


def update(moment: Moment, sender: bytes, payload: ValidatorUpdate) -> None:
    """Change keys, onion and terms; the next set that is fixed has them (Q17).

    Raises Refused VALIDATOR_UNKNOWN, VALIDATOR_WRONG_STATE, BAD_KEY, BAD_SIGNATURE, KEY_TAKEN.
    """
    validator = known_validator(moment, sender)
    if validator.state is ValidatorState.BANNED:
        raise Refused(Reason.VALIDATOR_WRONG_STATE, seen=validator.state.name.lower(), wanted="not banned")
    if payload.key is not None:
        validator = change(validator, key=take_key(moment, sender, payload.key))
    if payload.peer is not None:
        validator = change(validator, peer=take_key(moment, sender, payload.peer))
    if payload.onion is not None:
        validator = change(validator, onion=take_onion(moment, sender, payload.onion))
    if payload.commission is not None:
        validator = change(validator, commission=payload.commission)
    moment.state.put(validator_key(sender), validator)


def leave(moment: Moment, sender: bytes) -> None:
    """Take the operator's stake out; the validator fades from the sets (Q20). Raises Refused VALIDATOR_*, BUSY."""
    advance(moment, sender, known_validator(moment, sender), ValidatorEvent.EXIT)


def unjail(moment: Moment, sender: bytes) -> None:
    """Let a validator be chosen again. Raises Refused VALIDATOR_*, STILL_JAILED, BOND_TOO_SMALL (Q45)."""
    advance(moment, sender, known_validator(moment, sender), ValidatorEvent.UNJAIL)
