"""Equal seeds give equal runs, event for event, in whatever process; and a run that fails says how to repeat it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testnet.manifest import read_manifest
from testnet.sim.campaign import simulate


def command(*options: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run the simulator in a process of its own."""
    line = [sys.executable, "-m", "cli.main", "testnet", "simulate", *options]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(line, env=environment, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["storm", "staking"])
def test_equal_seeds_give_equal_digests_in_processes_with_different_hash_seeds(name: str) -> None:
    here, _ = simulate(read_manifest(Path(name)), 5)
    for hash_seed in ("1", "2"):
        told = json.loads(command(name, "--seed", "5", "--json", hash_seed=hash_seed).stdout)
        assert told["data"]["runs"][0]["digest"] == here.digest


def test_different_seeds_give_different_digests() -> None:
    runs = [simulate(read_manifest(Path("calm")), seed)[0] for seed in (1, 2)]
    assert runs[0].digest != runs[1].digest


def test_a_run_is_the_same_whether_its_timeline_is_kept_or_not() -> None:
    manifest = read_manifest(Path("epochs"))
    told, world = simulate(manifest, 3, traced=True)
    assert simulate(manifest, 3)[0] == told
    assert world.moments


def test_a_run_that_fails_prints_what_happened_and_the_line_that_repeats_it() -> None:
    ran = command("lossy", "--seeds", "0:3", "--mutant", "never-repeats")
    assert ran.returncode == 8
    *_, last = ran.stdout.splitlines()
    line, _, _commit = last.partition("   # at commit ")
    assert line == "assay testnet simulate lossy --seed 0 --mutant never-repeats"
    assert "BROKEN repeats: " in ran.stdout
    assert "MS" in ran.stdout
    again = command(*line.split()[3:])
    assert (again.returncode, again.stdout) == (8, ran.stdout)


@pytest.mark.parametrize("options", [("--seeds", "5:5"), ("--seeds", "x"), ("--mutant", "no-such")])
def test_what_can_not_be_run_is_a_wrong_use(options: tuple[str, str]) -> None:
    assert command("calm", *options).returncode == 2
