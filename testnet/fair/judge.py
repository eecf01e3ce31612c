"""Whether each job of a fair ended in the reason that it should."""

from collections import Counter
from collections.abc import Callable

from ledger.parameters import Tiers, accepts_needed
from node.rpc.json_value import Json, records
from testnet.fair.plan import MISDEEDS, PARTS, Way, rogues
from testnet.fair.play import Placed
from testnet.trials.stage import Stage

TIERS = Tiers()
GOOD = ("settled", "unchallenged", "cleared")
"""Outcomes in which the provider is paid."""


def happened(placed: Placed, name_of: Callable[[Json], str]) -> bool:
    """Tell whether what was planned came about: a rogue may not have been drawn."""
    if placed.planned.way is Way.FALSE_REJECT:
        return any(name_of(each["worker"]) in rogues() for each in records(placed.told["verifiers"]))
    return True


def faults(placed: Placed, name_of: Callable[[Json], str]) -> list[str]:
    """Return what is wrong about how a job ended, in words."""
    told, way = placed.told, placed.planned.way
    outcome, losers = str(told["outcome"]), {name_of(each["worker"]) for each in records(told["penalties"])}
    provider = name_of(told["provider"])
    guilty = {placed.planned.provider or ""} if way in PARTS else set[str]()
    if way is Way.FALSE_REJECT and happened(placed, name_of):
        guilty = {name_of(each["worker"]) for each in records(told["verifiers"])} & set(rogues())
    left = len(records(told["verifiers"])) - len(guilty)
    enough = left >= accepts_needed(TIERS.of(placed.planned.tier).k)
    wanted = {
        Way.HONEST: GOOD,
        Way.WRONG_VALUES: ("convicted",),
        Way.SILENT: ("provider_silent_after_accept",),
        Way.UNREVEALED: ("provider_silent_at_reveal",),
        Way.FALSE_REJECT: GOOD if enough or not guilty else ("rejected",),  # J56: the rest decides
    }[way]
    found = []
    if outcome not in wanted:
        found.append(f"ended as {outcome}, wanted {' or '.join(wanted)}")
    found += [f"{name} is honest and lost of its bond" for name in sorted(losers - guilty)]
    agreed = way is Way.FALSE_REJECT and not left and len(guilty) > 1  # J56: as they would where a job can't be run
    if not agreed:
        found += [f"{name} misbehaved and lost nothing" for name in sorted(guilty - losers)]
    if provider in losers and way in (Way.HONEST, Way.FALSE_REJECT):
        found.append(f"the provider {provider} is honest and was punished")
    return [f"job {placed.job.hex()}, {way}, {placed.planned.tier.name.lower()}: {each}" for each in found]


def disagreements(placed: list[Placed], stage: Stage) -> list[str]:
    """Return the jobs of which one validator says another thing than the rest."""
    found = []
    for each in placed:
        said = stage.on_every_validator("job.show", id=each.job.hex())
        if any(answer != each.told for answer in said.values()):
            found.append(f"job {each.job.hex()}: validators differ")
    return found


def table(placed: list[Placed], name_of: Callable[[Json], str]) -> list[str]:
    """Return how many jobs of each way ended how."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for each in placed:
        tier = each.planned.tier.name.lower()
        counts[each.planned.way, tier, str(each.told["outcome"])] += 1
    lines = [f"{way:<14} {tier:<9} {outcome:<30} {count:>4}" for (way, tier, outcome), count in sorted(counts.items())]
    for way in MISDEEDS:
        came = sum(each.planned.way is way and happened(each, name_of) for each in placed)
        lines.append(f"{way:<14} came about {came} times")
    return lines


def times(placed: list[Placed]) -> list[str]:
    """Return for each tier how long honest jobs took from submission to settlement, and what share of runs verified."""
    lines = []
    for tier in sorted({each.planned.tier for each in placed}):
        chosen = [each for each in placed if each.planned.tier is tier and each.planned.way is Way.HONEST]
        took = sorted(each.settled_s - each.began_s for each in chosen if each.settled_s is not None)
        if took:
            middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
            runs = sum(len(records(each.told["verifiers"])) for each in chosen)
            share = runs / (runs + len(chosen))
            lines.append(
                f"{tier.name.lower():<9} {len(took):>4} honest jobs, p50 {middle:.1f} s, p99 {late:.1f} s; "
                f"{share:.0%} of runs verified"
            )
    return lines
