"""What a job may cost its parties if somebody disputes it, told before anybody signs: rulings, played through (J84)."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from ledger.market.dispute import money
from ledger.market.dispute.claims import new_dispute
from ledger.market.dispute.judgement import outcome_of
from ledger.market.dispute.payloads import WHOLE
from ledger.market.dispute.records import Claimant, Claimed, Dispute, DisputeStage, Fall, Finding, Role
from ledger.market.dispute.verdicts import ruling_of
from ledger.market.drawing import new_verifier
from ledger.market.lifecycle import CHALLENGEABLE
from ledger.market.settlement import ending, provider_lock, verifier_lock
from ledger.parameters import K_MAX, Parameters
from ledger.records import Job, JobState, Outcome
from ledger.state import change
from ledger.transaction import Decision
from primitives.content import ContentId
from primitives.hashing import ZERO_HASH
from primitives.units import BASIS
from vm.manifest import Class
from vm.noise import PAID_SIGMA, SLASHED_SIGMA, THOUSANDTHS

_CLIENT, _PROVIDER, _OWNER, _CHALLENGER = (bytes([at]) * 20 for at in range(4))
_DRAWN = [bytes([4 + at]) * 20 for at in range(money.DRAWN_WORKERS)]
_VERIFIERS = [bytes([16 + at]) * 20 for at in range(K_MAX)]
_SHOWN = ContentId(root=ZERO_HASH, length=0)
_CLAIMED, _RIVAL = 0, 1
"""Traces, by their places: the challenger's, and another."""


@dataclass(frozen=True, kw_only=True)
class DisputedCost:
    """What one ruling brings (positive) or costs each party, in grains, transaction fees and carriage aside."""

    state: JobState
    """In which the job was challenged: contested by one of its verifiers, unverified, or settled, and so paid."""
    outcome: Outcome
    client: int
    provider: int
    accepts: int | None
    """A verifier who accepts; None: there is none."""
    rejects: int | None
    """A verifier who rejects; None: there is none."""
    challenger: int
    """Who opened the dispute; of a ruling for the provider, with a claim that a drawn worker's has beaten."""


class _Found(enum.Enum):
    """What a dispute finds."""

    FALSE = enum.auto()
    GREY = enum.auto()
    RIGHT = enum.auto()
    NO_CONFIRMATION = enum.auto()
    """The drawn workers are silent."""
    ILL_CONDITIONED = enum.auto()


_FOUND = {
    Class.NATIVE: tuple(_Found),
    Class.EXACT: (_Found.FALSE, _Found.RIGHT, _Found.NO_CONFIRMATION),  # X43: bits are equal or not
}


def disputed_costs(parameters: Parameters, job: Job) -> list[DisputedCost]:
    """Return what each ruling costs whom, for a job as it opens that is then provided at its price cap.

    A job that a canary commits to may end as CANARY, too, which its client knows.
    """
    rows: dict[tuple[JobState, Outcome], DisputedCost] = {}
    for state in CHALLENGEABLE:
        if state is JobState.UNVERIFIED and job.audit_bps >= BASIS:
            continue  # J51: each is drawn
        for found in _FOUND[job.class_]:
            cost = _cost(parameters, _played(parameters, job, state), state, found)
            rows.setdefault((cost.state, cost.outcome), cost)
    return list(rows.values())


def _played(parameters: Parameters, job: Job, state: JobState) -> Job:
    """Return a job at its price cap, disputed after it came to a state: contested by its last verifier alone."""
    verdicts = [Decision.ACCEPT] * (0 if state is JobState.UNVERIFIED else job.k)
    if state is JobState.CONTESTED:
        verdicts[-1] = Decision.REJECT
    verifiers = [
        change(
            new_verifier(name),
            locked=verifier_lock(parameters, job.verifier_fee),
            commitment=ZERO_HASH,
            cut=_SHOWN,
            outputs=_SHOWN,
            verdict=verdict,
        )
        for name, verdict in zip(_VERIFIERS, verdicts, strict=False)
    ]
    made = change(
        job,
        client=_CLIENT,
        state=JobState.DISPUTED,
        provider=_PROVIDER,
        price=job.max_price,
        provider_locked=provider_lock(job, job.max_price),
        cut=_SHOWN,
        outputs=_SHOWN,
        verifiers=verifiers,
    )
    if state is not JobState.SETTLED:
        return made
    paid = ending(made, Outcome.SETTLED, parameters, owner=_OWNER)
    return change(made, outcome=Outcome.SETTLED, escrow=0, payouts=paid.payouts, penalties=paid.penalties)


