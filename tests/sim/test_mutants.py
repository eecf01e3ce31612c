"""Each rule that keeps the network safe, broken on purpose, is caught by the checks that all runs have."""

import pytest

from testnet.sim.mutants import MUTANTS, maker
from testnet.sim.run import Report, Simulation

SEEDS = range(40)

CAUGHT_BY = {
    "skips-ancestry": "agreement",
    "votes-twice": "double signing",
    "finalizes-nullified": "double signing",
    "sends-first": "double signing",
    "forgets-votes": "double signing",
    "votes-for-invalid": "validity",
    "finalizes-early": "notarized before finalized",
    "never-repeats": "liveness",
    "fetches-once": "liveness",
}


def first_broken(name: str, nodes: int) -> Report | None:
    profile = MUTANTS[name].profile
    runs = (Simulation(seed=seed, nodes=nodes, profile=profile, core=maker(name)).run() for seed in SEEDS)
    return next((report for report in runs if report.broken), None)


@pytest.mark.parametrize("nodes", [4, 7])
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_caught(name: str, nodes: int) -> None:
    report = first_broken(name, nodes)
    assert report is not None, f"{name} passed {len(SEEDS)} seeds"
    assert report.broken == CAUGHT_BY[name]


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_what_catches_a_mutant_leaves_the_true_core_alone(name: str) -> None:
    for seed in SEEDS[:3]:
        report = Simulation(seed=seed, nodes=4, profile=MUTANTS[name].profile).run()
        assert not report.broken, report.what
