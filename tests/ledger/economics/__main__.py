"""`python -m tests.ledger.economics`: what honesty and each way to cheat bring in each tier; exit 1 if cheating pays.

Jobs are played on the ledger itself: draws, disputes, slashing and fees are the product's.
"""

import argparse
import sys

from ledger.parameters import Tier
from primitives.units import BASIS
from tests.ledger.economics.actors import PARAMETERS, STRATEGIES, Setting, compare

CANARY_SEEDS = 4
"""So many times the seeds where a canary alone finds somebody out: there the differences are the smallest."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.economics", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--tier", choices=[tier.name.lower() for tier in Tier])
    parser.add_argument("--run", type=int, default=0, metavar="SECONDS", help="what a run takes; fees follow it (J10)")
    options = parser.parse_args()
    tiers = [tier for tier in Tier if options.tier in (None, tier.name.lower())]
    setting, worse = Setting(run_s=options.run), 0
    for tier in tiers:
        # Where one job in five is drawn, it takes five times as many to see as many draws.
        drawn = options.seeds * BASIS // PARAMETERS.tiers.of(tier).q_bps
        for strategy in STRATEGIES:
            seeds = drawn * CANARY_SEEDS if strategy.canaries else drawn
            row = compare(strategy, tier, range(seeds), setting, jobs=options.jobs)
            worse += not row.honesty_is_best
            verdict = "honesty is better" if row.honesty_is_best else "NOT BETTER"
            sys.stdout.write(
                f"{tier.name.lower():<9} {row.strategy:<30} {row.mean:+.4f}   honest {row.honest:+.4f}"
                f"   better by {row.better:.4f} ± {row.margin:.4f}   {verdict}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(
        f"{len(tiers) * len(STRATEGIES)} comparisons, {options.seeds} seeds or more: cheating pays in {worse}\n"
    )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
