"""Run the benchmarks named on the command line, or all of them."""

import argparse
from collections.abc import Callable, Iterator

from benches import (
    canonical,
    cost,
    disputes,
    finality,
    floods,
    gas,
    jobs,
    native,
    pool,
    primitives,
    referee,
    sync,
    tiers,
    transfers,
    tree,
    warm,
)
from benches.figures import Figure, machine, say, show

BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    "primitives": primitives.run,
    "tree": tree.run,
    "gas": gas.run,
    "sync": sync.run,
    "cost": cost.run,
    "referee": referee.run,
    "disputes": disputes.run,
    "native": native.run,
    "canonical": canonical.run,
    "warm": warm.run,
    "pool": pool.run,
    "finality": finality.run,
    "transfers": transfers.run,
    "jobs": jobs.run,
    "tiers": tiers.run,
    "floods": floods.run,
}


def main() -> None:
    """Print the machine, then each benchmark's figures as they come."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHES)}")
    asked = parser.parse_args().names or list(BENCHES)
    unknown = [name for name in asked if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are: {', '.join(BENCHES)}")
    for line in machine():
        say(line)
    for name in asked:
        say(f"\n{name}: {(BENCHES[name].__globals__['__doc__'] or '').splitlines()[0]}")
        for figure in BENCHES[name]():
            show(figure)


if __name__ == "__main__":
    main()
