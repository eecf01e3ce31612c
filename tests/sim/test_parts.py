"""The parts of the simulator do to nodes what a manifest says, and nothing after the faults are over."""

import random
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from consensus import exchange
from consensus.io import Certified, Stored, Voted
from consensus.messages import VoteKind
from testnet.faults import Faults, Step
from testnet.kit.consensus_builders import Bench, a_block
from testnet.manifest import Manifest, read_manifest
from testnet.sim.campaign import simulate
from testnet.sim.disk import Disk, DiskDamagedError
from testnet.sim.limits import SHRINKABLE, Limits
from testnet.sim.memory import entries
from testnet.sim.network import LEAST_MS, SLOW, Network
from testnet.wan import distances


def a_network(faults: Faults | None = None, regions: list[list[int]] | None = None) -> Network:
    return Network(random.Random(1), faults or Faults(), Counter(), regions or [])


def some_records() -> list[Voted | Stored | Certified]:
    bench, block = Bench(0), a_block("one")
    return [
        Stored(view=1, block=block, parent_view=0, parent=a_block("none"), body=b"body"),
        Voted(vote=bench.vote(0, VoteKind.NOTARIZE, 1, block)),
        Certified(certificate=bench.certificate(VoteKind.NOTARIZE, 1, block)),
    ]


def test_a_link_that_is_cut_one_way_carries_the_other() -> None:
    network = a_network()
    network.cut(0, 1, off=True)
    assert network.delays(0, 1, "notarize") == ()
    assert len(network.delays(1, 0, "notarize")) == 1
    network.cut(0, 1, off=False)
    assert len(network.delays(0, 1, "notarize")) == 1


def test_a_script_cuts_the_kinds_of_messages_that_it_names() -> None:
    network = a_network()
    step = Step(what="cut", nodes=[0], to=[1], kinds=["finalize"])
    network.apply(step, begin=True)
    assert [len(network.delays(0, 1, kind)) for kind in ("finalize", "notarize")] == [0, 1]
    assert len(network.delays(0, 2, "finalize")) == 1
    network.apply(step, begin=False)
    assert len(network.delays(0, 1, "finalize")) == 1


def test_a_slow_link_takes_many_times_as_long_until_all_is_well() -> None:
    network = a_network()
    network.slow(0, 1, slow=True)
    assert network.delays(1, 0, "notarize")[0] >= SLOW * LEAST_MS
    network.heal()
    assert network.delays(1, 0, "notarize")[0] < SLOW * LEAST_MS


def test_between_regions_messages_take_as_long_as_the_way_is() -> None:
    table = distances(["tokyo", "ireland"], 3)
    network = a_network(regions=table)
    assert 100 <= network.delays(0, 1, "notarize")[0] <= 110
    assert network.delays(0, 2, "notarize")[0] <= 1  # both in Tokyo


def test_a_disk_gives_back_what_was_written_of_the_epoch_that_goes_on() -> None:
    disk, records = Disk(), some_records()
    disk.write(3, records[:1])
    disk.write(4, records)
    assert disk.recover(4) == records
    assert disk.recover(3) == []  # forgotten for good


@pytest.mark.parametrize("seed", range(8))
def test_a_bit_that_turns_on_a_disk_is_found(seed: int) -> None:
    disk = Disk()
    assert not disk.flip(random.Random(seed))
    disk.write(0, some_records())
    assert disk.flip(random.Random(seed))
    with pytest.raises(DiskDamagedError):
        disk.recover(0)


def test_of_a_torn_write_some_first_part_survives() -> None:
    records = some_records()
    lengths = set()
    for seed in range(20):
        disk = Disk()
        disk.write_torn(0, records, random.Random(seed))
        kept = disk.recover(0)
        assert kept == records[: len(kept)]
        lengths.add(len(kept))
    assert lengths == {0, 1, 2}


def test_shrunken_limits_hold_while_a_run_lasts_and_not_after_it() -> None:
    before = exchange.ANSWERS_MAX
    chosen = next(limits for seed in range(99) if "ANSWERS_MAX" in (limits := Limits(random.Random(seed))).chosen)
    with chosen:
        assert exchange.ANSWERS_MAX == 1
    assert before == exchange.ANSWERS_MAX
    named = {
        name for module in list(sys.modules) if module.startswith("consensus.") for name in vars(sys.modules[module])
    }
    assert set(SHRINKABLE) <= named


def test_what_a_core_holds_is_counted_through_all_its_parts() -> None:
    bench = Bench(0)
    before = entries(bench.core)
    bench.hear(1, bench.vote(1, VoteKind.NULLIFY, 1))
    assert entries(bench.core) > before


def test_who_is_dead_for_good_stays_dead_and_the_others_go_on() -> None:
    faults = Faults(for_ms=5_000, script=[Step(what="down", nodes=[2], at_ms=1_000)])
    report, world = simulate(Manifest(delta_ms=150, idle_ms=100, faults=faults), 1)
    assert not report.broken, report.what
    assert world.nodes[2].core is None
    assert world.alive() == [0, 1, 3]


def test_a_node_that_lost_its_disk_comes_back_to_the_same_chain() -> None:
    faults = Faults(for_ms=8_000, script=[Step(what="forget", nodes=[1], at_ms=3_000, for_ms=1_000)])
    report, world = simulate(Manifest(delta_ms=150, idle_ms=100, faults=faults), 1)
    assert not report.broken, report.what
    assert world.nodes[1].catch_up.height >= report.blocks - 3


def test_validators_come_and_go_with_the_epochs() -> None:
    report, world = simulate(read_manifest(Path("epochs")), 2)
    assert report.epochs > 4
    assert len({world.committee(epoch).nodes for epoch in range(report.epochs)}) > 4


def test_on_the_real_ledger_somebody_joins_somebody_leaves_and_somebody_changes_the_key() -> None:
    report, world = simulate(read_manifest(Path("staking")), 1)
    assert not report.broken, report.what
    first, last = world.committee(0), world.committee(report.epochs - 1)
    assert first.index(6) is None
    assert last.index(6) is not None
    assert last.index(0) is None
    keys = {
        committee.instance.validators.members[committee.nodes.index(1)].key
        for committee in (world.committee(epoch) for epoch in range(report.epochs))
        if committee.index(1) is not None
    }
    assert len(keys) > 1
    assert report.faults["convicted"] > 0


@pytest.mark.parametrize("name", ["disks", "staking"])
def test_a_node_that_begins_on_an_older_copy_of_its_disk_never_votes_against_itself(name: str) -> None:
    manifest = read_manifest(Path(name))
    faults = Faults(for_ms=10_000, loss=0.02, old_copies=8)
    report, _ = simulate(msgspec.structs.replace(manifest, faults=faults), 3)
    assert not report.broken, report.what
    assert report.faults["old_copies"] == 8
