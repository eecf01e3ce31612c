"""`python -m tests.ledger.walk`: walks of random people until so many steps are taken; exit 1 at the first fault.

Seeds that are done are remembered for the code as it is, so that a night that was stopped goes on.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.ledger.walk.walk import FaultError, Walk
from tests.vm.code_version import code_version

STATE = Path(".night") / "walk"
CODE = ("ledger", "primitives", "vm", "testnet/kit", "tests/ledger/walk")
STEPS_OF_A_WALK = 1_000


def main() -> int:
    """Walk, and tell what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="this walk alone")
    options = parser.parse_args()
    if options.seed is not None:
        walked = Walk(options.seed)
        walked.go(STEPS_OF_A_WALK)
        _tell(walked.carried, walked.refused, walked.outcomes, walked.stages)
        return 0
    done = STATE / code_version(CODE)
    done.mkdir(parents=True, exist_ok=True)
    carried, refused, outcomes, stages = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    steps = 0
    for seed in range(-(-options.steps // STEPS_OF_A_WALK)):
        mark = done / str(seed)
        if mark.exists():
            steps += STEPS_OF_A_WALK
            continue
        walk = Walk(seed)
        try:
            walk.go(STEPS_OF_A_WALK)
        except (FaultError, AssertionError) as fault:
            sys.stdout.write(f"FAULT, seed {seed}, after {walk.steps} steps: {fault!r}\n")
            return 1
        mark.touch()
        steps += walk.steps
        for whole, part in (
            (carried, walk.carried),
            (refused, walk.refused),
            (outcomes, walk.outcomes),
            (stages, walk.stages),
        ):
            whole.update(part)
        if seed % 10 == 9:
            sys.stdout.write(f"   {steps} of {options.steps} steps\n")
            sys.stdout.flush()
    _tell(carried, refused, outcomes, stages)
    sys.stdout.write(f"{steps} steps: 0 faults\n")
    return 0


def _tell(*counters: Counter[str]) -> None:
    for words, counter in zip(("carried out", "refused", "jobs ended", "disputes and filings"), counters, strict=True):
        told = ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))
        sys.stdout.write(f"{words}: {told}\n")


if __name__ == "__main__":
    sys.exit(main())
