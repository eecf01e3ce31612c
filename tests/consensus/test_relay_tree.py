"""The tree along which proposals travel."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from consensus.relay_tree import DIRECT_MAX, relay_tree
from consensus.validators import Validator, ValidatorSet


def validators(count: int) -> ValidatorSet:
    return ValidatorSet([Validator(key=bytes([at]) * 32, weight=1 + at) for at in range(count)], b"s" * 32)


@given(some.integers(1, 128), some.integers(1, 10_000))
def test_everybody_is_reached_once_in_two_hops(count: int, view: int) -> None:  # N14
    members = validators(count)
    tree = relay_tree(members, view)
    reached = [*tree, *(leaf for leaves in tree.values() for leaf in leaves)]
    assert sorted([*reached, members.leader(view)]) == list(range(count))
    if count > DIRECT_MAX:
        assert len(tree) <= (count - 1) ** 0.5 + 1
        assert max(map(len, tree.values())) <= len(tree)
        assert max(map(len, tree.values())) - min(map(len, tree.values())) <= 1


@pytest.mark.parametrize(("count", "sends"), [(4, 3), (10, 9), (11, 4), (31, 6), (100, 10), (128, 12)])
def test_a_leader_of_many_sends_few_bodies(count: int, sends: int) -> None:
    assert len(relay_tree(validators(count), 7)) == sends


def test_nobody_relays_to_the_same_others_for_long() -> None:
    members = validators(31)
    relays = [frozenset(relay_tree(members, view)) for view in range(1, 40)]
    assert len(set(relays)) == len(relays)
    assert frozenset.intersection(*relays) == frozenset()
