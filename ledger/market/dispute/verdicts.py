"""What a job's disputes say of its parties: who is at fault, in which way, and how the job ends (X44 to X55). Pure."""

import enum
from dataclasses import dataclass

from ledger.market.dispute.parties import can_be_judged
from ledger.market.dispute.payloads import SubjectKind
from ledger.market.dispute.records import Dispute, DisputeOutcome, Role
from ledger.market.dispute.rivals import beaten, claimants_of, standing
from ledger.market.verdicts import agreed_to_reject, enough_accept, verdict_of
from ledger.records import Job, Outcome, Verifier
from ledger.transaction import Decision
from vm.noise import HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA, THOUSANDTHS


class Fault(enum.IntEnum):
    """What a party has done wrong."""

    BEYOND = 1
    """Its values at the cut, or in class exact its outputs, are false beyond doubt: slashed."""
    WRONG_OUTPUT = 2
    """Its outputs are not the canonical tail of its own values at the cut: slashed."""
    FALSE_ACCEPT = 3
    """It accepted what is false: slashed."""
    FALSE_REJECT = 4
    """It rejected what is right: slashed."""
    GREY = 5
    """Its values are further off than honest machines' are, and not beyond doubt: unpaid, and forfeits."""
    SILENT = 6
    """A verifier that gave no verdict, or no claim came of its reject: it loses what silence costs (J43)."""
    CANARY = 7
    """Its values are false, as it has confessed and its client had committed to: it pays the disputes' costs (J95)."""


AGAINST_REJECT = 2
"""Drawn workers who must agree against a verifier who rejects: of a lowering that is not the file's, which its author
alone can run, one in league with him would be drawn soon, and take the bonds of all who refuse it (X45)."""
SLASHED = (Fault.BEYOND, Fault.WRONG_OUTPUT, Fault.FALSE_ACCEPT, Fault.FALSE_REJECT)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What all disputes of a job come to."""

    outcome: Outcome
    faults: dict[bytes, Fault]
    """By party, in the order of provider and verifiers."""

    def is_slashed(self, party: bytes) -> bool:
        """Tell whether a party loses all that the job holds of its bond."""
        return self.faults.get(party) in SLASHED


def confirmed_against(dispute: Dispute, party: bytes, *, by: int = 1) -> bool:
    """Tell whether the trace that stands may be held against a party (X45).

    So many drawn workers have opened the same, or it won a verdict over a trace that a drawn worker or this very party
    opened: what a stranger claims against himself confirms nothing.
    """
    stands = standing(dispute)
    if not stands:
        return False
    drawn = sum(each.role is Role.DRAWN for each in dispute.claims)
    agree = sum(each.role is Role.DRAWN for each in claimants_of(dispute, stands[0]))
    if agree >= max(1, min(by, drawn)):
        return True
    return any(each.role is Role.DRAWN or each.who == party for each in beaten(dispute, stands[0]))


def _holds(job: Job, dispute: Dispute, party: bytes) -> bool:
    """Tell whether what stands may be held against a party, who may have rejected (X45)."""
    return confirmed_against(dispute, party, by=AGAINST_REJECT if party in _rejecters(job) else 1)


def ruling_of(job: Job, disputes: list[Dispute]) -> Ruling:
    """Return what the decided disputes of a job come to (X50)."""
    assert job.provider is not None
    disputes = [each for each in disputes if not each.past]  # X5
    paid_before = job.outcome is Outcome.SETTLED
    whole = next((each for each in disputes if each.subject.kind is SubjectKind.WHOLE), None)
    if whole is not None and whole.ill_conditioned and confirmed_against(whole, job.provider):
        outcome = Outcome.CLEARED if paid_before else Outcome.ILL_CONDITIONED  # X53
        return Ruling(outcome=outcome, faults={} if paid_before else _silent(job, {}))
    faults: dict[bytes, Fault] = {}
    doubted = False
    for party in [job.provider, *(each.worker for each in job.verifiers)]:
        fault, confirmed = _fault_of_values(job, disputes, party)
        if fault is not None and confirmed:
            faults[party] = fault
        elif fault is not None and party == job.provider:
            doubted = True  # X46
    basis = [each for each in disputes if _is_about_provider(job, each)]
    if not doubted:
        _add_false_verdicts(job, basis, faults)
    outcome = _outcome(job, basis, faults.get(job.provider), doubted=doubted, paid_before=paid_before)
    if job.canary_opened and outcome in (Outcome.CONVICTED, Outcome.GREY):
        outcome, faults[job.provider] = Outcome.CANARY, Fault.CANARY  # J95
    return Ruling(outcome=outcome, faults=faults if paid_before else _silent(job, faults, claimed=bool(basis)))


def _fault_of_values(job: Job, disputes: list[Dispute], party: bytes) -> tuple[Fault | None, bool]:
    """Return what was proved of a party's values, and whether it may be held against it (X51, X52)."""
    found: list[tuple[Fault, bool]] = []
    rejecters = _rejecters(job)
    for dispute in disputes:
        for each in dispute.findings:
            fault = _fault_in(dispute, each.thousandths, output=each.output)
            excused = dispute.traps and party in rejecters  # X65
            if each.party == party and fault is not None and can_be_judged(job, party) and not excused:
                found.append((fault, _holds(job, dispute, party)))
    # What may be held against it comes first, and of that the worst.
    worst = min(found, key=lambda each: (not each[1], each[0]), default=None)
    return (None, False) if worst is None else worst


