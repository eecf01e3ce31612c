"""A hundred networks of all our manifests, each under its faults and then at peace: safe always, and alive again."""

from collections import Counter
from pathlib import Path

import pytest

from consensus.core import Core
from consensus.io import Effect, Input
from testnet.faults import Faults
from testnet.manifest import Manifest, read_manifest
from testnet.sim.campaign import Chunk, Results, ours, plan, run_chunk, shares, simulate
from testnet.sim.network import DELAY_MS
from testnet.sim.report import Report, replay
from testnet.sim.run import Simulation

SEEDS = 5
LARGE = {"storm-31": 1, "liars-13": 2, "world": 2, "staking": 3, "ledger": 3}
"""Manifests whose seeds take longer."""


@pytest.mark.parametrize("name", ours())
def test_a_network_is_safe_under_faults_and_alive_after_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(Path(name))
    reports = [simulate(manifest, seed)[0] for seed in range(LARGE.get(name, SEEDS))]
    for report in reports:
        assert not report.broken, f"{report.broken}: {report.what}\n{replay(report, name, '')}"
        assert report.simulated_ms >= manifest.faults.for_ms
    with capsys.disabled():
        print(told(name, reports))


def told(name: str, reports: list[Report]) -> str:
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)
    events, blocks = sum(each.events for each in reports), sum(each.blocks for each in reports)
    said = ", ".join(f"{fault} {count}" for fault, count in sorted(faults.items()))
    return f"\nsim {name}, {reports[0].nodes} nodes: {len(reports)} seeds, {events} events, {blocks} blocks; {said}"


def test_there_are_a_hundred_seeds() -> None:
    assert sum(LARGE.get(name, SEEDS) for name in ours()) >= 100


@pytest.mark.parametrize("nodes", [1, 4, 7])
def test_a_calm_network_makes_a_block_in_each_view_and_about_two_delays(nodes: int) -> None:
    report, _ = simulate(Manifest(validators=nodes, delta_ms=150, idle_ms=100), 1)
    assert not report.broken, report.what
    assert report.views - report.blocks <= 3
    assert report.faults == {}
    assert report.simulated_ms < report.blocks * 3 * DELAY_MS


def test_a_liar_is_caught_by_its_own_votes_and_nobody_else_is_accused() -> None:
    for seed in range(20, 23):
        report, world = simulate(read_manifest(Path("conflicters")), seed)
        assert report.caught == len([node for node in world.nodes if node.liar])


def test_a_fault_that_is_named_and_never_occurs_fails_the_run() -> None:
    report, _ = simulate(Manifest(delta_ms=150, idle_ms=100, faults=Faults(duplicate=1e-12)), 1)
    assert (report.broken, report.what) == ("faults", "duplicate never occurred")


def test_a_campaign_has_as_many_seeds_as_asked_for_and_some_of_every_manifest() -> None:
    for seeds in (100, 2_000):
        assert sum(chunk.last - chunk.first for chunk in plan(seeds)) == seeds
        assert set(shares(seeds)) == set(ours())
    assert min(shares(2_000).values()) > 0


def test_a_campaign_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    chunks = [Chunk("calm", 0, 1), Chunk("calm", 1, 2)]
    before = Results(tmp_path / "kept", "c0ffee")
    before.add(run_chunk(chunks[0]))
    with (tmp_path / "kept").open("ab") as file:
        file.write(b'{"commit": "c0f')  # killed amid a line
    after = Results(tmp_path / "kept", "c0ffee")
    assert after.reports == before.reports
    assert after.missing(chunks) == chunks[1:]
    assert Results(tmp_path / "kept", "another").missing(chunks) == chunks


def test_what_the_product_raises_is_told_with_its_seed() -> None:
    class Raises(Core):
        def step(self, given: Input) -> list[Effect]:
            raise ZeroDivisionError(given)

    report = Simulation(Manifest(), 4, core=Raises).run()
    assert (report.seed, report.broken) == (4, "raised")
    assert "ZeroDivisionError" in report.what
