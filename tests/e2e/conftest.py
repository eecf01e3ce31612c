from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.parameters import Parameters
from testnet.manifest import Follower, Manifest, Worker
from tests.e2e.market import Market

SECOND_MS = 1_000
CASES: list[str] = []
"""Who was killed and how the job ended: a line for each case of test_faults."""

EPOCHS: list[str] = []
"""What happened when to the validators of test_validators."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of cases."""
    for title, lines in (("jobs of which somebody was killed", CASES), ("validators through epochs", EPOCHS)):
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)


class Markets:
    """Two kinds of network, of which one runs at a time: a machine of two cores bears no more."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, Market] = {}
        self._running: Market | None = None

    def running(self, name: str, manifest: Manifest) -> Market:
        """Return the network of that name, started and with the model published; another one is stopped."""
        market = self._made.get(name)
        if market is not None and market is self._running:
            return market
        self.stop()
        first = market is None
        market = self._made[name] = market or Market(self._directory / name, manifest)
        self._running = market
        market.start()
        if first:
            market.publish()
        return market

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
        self._running = None


@pytest.fixture(scope="session")
def markets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Markets]:
    made = Markets(tmp_path_factory.mktemp("markets"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def honest(markets: Markets) -> Market:
    """Four validators; five workers, of which 1 runs other settings and 2 is noisy; two followers.

    The second follower is connected to the first one only, and that to validator0 only.
    """
    workers = [
        Worker(),
        Worker(threads=2, optimisation=False),
        Worker(behaviour="noisy"),
        Worker(),
        Worker(),
    ]
    followers = [Follower(connect=["validator0"]), Follower(connect=["follower0"])]
    return markets.running("honest", Manifest(workers=workers, followers=followers))


@pytest.fixture
def faulty(markets: Markets) -> Market:
    """Short deadlines, and honest workers, four of them slow, so that a test can kill them at a given step."""
    behaviours = ["slow", "slow", "slow", "slow", None, None, None]
    parameters = Parameters(
        accept_ms=12 * SECOND_MS,
        commit_ms=12 * SECOND_MS,
        draw_ms=20 * SECOND_MS,
        verify_ms=12 * SECOND_MS,
        reveal_ms=8 * SECOND_MS,
        check_ms=8 * SECOND_MS,
        challenge_ms=20 * SECOND_MS,
    )
    return markets.running(
        "faulty", Manifest(workers=[Worker(behaviour=each) for each in behaviours], parameters=parameters)
    )
