"""The real ledger under the simulated consensus: a job settles through crashes, and over a day without a quorum."""

from collections.abc import Callable, Sequence

import pytest

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import GuardRecord
from consensus.timing import Timing
from consensus.validators import Instance
from ledger.records import Job, JobState, Outcome
from ledger.state import State
from testnet.kit.ledger_builders import supply_of
from testnet.sim.application import Application
from testnet.sim.keyring import KeyedScheme
from testnet.sim.ledger_application import LedgerApplication, Pool, ledger_ground
from testnet.sim.market import WORKERS, Market
from testnet.sim.network import DELAY_MS
from testnet.sim.profile import PROFILES, Profile
from testnet.sim.run import FAULTS_DELAYS, Simulation, make_core

STEP_MS = 200
DAY_MS = 86_400_000
PATIENT = Timing(delta_ms=150, idle_ms=200, cap_ms=60_000, retry_ms=30_000)
"""A day of simulated time in few events: what is stuck is said again each half minute."""


def patient_core(instance: Instance, me: int, start: Point, recovered: Sequence[GuardRecord]) -> Core:
    return Core(instance=instance, me=me, scheme=KeyedScheme(me), timing=PATIENT, start=start, recovered=recovered)


def ledger(application: Application) -> LedgerApplication:
    assert isinstance(application, LedgerApplication)
    return application


class Town:
    """A network of four with a market on it."""

    def __init__(self, seed: int, profile: Profile, *, patient: bool) -> None:
        pool = Pool()
        ground, charter = ledger_ground(4, pool)
        self.market = Market(charter, pool)
        core = patient_core if patient else make_core
        self.sim = Simulation(seed=seed, nodes=4, profile=profile, core=core, ground=ground)
        self.ledgers = [ledger(node.application) for node in self.sim.nodes]

    @property
    def state(self) -> State:
        """What the node that is furthest ahead holds final."""
        return max(self.ledgers, key=lambda each: each.head.height).state

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
    town = Town(1, PROFILES["calm"], patient=True)
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
    town.until(lambda: len({each.head.height for each in town.ledgers}) == 1, within_ms=60_000)
    assert len({each.head.state_root for each in town.ledgers}) == 1


@pytest.mark.parametrize("seed", range(2))
def test_a_job_settles_while_validators_crash(seed: int) -> None:
    town = Town(seed, PROFILES["crash"], patient=False)
    town.sim.start()
    town.sim.schedule_faults()
    over_ms = FAULTS_DELAYS * DELAY_MS
    town.until(lambda: town.stands(JobState.SETTLED) and town.sim.now_ms() >= over_ms, within_ms=60_000)
    town.assert_paid_and_nobody_penalised()
    assert town.sim.faults["torn"] > 0
    assert town.sim.faults["crashes"] > 0