def _cost(parameters: Parameters, job: Job, state: JobState, found: _Found) -> DisputedCost:
    """Return what a dispute that finds so costs whom."""
    dispute = _decided(parameters, job, found)
    ruling = ruling_of(job, [dispute])
    people = [_PROVIDER, *_VERIFIERS, *(each.who for each in dispute.claims)]
    sums = money.settle(job, [dispute], ruling, parameters, operators={who: who for who in people})
    ruled = change(job, ruled=ruling.outcome, penalties=[*job.penalties, *sums.penalties])
    rest = [ending(ruled, ruling.outcome, parameters, owner=_OWNER)] if job.outcome is None else []
    moves = [(job.payouts, job.penalties), (sums.payouts, sums.penalties)]
    moves += [(each.payouts, each.penalties) for each in sums.shares]
    moves += [(each.payouts, each.penalties) for each in rest]

    def net(party: bytes) -> int:
        got = sum(each.amount for payouts, _ in moves for each in payouts if each.to == party)
        return got - sum(each.amount for _, penalties in moves for each in penalties if each.worker == party)

    def verifier(verdict: Decision) -> int | None:
        return next((net(each.worker) for each in job.verifiers if each.verdict is verdict), None)

    return DisputedCost(
        state=state,
        outcome=ruling.outcome,
        client=net(_CLIENT) - job.max_price - job.k * job.verifier_fee,
        provider=net(_PROVIDER),
        accepts=verifier(Decision.ACCEPT),
        rejects=verifier(Decision.REJECT),
        challenger=net(_CHALLENGER) - dispute.escrow,
    )


def _decided(parameters: Parameters, job: Job, found: _Found) -> Dispute:
    """Return a dispute about the whole of a job, opened by a stranger, as it is when it has found something."""
    bond = money.claim_bond(parameters, job)
    lies = found is _Found.RIGHT
    answer = None if found is _Found.NO_CONFIRMATION else _RIVAL if lies else _CLAIMED
    claims = [_claim(_CHALLENGER, Role.CHALLENGER, bond, _CLAIMED)]
    claims += [_claim(who, Role.DRAWN, verifier_lock(parameters, job.verifier_fee), answer) for who in _DRAWN]
    traces = [Claimed(root=ZERO_HASH, fall=Fall.WRONG if lies else None, beaten_by=_RIVAL if lies else None)]
    traces += [Claimed(root=ZERO_HASH, fall=None, beaten_by=None)] if lies else []
    made = change(
        new_dispute(ZERO_HASH, WHOLE, claims[0], height=0),
        stage=DisputeStage.DECIDED,
        claims=claims,
        traces=traces,
        ill_conditioned=found is _Found.ILL_CONDITIONED,
        findings=list(_findings(job, found)),
    )
    return change(made, outcome=outcome_of(made))


def _findings(job: Job, found: _Found) -> Iterator[Finding]:
    """Yield what is proved of the provider (X51, X55)."""
    if found is _Found.RIGHT:
        return
    sigma = PAID_SIGMA if found is _Found.GREY else SLASHED_SIGMA
    exact = job.class_ is Class.EXACT
    yield Finding(party=_PROVIDER, thousandths=0 if exact else sigma * THOUSANDTHS + 1, output=exact, tried=[])


def _claim(who: bytes, role: Role, bond: int, trace: int | None) -> Claimant:
    return Claimant(who=who, role=role, bond=bond, commitment=ZERO_HASH, height=0, trace=trace, carriage=0)
