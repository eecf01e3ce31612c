"""Which verdicts count: those that were revealed and, where values are large, sampled (J41)."""

from ledger.parameters import accepts_needed
from ledger.records import Job, Verifier
from ledger.transaction import Decision

AGREED_REJECTS = 2
"""Rejects that nobody contradicts, and that cost those who give them nothing though none opens a claim (J56)."""


def verdict_of(job: Job, verifier: Verifier) -> Decision | None:
    """Return the verdict of a verifier; None where it gave none, or did not open what was picked of large values."""
    return None if job.large and not verifier.opened else verifier.verdict


def enough_accept(job: Job) -> bool:
    """Tell whether so many accept that the job settles if nobody rejects (J41)."""
    return sum(verdict_of(job, each) is Decision.ACCEPT for each in job.verifiers) >= accepts_needed(job.k)


def any_rejects(job: Job) -> bool:
    """Tell whether a verdict is reject."""
    return any(verdict_of(job, each) is Decision.REJECT for each in job.verifiers)


def agreed_to_reject(job: Job) -> bool:
    """Tell whether two or more reject and nobody accepts: what can't be run leaves nothing to claim (J56)."""
    verdicts = [verdict_of(job, each) for each in job.verifiers]
    return Decision.ACCEPT not in verdicts and verdicts.count(Decision.REJECT) >= AGREED_REJECTS
