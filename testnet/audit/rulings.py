"""What a job's disputes come to: who is at fault, what it costs, and the end of the job (X44 to X66)."""

from dataclasses import dataclass
from enum import IntEnum

from testnet.audit import jobs
from testnet.audit.holdings import ACCEPT, REJECT, At, End, Holdings, Job, Part
from testnet.audit.money import BASIS, run_fee
from testnet.audit.trials import DRAWN, TAIL, WHOLE, Claim, Dispute, Found, claim_bond, shown_by

HONEST, PAID, SLASHED = 8_000, 16_000, 64_000
"""Thousandths of sigma."""


class Fault(IntEnum):
    """What a party has done wrong; the first four are slashed."""

    BEYOND = 1
    WRONG_OUTPUT = 2
    FALSE_ACCEPT = 3
    FALSE_REJECT = 4
    GREY = 5
    SILENT = 6
    CANARY = 7


Faults = dict[bytes, Fault]


@dataclass
class Ruling:
    """What all disputes of a job come to."""

    outcome: End
    faults: Faults

    @property
    def slashed(self) -> list[bytes]:
        """Who loses all that the job holds of its bond (X51, X52, X54)."""
        return [party for party, fault in self.faults.items() if fault <= Fault.FALSE_REJECT]


def ruling_of(job: Job, disputes: list[Dispute]) -> Ruling:
    """Return what the decided disputes of a job come to (X50)."""
    paid_before = job.outcome is End.SETTLED
    silent = [each.worker for each in job.verifiers if job.verdict_of(each) is None]
    if any(each.kind == WHOLE and each.ill_conditioned and each.weighs_on(job.provider) for each in disputes):
        if paid_before:
            return Ruling(End.CLEARED, {})
        return Ruling(End.ILL_CONDITIONED, dict.fromkeys(silent, Fault.SILENT))  # X53
    faults: Faults = {}
    doubted = False
    for party in job.parties:
        fault, holds = _fault_of_values(job, disputes, party)
        if fault is not None and holds:
            faults[party] = fault
        doubted = doubted or (fault is not None and not holds and party == job.provider)  # X46
    basis = [each for each in disputes if each.party in (None, job.provider)]
    if not doubted:
        _add_false_verdicts(job, basis, faults)
    outcome = _outcome(job, basis, faults.get(job.provider), doubted=doubted)
    if job.canary_opened and outcome in (End.CONVICTED, End.GREY):
        outcome, faults[job.provider] = End.CANARY, Fault.CANARY  # X49, J95
    if not paid_before:
        claimed = basis or (not job.accepts and len(job.rejects) > 1)  # J56
        owing = [] if claimed else [each.worker for each in job.rejects]  # X54
        faults.update({each: Fault.SILENT for each in [*silent, *owing] if each not in faults})
    return Ruling(outcome, faults)


def _fault_of_values(job: Job, disputes: list[Dispute], party: bytes) -> tuple[Fault | None, bool]:
    """Return the worst that was proved of a party, and whether it may be held against it (X45, X51, X52, X55)."""
    found: list[tuple[bool, Fault]] = []
    rejects = party in [each.worker for each in job.rejects]
    for dispute in disputes:
        seen = dispute.findings.get(party)
        if seen is None or shown_by(job, party) is None or (dispute.traps and rejects):  # X65
            continue
        if seen.output:
            found.append(
                (
                    not dispute.weighs_on(party, rejects=rejects),
                    Fault.WRONG_OUTPUT if dispute.kind == TAIL else Fault.BEYOND,
                )
            )
        elif seen.thousandths > PAID:
            fault = Fault.BEYOND if seen.thousandths > SLASHED else Fault.GREY
            found.append((not dispute.weighs_on(party, rejects=rejects), fault))
    if not found:
        return None, False
    doubtful, fault = min(found)
    return fault, not doubtful


def _weighs(job: Job, dispute: Dispute, verifier: bytes) -> bool:
    """Tell whether what stands may be held against a verifier (X45)."""
    return dispute.weighs_on(verifier, rejects=verifier in [each.worker for each in job.rejects])


def _add_false_verdicts(job: Job, basis: list[Dispute], faults: Faults) -> None:
    """Add the verifiers whose verdict is refuted (X54)."""
    provider = faults.get(job.provider)
    seen = [each.findings[job.provider].thousandths for each in basis if job.provider in each.findings]
    right = provider is None and max(seen, default=0) <= HONEST and not any(each.traps for each in basis)
    for each in job.verifiers:
        if each.worker in faults or not any(_weighs(job, dispute, each.worker) for dispute in basis):
            continue
        verdict = job.verdict_of(each)
        if verdict == ACCEPT and provider is not None and provider <= Fault.FALSE_REJECT:
            faults[each.worker] = Fault.FALSE_ACCEPT
        elif verdict == REJECT and right and not each.forced:
            faults[each.worker] = Fault.FALSE_REJECT