def _fault_in(dispute: Dispute, thousandths: int, *, output: bool) -> Fault | None:
    if output:
        return Fault.WRONG_OUTPUT if dispute.subject.kind is SubjectKind.TAIL else Fault.BEYOND
    if thousandths > SLASHED_SIGMA * THOUSANDTHS:
        return Fault.BEYOND
    return Fault.GREY if thousandths > PAID_SIGMA * THOUSANDTHS else None


def _rejecters(job: Job) -> list[bytes]:
    return [each.worker for each in job.verifiers if verdict_of(job, each) is Decision.REJECT]


def _is_about_provider(job: Job, dispute: Dispute) -> bool:
    return dispute.subject.party in (None, job.provider)


def _deviation(job: Job, disputes: list[Dispute]) -> int:
    """Return the largest deviation that was proved of the provider, in thousandths of σ."""
    found = [each.thousandths for dispute in disputes for each in dispute.findings if each.party == job.provider]
    return max(found, default=0)


def _add_false_verdicts(job: Job, basis: list[Dispute], faults: dict[bytes, Fault]) -> None:
    """Add the verifiers whose verdict the disputes have refuted (X54)."""
    assert job.provider is not None
    provider = faults.get(job.provider)
    right = provider is None and _deviation(job, basis) <= HONEST_SIGMA * THOUSANDTHS
    right = right and not any(each.traps for each in basis)  # X65
    for each in job.verifiers:
        verdict = verdict_of(job, each)
        if each.worker in faults or not any(_holds(job, dispute, each.worker) for dispute in basis):
            continue
        if verdict is Decision.ACCEPT and provider in SLASHED:
            faults[each.worker] = Fault.FALSE_ACCEPT
        elif verdict is Decision.REJECT and right and not each.forced:  # X54: its own values are judged, by X51
            faults[each.worker] = Fault.FALSE_REJECT


def _silent(job: Job, faults: dict[bytes, Fault], *, claimed: bool = True) -> dict[bytes, Fault]:
    """Return the faults with the verifiers who gave no verdict.

    Where no dispute is about the provider, who rejected has let nothing be `claimed` of it (X54).
    """
    owing = [] if claimed or agreed_to_reject(job) else _rejecters(job)
    silent = [each.worker for each in job.verifiers if verdict_of(job, each) is None or each.worker in owing]
    return {**faults, **{each: Fault.SILENT for each in silent if each not in faults}}


def _outcome(job: Job, basis: list[Dispute], provider: Fault | None, *, doubted: bool, paid_before: bool) -> Outcome:
    """Return how the job ends (X46 to X49)."""
    if provider is Fault.GREY:
        return Outcome.GREY
    if provider is not None:
        return Outcome.CONVICTED
    if paid_before:
        return Outcome.CLEARED
    if doubted or any(each.outcome is DisputeOutcome.NONE_STANDS for each in basis):
        return Outcome.UNDECIDED
    if has_lost(job, job.provider):
        return Outcome.UNDECIDED  # H31: it has withheld what it owed
    # A reject that nothing has refuted stands against payment, unless the others are enough.
    refuted = all(any(_holds(job, dispute, who) for dispute in basis) for who in _rejecters(job))
    return Outcome.CLEARED if refuted or enough_accept(job) else Outcome.UNDECIDED


def worked(job: Job, faults: dict[bytes, Fault]) -> list[Verifier]:
    """Return the verifiers who did their part, and rightly: who has withheld did not."""
    gave = [each for each in job.verifiers if verdict_of(job, each) is not None]
    return [each for each in gave if each.worker not in faults and not has_lost(job, each.worker)]


def has_lost(job: Job, party: bytes | None) -> bool:
    """Tell whether a party has lost something by a job before its disputes are decided: by withholding (H31)."""
    return any(each.worker == party for each in job.penalties)
