"""`python -m tests.ledger.walk`: walks of random people until so many steps are taken; exit 1 at the first fault.

What walks have come by is remembered for the code as it is, so that a night that was stopped goes on.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.ledger.walk.coverage import KINDS, ROWS
from tests.ledger.walk.walk import FaultError, Seen, Walk
from tests.vm.code_version import code_version

STATE = Path(".night") / "walk"
CODE = ("ledger", "primitives", "vm", "testnet/kit", "tests/ledger/walk", "tests/ledger/market/dispute/played.py")
STEPS_OF_A_WALK = 1_000


def main() -> int:
    """Walk, and tell what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="this walk alone")
    options = parser.parse_args()
    done = STATE / code_version(CODE)
    done.mkdir(parents=True, exist_ok=True)
    whole, steps = Seen(), 0
    walks = -(-options.steps // STEPS_OF_A_WALK)
    for seed in range(walks) if options.seed is None else [options.seed]:
        mark = done / f"{seed}.json"
        if options.seed is not None or not mark.exists():
            walk = Walk(seed)
            try:
                walk.go(STEPS_OF_A_WALK)
            except (FaultError, AssertionError) as fault:
                sys.stdout.write(f"FAULT, seed {seed}, after {walk.steps} steps: {fault!r}\n")
                return 1
            mark.write_text(json.dumps({"steps": walk.steps, "seen": vars(walk.seen)}))
        kept = json.loads(mark.read_text())
        steps += kept["steps"]
        whole.add(kept["seen"])
        rows = sum(1 for row in ROWS if whole.rows[row])
        sys.stdout.write(f"   walk {seed + 1}: {steps} steps, {rows} of {len(ROWS)} rows\n")
        sys.stdout.flush()
    _tell(whole)
    sys.stdout.write(f"{steps} steps: 0 faults\n")
    return 0


def _tell(seen: Seen) -> None:
    for words, counter in vars(seen).items():
        if words != "rows":
            told = ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))
            sys.stdout.write(f"{words}: {told}\n")
    for words, wanted, counter in (("rows of the tables", ROWS, seen.rows), ("kinds", KINDS, seen.carried)):
        missed = [each for each in wanted if not counter[each]]
        sys.stdout.write(f"{words} come by: {len(wanted) - len(missed)} of {len(wanted)}")
        sys.stdout.write(f"; not: {', '.join(missed)}\n" if missed else "\n")


if __name__ == "__main__":
    sys.exit(main())
