"""What the disputes of a job cost whom (DESIGN 6.10d; X56 to X66): pure arithmetic over their records.

Three kinds of purses: what failed claims lose, one for each dispute; what convicted parties lose, and who withheld in
a dispute (H31); what parties in the grey zone forfeit. The client is made whole first, then come verifiers, then costs,
then a bounty; the rest is burned.
"""

from dataclasses import dataclass, field

from ledger.market.dispute.records import Claimant, Dispute, DisputeOutcome, Role
from ledger.market.dispute.rivals import agreed_to_claim_nothing, beaten, standing
from ledger.market.dispute.verdicts import Fault, Ruling, has_lost, worked
from ledger.market.verdicts import verdict_of
from ledger.market.withheld.money import spent
from ledger.parameters import Parameters
from ledger.records import Job, Outcome, Payout, PayoutKind, Penalty, Verifier
from ledger.transaction import Decision
from primitives.units import BASIS, mul_div_floor

COSTS_IN_BOND = 3
"""A claim's bond is three times what a dispute costs those who are right (DESIGN 6.10d)."""
DRAWN_WORKERS = 3


@dataclass(frozen=True, kw_only=True)
class Share:
    """What goes to the claimants of one dispute, and what is burned of its failed bonds."""

    payouts: list[Payout]
    penalties: list[Penalty]
    """Of drawn workers."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """How the money of a job's disputes moves: all payouts are all penalties, bonds and what was forfeited together."""

    payouts: list[Payout]
    penalties: list[Penalty]
    """Of the job's parties."""
    shares: list[Share]


def claim_bond(parameters: Parameters, job: Job) -> int:
    """Return the bond of a claim: three times the drawn workers' fees and a duel's carriage (X12)."""
    return COSTS_IN_BOND * (DRAWN_WORKERS * job.run_fee + parameters.dispute_carriage)


@dataclass
class _Purse:
    """Grains that wait to be paid out, and for what they went."""

    left: int = 0
    payouts: list[Payout] = field(default_factory=list)

    def pay(self, kind: PayoutKind, to: bytes | None, amount: int, *, told_by: "_Purse | None" = None) -> int:
        """Pay as much of an amount as there is, and return what is still owed; another purse may tell of it."""
        paid = min(self.left, amount)
        self.left -= paid
        if paid:
            (told_by or self).payouts.append(Payout(kind=kind, to=to, amount=paid))
        return amount - paid


@dataclass(frozen=True)
class _Bill:
    """What one dispute owes those who were right."""

    to: bytes
    drawn: bool
    amount: int


def settle(
    job: Job, disputes: list[Dispute], ruling: Ruling, parameters: Parameters, *, operators: dict[bytes, bytes]
) -> Sums:
    """Return how the money of a job's decided disputes moves; `operators` names everybody's (X56 to X66)."""
    lost = _Lost(job, ruling, parameters)
    purses = [_failed(job, dispute, parameters, lost) for dispute in disputes]
    bills = [_bills(job, dispute, ruling) for dispute in disputes]
    owed = [_pay_bills(purse, due) for purse, due in zip(purses, bills, strict=True)]
    owed = [[] if dispute.past else due for dispute, due in zip(disputes, owed, strict=True)]  # X5
    main = _Purse(left=lost.slashed)
    unpaid = _to_be_paid(job, ruling)
    repaid = _repaid(job, ruling)
    needed = repaid + len(unpaid) * job.verifier_fee + sum(each.amount for due in owed for each in due)
    main.left += lost.forfeit(needed - lost.slashed)
    main.pay(PayoutKind.COMPENSATION, job.client, repaid)  # X57
    for verifier in unpaid:
        main.pay(PayoutKind.VERIFIER_FEE_FROM_PENALTY, verifier.worker, job.verifier_fee)  # X58
    # What goes to claimants is told of by their dispute: a job's record has no room for so many.
    rests = [_pay_bills(main, due, told_by=purse) for purse, due in zip(purses, owed, strict=True)]
    _pay_bounty(main, purses, lost, disputes, ruling, parameters, operators)
    shares = [
        _share(dispute, purse, due, parameters) for dispute, purse, due in zip(disputes, purses, rests, strict=True)
    ]
    silent = lost.silent
    main.left += silent
    main.pay(PayoutKind.BURNED, None, main.left)  # X66
    return Sums(payouts=_joined(main.payouts), penalties=lost.penalties(), shares=shares)


