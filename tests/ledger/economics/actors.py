"""Who may act how, what that costs and brings them: strategies, each beside honesty of the same people (DESIGN 6)."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.parameters import Parameters, Tier
from ledger.records import Outcome
from primitives.units import KARAT
from tests.ledger.economics.market import FALSE, PROVIDER, RIGHT, WORKERS, Market, Plan

PARAMETERS = Parameters(challenge_ms=30_000, audit_trust=1)
"""Short windows, as nobody challenges here who was not drawn; and four jobs earn a provider its tier's rate."""
RUN_COST = PARAMETERS.verifier_fee * 10 // 12
"""Of an honest run: a verifier's fee is 1.2 times as much (notes on the economics, E2)."""
PRICE = PARAMETERS.verifier_fee * 3 // 2
FP16_COST = RUN_COST * 6 // 10
CANARY_RATE = 0.05
"""Of all jobs: one in twenty, of which each verifier sees its share."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What holds for everybody."""

    parameters: Parameters = PARAMETERS
    canary_rate: float = CANARY_RATE
    run_s: int = 0
    """What a run takes: fees, and so prices and costs, follow it (J10)."""

    @property
    def times(self) -> int:
        """How many fees a run earns, and how many times as much it costs."""
        return max(1, self.run_s)


SETTING = Setting()
WARM_UP = 4
JOBS = 6
"""Of one seed; whoever is convicted has no more."""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How some people act, all others being honest."""

    name: str
    group: tuple[str, ...]
    plan: Callable[[Tier, bool], Plan]
    """For a tier, and whether this job is a canary."""
    provider_cost: int = RUN_COST
    """Of the provider, if it is one of the group."""
    canaries: bool = False


def honest_plan(tier: Tier, canary: bool) -> Plan:
    """Return a job in which all are honest, but for a canary's provider."""
    return Plan(tier=tier, price=PRICE, provided=FALSE if canary else RIGHT, is_canary=canary)


def _providing(provided: object, group: Sequence[str] = ()) -> Callable[[Tier, bool], Plan]:
    def plan(tier: Tier, _: bool) -> Plan:
        return Plan(tier=tier, price=PRICE, provided=FALSE if provided is FALSE else RIGHT, colluding=list(group))

    return plan


def _verifying(**how: Callable[[tuple[str, ...]], object]) -> Callable[[tuple[str, ...]], Callable[[Tier, bool], Plan]]:
    def of(group: tuple[str, ...]) -> Callable[[Tier, bool], Plan]:
        def plan(tier: Tier, canary: bool) -> Plan:
            made = honest_plan(tier, canary)
            for name, values in how.items():
                setattr(made, name, values(group))
            return made

        return plan

    return of


def people(share: float) -> tuple[str, ...]:
    """Return the first of the workers that together have this share of all stake."""
    return tuple(f"worker {at}" for at in range(round(share * WORKERS)))


