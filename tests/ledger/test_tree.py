from hypothesis import given
from hypothesis import strategies as st

from ledger import tree
from tests.ledger.root_by_definition import root_by_definition

keys = st.binary(min_size=1, max_size=3)
rows = st.dictionaries(keys, st.binary(max_size=4), max_size=40)
batches = st.lists(st.dictionaries(keys, st.none() | st.binary(max_size=4), max_size=12), max_size=8)


def after(before: dict[bytes, bytes], writes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    kept = {key: value for key, value in before.items() if key not in writes}
    return kept | {key: value for key, value in writes.items() if value is not None}


def test_the_root_of_nothing_is_zeros() -> None:
    assert tree.root_of(tree.tree_of([])) == bytes(32)


@given(rows)
def test_the_root_over_all_rows_is_that_of_the_definition(given_rows: dict[bytes, bytes]) -> None:
    assert tree.root_of(tree.tree_of(given_rows.items())) == root_by_definition(given_rows)


@given(rows, batches)
def test_after_any_updates_the_root_is_that_of_the_definition(
    start: dict[bytes, bytes], updates: list[dict[bytes, bytes | None]]
) -> None:
    held, node = start, tree.tree_of(start.items())
    for writes in updates:
        held, node = after(held, writes), tree.update(node, writes)
        assert tree.root_of(node) == root_by_definition(held)


@given(rows, batches)
def test_an_update_leaves_the_tree_before_it_as_it_was(
    start: dict[bytes, bytes], updates: list[dict[bytes, bytes | None]]
) -> None:
    node = tree.tree_of(start.items())
    for writes in updates:
        tree.update(node, writes)
    assert tree.root_of(node) == root_by_definition(start)


def test_rows_that_share_a_long_prefix_of_their_hash_stand_apart() -> None:
    # Two keys whose hashes agree in the first 16 bits at least: a chain of inner nodes with an empty half each.
    by_prefix: dict[bytes, bytes] = {}
    pair: tuple[bytes, bytes] | None = None
    for at in range(5_000):
        key = at.to_bytes(4, "big")
        other = by_prefix.setdefault(tree.key_hash(key)[:2], key)
        if other != key:
            pair = (other, key)
            break
    assert pair is not None
    held = {pair[0]: b"a", pair[1]: b"b"}
    node = tree.tree_of(held.items())
    assert tree.root_of(node) == root_by_definition(held)
    lone = tree.update(node, {pair[0]: None})
    assert tree.root_of(lone) == root_by_definition({pair[1]: b"b"})


def test_an_update_of_one_row_shares_all_but_its_path() -> None:
    held = {at.to_bytes(4, "big"): b"v" for at in range(1_000)}
    before = tree.tree_of(held.items())
    changed = tree.update(before, {(7).to_bytes(4, "big"): b"w"})

    def inner_nodes(node: tree.Tree) -> set[bytes]:
        if node is None or len(node) == 2:
            return set()
        return {node[0]} | inner_nodes(node[1]) | inner_nodes(node[2])

    assert len(inner_nodes(changed) - inner_nodes(before)) <= 24
