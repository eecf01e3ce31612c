"""What validators earn for blocks and lose by absence, counted view by view (Q40 to Q44)."""

from collections.abc import Sequence

from ledger.moment import Moment, credit
from ledger.stake.epochs import Epoch, EpochSet, instance_of
from ledger.stake.lifecycle import ValidatorEvent, advance
from ledger.stake.records import Validator, ValidatorState
from ledger.state import EPOCH, TOTALS, change, validator_key
from primitives.units import BASIS, mul_div_floor

MILLION = 1_000_000
EARNING = (ValidatorState.READY, ValidatorState.LEAVING)
"""The states in which a validator is paid for its blocks."""
SHARE_GRAINS_MAX = 1_000
"""What a share may be worth by rewards, from one grain when there was none: what rounding takes of a delegation stays
far below a fee, though the rewards of much weight that is leaving may come to the last share (Q41)."""
HALTED_PART = 3
"""Where more than this part (a third) of the weight is absent, the network was at fault (Q44)."""


def count_views(moment: Moment, proposer: int, skipped: Sequence[int]) -> None:
    """Count a block for its proposer (by index), and the skipped views against their leaders (Q42)."""
    state = moment.state
    epoch, epoch_set = state.epoch(), state.validators()
    proposed, missed = list(epoch.proposed), list(epoch.missed)
    proposed[proposer] += 1
    if skipped and len(skipped) < len(missed):
        validators = instance_of(moment.charter.hash, epoch_set).validators
        for view in skipped:
            missed[validators.leader(view)] += 1
    state.put(EPOCH, change(epoch, proposed=proposed, missed=missed))


def pay(moment: Moment, epoch: Epoch, epoch_set: EpochSet) -> None:
    """Pay an epoch's blocks out of the reward pot (Q40, Q41)."""
    state = moment.state
    pot = mul_div_floor(state.totals().rewards, moment.parameters.reward_ppm, MILLION)
    views = sum(epoch.proposed) + sum(epoch.missed)
    for member, blocks in zip(epoch_set.members, epoch.proposed, strict=True):
        validator = state.validator(member.validator)
        reward = mul_div_floor(pot, blocks, views) if blocks else 0
        if validator is not None and validator.state in EARNING and reward:
            _pay_one(moment, member.validator, validator, reward)


def _pay_one(moment: Moment, address: bytes, validator: Validator, reward: int) -> None:
    """Give the operator its commission and add the rest to the stake, as far as its shares can bear it (Q41)."""
    state = moment.state
    room = max(0, validator.shares * SHARE_GRAINS_MAX - validator.stake)
    added = min(reward - mul_div_floor(reward, validator.commission, BASIS), room)
    if added < reward:
        credit(state, address, reward - added)
    state.put(validator_key(address), change(validator, stake=validator.stake + added))
    totals = state.totals()
    state.put(TOTALS, change(totals, rewards=totals.rewards - reward, staked=totals.staked + added))


def jail_absent(moment: Moment, epoch: Epoch, epoch_set: EpochSet) -> None:
    """Jail who missed more than half of its views, unless that is more than a third of the weight (Q43, Q44)."""
    least = max(1, moment.parameters.absence_views_min)
    absent = [
        member
        for member, blocks, missed in zip(epoch_set.members, epoch.proposed, epoch.missed, strict=True)
        if missed >= least and missed > blocks
    ]
    if HALTED_PART * sum(member.weight for member in absent) > epoch_set.weight:
        return
    for member in absent:
        validator = moment.state.validator(member.validator)
        if validator is not None and validator.state is ValidatorState.READY:
            advance(moment, member.validator, validator, ValidatorEvent.ABSENT)
