"""The tree in memory against the definition, and its proofs against the pure verifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tree import BUCKET_ROWS, StateTree, tree_of
from primitives.codec import encode
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from primitives.state_proof import PROOF_BYTES_MAX, HashedRow, StateProof, check_state_proof
from tests.ledger.root_by_definition import proof_by_definition, root_by_definition

keys = st.binary(min_size=1, max_size=3)
rows = st.dictionaries(keys, st.binary(max_size=4), max_size=40)
batches = st.lists(st.dictionaries(keys, st.none() | st.binary(max_size=4), max_size=12), max_size=8)

# Found by trying: SHA-256 of these numbers, 4 bytes each, begins with the same 16 bits.
NEIGHBOURS = tuple(
    at.to_bytes(4, "big")
    for at in (0, 61983, 82206, 146712, 241004, 284222, 401799, 419917, 498368, 527811, 542815, 575551, 592517, 780529)
)
# And of these two with the same 44 bits.
TWINS = ((510964).to_bytes(4, "big"), (2922362).to_bytes(4, "big"))


def after(before: dict[bytes, bytes], writes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    kept = {key: value for key, value in before.items() if key not in writes}
    return kept | {key: value for key, value in writes.items() if value is not None}


def refused(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    try:
        check_state_proof(root, key, value, proof)
    except Refused as fault:
        return fault.reason is Reason.BAD_PROOF
    return False


def test_the_root_of_nothing_is_zeros() -> None:
    assert tree_of([]).root == StateTree().root == bytes(32)


@given(rows)
def test_the_root_over_all_rows_is_that_of_the_definition(given_rows: dict[bytes, bytes]) -> None:  # L60 to L62
    assert tree_of(given_rows.items()).root == root_by_definition(given_rows)


@given(rows, batches)
def test_after_any_updates_the_root_is_that_of_the_definition(  # L63
    start: dict[bytes, bytes], updates: list[dict[bytes, bytes | None]]
) -> None:
    held, tree = start, tree_of(start.items())
    for writes in updates:
        held, tree = after(held, writes), tree.child(writes)
        assert tree.root == root_by_definition(held)


@given(rows, batches)
def test_an_update_leaves_the_tree_before_it_as_it_was(
    start: dict[bytes, bytes], updates: list[dict[bytes, bytes | None]]
) -> None:
    tree = tree_of(start.items())
    for writes in updates:
        tree.child(writes)
    assert tree.root == root_by_definition(start)


@given(rows, keys)
def test_a_proof_is_that_of_the_definition_and_is_taken(held: dict[bytes, bytes], key: bytes) -> None:  # L64, L65
    tree = tree_of(held.items())
    proof = tree.prove(key)
    siblings, other = proof_by_definition(held, key)
    assert proof.siblings == siblings
    assert proof.other == (None if other is None else HashedRow(key=other[0], value=other[1]))
    check_state_proof(tree.root, key, held.get(key), proof)
    assert refused(tree.root, key, b"another", proof)
    assert refused(tree.root, key, None, proof) == (key in held)


@given(rows.filter(bool), st.data())
def test_a_row_does_not_show_its_own_absence(held: dict[bytes, bytes], data: st.DataObject) -> None:  # L65
    tree = tree_of(held.items())
    key = data.draw(st.sampled_from(sorted(held)))
    own = HashedRow(key=sha256(key), value=sha256(held[key]))
    assert refused(tree.root, key, None, StateProof(siblings=tree.prove(key).siblings, other=own))
    assert refused(tree.root, key, held[key], StateProof(siblings=tree.prove(key).siblings, other=own))


@pytest.mark.parametrize("count", [1, 2, BUCKET_ROWS, BUCKET_ROWS + 1, len(NEIGHBOURS)])
def test_rows_that_share_a_long_prefix_of_their_hash_stand_apart(count: int) -> None:
    held = {key: key for key in (*NEIGHBOURS[:count], *TWINS)}
    tree = tree_of(held.items())
    assert tree.root == root_by_definition(held)
    for key in held:
        check_state_proof(tree.root, key, key, tree.prove(key))
    assert len(tree.prove(TWINS[0]).siblings) == 45
    without = {key: value for key, value in held.items() if key != TWINS[0]}
    lone = tree.child({TWINS[0]: None})
    assert lone.root == root_by_definition(without)
    assert lone.prove(TWINS[0]).other is not None
    check_state_proof(lone.root, TWINS[0], None, lone.prove(TWINS[0]))


def test_rows_written_and_removed_one_by_one_leave_the_tree_of_those_that_stay() -> None:
    tree, held = StateTree(), dict[bytes, bytes]()
    for key in (*NEIGHBOURS, *TWINS):
        tree, held = tree.child({key: b"v"}), held | {key: b"v"}
        assert tree.root == root_by_definition(held)
    for key in (*NEIGHBOURS, *TWINS):
        del held[key]
        tree = tree.child({key: None})
        assert tree.root == root_by_definition(held)


def test_an_update_of_one_row_makes_no_more_nodes_than_its_path_has() -> None:
    held = {at.to_bytes(4, "big"): b"v" for at in range(1_000)}
    before = tree_of(held.items())
    changed = before.child({(7).to_bytes(4, "big"): b"w"})

    def parts(node: object) -> set[int]:
        inner = node[1:] if isinstance(node, tuple) and len(node) == 3 else ()
        return {id(node)}.union(*map(parts, inner))

    assert len(parts(changed._node) - parts(before._node)) <= 16


def test_the_longest_proof_fits_its_limit() -> None:
    longest = StateProof(siblings=[b"\xff" * 32] * 256, other=HashedRow(key=b"\xff" * 32, value=b"\xff" * 32))
    assert len(encode(longest)) <= PROOF_BYTES_MAX
