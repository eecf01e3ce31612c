"""The state root: a compact sparse Merkle tree over hashed keys, and a persistent form of it in memory (L60).

Root of nothing: 32 zero bytes. Of one row: H(0x00 ‖ k ‖ H(value)) with k = H(key). Of more: H(0x01 ‖ left ‖ right),
split on the next bit of k. An update copies the paths that it touches and shares the rest, so every unfinal block has a
tree of its own, and those of past blocks cost only what has changed since (ADR 0013).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from primitives.state_proof import EMPTY, HashedRow, StateProof, inner_hash, key_hash, leaf_hash

# Tuples and joined rows, for a million rows make a quarter of a million nodes.
# A bucket is (hash, rows): at most BUCKET_ROWS of them, sorted, each as 32 bytes of hashed key and 32 of hashed value.
# An inner node is (hash, left, right), over more rows than a bucket takes.
_Bucket: TypeAlias = tuple[bytes, bytes]
_Inner: TypeAlias = "tuple[bytes, _Node, _Node]"
_Node: TypeAlias = "_Bucket | _Inner | None"

BUCKET_ROWS: Final = 8
"""Fewer take more memory, and more take longer to hash: `python -m benches tree`."""
_BUCKET_PARTS: Final = 2
_KEY: Final = 32
_ROW: Final = 64
_FIRST_BITS: Final = 8
"""So many bits of the key sort a whole state into parts, one of which at a time is taken apart into rows."""


class StateTree:
    """The tree over the rows of one state; it never changes."""

    __slots__ = ("_node",)

    def __init__(self, node: _Node = None) -> None:
        self._node = node

    @property
    def root(self) -> bytes:
        """The state root, 32 bytes."""
        return EMPTY if self._node is None else self._node[0]

    def child(self, writes: Mapping[bytes, bytes | None]) -> "StateTree":
        """Return the tree after `writes` (key to value; None removes a row, absent or not)."""
        changes: list[tuple[bytes, bytes | None]] = []
        for key, value in writes.items():
            hashed = key_hash(key)
            changes.append((hashed, None if value is None else hashed + sha256(value).digest()))
        changes.sort(key=lambda change: change[0])
        return StateTree(_update(self._node, [key for key, _ in changes], [row for _, row in changes], 0))

    def prove(self, key: bytes) -> StateProof:
        """Return the proof that the row at `key` has the value that it has, or that there is none (L64)."""
        hashed = key_hash(key)
        siblings: list[bytes] = []
        node = self._node
        depth = 0
        while node is not None and len(node) != _BUCKET_PARTS:
            _, left, right = node
            node, beside = (right, left) if _bit(hashed, depth) else (left, right)
            siblings.append(EMPTY if beside is None else beside[0])
            depth += 1
        rows = [] if node is None else _cut(node[1])
        while len(rows) > 1:
            middle = _split(rows, depth)
            if _bit(hashed, depth):
                siblings.append(_hash_of(rows, 0, middle, depth + 1))
                rows = rows[middle:]
            else:
                siblings.append(_hash_of(rows, middle, len(rows), depth + 1))
                rows = rows[:middle]
            depth += 1
        other = None
        if rows and rows[0][:_KEY] != hashed:
            other = HashedRow(key=rows[0][:_KEY], value=rows[0][_KEY:])
        return StateProof(siblings=siblings, other=other)


def tree_of(rows: Iterable[tuple[bytes, bytes]]) -> StateTree:
    """Return the tree over all rows (key and value, no key twice), in any order (L63)."""
    parts = [bytearray() for _ in range(1 << _FIRST_BITS)]
    for key, value in rows:
        hashed = key_hash(key)
        parts[hashed[0]] += hashed + sha256(value).digest()
    level: list[_Node] = []
    parts.reverse()
    while parts:  # each is let go of as soon as its rows stand in the tree
        level.append(_build(sorted(_cut(bytes(parts.pop()))), _FIRST_BITS))
    while len(level) > 1:
        level = [_join(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return StateTree(level[0])


def _update(node: _Node, keys: list[bytes], rows: list[bytes | None], depth: int) -> _Node:
    """Return `node`, whose keys agree in their first `depth` bits, with new rows at `keys`, sorted; None removes."""
    if node is None or len(node) == _BUCKET_PARTS:
        return _refill(node, keys, rows, depth)
    _, left, right = node
    if len(keys) == 1:  # the common case far down, spared the slicing
        if keys[0][depth >> 3] >> 7 - (depth & 7) & 1:
            right = _update(right, keys, rows, depth + 1)
        else:
            left = _update(left, keys, rows, depth + 1)
    else:
        middle = _split(keys, depth)
        if middle:
            left = _update(left, keys[:middle], rows[:middle], depth + 1)
        if middle < len(keys):
            right = _update(right, keys[middle:], rows[middle:], depth + 1)
    return _join(left, right)


def _refill(bucket: _Bucket | None, keys: list[bytes], rows: list[bytes | None], depth: int) -> _Node:
    """Return the subtree over the rows of a bucket that no change concerns, and the new ones."""
    held: dict[bytes, bytes | None] = {} if bucket is None else {row[:_KEY]: row for row in _cut(bucket[1])}
    held.update(zip(keys, rows, strict=True))
    return _build(sorted(row for row in held.values() if row is not None), depth)


def _build(rows: list[bytes], depth: int) -> _Node:
    """Return the subtree over `rows`, sorted and agreeing in their first `depth` bits."""
    if len(rows) <= BUCKET_ROWS:
        return (_hash_of(rows, 0, len(rows), depth), b"".join(rows)) if rows else None
    middle = _split(rows, depth)
    return _join(_build(rows[:middle], depth + 1), _build(rows[middle:], depth + 1))


def _join(left: _Node, right: _Node) -> _Node:
    """Return the node over two halves: a bucket, if they are buckets and their rows fit into one."""
    if left is not None and right is not None and len(left) + len(right) > 2 * _BUCKET_PARTS:  # mostly
        return (sha256(b"\x01" + left[0] + right[0]).digest(), left, right)
    left_hash, left_rows = _part(left)
    right_hash, right_rows = _part(right)
    if left_rows is None or right_rows is None or len(left_rows) + len(right_rows) > BUCKET_ROWS * _ROW:
        return (sha256(b"\x01" + left_hash + right_hash).digest(), left, right)
    rows = left_rows + right_rows
    if len(rows) > _ROW:
        return (sha256(b"\x01" + left_hash + right_hash).digest(), rows)
    return left or right  # a lone row's hash is the same at any depth (L61)


def _part(node: _Node) -> tuple[bytes, bytes | None]:
    """Return the hash of one half, and its rows if it is no inner node."""
    if node is None:
        return EMPTY, b""
    if len(node) == _BUCKET_PARTS:
        return node
    return node[0], None


def _hash_of(rows: Sequence[bytes], start: int, stop: int, depth: int) -> bytes:
    """Return the hash of the subtree over these of the rows, sorted and agreeing in their first `depth` bits."""
    if stop - start <= 1:
        return leaf_hash(rows[start]) if start < stop else EMPTY
    at, mask = depth >> 3, 128 >> (depth & 7)
    middle = start
    while middle < stop and not rows[middle][at] & mask:
        middle += 1
    return inner_hash(_hash_of(rows, start, middle, depth + 1), _hash_of(rows, middle, stop, depth + 1))


def _split(rows: list[bytes], depth: int) -> int:
    """Return how many of the sorted rows, or hashed keys, have a 0 in bit `depth`."""
    at, mask = depth >> 3, 128 >> (depth & 7)
    low, high = 0, len(rows)
    while low < high:
        middle = low + high >> 1
        if rows[middle][at] & mask:
            high = middle
        else:
            low = middle + 1
    return low


def _bit(hashed: bytes, depth: int) -> int:
    """Return which way a key goes below `depth`: 0 left, 1 right."""
    return hashed[depth >> 3] >> 7 - (depth & 7) & 1


def _cut(rows: bytes) -> list[bytes]:
    """Return the rows that were joined."""
    return [rows[at : at + _ROW] for at in range(0, len(rows), _ROW)]
