"""Each rule that keeps the network safe or alive, broken on purpose, is caught by the checks that all runs have."""

from pathlib import Path

import pytest

from testnet.manifest import read_manifest
from testnet.sim.campaign import simulate
from testnet.sim.mutants import MUTANTS
from testnet.sim.report import Report

SEEDS = range(20)


def first_broken(name: str) -> Report | None:
    manifest = read_manifest(Path(MUTANTS[name].manifests[0]))
    runs = (simulate(manifest, seed, mutant=name)[0] for seed in SEEDS)
    return next((report for report in runs if report.broken), None)


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_caught(name: str) -> None:
    report = first_broken(name)
    assert report is not None, f"{name} passed {len(SEEDS)} seeds"
    assert report.broken != "faults", report.what
