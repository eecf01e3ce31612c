"""Merkle trees in the manner of RFC 6962: leaves prefixed 0x00, inner nodes 0x01, split at the largest power of two.

A range of leaves is proved by the roots of the maximal subtrees outside it, from left to right (P8).
"""

from collections.abc import Iterator, Sequence

from primitives.hashing import sha256
from primitives.reasons import Reason, Refused

EMPTY_ROOT = sha256(b"")


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right)


def split(count: int) -> int:
    """Return the largest power of two below `count` (count ≥ 2)."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over `leaves`, 32 bytes; of none, SHA-256 of nothing."""
    return root_of_hashes([leaf_hash(leaf) for leaf in leaves])


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes: pairs level by level, an odd last node promoted, which is RFC 6962's tree."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def prove_range(hashes: Sequence[bytes], start: int, stop: int) -> list[bytes]:
    """Return the proof that leaves `start` to `stop` (excluded) stand in the tree over `hashes`."""
    if not 0 <= start < stop <= len(hashes):
        raise ValueError(f"range {start}:{stop} is not within {len(hashes)} leaves")
    proof: list[bytes] = []

    def walk(low: int, high: int) -> None:
        if high <= start or low >= stop:
            proof.append(root_of_hashes(hashes[low:high]))
        elif not (start <= low and high <= stop):
            middle = low + split(high - low)
            walk(low, middle)
            walk(middle, high)

    walk(0, len(hashes))
    return proof


def root_from_range(leaves: Sequence[bytes], *, start: int, count: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that `leaves`, standing from `start` in a tree of `count`, give with `proof`.

    Raises Refused BAD_PROOF if the range does not fit or the proof has too few or too many hashes.
    """
    stop = start + len(leaves)
    if not 0 <= start < stop <= count:
        raise Refused(Reason.BAD_PROOF, seen=f"{start}:{stop}", wanted=f"within {count} leaves")
    rest: Iterator[bytes] = iter(proof)

    def walk(low: int, high: int) -> bytes:
        if high <= start or low >= stop:
            outside = next(rest, None)
            if outside is None or len(outside) != 32:  # noqa: PLR2004 - the length of a hash
                raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted="more hashes of 32 bytes")
            return outside
        if start <= low and high <= stop:
            return root(leaves[low - start : high - start])
        middle = low + split(high - low)
        return node_hash(walk(low, middle), walk(middle, high))

    result = walk(0, count)
    if next(rest, None) is not None:
        raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted="fewer hashes")
    return result
