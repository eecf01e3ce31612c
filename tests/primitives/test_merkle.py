import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import merkle
from primitives.reasons import Reason, Refused

# The leaves and roots that the reference implementation of Certificate Transparency tests itself with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
leaves_lists = st.lists(st.binary(max_size=9), min_size=1, max_size=40, unique=True)


def root_by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + root_by_the_book(leaves[:k]) + root_by_the_book(leaves[k:])).digest()


def tree_of(leaves: list[bytes]) -> merkle.Tree:
    return merkle.Tree([merkle.leaf_hash(leaf) for leaf in leaves])


def root_or_reason(leaves: list[bytes], *, start: int, count: int, proof: list[bytes]) -> bytes | Reason:
    try:
        return merkle.root_from_range(leaves, start=start, count=count, proof=proof)
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize("count", range(len(ROOTS)))
def test_roots_are_those_of_certificate_transparency(count: int) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in LEAVES[:count]]
    assert merkle.root(leaves).hex() == ROOTS[count]
    assert tree_of(leaves).root.hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=9), max_size=70))
def test_the_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == tree_of(leaves).root == root_by_the_book(leaves)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 16, 17])
def test_each_range_of_a_tree_is_proved(count: int) -> None:
    leaves = [bytes([at]) for at in range(count)]
    tree = tree_of(leaves)
    for start in range(count):
        for stop in range(start + 1, count + 1):
            proof = tree.prove(start, stop)
            found = merkle.root_from_range(leaves[start:stop], start=start, count=count, proof=proof)
            assert found == tree.root


@given(leaves_lists, st.data())
def test_no_changed_leaf_place_count_or_proof_gives_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    tree = tree_of(leaves)
    start = data.draw(st.integers(0, len(leaves) - 1))
    stop = data.draw(st.integers(start + 1, len(leaves)))
    proof = tree.prove(start, stop)
    part = leaves[start:stop]
    changed = data.draw(st.sampled_from(["leaf", "start", "proof hash", "one more", "one less"]))
    if changed == "leaf":
        part = [part[0] + b"!", *part[1:]]
    elif changed == "start":
        start += 1
    elif changed == "proof hash" and proof:
        proof = [bytes(32), *proof[1:]]
    elif changed == "one less" and proof:
        proof = proof[:-1]
    else:
        proof = [*proof, bytes(32)]
    found = root_or_reason(part, start=start, count=len(leaves), proof=proof)
    assert found is Reason.BAD_PROOF or found != tree.root


@pytest.mark.parametrize(("start", "count"), [(-1, 4), (3, 4), (0, 1), (2**63, 4)])
def test_a_range_outside_the_tree_is_refused(start: int, count: int) -> None:
    with pytest.raises(Refused) as refused:
        merkle.root_from_range([b"a", b"b"], start=start, count=count, proof=[])
    assert refused.value.reason is Reason.BAD_PROOF


def test_no_leaves_are_refused() -> None:
    with pytest.raises(Refused):
        merkle.root_from_range([], start=0, count=4, proof=[bytes(32)])


def test_a_proof_hash_of_another_length_is_refused() -> None:
    with pytest.raises(Refused):
        merkle.root_from_range([b"a"], start=0, count=2, proof=[bytes(31)])


def test_a_tree_of_2_to_the_53_leaves_is_walked_in_as_many_steps_as_it_has_levels() -> None:
    proof = [bytes(32)] * 53
    assert len(merkle.root_from_range([b"a"], start=2**52 + 1, count=2**53, proof=proof)) == 32


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (2, 1), (-1, 1), (0, 4)])
def test_asking_for_a_range_that_is_not_there_is_a_mistake(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="is not within 3 leaves"):
        tree_of([b"a", b"b", b"c"]).prove(start, stop)


def set_root_or_reason(leaves: list[bytes], *, places: list[int], count: int, proof: list[bytes]) -> bytes | Reason:
    try:
        return merkle.root_from_set(leaves, places=places, count=count, proof=proof)
    except Refused as refused:
        return refused.reason


@given(leaves_lists, st.data())
def test_each_set_of_leaves_is_proved_and_a_range_as_a_set_has_its_proof(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree = tree_of(leaves)
    places = sorted(data.draw(st.sets(st.integers(0, len(leaves) - 1), min_size=1)))
    proof = tree.prove_set(places)
    chosen = [leaves[place] for place in places]
    assert merkle.root_from_set(chosen, places=places, count=len(leaves), proof=proof) == tree.root
    if places[-1] - places[0] + 1 == len(places):
        assert proof == tree.prove(places[0], places[-1] + 1)


@given(leaves_lists, st.data())
def test_no_changed_set_of_leaves_gives_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    tree = tree_of(leaves)
    places = sorted(data.draw(st.sets(st.integers(0, len(leaves) - 1), min_size=1)))
    proof, chosen = tree.prove_set(places), [leaves[place] for place in places]
    at = data.draw(st.integers(0, len(places) - 1))
    match data.draw(st.sampled_from(["leaf", "place", "order", "one more", "one less", "hash"])):
        case "leaf":
            chosen[at] += b"x"
        case "place":
            places[at] += data.draw(st.sampled_from([-1, 1]))
        case "order":
            places.append(places[0])
            chosen.append(chosen[0])
        case "one more":
            proof = [*proof, bytes(32)]
        case "one less":
            proof, chosen = (proof[:-1], chosen) if proof else ([], chosen[:-1])
        case _:
            proof = [*proof[:-1], b"short"]
    assert set_root_or_reason(chosen, places=places, count=len(leaves), proof=proof) != tree.root


@pytest.mark.parametrize("places", [[], [-1], [3], [1, 1], [2, 0]])
def test_a_tree_proves_no_set_that_it_does_not_hold(places: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        tree_of([b"a", b"b", b"c"]).prove_set(places)
