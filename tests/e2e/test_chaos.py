"""A few of each fault on a real network under load; `assay testnet chaos` does the same at length."""

from pathlib import Path

import pytest

from testnet.chaos.plan import Fault
from testnet.chaos.run import CHAOTIC, chaos, lines_of, plan_for

EVENTS = 7
"""One of each kind but the halt of all."""


def test_a_network_survives_one_of_each_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    todo = plan_for(CHAOTIC, seed=5, events=EVENTS)
    report = chaos(tmp_path / "net", CHAOTIC, todo, seed=5, per_s=5.0, progress=print)
    with capsys.disabled():
        print("", *lines_of(report), sep="\n")
    assert report.wrong == []
    assert {each.event.fault for each in report.events} == set(Fault) - {Fault.HALT}
    assert report.load.final == report.load.accepted > 0
    assert report.findings.votes > 0
