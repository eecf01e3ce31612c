"""What a job may cost its parties, told before anybody signs: the endings of `settlement`, played through (J46)."""

import enum
from dataclasses import dataclass
from typing import assert_never

from ledger.market.drawing import new_verifier
from ledger.market.settlement import ending, lost_by_silence, provider_lock, verifier_lock
from ledger.market.submitting import new_job
from ledger.parameters import K_MAX, Parameters, Tier, accepts_needed
from ledger.records import Job, Outcome, Verifier
from ledger.state import change
from ledger.transaction import Decision, JobSubmit
from primitives.content import ContentId
from primitives.hashing import ZERO_HASH
from primitives.units import BASIS
from vm import cost as vm_cost
from vm.manifest import Class

_CLIENT, _PROVIDER, _OWNER = bytes(20), b"\x01" * 20, b"\x02" * 20
_NOTHING = vm_cost.Cost(
    macs=0,
    elementary=0,
    moved_bytes=0,
    operations=0,
    steps=0,
    peak_bytes=0,
    trace_bytes=0,
    nodes=0,
    gas=0,
    native_gas=0,
)
"""Of a run that is over at once."""
_NAMES = [bytes([3 + at]) * 20 for at in range(K_MAX)]


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


class _Part(enum.Enum):
    """How many verifiers do something."""

    NONE = enum.auto()
    TOO_FEW = enum.auto()
    """One less than it takes to settle."""
    ALL = enum.auto()

    def of(self, k: int) -> int:
        """Return how many of `k` that is."""
        match self:
            case _Part.NONE:
                return 0
            case _Part.TOO_FEW:
                return accepts_needed(k) - 1
            case _Part.ALL:
                return k
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class _Play:
    """How far a job came before it ended: who acted."""

    accepted: bool = True
    drawn: bool = True
    committed: _Part = _Part.ALL
    revealed: _Part | None = None
    """None: it never came to that."""
    excused: bool = False
    """Whoever did nothing could do nothing."""


_PLAYS = {
    Outcome.SETTLED: _Play(revealed=_Part.ALL),
    Outcome.UNCHALLENGED: _Play(drawn=False),
    Outcome.NOT_ACCEPTED: _Play(accepted=False, drawn=False),
    Outcome.PROVIDER_SILENT_AFTER_ACCEPT: _Play(drawn=False),
    Outcome.NOT_DRAWN: _Play(drawn=False),
    Outcome.NO_VERIFIER_COMMITTED: _Play(committed=_Part.NONE),
    Outcome.PROVIDER_SILENT_AT_REVEAL: _Play(),
    Outcome.REJECTED: _Play(revealed=_Part.TOO_FEW),
    Outcome.TOO_FEW_REVEALS: _Play(revealed=_Part.TOO_FEW),
    Outcome.DECLINED: _Play(accepted=False, drawn=False),
    Outcome.WITHHELD: _Play(committed=_Part.TOO_FEW, excused=True),
}


def costs_of(parameters: Parameters, job: Job) -> list[Cost]:
    """Return what each ending without a dispute costs whom, for a job as it opens that is provided at its price cap."""
    may_be_spared = parameters.tiers.of(job.tier).q_bps < BASIS
    opened = change(job, client=_CLIENT)
    return [
        _cost(parameters, opened, outcome) for outcome in _PLAYS if outcome is not Outcome.UNCHALLENGED or may_be_spared
    ]


def cost_table(parameters: Parameters, max_price: int, tier: Tier, *, at_risk: int = 0) -> list[Cost]:
    """Return the same for a job of a short run."""
    return costs_of(parameters, _opened(parameters, tier, max_price, at_risk))


def job_at_cap(parameters: Parameters, max_price: int, tier: Tier) -> Job:
    """Return a job that is provided at its price cap, for what it holds of whom."""
    return _played(parameters, _opened(parameters, tier, max_price, 0), _Play(drawn=False))


def _opened(parameters: Parameters, tier: Tier, max_price: int, at_risk: int) -> Job:
    asked = JobSubmit(
        model=ZERO_HASH,
        lowering=ZERO_HASH,
        input=ContentId(root=ZERO_HASH, length=0),
        tier=tier,
        class_=Class.NATIVE,
        max_price=max_price,
        provider=None,
        at_risk=at_risk,
        reply_key=None,
        canary=ZERO_HASH,
    )
    return new_job(parameters, _CLIENT, asked, _NOTHING)


def _cost(parameters: Parameters, opened: Job, outcome: Outcome) -> Cost:
    play = _PLAYS[outcome]
    job = _played(parameters, opened, play)
    ended = ending(job, outcome, parameters, owner=_OWNER)

    def net(party: bytes) -> int:
        got = sum(each.amount for each in ended.payouts if each.to == party)
        return got - sum(each.amount for each in ended.penalties if each.worker == party)

    worked = (play.committed if play.revealed is None else play.revealed).of(job.k) if play.drawn else 0
    # What a silent verifier loses is the same in every ending, but where it could do nothing (H30).
    lost = sum(each.amount for each in lost_by_silence([_verifier(parameters, job, _NAMES[0])], parameters))
    return Cost(
        outcome=outcome,
        client=net(_CLIENT) - job.escrow,
        provider=net(_PROVIDER),
        verifier=net(_NAMES[0]) if worked else 0,
        silent_verifier=-lost if play.drawn and not play.excused else 0,
    )


def _played(parameters: Parameters, job: Job, play: _Play) -> Job:
    """Return a job at its price cap that has come so far."""
    if not play.accepted:
        return job
    commit, reveal = play.committed.of(job.k), (play.revealed or _Part.NONE).of(job.k)
    verifiers = [
        change(
            _verifier(parameters, job, name),
            commitment=ZERO_HASH if at < commit else None,
            verdict=Decision.ACCEPT if at < reveal else None,
        )
        for at, name in enumerate(_NAMES[: job.k] if play.drawn else [])
    ]
    locked = provider_lock(job, job.max_price)
    return change(job, provider=_PROVIDER, price=job.max_price, provider_locked=locked, verifiers=verifiers)


def _verifier(parameters: Parameters, job: Job, name: bytes) -> Verifier:
    return change(new_verifier(name), locked=verifier_lock(parameters, job.verifier_fee))
