"""What a network consists of, and who connects to whom."""

from pathlib import Path

import pytest

from ledger.parameters import Tiers
from primitives.reasons import Reason, Refused
from testnet.faults import Faults
from testnet.manifest import (
    MANIFESTS,
    Follower,
    Manifest,
    Worker,
    connections,
    names,
    read_manifest,
    stake_of,
    standard,
)
from testnet.wan import REGIONS, distances


def test_nodes_are_named_by_role_and_number() -> None:
    manifest = Manifest(validators=2, workers=[Worker()], followers=[Follower()])
    assert names(manifest) == ["validator0", "validator1", "worker0", "follower0"]


def test_each_pair_is_dialled_from_one_side() -> None:
    dialled = connections(standard(validators=3, workers=2, followers=1))
    pairs = [frozenset((one, other)) for one, others in dialled.items() for other in others]
    assert len(pairs) == len(set(pairs)) == 6 * 5 // 2


def test_a_follower_may_be_connected_to_one_other_only() -> None:
    followers = [Follower(), Follower(connect=["follower0"])]
    dialled = connections(Manifest(validators=1, followers=followers))
    assert dialled["follower1"] == ["follower0"]
    assert "follower1" not in dialled["follower0"]
    assert dialled["follower0"] == ["validator0"]


def test_one_worker_of_the_standard_network_runs_other_settings_and_liars_come_in_addition() -> None:
    crew = standard(workers=5, liars=1).workers
    assert [(worker.threads, worker.optimisation) for worker in crew] == [(1, True), (2, False)] + [(1, True)] * 4
    assert [worker.behaviour for worker in crew] == [None] * 5 + ["liar"]
    assert crew[-1].ask > crew[0].ask


def test_a_manifest_is_read_from_toml_and_named_after_its_file(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text("validators = 3\nstakes = [5, 7]\n[faults]\nloss = 0.5\n[parameters]\nunbonding_ms = 9000\n")
    manifest = read_manifest(file)
    assert (manifest.name, manifest.validators, manifest.faults) == ("small", 3, Faults(loss=0.5))
    assert manifest.parameters.unbonding_ms == 9_000
    assert [stake_of(manifest, at) for at in range(3)] == [5, 7, 5]


def test_a_manifest_may_change_one_number_of_a_tier(tmp_path: Path) -> None:
    file = tmp_path / "rarely.toml"
    file.write_text("[parameters.tiers.spot]\nq_bps = 500\n")
    tiers, usual = read_manifest(file).parameters.tiers, Tiers()
    assert (tiers.spot.q_bps, tiers.spot.k, tiers.spot.bond_multiple) == (500, 1, 12)
    assert (tiers.standard, tiers.high, tiers.max) == (usual.standard, usual.high, usual.max)


@pytest.mark.parametrize(
    "text",
    [
        "validators = 0",
        "speed = 1",
        "[parameters]\nsped = 1",
        "[parameters.tiers.lavish]\nk = 1",
        "[parameters.tiers.spot]\nkk = 1",
        "[parameters.tiers.spot]\nk = 8",
        "[parameters.tiers]\nspot = 1",
        "[faults]\nloss = 2.0",
        "= 1",
        "parameters = 3",
        "x = " + "[" * 5_000,
        "x = " + "9" * 5_000,
    ],
)
def test_a_manifest_that_says_what_nobody_understands_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    with pytest.raises(Refused) as refused:
        read_manifest(file)
    assert refused.value.reason is Reason.FILE_UNREADABLE


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_manifest_of_ours_is_read_by_its_bare_name(path: Path) -> None:
    manifest = read_manifest(Path(path.stem))
    assert manifest.name == path.stem
    assert path.read_text().startswith("# ")


def test_distances_are_the_same_both_ways() -> None:
    table = distances(list(REGIONS), len(REGIONS))
    assert all(table[one][other] == table[other][one] > 0 for one in range(10) for other in range(10))
