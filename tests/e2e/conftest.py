from collections.abc import Iterator

import pytest

from ledger.parameters import Parameters
from testnet.manifest import Follower, Manifest, Worker
from tests.e2e.market import Market

SECOND_MS = 1_000
CASES: list[str] = []
"""Who was killed and how the job ended: a line for each case of test_faults."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of cases."""
    if CASES:
        terminalreporter.section("jobs of which somebody was killed")
        for line in CASES:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Four validators; workers 0 to 4, of which 1 runs other settings and 2 is noisy, and a liar, 5; two followers.

    The second follower is connected to the first one only, and that to validator0 only.
    """
    workers = [
        Worker(),
        Worker(threads=2, optimisation=False),
        Worker(behaviour="noisy"),
        Worker(),
        Worker(),
        Worker(behaviour="liar"),
    ]
    followers = [Follower(connect=["validator0"]), Follower(connect=["follower0"])]
    market = Market(tmp_path_factory.mktemp("honest") / "net", Manifest(workers=workers, followers=followers))
    try:
        market.start()
        market.publish()
        yield market
    finally:
        market.stop()


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Short deadlines, and workers that are slow or stop at a given step, so that a test can kill them in it."""
    behaviours = ["slow", "slow", "slow", "slow", "silent-after-accept", "silent-after-commit", None]
    parameters = Parameters(
        accept_ms=12 * SECOND_MS,
        commit_ms=12 * SECOND_MS,
        draw_ms=20 * SECOND_MS,
        verify_ms=12 * SECOND_MS,
        reveal_ms=8 * SECOND_MS,
        check_ms=8 * SECOND_MS,
        challenge_ms=20 * SECOND_MS,
    )
    manifest = Manifest(workers=[Worker(behaviour=each) for each in behaviours], parameters=parameters)
    market = Market(tmp_path_factory.mktemp("faulty") / "net", manifest)
    try:
        market.start()
        market.publish()
        yield market
    finally:
        market.stop()
