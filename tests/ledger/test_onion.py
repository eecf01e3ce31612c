import pytest

from ledger.onion import CHECKPOINT_EVERY, grow, peel, reveal
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused

SEED = bytes(range(32))


@pytest.mark.parametrize("layers", [1, 2, CHECKPOINT_EVERY, CHECKPOINT_EVERY + 1, 3 * CHECKPOINT_EVERY + 5])
def test_the_first_layer_revealed_lies_right_under_the_tip(layers: int) -> None:
    onion = grow(SEED, layers=layers)
    assert peel(reveal(onion, 0)) == onion.tip


def test_each_layer_is_the_preimage_of_the_one_before() -> None:
    onion = grow(SEED, layers=2 * CHECKPOINT_EVERY + 3)
    outer = onion.tip
    for revealed in range(onion.layers):
        inner = reveal(onion, revealed)
        assert peel(inner) == outer
        outer = inner
    assert outer == tagged("assay/onion-core", SEED)


def test_an_onion_that_is_used_up_says_so() -> None:
    with pytest.raises(Refused) as refused:
        reveal(grow(SEED, layers=4), 4)
    assert refused.value.reason is Reason.ONION_USED_UP


def test_a_layer_is_hashed_with_its_tag() -> None:
    assert peel(SEED) == tagged("assay/onion", SEED)


def test_seeds_have_onions_of_their_own() -> None:
    assert grow(SEED, layers=8).tip != grow(bytes(32), layers=8).tip