class _Lost:
    """What the parties of a job lose, up to what it holds of their bonds."""

    def __init__(self, job: Job, ruling: Ruling, parameters: Parameters) -> None:
        assert job.provider is not None
        self._held = {job.provider: job.provider_locked, **{each.worker: each.locked for each in job.verifiers}}
        self._taken = dict.fromkeys(self._held, 0)
        self._job, self._ruling = job, ruling
        self.slashed, self.silent = job.forfeited, 0  # H31: what who withheld has lost counts as slashed
        self.rejecting = 0
        rejecting = [each.worker for each in job.verifiers if verdict_of(job, each) is Decision.REJECT]
        for party, fault in ruling.faults.items():
            if ruling.is_slashed(party):
                taken = self.take(party, self._held[party])  # X51, X52, X54
                self.slashed += taken
                self.rejecting += taken if party in rejecting else 0
            elif fault is Fault.SILENT:
                self.silent += self.take(party, mul_div_floor(self._held[party], parameters.no_reveal_bps, BASIS))

    def take(self, party: bytes, amount: int) -> int:
        """Take what is there of an amount, and return it."""
        taken = min(amount, self._held[party] - self._taken[party])
        self._taken[party] += taken
        return taken

    def forfeit(self, needed: int) -> int:
        """Take what parties in the grey zone forfeit, and return it (X55)."""
        job, got = self._job, 0
        for party, fault in self._ruling.faults.items():
            if fault not in (Fault.GREY, Fault.CANARY):
                continue
            if fault is Fault.CANARY:
                got += self.take(party, max(0, needed))  # J95
            elif party == job.provider:
                got += self.take(party, max(0, needed) + job.price * BASIS // job.audit_bps - job.price)
            else:
                got += self.take(party, job.verifier_fee)
        return got

    def penalties(self) -> list[Penalty]:
        """Return what each party loses."""
        return [Penalty(worker=party, amount=amount) for party, amount in self._taken.items() if amount]


def _has_failed(dispute: Dispute, each: Claimant) -> bool:
    """Tell whether a claim was not opened, or its trace was struck (X16, X35)."""
    return each.trace is None or dispute.traces[each.trace].fall is not None


def _failed(job: Job, dispute: Dispute, parameters: Parameters, lost: _Lost) -> _Purse:
    """Return what the failed claims of a dispute lose (X59)."""
    purse = _Purse()
    for each in dispute.claims:
        if not _has_failed(dispute, each):
            continue
        if each.role is Role.DRAWN:
            purse.left += _drawn_loss(dispute, each, parameters)
        elif each.bond:
            purse.left += each.bond
        else:
            purse.left += lost.take(each.who, claim_bond(parameters, job))
    return purse


def _drawn_loss(dispute: Dispute, each: Claimant, parameters: Parameters) -> int:
    """Return what a drawn worker loses: all for a false trace, for silence what a silent verifier loses (X15)."""
    if each.commitment is None and agreed_to_claim_nothing(dispute):
        return 0  # X19
    return each.bond if each.trace is not None else mul_div_floor(each.bond, parameters.no_reveal_bps, BASIS)


def _bills(job: Job, dispute: Dispute, ruling: Ruling) -> list[_Bill]:
    """Return what those who claimed the trace that stands are owed: a run and their carriage (X60)."""
    stands = standing(dispute)
    if not stands or not (dispute.outcome is DisputeOutcome.UPHELD or beaten(dispute, stands[0])):
        return []
    right = [each for each in dispute.claims if each.trace == stands[0]]
    return [
        _Bill(each.who, each.role is Role.DRAWN, job.run_fee + each.carriage)
        for each in right
        if each.who not in ruling.faults
    ]


def _pay_bills(purse: _Purse, due: list[_Bill], *, told_by: _Purse | None = None) -> list[_Bill]:
    """Pay as far as the purse reaches, the drawn first, and return what is left to pay."""
    rest: list[_Bill] = []
    for each in sorted(due, key=lambda bill: not bill.drawn):
        kind = PayoutKind.DRAWN_FEE if each.drawn else PayoutKind.CLAIM_COSTS
        left = purse.pay(kind, each.to, each.amount, told_by=told_by)
        if left:
            rest.append(_Bill(each.to, each.drawn, left))
    return rest


def _to_be_paid(job: Job, ruling: Ruling) -> list[Verifier]:
    """Return the verifiers whose fee comes out of what was lost (X58), or else out of the escrow."""
    if job.outcome is Outcome.SETTLED:
        return []
    withheld = ruling.outcome is Outcome.UNDECIDED and has_lost(job, job.provider)  # H31: as H30 pays them
    lost = withheld or ruling.outcome in (Outcome.CONVICTED, Outcome.GREY)
    return worked(job, ruling.faults) if lost else []


def _repaid(job: Job, ruling: Ruling) -> int:
    """Return what a client gets back that has paid for a false result (X57)."""
    if job.outcome is not Outcome.SETTLED or ruling.outcome not in (Outcome.CONVICTED, Outcome.GREY):
        return 0
    return spent(job)


def _pay_bounty(
    main: _Purse,
    purses: list[_Purse],
    lost: _Lost,
    disputes: list[Dispute],
    ruling: Ruling,
    parameters: Parameters,
    operators: dict[bytes, bytes],
) -> None:
    """Share a part of what was slashed among the first who were right and the drawn workers (X61, X62)."""
    accused = [party for party in ruling.faults if ruling.is_slashed(party)]
    theirs = [*accused, *(operators[party] for party in accused)]
    sharers: dict[bytes, _Purse] = {}
    for dispute, purse in zip(disputes, purses, strict=True):
        stands = standing(dispute)
        if dispute.outcome is not DisputeOutcome.UPHELD or not accused:
            continue
        for each in dispute.claims:
            early = each.role is Role.DRAWN or each.height == dispute.opened_height
            if each.trace == stands[0] and early and each.who not in ruling.faults:
                sharers.setdefault(each.who, purse)
    entitled = [who for who in sharers if who not in theirs and operators[who] not in theirs]
    if entitled:
        pot = min(main.left, mul_div_floor(lost.slashed - lost.rejecting, parameters.dispute_bounty_bps, BASIS))
        for who in entitled:
            main.pay(PayoutKind.BOUNTY, who, pot // len(entitled), told_by=sharers[who])


def _share(dispute: Dispute, purse: _Purse, due: list[_Bill], parameters: Parameters) -> Share:
    """Return what a dispute's own money goes to: what is still owed to the drawn comes out of the first bond (X63)."""
    opener = dispute.claims[0]
    for each in dispute.claims:
        if each.role is Role.DRAWN or _has_failed(dispute, each) or not each.bond:
            continue
        bond = _Purse(left=each.bond)
        if each is opener:
            _pay_bills(bond, [bill for bill in due if bill.drawn])
        bond.pay(PayoutKind.BOND_RETURNED, each.who, bond.left)  # X64
        purse.payouts += bond.payouts
    purse.pay(PayoutKind.BURNED, None, purse.left)
    drawn = [each for each in dispute.claims if each.role is Role.DRAWN and _has_failed(dispute, each)]
    penalties = [Penalty(worker=each.who, amount=_drawn_loss(dispute, each, parameters)) for each in drawn]
    return Share(payouts=_joined(purse.payouts), penalties=[each for each in penalties if each.amount])


def _joined(payouts: list[Payout]) -> list[Payout]:
    """Return payouts of one kind to one account as one."""
    sums: dict[tuple[PayoutKind, bytes | None], int] = {}
    for each in payouts:
        sums[each.kind, each.to] = sums.get((each.kind, each.to), 0) + each.amount
    return [Payout(kind=kind, to=to, amount=amount) for (kind, to), amount in sums.items()]
