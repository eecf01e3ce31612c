"""What the last block of an epoch does: the next epoch begins, and the set of the one after it is fixed (Q1, Q3)."""

from ledger.moment import Moment
from ledger.records import Tip
from ledger.stake.epochs import EpochSet, begun, kept_epochs, seed_of
from ledger.state import EPOCH, change, epoch_set_key, tip_key


def is_over(moment: Moment) -> bool:
    """Tell whether the block that is being executed ends its epoch (Q1)."""
    return moment.time_ms >= moment.state.epoch().started_ms + moment.parameters.epoch_ms


def end_epoch(moment: Moment) -> None:
    """Fix the set of the epoch after the next, and begin the next."""
    state, ended = moment.state, moment.state.epoch().number
    fixed = EpochSet(
        epoch=ended + 2,
        seed=seed_of(moment.beacon, ended + 2),
        members=state.validators(ahead=1).members,
    )
    state.put(epoch_set_key(ended + 2), fixed)
    oldest = ended - kept_epochs(moment.parameters)
    if oldest >= 0:
        state.put(epoch_set_key(oldest), None)  # Q5
    begins = state.validators(ahead=1)
    for member in begins.members:
        _use_onion(moment, member.validator, member.onion)
    state.put(EPOCH, begun(ended + 1, moment.time_ms, len(begins.members)))


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