def _outcome(job: Job, basis: list[Dispute], provider: Fault | None, *, doubted: bool) -> End:
    """Return how the job ends (X46 to X48)."""
    if provider is not None:
        return End.GREY if provider is Fault.GREY else End.CONVICTED
    if job.outcome is End.SETTLED:
        return End.CLEARED
    if doubted or any(each.outcome is Found.NONE_STANDS for each in basis):
        return End.UNDECIDED
    if job.provider in job.lost:
        return End.UNDECIDED  # it has withheld what it owed (H31)
    refuted = all(any(_weighs(job, each, party.worker) for each in basis) for party in job.rejects)
    return End.CLEARED if refuted or len(job.accepts) >= job.needed else End.UNDECIDED


class _Lost:
    """What the parties of a job lose, up to what it holds of their bonds."""

    def __init__(self, job: Job) -> None:
        self._held = {job.provider: job.provider_locked, **{each.worker: each.locked for each in job.verifiers}}
        self.taken = dict.fromkeys(self._held, 0)

    def take(self, party: bytes, amount: int) -> int:
        """Take what is there of an amount, and return it."""
        taken = max(0, min(amount, self._held[party] - self.taken[party]))
        self.taken[party] += taken
        return taken

    def take_all(self, party: bytes) -> int:
        """Take all that is held."""
        return self.take(party, self._held[party])


class _Purse:
    """Grains that are paid out as far as they reach."""

    def __init__(self, holdings: Holdings, left: int) -> None:
        self._holdings, self.left = holdings, left

    def pay(self, to: bytes, amount: int) -> int:
        """Pay as much of an amount as there is; return what is still owed."""
        paid = min(self.left, amount)
        self.left -= paid
        self._holdings.give(to, paid)
        return amount - paid


Bill = tuple[bytes, bool, int]
"""To whom, whether it was drawn, and how much."""


def _pay_bills(purse: _Purse, due: list[Bill]) -> list[Bill]:
    """Pay the drawn first, and return what is left to pay (X60)."""
    rest = [(to, drawn, purse.pay(to, amount)) for to, drawn, amount in sorted(due, key=lambda bill: not bill[1])]
    return [bill for bill in rest if bill[2]]


def _bills(holdings: Holdings, job: Job, dispute: Dispute, ruling: Ruling) -> list[Bill]:
    """Return what those are owed who claimed the trace that stands (X60)."""
    if not dispute.standing:
        return []
    at = dispute.standing[0]
    if dispute.outcome is not Found.UPHELD and not dispute.beaten(at):
        return []
    right = [each for each in dispute.of_trace(at) if each.who not in ruling.faults]
    return [(each.who, each.role == DRAWN, run_fee(holdings, job) + each.carriage) for each in right]


def _drawn_loss(holdings: Holdings, dispute: Dispute, claim: Claim) -> int:
    """Return what a drawn worker loses whose claim fails (X15); nothing where all were silent together (X19)."""
    drawn = [each for each in dispute.claims if each.role == DRAWN]
    if claim.commitment is None and len(drawn) > 1 and {each.trace for each in drawn} == {None}:
        return 0
    return claim.bond if claim.trace is not None else claim.bond * holdings.tell("no_reveal_bps") // BASIS


def _failed(holdings: Holdings, job: Job, dispute: Dispute, lost: _Lost) -> int:
    """Return what failed claims lose (X16, X59)."""
    found = 0
    for each in dispute.claims:
        if not dispute.has_failed(each):
            continue
        if each.role == DRAWN:
            found += _drawn_loss(holdings, dispute, each)
        else:
            found += each.bond or lost.take(each.who, claim_bond(holdings, job))
    return found


