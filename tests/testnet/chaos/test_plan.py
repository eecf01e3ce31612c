"""A plan of faults follows from its seed and keeps within what a network bears."""

import pytest

from testnet.chaos.plan import HALT_EVERY, PAUSE_S_MAX, WEIGHTS, Fault, plan

NODES = [f"validator{at}" for at in range(7)]


def test_a_seed_gives_one_plan() -> None:
    assert plan(7, 60, NODES, 2) == plan(7, 60, NODES, 2) != plan(8, 60, NODES, 2)


@pytest.mark.parametrize("seed", range(5))
def test_no_more_are_hurt_at_once_than_the_network_bears_but_in_a_halt(seed: int) -> None:
    for event in plan(seed, 200, NODES, 2):
        assert len(event.victims) == 3 if event.fault is Fault.HALT else 1 <= len(event.victims) <= 2
        assert event.lasts_ms <= PAUSE_S_MAX * 1_000


def test_every_kind_of_fault_comes_even_in_a_short_plan() -> None:
    kinds = [event.fault for event in plan(1, len(WEIGHTS), NODES, 2)]
    assert sorted(kinds) == sorted(WEIGHTS)
    assert [event.fault for event in plan(1, HALT_EVERY, NODES, 2)].count(Fault.HALT) == 1


def test_a_network_that_bears_none_is_hurt_one_node_at_a_time() -> None:
    assert all(len(event.victims) == 1 for event in plan(1, 50, ["validator0"], 0))
