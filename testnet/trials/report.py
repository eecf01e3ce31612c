"""What a trial has shown, as people read it and as one line of JSON."""

import json
from dataclasses import dataclass, field

from primitives.units import KARAT


@dataclass(kw_only=True)
class Outcome:
    """How a case went."""

    case: str
    words: str
    job: str = ""
    ended: str = ""
    """State and outcome of the job."""
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    """Grains of each user and worker, bonds included."""
    verdicts: list[str] = field(default_factory=list)
    """What the disputes found, in words."""
    validators: dict[str, str] = field(default_factory=dict)
    """The hash of what each validator says of the job and its disputes: they must be the same."""
    wrong: list[str] = field(default_factory=list)
    """What is not as it should be; nothing if the case has shown what it is to show."""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Tell whether all was as it should be."""
        return not self.wrong


def lines(outcome: Outcome) -> list[str]:
    """Return a case as people read it."""
    head = "as it should be" if outcome.is_good else "NOT AS IT SHOULD BE"
    told = [f"== {outcome.case}: {outcome.words}", f"   {head}, {outcome.seconds:.0f} s; {outcome.ended}"]
    told += [f"   verdict: {each}" for each in outcome.verdicts]
    if outcome.validators:
        one = "one" if len(set(outcome.validators.values())) == 1 else "DIFFERENT"
        told.append(f"   {len(outcome.validators)} validators asked, {one} answer: {', '.join(outcome.validators)}")
    told += [
        f"   {name:<12} {_karat(was)} -> {_karat(now)}  {_change(now - was)}" for name, was, now in _moved(outcome)
    ]
    return told + [f"   WRONG: {each}" for each in outcome.wrong]


def table(outcomes: list[Outcome]) -> list[str]:
    """Return a line for each case."""
    wide = max((len(each.case) for each in outcomes), default=0)
    return [f"{'ok  ' if each.is_good else 'FAIL'} {each.case:<{wide}} {each.ended}" for each in outcomes]


def record(outcomes: list[Outcome]) -> str:
    """Return all cases as one line of JSON; amounts are text, as in the API."""
    return json.dumps(
        [
            {
                "case": each.case,
                "good": each.is_good,
                "job": each.job,
                "ended": each.ended,
                "before": {name: str(amount) for name, amount in each.before.items()},
                "after": {name: str(amount) for name, amount in each.after.items()},
                "verdicts": each.verdicts,
                "validators": each.validators,
                "wrong": each.wrong,
                "seconds": round(each.seconds, 1),
            }
            for each in outcomes
        ]
    )


def _moved(outcome: Outcome) -> list[tuple[str, int, int]]:
    names = [name for name in outcome.after if outcome.after[name] != outcome.before.get(name)]
    return [(name, outcome.before.get(name, 0), outcome.after[name]) for name in names]


def _karat(grains: int) -> str:
    whole, rest = divmod(grains, KARAT)
    return f"{whole:>6}.{rest * 10**6 // KARAT:06}"


def _change(grains: int) -> str:
    return f"{'+' if grains > 0 else '-'}{_karat(abs(grains)).strip()}"
