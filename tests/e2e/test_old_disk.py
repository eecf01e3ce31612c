"""A validator whose disk is an old copy does not sign twice; two nodes in a home: tests/node/test_four_nodes.py."""

from pathlib import Path

import pytest

from testnet.chaos.plan import Event, Fault
from testnet.chaos.run import CHAOTIC, chaos, lines_of

VICTIM = "validator2"
RESTORES = 2


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