THIRD = tuple(f"worker {at}" for at in range(1, 1 + WORKERS // 3))
"""Verifiers, none of whom provides."""
STRATEGIES = [
    Strategy(name="provider guesses", group=(PROVIDER,), plan=_providing(FALSE), provider_cost=0),
    Strategy(name="provider runs fp16", group=(PROVIDER,), plan=_providing(FALSE), provider_cost=FP16_COST),
    *(
        Strategy(
            name=f"{share:.0%} of stake collude",
            group=people(share),
            plan=_providing(FALSE, people(share)[1:]),
            provider_cost=0,
        )
        for share in (0.10, 0.20, 0.33)
    ),
    Strategy(name="verifiers are absent", group=THIRD, plan=_verifying(absent=list)(THIRD)),
    Strategy(name="verifiers copy", group=THIRD, plan=_verifying(colluding=list)(THIRD), canaries=True),
    Strategy(
        name="verifiers reject falsely",
        group=THIRD,
        plan=_verifying(rejecting=lambda group: dict.fromkeys(group, FALSE))(THIRD),
    ),
    Strategy(
        name="a stranger challenges falsely",
        group=("stranger",),
        plan=_verifying(false_claim=lambda _: "stranger")(("stranger",)),
    ),
]


class Gain(NamedTuple):
    """What a group gained with so many jobs, in karat, its own runs paid."""

    karat: float
    jobs: float


def gain(strategy: Strategy, tier: Tier, seed: int, setting: Setting, *, honest: bool, jobs: int) -> Gain:
    """Return what the group gains; canaries are rare, so they are played by themselves and weighed by their rate."""
    ordinary = _played(strategy, tier, seed, setting, honest=honest, jobs=jobs, canary=False)
    if not strategy.canaries or not setting.canary_rate:
        return ordinary
    caught = _played(strategy, tier, seed, setting, honest=honest, jobs=1, canary=True)
    rate = setting.canary_rate
    return Gain((1 - rate) * ordinary.karat / ordinary.jobs + rate * caught.karat / caught.jobs, 1)


def _played(
    strategy: Strategy, tier: Tier, seed: int, setting: Setting, *, honest: bool, jobs: int, canary: bool
) -> Gain:
    """Return what the group gains with jobs of one kind; a provider that is convicted has no more."""
    market = Market(seed, setting.parameters, run_s=setting.run_s)
    for _ in range(WARM_UP if tier is Tier.SPOT else 0):
        market.play(_priced(honest_plan(Tier.STANDARD, canary=False), setting))
    before, spent, played = market.holdings(strategy.group), 0, 0
    for _ in range(jobs):
        plan = honest_plan if honest else strategy.plan
        ran = market.play(_priced(plan(tier, canary), setting))
        played += 1
        spent += RUN_COST * sum(name in strategy.group for name in ran.ran)
        if PROVIDER in strategy.group:
            spent += RUN_COST if honest else strategy.provider_cost
        if ran.job.outcome is Outcome.CONVICTED and PROVIDER in strategy.group:
            break
    return Gain((market.holdings(strategy.group) - before - spent * setting.times) / KARAT, played)


def _priced(plan: Plan, setting: Setting) -> Plan:
    """Return a plan at the price that goes with what a run takes."""
    plan.price = PRICE * setting.times
    return plan


@dataclass(frozen=True, kw_only=True)
class Row:
    """A strategy in a tier beside honesty, karat a job: means over seeds, and by how much honesty is better."""

    tier: Tier
    strategy: str
    mean: float
    honest: float
    better: float
    """What honesty brings more on the average."""
    margin: float
    """Half the width of that difference's 95 % interval, seed by seed."""

    @property
    def honesty_is_best(self) -> bool:
        """Tell whether honesty brings more, beyond doubt."""
        return self.better > self.margin


def compare(
    strategy: Strategy, tier: Tier, seeds: Sequence[int], setting: Setting = SETTING, *, jobs: int = JOBS
) -> Row:
    """Return how a strategy does in a tier: ratios of sums, as liars play fewer jobs."""
    lies = [gain(strategy, tier, seed, setting, honest=False, jobs=jobs) for seed in seeds]
    truths = [gain(strategy, tier, seed, setting, honest=True, jobs=jobs) for seed in seeds]
    mean, off = _ratio(lies)
    honest, honest_off = _ratio(truths)
    more = [truth - lie for truth, lie in zip(honest_off, off, strict=True)]
    margin = 1.96 * statistics.stdev(more) / len(more) ** 0.5 if len(more) > 1 else 0.0
    return Row(tier=tier, strategy=strategy.name, mean=mean, honest=honest, better=honest - mean, margin=margin)


def _ratio(gains: Sequence[Gain]) -> tuple[float, list[float]]:
    """Return what a job brings, and how far each seed is off that, by its weight (the delta method)."""
    jobs = sum(each.jobs for each in gains)
    ratio = sum(each.karat for each in gains) / jobs
    return ratio, [(each.karat - ratio * each.jobs) * len(gains) / jobs for each in gains]
