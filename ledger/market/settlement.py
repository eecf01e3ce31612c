"""What each ending of a job costs whom: pure arithmetic over the job's record (J40)."""

from dataclasses import dataclass
from typing import assert_never

from ledger.market.verdicts import agreed_to_reject, verdict_of
from ledger.market.withheld.money import withheld_payouts
from ledger.parameters import Parameters
from ledger.records import Job, Outcome, Payout, PayoutKind, Penalty, Verifier
from ledger.transaction import Decision
from primitives.units import BASIS, mul_div_floor

GAS_PER_FEE = 1_000_000
"""Each second of a run earns a fee: a verifier is paid more than a run costs it, however long it is (J10)."""
RUN_MS_PER_FEE = 4_000
"""What a run may take for each second of its canonical gas (J7)."""
RUNS_LOCKED_MIN = 20
"""Fees of canonical runs that a provider's bond holds at least: four are those of a dispute, the rest its carriage."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job's money moves at its end: payouts add up to the escrow and the penalties together."""

    payouts: list[Payout]
    penalties: list[Penalty]


def fee_of(parameters: Parameters, gas: int) -> int:
    """Return what a verifier earns with a run of so much gas: a fee for each second of it, rounded up, or one (J10)."""
    return parameters.verifier_fee * max(1, -(-gas // GAS_PER_FEE))


def run_fee_of(parameters: Parameters, run_ms: int) -> int:
    """Return what a run for a dispute earns: canonical, and with all its results told, so a fee more (X56)."""
    return parameters.verifier_fee + parameters.verifier_fee * -(-run_ms // RUN_MS_PER_FEE)


def escrow_of(k: int, max_price: int, fee: int) -> int:
    """Return what a client pays in with a job of `k` verifiers who earn `fee` each (J10)."""
    return max_price + k * fee


def provider_lock(job: Job, price: int) -> int:
    """Return what a provider locks of its bond: enough to pay those who convict it, however cheap the job (J11)."""
    stake = max(job.bond_multiple * (price + job.at_risk), RUNS_LOCKED_MIN * job.run_fee)
    return stake + job.k * job.verifier_fee


def verifier_lock(parameters: Parameters, fee: int) -> int:
    """Return what a verifier that earns `fee` locks of its bond (J12)."""
    return parameters.verifier_bond_multiple * fee


def ending(job: Job, outcome: Outcome, parameters: Parameters, *, owner: bytes) -> Ending:
    """Return how the job's money moves if it ends so; `owner` published the model."""
    match outcome:
        case Outcome.SETTLED | Outcome.UNCHALLENGED:
            return _settled(job, parameters, owner)
        case Outcome.CLEARED:
            return _after_disputes(job, _price_parts(job, parameters, owner))  # X47
        case Outcome.ILL_CONDITIONED:
            return _after_disputes(job, [_run_cost(job)])  # X53
        case (
            Outcome.NOT_ACCEPTED
            | Outcome.NOT_DRAWN
            | Outcome.DECLINED
            | Outcome.CONVICTED
            | Outcome.GREY
            | Outcome.UNDECIDED
        ):  # J44; X46; X48: verifiers are paid out of what was lost
            return _refunded(job, penalties=[], paid=[])
        case Outcome.PROVIDER_SILENT_AFTER_ACCEPT | Outcome.PROVIDER_SILENT_AT_REVEAL:
            return _provider_silent(job, parameters)
        case Outcome.NO_VERIFIER_COMMITTED:
            return _refunded(job, penalties=lost_by_silence(job.verifiers, parameters), paid=[])  # J43
        case Outcome.REJECTED | Outcome.TOO_FEW_REVEALS:
            accepted, silent = _parted(job)
            if agreed_to_reject(job):
                silent = [each for each in silent if verdict_of(job, each) is None]
            return _refunded(job, penalties=lost_by_silence(silent, parameters), paid=accepted)  # J43
        case Outcome.CANARY:
            return _canary(job, parameters)
        case Outcome.WITHHELD:
            payouts, penalties = withheld_payouts(job)
            return _ending(payouts, penalties)  # H30
        case _:
            assert_never(outcome)


def _price_parts(job: Job, parameters: Parameters, owner: bytes) -> list[Payout]:
    """Return what the price is parted into; the shares round down, to the provider's good (J40)."""
    assert job.provider is not None
    owner_share = mul_div_floor(job.price, parameters.owner_share_bps, BASIS)
    protocol_share = mul_div_floor(job.price, parameters.protocol_share_bps, BASIS)
    return [
        Payout(kind=PayoutKind.PRICE, to=job.provider, amount=job.price - owner_share - protocol_share),
        Payout(kind=PayoutKind.OWNER_SHARE, to=owner, amount=owner_share),
        Payout(kind=PayoutKind.PROTOCOL_SHARE, to=None, amount=protocol_share),
    ]


def _run_cost(job: Job) -> Payout:
    """Return what the provider of an ill-conditioned job gets: as a verifier for a run, at most its price (X53)."""
    return Payout(kind=PayoutKind.RUN_COST, to=job.provider, amount=min(job.verifier_fee, job.price))


def _after_disputes(job: Job, payouts: list[Payout]) -> Ending:
    """Pay the verifiers whose verdict no dispute has refuted; what others lose, the disputes have taken (X47, X53)."""
    fees = _fees_of_the_right(job)
    rest = job.escrow - sum(each.amount for each in [*payouts, *fees])
    return _ending([*payouts, *fees, Payout(kind=PayoutKind.REFUND, to=job.client, amount=rest)], [])


def _fees_of_the_right(job: Job) -> list[Payout]:
    """Return the fees of verifiers who gave a verdict, and have lost nothing by what disputes have found."""
    lost = [each.worker for each in job.penalties]
    worked = [each for each in job.verifiers if verdict_of(job, each) is not None and each.worker not in lost]
    return [Payout(kind=PayoutKind.VERIFIER_FEE, to=each.worker, amount=job.verifier_fee) for each in worked]


def _settled(job: Job, parameters: Parameters, owner: bytes) -> Ending:
    """Pay everybody who did their part (J40, J41)."""
    payouts = _price_parts(job, parameters, owner)
    accepted, silent = _parted(job)
    payouts += [Payout(kind=PayoutKind.VERIFIER_FEE, to=each.worker, amount=job.verifier_fee) for each in accepted]
    rest = job.escrow - sum(each.amount for each in payouts)
    payouts.append(Payout(kind=PayoutKind.REFUND, to=job.client, amount=rest))
    penalties = lost_by_silence(silent, parameters)
    payouts.append(Payout(kind=PayoutKind.BURNED, to=None, amount=sum(each.amount for each in penalties)))
    return _ending(payouts, penalties)


def _canary(job: Job, parameters: Parameters) -> Ending:
    """Refund the client what it does not owe to the verifiers, whose verdict nothing has refuted (J94)."""
    if job.outcome is not None:
        return _ending([], [])  # settled before: all was paid then
    payouts = _fees_of_the_right(job)
    rest = job.escrow - sum(each.amount for each in payouts)
    payouts.append(Payout(kind=PayoutKind.REFUND, to=job.client, amount=rest))
    silent = [each for each in job.verifiers if verdict_of(job, each) is None]
    penalties = [] if job.ruled is not None else lost_by_silence(silent, parameters)  # disputes take it themselves
    payouts.append(Payout(kind=PayoutKind.BURNED, to=None, amount=sum(each.amount for each in penalties)))
    return _ending(payouts, penalties)


def _parted(job: Job) -> tuple[list[Verifier], list[Verifier]]:
    """Return the verifiers who accept, and the silent; a reject that came to no claim counts as silence (J56)."""
    accepted = [each for each in job.verifiers if verdict_of(job, each) is Decision.ACCEPT]
    return accepted, [each for each in job.verifiers if each not in accepted]


def _provider_silent(job: Job, parameters: Parameters) -> Ending:
    """Refund the client in full; the provider pays the verifiers who committed (J42)."""
    assert job.provider is not None
    committed = [each for each in job.verifiers if each.commitment is not None]
    silent = [each for each in job.verifiers if each.commitment is None]
    # Never less than what it owes the verifiers: its bond holds a fee for each of the k.
    stated = mul_div_floor(job.provider_locked, parameters.no_show_bps, BASIS)
    lost = min(job.provider_locked, max(stated, len(committed) * job.verifier_fee))
    penalties = [Penalty(worker=job.provider, amount=lost), *lost_by_silence(silent, parameters)]
    return _refunded(job, penalties=penalties, paid=committed)


def _refunded(job: Job, *, penalties: list[Penalty], paid: list[Verifier]) -> Ending:
    """Refund the whole escrow; pay `paid` out of the penalties as far as they reach, and burn the rest."""
    payouts = [Payout(kind=PayoutKind.REFUND, to=job.client, amount=job.escrow)]
    pool = sum(each.amount for each in penalties)
    for each in paid:
        fee = min(job.verifier_fee, pool)
        pool -= fee
        payouts.append(Payout(kind=PayoutKind.VERIFIER_FEE_FROM_PENALTY, to=each.worker, amount=fee))
    payouts.append(Payout(kind=PayoutKind.BURNED, to=None, amount=pool))
    return _ending(payouts, penalties)


def lost_by_silence(verifiers: list[Verifier], parameters: Parameters) -> list[Penalty]:
    """Return what verifiers lose who did not do their part, rounded down (J43)."""
    lost = [(each.worker, mul_div_floor(each.locked, parameters.no_reveal_bps, BASIS)) for each in verifiers]
    return [Penalty(worker=worker, amount=amount) for worker, amount in lost]


def _ending(payouts: list[Payout], penalties: list[Penalty]) -> Ending:
    return Ending(
        payouts=[each for each in payouts if each.amount],
        penalties=[each for each in penalties if each.amount],
    )