def _forfeit(job: Job, ruling: Ruling, lost: _Lost, needed: int) -> int:
    """Return what parties in the grey zone, and who planted a canary, pay (X55, J95)."""
    got = 0
    for party, fault in ruling.faults.items():
        if fault is Fault.CANARY:
            got += lost.take(party, max(0, needed))
        elif fault is Fault.GREY and party == job.provider:
            got += lost.take(party, max(0, needed) + job.price * BASIS // job.audit_bps - job.price)
        elif fault is Fault.GREY:
            got += lost.take(party, job.fee)
    return got


def conclude(holdings: Holdings, job: Job, disputes: list[Dispute]) -> None:
    """Carry out what all disputes of a job have found (X50 to X66)."""
    ruling = ruling_of(job, [each for each in disputes if not each.past])  # X5
    asked = [holdings.over_by(each) + 1 for each in holdings.filings.values() if each.job == job.id and each.is_open]
    until = max([job.challengeable_ms + holdings.tell("challenge_ms"), *asked])
    if ruling.outcome is End.CLEARED and holdings.live_ms < until:
        job.due = until  # X50: no dispute cuts the challenge window short
        holdings.set_due(job.id, until)
        return
    lost = _Lost(job)
    slashed = sum(lost.take_all(each) for each in ruling.slashed)
    bps = holdings.tell("no_reveal_bps")
    silent = [each for each in job.verifiers if ruling.faults.get(each.worker) is Fault.SILENT]
    burned = sum(lost.take(each.worker, each.locked * bps // BASIS) for each in silent)
    purses = [_Purse(holdings, _failed(holdings, job, each, lost)) for each in disputes]
    owed = [
        _pay_bills(purse, _bills(holdings, job, each, ruling)) for purse, each in zip(purses, disputes, strict=True)
    ]
    owed = [[] if each.past else due for each, due in zip(disputes, owed, strict=True)]
    falsified = ruling.outcome in (End.CONVICTED, End.GREY)
    settled = job.outcome is End.SETTLED
    repaid = job.paid_out if settled and falsified else 0
    withheld = ruling.outcome is End.UNDECIDED and job.provider in job.lost  # H31
    unpaid = _worked(job, ruling) if (falsified or withheld) and not settled else []
    fee = job.fee
    needed = repaid + len(unpaid) * fee + sum(amount for due in owed for _, _, amount in due)
    slashed, job.forfeited = slashed + job.forfeited, 0  # what was withheld for counts as slashed
    main = _Purse(holdings, slashed + _forfeit(job, ruling, lost, needed - slashed))
    main.pay(job.client, repaid)  # X57
    for part in unpaid:
        main.pay(part.worker, fee)  # X58
    rests = [_pay_bills(main, due) for due in owed]
    false = sum(lost.taken[each.worker] for each in job.rejects if each.worker in ruling.slashed)
    _pay_bounty(holdings, disputes, ruling, main, slashed - false)
    for dispute, purse, due in zip(disputes, purses, rests, strict=True):
        _return_bonds(holdings, dispute, due)
        holdings.burned += purse.left
        dispute.escrow = 0
    holdings.burned += main.left + burned  # X66
    for party, amount in lost.taken.items():
        jobs.lose(holdings, job, party, amount)
    for dispute in disputes:
        _free_drawn(holdings, dispute)
    _end(holdings, job, ruling.outcome)


def _worked(job: Job, ruling: Ruling) -> list[Part]:
    """Return the verifiers who did their part, and rightly."""
    gave = [each for each in job.verifiers if job.verdict_of(each) is not None]
    return [each for each in gave if each.worker not in ruling.faults and each.worker not in job.lost]


def _pay_bounty(holdings: Holdings, disputes: list[Dispute], ruling: Ruling, main: _Purse, slashed: int) -> None:
    """Share a part of what was slashed among those who were right (X61, X62)."""

    def operator(who: bytes) -> bytes:
        return holdings.workers[who].operator if who in holdings.workers else who

    accused = [*ruling.slashed, *map(operator, ruling.slashed)]
    sharers: dict[bytes, None] = {}
    for dispute in disputes if accused else []:
        if dispute.outcome is not Found.UPHELD:
            continue
        for each in dispute.of_trace(dispute.standing[0]):
            if (each.role == DRAWN or each.height == dispute.opened_height) and each.who not in ruling.faults:
                sharers[each.who] = None
    entitled = [who for who in sharers if who not in accused and operator(who) not in accused]
    bounty = min(main.left, slashed * holdings.tell("dispute_bounty_bps") // BASIS)
    for who in entitled:
        main.pay(who, bounty // len(entitled))


def _return_bonds(holdings: Holdings, dispute: Dispute, due: list[Bill]) -> None:
    """Return the bonds of claims; the first one pays what is still owed to the drawn (X63, X64)."""
    for each in dispute.claims:
        if each.role == DRAWN or dispute.has_failed(each):
            continue
        bond = _Purse(holdings, each.bond)
        if each is dispute.claims[0]:
            _pay_bills(bond, [bill for bill in due if bill[1]])
        holdings.give(each.who, bond.left)


def _free_drawn(holdings: Holdings, dispute: Dispute) -> None:
    for each in dispute.claims:
        if each.role != DRAWN:
            continue
        worker = holdings.workers[each.who]
        worker.bond -= _drawn_loss(holdings, dispute, each) if dispute.has_failed(each) else 0
        worker.locked -= each.bond


def _end(holdings: Holdings, job: Job, outcome: End) -> None:
    """End the job as its disputes have found (J1)."""
    if outcome in (End.CONVICTED, End.GREY):
        holdings.distrust(job.provider)
    job.ruled = outcome
    if outcome is End.CANARY:
        jobs.end_as_canary(holdings, job)
    elif outcome is not End.CLEARED:
        jobs.end_void(holdings, job, outcome)
    elif job.outcome is End.SETTLED:
        jobs.release(holdings, job)
        jobs.move(holdings, job, At.PAST_CHALLENGE)
    else:
        jobs.end(holdings, job, End.CLEARED)
        jobs.move(holdings, job, At.PAST_CHALLENGE)
