"""Merkle trees in the manner of RFC 6962 (P7): leaves prefixed 0x00, inner nodes 0x01, split at a power of two.

A range of leaves, or a set of them, is proved by the roots of the maximal subtrees outside it, from left to right (P8).
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from primitives.hashing import HASH_BYTES, sha256
from primitives.reasons import Reason, Refused

EMPTY_ROOT = sha256(b"")
_PAIR = 2 * HASH_BYTES


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf)


def leaf_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of data cut into leaves of `width` bytes, the last of which may be shorter."""
    return [hashlib.sha256(b"\x00" + data[at : at + width]).digest() for at in range(0, len(data), width)]


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
    """Return the root over leaf hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = _paired(level)
    return level[0] if level else EMPTY_ROOT


def _paired(level: list[bytes]) -> list[bytes]:
    """Hash a level in pairs, an odd last node promoted: level by level this is RFC 6962's tree."""
    joined = b"".join(level)  # slices of it are faster to hash than pairs to join
    pairs = [
        hashlib.sha256(b"\x01" + joined[at : at + _PAIR]).digest() for at in range(0, len(joined) - HASH_BYTES, _PAIR)
    ]
    return pairs + level[len(level) & ~1 :]


class Tree:
    """A tree kept whole, so that a range is proved without hashing: 64 bytes of memory per leaf."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._levels = [list(hashes)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_paired(self._levels[-1]))

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._levels[-1][0] if len(self) else EMPTY_ROOT

    def prove(self, start: int, stop: int) -> list[bytes]:
        """Return the proof that leaves `start` to `stop` (excluded) stand where they do (P8)."""
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"range {start}:{stop} is not within {len(self)} leaves")
        proof: list[bytes] = []

        def walk(low: int, high: int) -> None:
            if high <= start or low >= stop:
                proof.append(self.subtree(low, high))
            elif not (start <= low and high <= stop):
                middle = low + split(high - low)
                walk(low, middle)
                walk(middle, high)

        walk(0, len(self))
        return proof

    def prove_set(self, places: Sequence[int]) -> list[bytes]:
        """Return the proof that the leaves at `places`, which ascend, stand where they do (P8)."""
        if not places or places[0] < 0 or places[-1] >= len(self) or not _ascends(places):
            raise ValueError(f"{len(places)} places are not within {len(self)} leaves, ascending")
        proof: list[bytes] = []

        def walk(low: int, high: int) -> None:
            at = bisect_left(places, low)
            if at == len(places) or places[at] >= high:
                proof.append(self.subtree(low, high))
            elif high - low > 1:
                middle = low + split(high - low)
                walk(low, middle)
                walk(middle, high)

        walk(0, len(self))
        return proof

    def subtree(self, low: int, high: int) -> bytes:
        """Return the root of a subtree, that is, of leaves that splitting the tree leaves together."""
        # Splitting at powers of two leaves `low` a multiple of the least power of two that is not below the width.
        depth = (high - low - 1).bit_length()
        return self._levels[depth][low >> depth]


def _ascends(places: Sequence[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(places))


def root_from_set(leaves: Sequence[bytes], *, places: Sequence[int], count: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that `leaves`, standing at `places` of a tree of `count`, give with `proof`.

    Raises Refused BAD_PROOF if there are not as many leaves as places, the places do not ascend within the tree, or
    the proof has too few or too many hashes.
    """
    if len(leaves) != len(places):
        raise Refused(Reason.BAD_PROOF, seen=len(leaves), wanted=f"{len(places)} leaves")
    if not places or places[0] < 0 or places[-1] >= count or not _ascends(places):
        raise Refused(Reason.BAD_PROOF, seen=len(places), wanted=f"ascending places within {count} leaves")
    rest = iter(proof)

    def walk(low: int, high: int) -> bytes:
        at = bisect_left(places, low)
        if at == len(places) or places[at] >= high:
            outside = next(rest, None)
            if outside is None or len(outside) != HASH_BYTES:
                raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted=f"more hashes of {HASH_BYTES} bytes")
            return outside
        if high - low == 1:
            return leaf_hash(leaves[at])
        middle = low + split(high - low)
        left = walk(low, middle)
        return node_hash(left, walk(middle, high))

    result = walk(0, count)
    if next(rest, None) is not None:
        raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted="fewer hashes")
    return result


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
            if outside is None or len(outside) != HASH_BYTES:
                raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted=f"more hashes of {HASH_BYTES} bytes")
            return outside
        if start <= low and high <= stop:
            return root(leaves[low - start : high - start])
        middle = low + split(high - low)
        return node_hash(walk(low, middle), walk(middle, high))

    result = walk(0, count)
    if next(rest, None) is not None:
        raise Refused(Reason.BAD_PROOF, seen=len(proof), wanted="fewer hashes")
    return result
