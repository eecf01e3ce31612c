"""What the last block of an epoch does: pay and judge it, fix the set of the epoch after the next, begin the next."""

from ledger.moment import Moment
from ledger.records import Tip
from ledger.stake.epochs import EpochSet, begun, kept_epochs, seed_of
from ledger.stake.records import ValidatorState
from ledger.stake.rewards import jail_absent, pay
from ledger.stake.selection import next_members
from ledger.state import EPOCH, TOTALS, change, epoch_set_key, roll_key, tip_key

PARTED = (ValidatorState.LEAVING, ValidatorState.BANNED)


def is_over(moment: Moment) -> bool:
    """Tell whether the block that is being executed ends its epoch (Q1)."""
    return moment.time_ms >= moment.state.epoch().started_ms + moment.parameters.epoch_ms


def end_epoch(moment: Moment) -> None:
    """Carry out the end of the running epoch, after everything else in its last block (Q1, Q3)."""
    state, ended, running = moment.state, moment.state.epoch(), moment.state.validators()
    pay(moment, ended, running)
    jail_absent(moment, ended, running)
    begins = state.validators(ahead=1)
    _fix_set(moment, ended.number + 2, begins)
    oldest = ended.number - kept_epochs(moment.parameters)
    if oldest >= 0:
        state.put(epoch_set_key(oldest), None)  # Q5
    for member in begins.members:
        _use_onion(moment, member.validator, member.onion)
    state.put(EPOCH, begun(ended.number + 1, moment.time_ms, len(begins.members)))


def _fix_set(moment: Moment, epoch: int, before: EpochSet) -> None:
    """Write the set of an epoch, and take validators off the roll who have parted and have no place (Q3, Q18)."""
    state, registered = moment.state, list(moment.state.registered_validators())
    members = next_members(moment.parameters, before.members, registered)
    fixed = EpochSet(epoch=epoch, seed=seed_of(moment.beacon, epoch), members=members)
    state.put(epoch_set_key(epoch), fixed)
    for address, validator in registered:
        named = before.index_of(address) is not None or fixed.index_of(address) is not None
        if validator.state in PARTED and not named:
            state.put(roll_key(address), None)
            totals = state.totals()
            state.put(TOTALS, change(totals, validators=totals.validators - 1))


def _use_onion(moment: Moment, validator: bytes, onion: bytes) -> None:
    """Let a validator's reveals begin at the onion that the new set names, unless they have (L45)."""
    tip = moment.state.find(Tip, tip_key(validator))
    if tip is None:
        tip = Tip(onion=onion, last=onion, reveals=0, height=0)
    elif tip.onion != onion:
        tip = change(tip, onion=onion, last=onion, reveals=0)
    else:
        return
    moment.state.put(tip_key(validator), tip)
