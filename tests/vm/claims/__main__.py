"""The long campaign of false claims: `python -m tests.vm.claims --seeds 3`. Stopped, it goes on where it was.

About every model of the tests, whole and by its tail, and about small programs of every operator, everything false is
claimed that we know of; the true claim meets each in the ledger's own duel. One lie that stands, or one truth that
falls, and it ends with 1.
"""

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from primitives.reasons import Refused
from tests.vm.claims.play import Score
from tests.vm.claims.subjects import of_model, of_operator, of_tail, of_trapped
from tests.vm.models.catalogue import all_models
from vm.program import Op

STATE = Path(".night") / "claims.json"
SMALL_PER_SEED = 8
"""Programs of each operator for each seed."""
REPORT_S = 30.0

Unit = tuple[str, Callable[[], Score]]


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.claims", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how often each model is lied about, at other places")
    parser.add_argument("--anew", action="store_true", help="forget where the last campaign stopped")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.anew:
        STATE.unlink(missing_ok=True)
    sys.exit(_campaign(asked.seeds))


def units(seeds: int) -> Iterator[Unit]:
    """Yield the campaign, the same each time."""
    for seed in range(seeds):
        for op in Op:
            for at in range(SMALL_PER_SEED):
                yield f"{op.name} {seed}.{at}", partial(of_operator, op, seed * SMALL_PER_SEED + at)
        for in_tail in (False, True):
            yield f"a trap {seed}, in the tail {in_tail}", partial(of_trapped, in_tail=in_tail, seed=seed)
        for case in all_models():
            yield f"{case.name} {seed}", partial(of_model, case, seed)
            yield f"tail of {case.name} {seed}", partial(of_tail, case, seed)


def _campaign(seeds: int) -> int:
    done, score = _loaded(seeds)
    began = reported = time.monotonic()
    for at, (name, run) in enumerate(units(seeds)):
        if at < done:
            continue
        try:
            found = run()
        except Refused as refused:
            _say(f"{name} is not served: {refused}")
            continue
        score.add(found)
        for finding in found.findings[:3]:
            _say(f"! {finding:.300}")
        if time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            _keep(seeds, at + 1, score)
            _say(f"{score.fought:>9,} false claims, {name}, {len(score.findings)} findings")
    STATE.unlink(missing_ok=True)
    _tell(score, time.monotonic() - began)
    return 1 if score.findings else 0


def _tell(score: Score, seconds: float) -> None:
    _say(f"{score.fought:,} false claims in {seconds:,.0f} s; {len(score.findings)} stood, or brought a true one down")
    for kind, end in sorted(score.ends):
        _say(f"  {kind:<44} {end:<28} {score.ends[kind, end]:>8,}")
    _say("by operator: " + ", ".join(f"{name} {count:,}" for name, count in sorted(score.operators.items())))
    _say(
        f"longest duel {score.rounds} windows; lists of one side at most {score.list_bytes / 1024:.1f} KiB, "
        f"proof at most {score.proof_bytes / 1024:.1f} KiB"
    )


def _keep(seeds: int, done: int, score: Score) -> None:
    STATE.parent.mkdir(exist_ok=True)
    told = {
        "seeds": seeds,
        "done": done,
        "ends": [[*key, count] for key, count in sorted(score.ends.items())],
        "operators": dict(score.operators),
        "findings": score.findings,
        "most": [score.rounds, score.list_bytes, score.proof_bytes],
    }
    STATE.write_text(json.dumps(told))


def _loaded(seeds: int) -> tuple[int, Score]:
    """Return how far a campaign of as many seeds has come, and what it has found."""
    told = json.loads(STATE.read_text()) if STATE.exists() else {}
    if told.get("seeds") != seeds:
        return 0, Score()
    rounds, lists, proofs = told["most"]
    ends = Counter({(kind, end): count for kind, end, count in told["ends"]})
    score = Score(ends, Counter(told["operators"]), told["findings"], rounds, lists, proofs)
    return told["done"], score


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
