"""Each mutation against all checks, which do not know what is broken: manifests over seeds, and single situations."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from consensus.core import Core
from testnet.manifest import Manifest, read_manifest
from testnet.sim.checks import Broken
from testnet.sim.mutation.keeping import KEEPING
from testnet.sim.mutation.scenarios import SCENARIOS
from testnet.sim.mutation.voting import VOTING
from testnet.sim.run import Simulation

MUTATIONS = {**VOTING, **KEEPING}
"""By name."""
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
"""In this order for every mutation, one seed of each after another."""
CRASH = "crash"
"""The check that a core that raises fails."""

ALONE = {
    "votes-on-final-views": (
        "Whatever a node signs stands on a second rule that excludes closed views: N and S are cast in the current "
        "view alone, which lies above the final one (C2, C6), and F on a certificate above it alone (C3)."
    ),
    "nullifies-after-finalizing": (
        "F is cast on an N certificate, which ends its view (C3), and S in the current view alone (C6); so no node "
        "comes to nullify a view in which it has cast F, with this half of C7 or without it."
    ),
}
"""Mutations that no check can catch as long as every other rule holds, and why."""


class Verdict(NamedTuple):
    """Who caught a mutation, and how soon; nobody if `check` is empty."""

    name: str
    rule: str
    check: str
    where: str
    runs: int
    what: str


def broken_core(name: str) -> type[Core]:
    """Return the core with a mutation."""
    broken = MUTATIONS[name].broken

    class Mutated(Core):
        """A core that is broken as soon as it is made."""

        def __init__(self, **given: object) -> None:
            super().__init__(**given)  # type: ignore[arg-type]  # what a core is made of, passed on
            broken(self)

    return Mutated


def try_mutation(name: str, seeds: int, manifests: Sequence[str] = MANIFESTS) -> Verdict:
    """Put a mutation to all scenarios and to so many seeds of the manifests, until a check catches it."""
    core, tried = broken_core(name), 0
    known = {each: read_manifest(Path(each)) for each in manifests}
    plays: list[tuple[str, Callable[[], object]]] = [
        (scenario, partial(play, core)) for scenario, play in SCENARIOS.items()
    ]
    for seed in range(seeds):
        plays += [(each, partial(_simulate, manifest, seed, core)) for each, manifest in known.items()]
    for where, play in plays:
        tried += 1
        check, what = _judged(play)
        if check:
            return Verdict(name, MUTATIONS[name].rule, check, where, tried, what)
    return Verdict(name, MUTATIONS[name].rule, "", "", tried, ALONE.get(name, ""))


def _judged(play: Callable[[], object]) -> tuple[str, str]:
    """Return the check that fails, with the facts; empty if none does."""
    try:
        play()
    except Broken as broke:
        return broke.check, broke.what
    except Exception as fault:  # noqa: BLE001 - supervisor: a core that raises is caught by that
        return CRASH, repr(fault)
    return "", ""


def _simulate(manifest: Manifest, seed: int, core: type[Core]) -> None:
    report = Simulation(manifest, seed, core=core, watched=True).run()
    if report.broken:
        raise Broken(report.broken, report.what)
