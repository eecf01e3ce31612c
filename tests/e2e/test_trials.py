"""Some of the trials, at once on one network of real processes: who lies loses, and all validators say the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from testnet.trials.__main__ import main, played
from testnet.trials.cases import CASES, MANIFEST
from testnet.trials.report import lines
from testnet.trials.stage import Stage

pytestmark = pytest.mark.e2e

SECOND_MS = 1_000
WORKERS = 8
"""A provider, three verifiers, three fresh workers, and a stranger who lies."""
WINDOWS = msgspec.structs.replace(
    MANIFEST.parameters,
    withheld_ms=8 * SECOND_MS,
    dispute_claim_ms=12 * SECOND_MS,
    dispute_open_ms=10 * SECOND_MS,
    dispute_step_ms=15 * SECOND_MS,
    dispute_judge_ms=8 * SECOND_MS,
)
KNOWN = {case.name: case for case in CASES}
PLAYED = ("lying-provider", "honest-challenged", "withheld-input")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    manifest = msgspec.structs.replace(MANIFEST, workers=MANIFEST.workers[:WORKERS], parameters=WINDOWS)
    made = Stage(tmp_path_factory.mktemp("trials") / "network", manifest, at_once=len(PLAYED))
    try:
        made.start()
        made.publish()
        yield made
    finally:
        made.stop()


def test_each_lie_ends_as_it_should(stage: Stage) -> None:
    with ThreadPoolExecutor(len(PLAYED)) as pool:
        outcomes = list(pool.map(lambda name: played(stage, KNOWN[name]), PLAYED))
    told = "\n".join(line for each in outcomes for line in lines(each))
    assert all(each.is_good for each in outcomes), told
    assert all(len(each.validators) == MANIFEST.validators for each in outcomes)


def test_the_cases_are_told_without_a_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--list", "--directory", str(tmp_path / "none")]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(KNOWN)
    assert not (tmp_path / "none").exists()
