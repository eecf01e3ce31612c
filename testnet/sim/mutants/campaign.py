"""Each mutant against all checks, which do not know what is broken: manifests over seeds, and single situations."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from consensus.core import Core
from testnet.manifest import read_manifest
from testnet.sim.checks import Broken
from testnet.sim.mutants.cores import ALONE, MUTANTS, core_of
from testnet.sim.mutants.scenarios import SCENARIOS
from testnet.sim.run import Simulation

MANIFESTS = (
    "lossy",
    "crash",
    "partition",
    "garblers",
    "equivocators",
    "silent-leaders",
    "conflicters",
    "skippers",
    "stale",
    "split-certificates",
    "disks",
    "twins",
    "epochs",
    "withholders",
    "nullers",
)
"""In this order for every mutant, one seed of each after another."""
CRASH = "crash"
"""The check that a core that raises fails."""


class Verdict(NamedTuple):
    """Who caught a mutant, and how soon; nobody if `check` is empty."""

    name: str
    rule: str
    check: str
    where: str
    runs: int
    what: str


def try_mutant(name: str, seeds: int, manifests: Sequence[str] = MANIFESTS) -> Verdict:
    """Put a mutant to all scenarios and to so many seeds of the manifests, until a check catches it."""
    plays = [(scenario, 0) for scenario in SCENARIOS]
    plays += [(manifest, seed) for seed in range(seeds) for manifest in manifests]
    for tried, (where, seed) in enumerate(plays, start=1):
        check, what = judge(core_of(name), where, seed)
        if check:
            return Verdict(name, MUTANTS[name].rule, check, where, tried, what)
    return Verdict(name, MUTANTS[name].rule, "", "", len(plays), ALONE.get(name, ""))


def judge(core: type[Core], where: str, seed: int) -> tuple[str, str]:
    """Put a core to a scenario, or to a seed of a manifest; return the check that fails, with facts, empty if none."""
    try:
        if where in SCENARIOS:
            SCENARIOS[where](core)
            return "", ""
        report = Simulation(read_manifest(Path(where)), seed, core=core, watched=True).run()
    except Broken as broke:
        return broke.check, broke.what
    except Exception as fault:  # noqa: BLE001 - supervisor: a core that raises is caught by that
        return CRASH, repr(fault)
    return report.broken, report.what
