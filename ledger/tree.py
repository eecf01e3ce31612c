"""The state root: a compact sparse Merkle tree over hashed keys, and a persistent form of it in memory (L60).

Root of nothing: 32 zero bytes. Of one row: H(0x00 ‖ k ‖ H(value)) with k = H(key). Of more: H(0x01 ‖ left ‖ right),
split on the next bit of k. An update copies the paths that it touches and shares the rest, so every unfinal block has a
tree of its own.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, TypeAlias

EMPTY = bytes(32)

# A leaf is (hash, hashed key), an inner node (hash, left, right): tuples, for a million rows make two million nodes.
Leaf: TypeAlias = tuple[bytes, bytes]
Inner: TypeAlias = "tuple[bytes, Tree, Tree]"
Tree: TypeAlias = "Leaf | Inner | None"

_LEAF_PARTS: Final = 2


def key_hash(key: bytes) -> bytes:
    """Return where a row stands in the tree, 32 bytes; `key` begins with its namespace (L60)."""
    return sha256(key).digest()


def leaf_hash(hashed: bytes, value: bytes) -> bytes:
    """Return the hash of a subtree with one row (L61)."""
    return sha256(b"\x00" + hashed + sha256(value).digest()).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a subtree with more rows (L62)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(tree: Tree) -> bytes:
    """Return the root, 32 bytes."""
    return EMPTY if tree is None else tree[0]


def update(tree: Tree, writes: Mapping[bytes, bytes | None]) -> Tree:
    """Return the tree after `writes` (key to value; None removes a row, absent or not). `tree` stays as it is."""
    changes: list[tuple[bytes, Leaf | None]] = []
    for key, value in writes.items():
        hashed = sha256(key).digest()
        changes.append((hashed, None if value is None else (leaf_hash(hashed, value), hashed)))
    changes.sort(key=lambda change: change[0])
    keys = [change[0] for change in changes]
    leaves = [change[1] for change in changes]
    return _update(tree, keys, leaves, 0)


def tree_of(rows: Iterable[tuple[bytes, bytes]]) -> Tree:
    """Return the tree over all rows (key and value), in any order (L63)."""
    return update(None, dict(rows))


def _update(node: Tree, keys: list[bytes], leaves: list[Leaf | None], depth: int) -> Tree:
    """Return `node`, whose keys agree in their first `depth` bits, with the changes, sorted by key."""
    if node is None or len(node) == _LEAF_PARTS:
        return _rebuild(node, keys, leaves, depth)
    _, left, right = node
    if len(keys) == 1:  # the common case far down, spared the slicing
        if keys[0][depth >> 3] >> 7 - (depth & 7) & 1:
            right = _update(right, keys, leaves, depth + 1)
        else:
            left = _update(left, keys, leaves, depth + 1)
    else:
        middle = _split(keys, depth)
        if middle:
            left = _update(left, keys[:middle], leaves[:middle], depth + 1)
        if middle < len(keys):
            right = _update(right, keys[middle:], leaves[middle:], depth + 1)
    return _join(left, right)


def _rebuild(leaf: Leaf | None, keys: list[bytes], leaves: list[Leaf | None], depth: int) -> Tree:
    """Return the subtree over the new leaves, and the old one unless a change concerns its key."""
    kept = [each for each in leaves if each is not None]
    if leaf is not None:
        at = bisect_left(keys, leaf[1])
        if at == len(keys) or keys[at] != leaf[1]:
            kept.insert(bisect_left(kept, leaf[1], key=lambda each: each[1]), leaf)
    return _build(kept, depth)


def _build(leaves: list[Leaf], depth: int) -> Tree:
    """Return the subtree over `leaves`, sorted and agreeing in their first `depth` bits."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else None
    middle = _split([leaf[1] for leaf in leaves], depth)
    return _join(_build(leaves[:middle], depth + 1), _build(leaves[middle:], depth + 1))


def _split(keys: list[bytes], depth: int) -> int:
    """Return how many of the sorted keys have a 0 in bit `depth`."""
    at, mask = depth >> 3, 128 >> (depth & 7)
    low, high = 0, len(keys)
    while low < high:
        middle = low + high >> 1
        if keys[middle][at] & mask:
            high = middle
        else:
            low = middle + 1
    return low


def _join(left: Tree, right: Tree) -> Tree:
    """Return the node over two halves; a lone leaf stands for itself at any depth (L61)."""
    if right is None and (left is None or len(left) == _LEAF_PARTS):
        return left
    if left is None and right is not None and len(right) == _LEAF_PARTS:
        return right
    left_hash = EMPTY if left is None else left[0]
    right_hash = EMPTY if right is None else right[0]
    return (sha256(b"\x01" + left_hash + right_hash).digest(), left, right)
