"""A validator whose disk is an old copy does not sign twice, and no second process runs in a home."""

import subprocess
import sys
from pathlib import Path

import pytest

from testnet import processes
from testnet.chaos.plan import Event, Fault
from testnet.chaos.run import CHAOTIC, chaos, lines_of
from testnet.manifest import Manifest
from testnet.network_home import write_network
from testnet.observe import wait_ready

VICTIM = "validator2"
RESTORES = 2
ENDED_S = 60.0
EXIT_REFUSED = 2


def test_a_validator_set_back_again_and_again_under_load_signs_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its votes are written down outside its home, so that the record holds those of all its lives."""
    aside = Event(fault=Fault.KILL, victims=[VICTIM], lasts_ms=500)
    back = [Event(fault=Fault.RESTORE, victims=[VICTIM], lasts_ms=200 + 2_000 * at) for at in range(RESTORES)]
    report = chaos(tmp_path / "net", CHAOTIC, [aside, *back], seed=1, per_s=10.0, progress=print)
    with capsys.disabled():
        print("", *lines_of(report), sep="\n")
    assert report.wrong == []
    assert (tmp_path / "net" / "votes" / f"{VICTIM}.jsonl").stat().st_size > 0


def test_a_second_process_in_a_home_is_refused_and_a_killed_one_leaves_the_home_free(tmp_path: Path) -> None:
    directory = tmp_path / "net"
    (node,) = write_network(directory, Manifest(validators=1, accounts=1)).nodes
    command = [sys.executable, "-m", "node.app", "--home", str(directory / node.name)]
    try:
        processes.start(directory, [node])
        wait_ready(directory, [node], progress=print)
        pid = processes.read_running(directory)[node.name].pid
        second = subprocess.run(command, capture_output=True, text=True, timeout=ENDED_S, check=False)
        assert second.returncode == EXIT_REFUSED
        assert "home in use" in second.stderr
        assert str(pid) in second.stderr
        processes.kill(directory, node.name)
        processes.start(directory, [node])
        wait_ready(directory, [node], progress=print)
    finally:
        processes.stop(directory, [node.name])
