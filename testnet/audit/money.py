"""What each ending of a job costs whom, from J40 to J56 and J94, X46 to X55."""

from typing import NamedTuple

from testnet.audit.holdings import End, Holdings, Job, Part

BASIS = 10_000
RUN_MS_PER_FEE, RUNS_LOCKED = 4_000, 20
BURNED, POT = b"burned", b"pot"
"""Stand for an address."""


class Payout(NamedTuple):
    """Grains that leave an escrow or a lost bond."""

    to: bytes
    amount: int
    spent: bool = False
    """The client's money went for it, and not back to the client."""


class Ending(NamedTuple):
    """How a job's money moves."""

    payouts: list[Payout]
    losses: list[tuple[bytes, int]]


def fee_of(holdings: Holdings, gas: int) -> int:
    """Return what a verifier earns with a run: for each second, and once at least (J10)."""
    return holdings.tell("verifier_fee") * max(1, -(-gas // 1_000_000))


def run_fee(holdings: Holdings, job: Job) -> int:
    """Return what a canonical run earns (X56)."""
    return holdings.tell("verifier_fee") * (1 - (-job.run_ms // RUN_MS_PER_FEE))


def provider_lock(holdings: Holdings, job: Job, price: int) -> int:
    """Return what a provider locks (J11)."""
    stake = max(job.bond_multiple * (price + job.at_risk), RUNS_LOCKED * run_fee(holdings, job))
    return stake + job.k * job.fee


def verifier_lock(holdings: Holdings, fee: int) -> int:
    """Return what a verifier that earns a fee locks (J12)."""
    return holdings.tell("verifier_bond_multiple") * fee


def ending(holdings: Holdings, job: Job, outcome: End) -> Ending:
    """Return how a job's money moves if it ends so."""
    fee = job.fee
    silent = [each for each in job.verifiers if job.verdict_of(each) is None]
    match outcome:
        case End.SETTLED | End.UNCHALLENGED:
            out = [*_price(holdings, job), *_fees(job.accepts, fee)]
            rest = [each for each in job.verifiers if each not in job.accepts]
            return _with_rest(job, out, lost_by_silence(holdings, rest))
        case End.CLEARED:
            return _with_rest(job, [*_price(holdings, job), *_fees(_unrefuted(job), fee)], [])
        case End.ILL_CONDITIONED:
            out = [Payout(job.provider, min(fee, job.price)), *_fees(_unrefuted(job), fee)]
            return _with_rest(job, out, [])
        case End.PROVIDER_SILENT_AFTER_ACCEPT | End.PROVIDER_SILENT_AT_REVEAL:
            return _provider_silent(holdings, job, fee)
        case End.NO_VERIFIER_COMMITTED:
            return _refunded(job, lost_by_silence(holdings, job.verifiers), [], fee)
        case End.REJECTED | End.TOO_FEW_REVEALS:
            agreed = not job.accepts and len(job.rejects) > 1  # J56
            losers = [*silent, *([] if agreed else job.rejects)]
            return _refunded(job, lost_by_silence(holdings, losers), job.accepts, fee)
        case End.CANARY:
            if job.outcome is not None:
                return Ending([], [])
            losses = [] if job.ruled is not None else lost_by_silence(holdings, silent)
            right = [each for each in (*job.accepts, *job.rejects) if each.worker not in job.lost]
            return _with_rest(job, _fees(right, fee), losses)
        case End.WITHHELD:
            return _withheld(job, fee)
        case _:
            return _refunded(job, [], [], fee)  # J44, X46, X48


def _withheld(job: Job, fee: int) -> Ending:
    """Return what a provider loses that withholds: all, of which the client is made whole first (H30)."""
    losses = [(job.provider, job.provider_locked)]
    if job.escrow:
        return _refunded(job, losses, [each for each in job.verifiers if each.commitment is not None], fee)
    whole = min(job.paid_out, job.provider_locked)
    return Ending([Payout(job.client, whole), Payout(BURNED, job.provider_locked - whole)], losses)


def lost_by_silence(holdings: Holdings, silent: list[Part]) -> list[tuple[bytes, int]]:
    """Return what verifiers lose who did not do their part (J43)."""
    return [(each.worker, each.locked * holdings.tell("no_reveal_bps") // BASIS) for each in silent]


def _price(holdings: Holdings, job: Job) -> list[Payout]:
    """Return what the price is parted into (J40)."""
    owner = job.price * holdings.tell("owner_share_bps") // BASIS
    pot = job.price * holdings.tell("protocol_share_bps") // BASIS
    return [
        Payout(job.provider, job.price - owner - pot, spent=True),
        Payout(holdings.publisher(job), owner, spent=True),
        Payout(POT, pot, spent=True),
    ]


def _fees(parts: list[Part], fee: int) -> list[Payout]:
    return [Payout(each.worker, fee, spent=True) for each in parts]


def _unrefuted(job: Job) -> list[Part]:
    """Return the verifiers whose verdict no dispute has refuted (X47)."""
    return [each for each in job.verifiers if job.verdict_of(each) is not None and each.worker not in job.lost]


def _with_rest(job: Job, payouts: list[Payout], losses: list[tuple[bytes, int]]) -> Ending:
    """Give the rest of the escrow back to the client, and burn what is lost (J40, J45)."""
    rest = job.escrow - sum(each.amount for each in payouts)
    burned = Payout(BURNED, sum(amount for _, amount in losses))
    return Ending([*payouts, Payout(job.client, rest), burned], losses)


def _provider_silent(holdings: Holdings, job: Job, fee: int) -> Ending:
    """Return what a provider loses that falls silent (J42)."""
    committed = [each for each in job.verifiers if each.commitment is not None]
    silent = [each for each in job.verifiers if each.commitment is None]
    half = job.provider_locked * holdings.tell("no_show_bps") // BASIS
    lost = min(job.provider_locked, max(half, len(committed) * fee))
    return _refunded(job, [(job.provider, lost), *lost_by_silence(holdings, silent)], committed, fee)


def _refunded(job: Job, losses: list[tuple[bytes, int]], paid: list[Part], fee: int) -> Ending:
    """Refund the escrow; pay verifiers out of what others lost as far as it reaches, and burn the rest (J43, J45)."""
    left = sum(amount for _, amount in losses)
    payouts = [Payout(job.client, job.escrow)]
    for each in paid:
        payouts.append(Payout(each.worker, min(fee, left)))
        left -= min(fee, left)
    return Ending([*payouts, Payout(BURNED, left)], losses)


def pay(holdings: Holdings, payout: Payout) -> None:
    """Pay an account or a pot."""
    if payout.to == BURNED:
        holdings.burned += payout.amount
    elif payout.to == POT:
        holdings.protocol += payout.amount
    else:
        holdings.give(payout.to, payout.amount)


def pay_jackpots(holdings: Holdings, job: Job) -> None:
    """Pay those who rejected a canary, within the bounds of the pot (J93)."""
    finders = [each.worker for each in job.rejects if each.worker not in job.lost]
    before = holdings.jackpots[holdings.epoch]
    share = (holdings.protocol + before) * holdings.tell("canary_epoch_bps") // BASIS
    left = max(0, min(holdings.protocol, share - before))
    each_gets = min(holdings.tell("canary_jackpot"), left // max(1, len(finders)))
    for finder in finders:
        holdings.give(finder, each_gets)
        holdings.protocol -= each_gets
        holdings.jackpots[holdings.epoch] += each_gets
