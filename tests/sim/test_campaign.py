"""A hundred networks under faults, each for 400 network delays and then at peace: safe always, and alive again."""

import pytest

from testnet.sim.__main__ import replay_command
from testnet.sim.network import DELAY_MS
from testnet.sim.profile import CYCLE, PROFILES, Profile
from testnet.sim.run import FAULTS_DELAYS, Report, Simulation

SEEDS = {4: range(7), 7: range(6)}


def run(seed: int, nodes: int, profile: Profile) -> Report:
    report = Simulation(seed=seed, nodes=nodes, profile=profile).run()
    assert not report.broken, f"{report.broken}: {report.what}\nreplay: {replay_command(report)}"
    assert report.simulated_ms >= FAULTS_DELAYS * DELAY_MS
    return report


def tell(capsys: pytest.CaptureFixture[str], reports: list[Report]) -> None:
    """Print what occurred, whatever pytest does with output."""
    faults = {name: sum(report.faults.get(name, 0) for report in reports) for name in reports[0].faults}
    first = reports[0]
    events, blocks = sum(report.events for report in reports), sum(report.blocks for report in reports)
    with capsys.disabled():
        print(
            f"\nsim {first.nodes} nodes, {first.profile}: {len(reports)} seeds, {events} events, {blocks} blocks, "
            + ", ".join(f"{name} {count}" for name, count in faults.items())
        )


@pytest.mark.parametrize("profile", CYCLE)
@pytest.mark.parametrize("nodes", sorted(SEEDS))
def test_a_network_is_safe_under_faults_and_alive_after_them(
    nodes: int, profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = [run(seed, nodes, PROFILES[profile]) for seed in SEEDS[nodes]]
    tell(capsys, reports)


def test_there_are_a_hundred_seeds() -> None:
    assert len(CYCLE) * sum(len(seeds) for seeds in SEEDS.values()) >= 100


@pytest.mark.parametrize("nodes", [1, 4, 7])
def test_a_calm_network_makes_a_block_in_each_view_and_about_two_delays(nodes: int) -> None:
    report = run(1, nodes, PROFILES["calm"])
    assert report.views - report.blocks <= 3
    assert report.faults == {}
    assert report.simulated_ms < report.blocks * 3 * DELAY_MS


def test_a_liar_is_caught_by_its_own_votes_and_nobody_else_is_accused() -> None:
    reports = [run(seed, 7, PROFILES["double-voter"]) for seed in range(20, 23)]
    assert all(report.caught for report in reports)


def test_a_fault_that_is_configured_and_never_occurs_fails_the_run() -> None:
    report = Simulation(seed=1, nodes=4, profile=Profile(name="lossy", duplicate=1e-12)).run()
    assert (report.broken, report.what) == ("faults", "duplicate never occurred")
