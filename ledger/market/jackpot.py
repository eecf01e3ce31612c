"""What verifiers get who found a canary: out of the protocol's pot, within bounds (J93)."""

from ledger.market.verdicts import verdict_of
from ledger.moment import Moment, credit
from ledger.parameters import Parameters
from ledger.records import Job, Payout, PayoutKind
from ledger.state import JACKPOT, TOTALS, State, change, number
from ledger.transaction import Decision
from primitives.record import Record
from primitives.units import BASIS, U64, mul_div_floor


class Jackpots(Record):
    """What canaries have paid out of the protocol's pot in an epoch; its number is the key."""

    paid: U64


def jackpots_key(epoch: int) -> bytes:
    """Return the key of an epoch's jackpots."""
    return JACKPOT + number(epoch)


def pay_jackpots(moment: Moment, job: Job) -> Job:
    """Pay those who rejected a canary's values, and are not at fault, as far as pot and epoch's share reach (J93)."""
    lost = [each.worker for each in job.penalties]
    rejected = [each.worker for each in job.verifiers if verdict_of(job, each) is Decision.REJECT]
    finders = [each for each in rejected if each not in lost]
    state = moment.state
    key = jackpots_key(state.epoch().number)
    before = state.find(Jackpots, key) or Jackpots(paid=0)
    amount = min(moment.parameters.canary_jackpot, _left(state, moment.parameters, before) // max(1, len(finders)))
    if amount == 0 or not finders:
        return job
    totals = state.totals()
    state.put(TOTALS, change(totals, protocol=totals.protocol - amount * len(finders)))
    state.put(key, Jackpots(paid=before.paid + amount * len(finders)))
    for finder in finders:
        credit(state, finder, amount)
    paid = [Payout(kind=PayoutKind.JACKPOT, to=finder, amount=amount) for finder in finders]
    return change(job, payouts=[*job.payouts, *paid])


def _left(state: State, parameters: Parameters, jackpots: Jackpots) -> int:
    """Return what jackpots may still take in this epoch: a share of what the pot would hold without them (J93)."""
    pot = state.totals().protocol
    share = mul_div_floor(pot + jackpots.paid, parameters.canary_epoch_bps, BASIS)
    return max(0, min(pot, share - jackpots.paid))
