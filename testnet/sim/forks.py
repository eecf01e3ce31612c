"""Beyond what the protocol bears networks fork: run so many forks, and name their authors (C18).

`python -m testnet.sim.forks` prints, for each network, the forks, the least weight that a fork named, and who was
named that is honest: nobody, ever.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from typing import NamedTuple

from consensus.evidence import culprits, offence
from testnet.faults import Faults
from testnet.manifest import Manifest
from testnet.sim.campaign import commit_here
from testnet.sim.run import RAISED, Simulation

FORKED = {"agreement", "halt"}
"""What a fork looks like: two final blocks, or a node that meets the proof of one and stops."""
BROKEN = {"", "liveness", *FORKED}
"""What may come of a network with too many liars."""
PER_CENT = 100


def network(validators: int, liars: int) -> Manifest:
    """Return a network with more liars than it bears, each of whom votes for everything."""
    faults = Faults(
        loss=0.05, partitions=6, cast=["double-voter"] * liars, beyond=liars - (validators - 1) // 3, for_ms=20_000
    )
    return Manifest(name=f"{liars} of {validators}", validators=validators, delta_ms=150, idle_ms=100, faults=faults)


NETWORKS = (network(4, 2), network(7, 3), network(7, 4))
"""All below two thirds, above which nobody is left to tell."""
SHARES = (11, 2, 7)
"""Of the forks, by network: the rarer ones take longer to find."""


class Fork(NamedTuple):
    """A fork, and whom the certificates that honest nodes sent convict of it."""

    seed: int
    named: frozenset[int]
    honest: frozenset[int]
    """Of these."""
    share: float
    """What part of the weight they are."""


def fork(manifest: Manifest, seed: int) -> Fork | None:
    """Run one seed; return its fork, if it has one. Raises AssertionError for what not even liars may bring about."""
    simulation = Simulation(manifest, seed)
    report = simulation.run()
    assert report.broken in BROKEN, f"{report.broken}: {report.what}"
    assert report.broken != RAISED, report.what
    if report.broken not in FORKED:
        return None
    committee = simulation.committee(0)
    scheme, instance = simulation.scheme(committee), committee.instance
    named = set()
    for one, other in itertools.combinations(simulation.checks.certificates.values(), 2):
        for first, second in culprits(one, other) if one.vote.view == other.vote.view else []:
            assert offence(first, second, instance, scheme) is not None, "each pair convicts by itself"
            named.add(committee.nodes[first.signer])
    honest = named - {node.voice for node in simulation.nodes if node.liar}
    return Fork(seed, frozenset(named), frozenset(honest), committee.weight(named) / instance.validators.total)


def forks(manifest: Manifest, wanted: int) -> Iterator[Fork]:
    """Run seeds until so many forks are found."""
    found = (fork(manifest, seed) for seed in itertools.count())
    yield from itertools.islice((each for each in found if each is not None), wanted)


def main() -> int:
    """Print a line for each network; exit with 1 if a fork named less than a third, or anybody honest."""
    parser = argparse.ArgumentParser(prog="python -m testnet.sim.forks", description=__doc__)
    parser.add_argument("--forks", type=int, default=200, help="in all")
    wanted = parser.parse_args().forks
    sys.stdout.write(f"at commit {commit_here()}\n{'NETWORK':<10}{'SEEDS':>7}{'FORKS':>7}{'NAMED':>9}  HONEST NAMED\n")
    wrong = False
    for manifest, share in zip(NETWORKS, SHARES, strict=True):
        found = list(forks(manifest, -(-wanted * share // sum(SHARES))))
        least, honest = min(each.share for each in found), sum(len(each.honest) for each in found)
        wrong = wrong or honest > 0 or 3 * least <= 1
        seeds, named = found[-1].seed + 1, f"≥ {PER_CENT * least:.0f} %"
        sys.stdout.write(f"{manifest.name:<10}{seeds:>7}{len(found):>7}{named:>9}  {honest}\n")
        sys.stdout.flush()
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
