"""The mutation campaign: switch each rule of consensus off in turn and print who catches that, and how soon."""

import argparse
import multiprocessing
import sys
import time
from functools import partial

from testnet.sim.campaign import cores
from testnet.sim.mutants.campaign import Verdict, try_mutant
from testnet.sim.mutants.cores import ALONE, MUTANTS

SEEDS = 8
"""Of each manifest, for a mutant that nothing catches."""
WHAT_CHARS = 60


def row(verdict: Verdict) -> str:
    """Return a line of the table."""
    caught = verdict.check or ("alone" if verdict.name in ALONE else "NOT CAUGHT")
    return (
        f"{verdict.rule:<5}{verdict.name:<34}{caught:<18}{verdict.where:<20}{verdict.runs:>5}  "
        f"{verdict.what[:WHAT_CHARS]}"
    )


def main() -> int:
    """Try mutants and print the table; exit with 1 if one is caught by nobody and not known to be so."""
    parser = argparse.ArgumentParser(prog="python -m testnet.sim.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each manifest, at most")
    parser.add_argument("--only", nargs="*", choices=sorted(MUTANTS), default=list(MUTANTS))
    parser.add_argument("--processes", type=int, default=cores())
    chosen = parser.parse_args()
    began_s = time.monotonic()
    sys.stdout.write(f"{'RULE':<5}{'MUTANT':<34}{'CAUGHT BY':<18}{'IN':<20}{'RUNS':>5}  WHAT\n")
    verdicts: list[Verdict] = []
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        for verdict in pool.imap(partial(try_mutant, seeds=chosen.seeds), chosen.only):
            verdicts.append(verdict)
            sys.stdout.write(row(verdict) + "\n")
            sys.stdout.flush()
    wrong = [each.name for each in verdicts if (each.name in ALONE) == bool(each.check)]
    caught = sum(bool(each.check) for each in verdicts)
    for name in (each.name for each in verdicts if each.name in ALONE):
        sys.stdout.write(f"{name}: {ALONE[name]}\n")
    sys.stdout.write(
        f"{len(verdicts)} mutants of {len({each.rule for each in verdicts})} rules: {caught} caught, "
        f"{len(verdicts) - caught} that can't be caught alone or are not; {time.monotonic() - began_s:.0f} s\n"
    )
    for name in wrong:
        sys.stdout.write(f"WRONG {name}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
