"""The real ledger under the simulated consensus: a job settles through crashes, and over a day without a quorum."""

from collections.abc import Callable
from functools import partial

import pytest

from consensus.core import Core
from consensus.timing import Timing
from ledger.parameters import Parameters, Tier
from ledger.records import Job, JobState, Outcome
from ledger.state import State
from testnet.faults import Faults
from testnet.kit.ledger_builders import supply_of
from testnet.manifest import Manifest
from testnet.sim.ledger import ledger_charter, ledger_ground
from testnet.sim.market import WORKERS, Market
from testnet.sim.run import Simulation
from testnet.sim.town import ledger_of

STEP_MS = 200
DAY_MS = 86_400_000
LONG_EPOCHS = Parameters(epoch_ms=30 * DAY_MS)
PATIENT = Timing(delta_ms=150, idle_ms=200, cap_ms=60_000, retry_ms=30_000)
"""A day of simulated time in few events: what is stuck is said again each half minute."""


def patient_core(**given: object) -> Core:
    return Core(**{**given, "timing": PATIENT})  # type: ignore[arg-type]  # what a core is made of, with other times


class JobTown:
    """A network of four with a market on it."""

    def __init__(self, seed: int, faults: Faults, *, patient: bool, tier: Tier = Tier.HIGH) -> None:
        manifest = Manifest(name="jobs", delta_ms=150, idle_ms=100, faults=faults, parameters=LONG_EPOCHS)
        charter = ledger_charter(4, waiting=0, stakes=(), parameters=LONG_EPOCHS)
        ground = ledger_ground(charter, 4, waiting=0, heard=lambda *_: None)
        self.sim = Simulation(manifest, seed, core=patient_core if patient else Core, ground=ground)
        self.ledgers = [ledger_of(node) for node in self.sim.nodes]
        self.market = Market(charter, self.submit, tier)

    def submit(self, raw: bytes) -> None:
        """Hand a transaction to everybody."""
        for each in self.ledgers:
            each.submit(raw, self.sim.now_ms())

    @property
    def state(self) -> State:
        """What the node that is furthest ahead holds final."""
        return max(self.ledgers, key=lambda each: each.header.height).state

    def job(self) -> Job:
        found = self.market.job(self.state)
        assert found is not None
        return found[1]

    def until(self, done: Callable[[], bool], within_ms: int) -> None:
        """Let time pass and people act until something holds."""
        end_ms = self.sim.now_ms() + within_ms
        while not done():
            assert self.sim.now_ms() < end_ms, "not in time"
            self.sim.advance(self.sim.now_ms() + STEP_MS)
            self.market.act(self.state, self.sim.now_ms())

    def stands(self, state: JobState) -> bool:
        found = self.market.job(self.state)
        return found is not None and found[1].state >= state

    def assert_paid_and_nobody_penalised(self) -> None:
        assert self.job().outcome is Outcome.SETTLED
        assert self.job().penalties == []
        assert supply_of(self.state) == self.state.totals().supply
        bonds = [worker for _, worker in self.state.workers()]
        assert len(bonds) == WORKERS
        assert len({worker.bond for worker in bonds}) == 1


@pytest.mark.parametrize("reached", [JobState.COMMITTED, JobState.VERIFYING, JobState.CHECKING])
def test_two_of_four_stop_for_a_day_and_a_job_in_flight_settles_without_a_penalty(reached: JobState) -> None:
    town = JobTown(1, Faults(), patient=True)
    town.sim.start()
    town.until(lambda: town.stands(reached), within_ms=60_000)
    town.sim.stop(0)
    town.sim.stop(1)
    town.sim.advance(town.sim.now_ms() + 10_000)
    height, live_ms = town.sim.checks.height([2, 3]), town.state.clock().live_ms
    town.sim.advance(town.sim.now_ms() + DAY_MS)
    assert town.sim.checks.height([2, 3]) == height, "the chain goes on without a quorum"
    town.sim.revive(0)
    town.sim.revive(1)
    town.until(lambda: town.job().outcome is not None, within_ms=600_000)
    town.assert_paid_and_nobody_penalised()
    assert town.state.clock().live_ms - live_ms < 600_000
    town.until(lambda: len({each.header.height for each in town.ledgers}) == 1, within_ms=60_000)
    assert len({each.header.state_root for each in town.ledgers}) == 1


@pytest.mark.parametrize(("seed", "tier"), [(0, Tier.HIGH), (1, Tier.SPOT)])
def test_a_job_settles_while_validators_crash(seed: int, tier: Tier) -> None:
    faults = Faults(loss=0.02, crashes=5, torn=5)
    town = JobTown(seed, faults, patient=False, tier=tier)
    town.sim.start()
    town.sim.weather.schedule()
    settled = partial(town.stands, JobState.SETTLED)
    town.until(lambda: settled() and town.sim.now_ms() >= faults.for_ms, within_ms=60_000)
    town.assert_paid_and_nobody_penalised()
    assert town.sim.faults["torn"] > 0
    assert town.sim.faults["crashes"] > 0
