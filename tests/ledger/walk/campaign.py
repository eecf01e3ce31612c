"""Many walks, one after the other: told as they go, and remembered, so that a night that was stopped goes on."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.ledger.walk.coverage import KINDS, ROWS
from tests.ledger.walk.walk import FaultError, Seen, Walk
from tests.vm.code_version import code_version

STATE = Path(".night")
CODE = ("ledger", "primitives", "vm", "testnet/kit", "tests/ledger/walk", "tests/ledger/market/dispute/played.py")
STEPS_OF_A_WALK = 1_000


def campaign(
    make: Callable[[int], Walk],
    *,
    prog: str,
    about: str | None,
    state: str,
    steps: int,
    code: tuple[str, ...] = (),
    finds: tuple[type[Exception], ...] = (),
) -> int:
    """Walk, and tell what was seen; `finds` is raised by what else is a fault. Return the exit status."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, help="this walk alone")
    options = parser.parse_args()
    done = STATE / state / code_version((*CODE, *code))
    done.mkdir(parents=True, exist_ok=True)
    whole, taken = Seen(), 0
    walks = -(-options.steps // STEPS_OF_A_WALK)
    for seed in range(walks) if options.seed is None else [options.seed]:
        mark = done / f"{seed}.json"
        if options.seed is not None or not mark.exists():
            walk = make(seed)
            try:
                walk.go(STEPS_OF_A_WALK)
            except (FaultError, AssertionError, *finds) as fault:
                sys.stdout.write(f"FAULT, seed {seed}, after {walk.steps} steps: {fault!r}\n")
                return 1
            mark.write_text(json.dumps({"steps": walk.steps, "seen": vars(walk.seen)}))
        kept = json.loads(mark.read_text())
        taken += kept["steps"]
        whole.add(kept["seen"])
        rows = sum(1 for row in ROWS if whole.rows[row])
        sys.stdout.write(f"   walk {seed}: {taken} steps, {rows} of {len(ROWS)} rows\n")
        sys.stdout.flush()
    _tell(whole)
    sys.stdout.write(f"{taken} steps: 0 faults\n")
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
