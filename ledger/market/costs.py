"""What a job may cost its parties, told before anybody signs: the endings of `settlement`, played through (J46)."""

from dataclasses import dataclass

from ledger.market.drawing import new_verifier
from ledger.market.settlement import ending, provider_lock, verifier_lock
from ledger.market.submitting import new_job
from ledger.parameters import Parameters, Tier
from ledger.records import Job, Outcome
from ledger.state import change
from ledger.transaction import Decision, JobSubmit
from primitives.content import ContentId
from primitives.hashing import ZERO_HASH
from vm.manifest import Class

_CLIENT, _PROVIDER, _OWNER = bytes(20), b"\x01" * 20, b"\x02" * 20
_VERIFIERS = 3
"""Of the tier that is told."""
_NAMES = [bytes([3 + at]) * 20 for at in range(_VERIFIERS)]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one ending brings (positive) or costs each party, in grains, transaction fees aside."""

    outcome: Outcome
    client: int
    """At most; less where a verifier was silent or the price below the cap."""
    provider: int
    verifier: int
    """One that did its part, as far as the ending let it."""
    silent_verifier: int
    """One that was drawn and did not commit, or did not reveal."""


@dataclass(frozen=True, kw_only=True)
class _Play:
    """How far a job came before it ended: who acted."""

    accepted: bool = True
    drawn: bool = True
    committed: int = _VERIFIERS
    revealed: int = 0


_PLAYS = {
    Outcome.SETTLED: _Play(revealed=_VERIFIERS),
    Outcome.NOT_ACCEPTED: _Play(accepted=False, drawn=False),
    Outcome.PROVIDER_SILENT_AFTER_ACCEPT: _Play(drawn=False),
    Outcome.NOT_DRAWN: _Play(drawn=False),
    Outcome.NO_VERIFIER_COMMITTED: _Play(committed=0),
    Outcome.PROVIDER_SILENT_AT_REVEAL: _Play(),
    Outcome.REJECTED: _Play(revealed=1),
    Outcome.TOO_FEW_REVEALS: _Play(revealed=1),
    Outcome.DECLINED: _Play(accepted=False, drawn=False),
}


def cost_table(parameters: Parameters, max_price: int) -> list[Cost]:
    """Return what each ending costs whom, for a job that is provided at its price cap."""
    return [_cost(parameters, max_price, outcome) for outcome in _PLAYS]


def _cost(parameters: Parameters, max_price: int, outcome: Outcome) -> Cost:
    play = _PLAYS[outcome]
    job = _played(parameters, max_price, play)
    ended = ending(job, outcome, parameters, owner=_OWNER)

    def net(party: bytes) -> int:
        got = sum(each.amount for each in ended.payouts if each.to == party)
        return got - sum(each.amount for each in ended.penalties if each.worker == party)

    # The first verifier did its part wherever one could; what a silent one loses is the same in every ending.
    nobody = ending(job, Outcome.NO_VERIFIER_COMMITTED, parameters, owner=_OWNER)
    lost = sum(each.amount for each in nobody.penalties[:1])
    return Cost(
        outcome=outcome,
        client=net(_CLIENT) - job.escrow,
        provider=net(_PROVIDER),
        verifier=net(_NAMES[0]) if play.committed else 0,
        silent_verifier=-lost,
    )


def _played(parameters: Parameters, max_price: int, play: _Play) -> Job:
    """Return a job at its price cap that has come so far."""
    wanted = JobSubmit(
        model=ZERO_HASH,
        lowering=ZERO_HASH,
        input=ContentId(root=ZERO_HASH, length=0),
        tier=Tier.HIGH,
        class_=Class.NATIVE,
        max_price=max_price,
        provider=None,
        at_risk=0,
        reply_key=None,
        canary=ZERO_HASH,
    )
    job = new_job(parameters, _CLIENT, wanted, run_ms=0)
    if not play.accepted:
        return job
    verifiers = [
        change(
            new_verifier(address),
            locked=verifier_lock(parameters),
            commitment=ZERO_HASH if at < play.committed else None,
            verdict=Decision.ACCEPT if at < play.revealed else None,
        )
        for at, address in enumerate(_NAMES if play.drawn else [])
    ]
    locked = provider_lock(job, max_price)
    return change(job, provider=_PROVIDER, price=max_price, provider_locked=locked, verifiers=verifiers)
