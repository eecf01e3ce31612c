"""Equal seeds give equal runs, event for event, in whatever process; and a run that fails says how to repeat it."""

import os
import subprocess
import sys

import pytest

from testnet.sim.__main__ import main, replay_command
from testnet.sim.profile import PROFILES
from testnet.sim.run import Report, Simulation


def printed(seed: int, hash_seed: str) -> str:
    """Run a seed in a process of its own."""
    command = [sys.executable, "-m", "testnet.sim", "--seed", str(seed), "--nodes", "4", "--profile", "storm"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout


def digest(text: str) -> str:
    return text.split("digest ")[1].split(maxsplit=1)[0]


def test_equal_seeds_give_equal_digests_in_processes_with_different_hash_seeds() -> None:
    here = Simulation(seed=5, nodes=4, profile=PROFILES["storm"]).run()
    assert digest(printed(5, "1")) == digest(printed(5, "2")) == here.digest


def test_different_seeds_give_different_digests() -> None:
    runs = [Simulation(seed=seed, nodes=4, profile=PROFILES["calm"]).run() for seed in (1, 2)]
    assert runs[0].digest != runs[1].digest


def test_a_run_that_fails_prints_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report(
        seed=9, nodes=7, profile="storm", events=0, blocks=0, views=0, simulated_ms=0, heal_ms=0, heal_views=0,
        faults={}, caught=0, digest="", broken="agreement", what="two chains",
    )  # fmt: skip
    assert replay_command(report) == "python -m testnet.sim --seed 9 --nodes 7 --profile storm"
    monkeypatch.setattr(Simulation, "run", lambda _: report)
    monkeypatch.setattr(sys, "argv", ["testnet.sim", "--seed", "9", "--nodes", "7", "--profile", "storm"])
    assert main() == 1
    out = capsys.readouterr().out
    assert "BROKEN agreement: two chains\nreplay: python -m testnet.sim --seed 9 --nodes 7 --profile storm\n" in out
