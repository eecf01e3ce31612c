"""Proofs about one row of a state of which only the root is known: that it is there, with its value, or that it is not.

The tree is defined by L60 to L62; this module is all that a light client needs of it.
"""

import hashlib
from typing import Annotated

import msgspec

from primitives.hashing import ZERO_HASH, Hash, sha256
from primitives.reasons import Reason, Refused
from primitives.record import Record

EMPTY = ZERO_HASH
"""The root of no rows (L61)."""
KEY_BITS = 256
"""A path from the root to a row can't be longer."""
PROOF_BYTES_MAX = KEY_BITS * 34 + 128
"""Of an encoded StateProof: its hashes, two bytes of length with each, and a row with what is around it."""


class HashedRow(Record):
    """A row as the tree has it."""

    key: Hash
    """SHA-256 of the key."""
    value: Hash
    """SHA-256 of the value."""


class StateProof(Record):
    """What leads from the place of a key to the root (L64)."""

    siblings: Annotated[list[Hash], msgspec.Meta(max_length=KEY_BITS)]
    """From the root down: the roots of the subtrees beside the path."""
    other: HashedRow | None
    """The one row that stands where an absent key's path ends, if one does; None of a key that is present."""


def key_hash(key: bytes) -> bytes:
    """Return where a row stands in the tree, 32 bytes; `key` begins with its namespace (L60)."""
    return sha256(key)


def leaf_hash(row: bytes) -> bytes:
    """Return the root of a subtree with one row, given as SHA-256 of its key ‖ SHA-256 of its value (L61)."""
    return hashlib.sha256(b"\x00" + row).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Return the root of a subtree with more rows (L62)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_state_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Raise Refused BAD_PROOF unless the state with this root has `value` at `key`; None: has no such row (L65).

    Each fact has one proof. No two proofs that are taken for one root contradict each other unless SHA-256 collides:
    a leaf's hash binds its whole key, so it can't stand for another key, and not for an inner node either.
    """
    hashed = key_hash(key)
    depth = len(proof.siblings)
    if depth > KEY_BITS:  # for callers who did not decode the proof
        raise Refused(Reason.BAD_PROOF, seen=depth, wanted=KEY_BITS)
    at = _end_of_path(hashed, value, proof)
    if proof.siblings and proof.siblings[-1] == EMPTY:  # a lone row, or none, stands higher up
        raise Refused(Reason.BAD_PROOF, seen=depth, wanted="the shortest path")
    bits = int.from_bytes(hashed, "big") >> KEY_BITS - depth
    for sibling in reversed(proof.siblings):
        at = inner_hash(sibling, at) if bits & 1 else inner_hash(at, sibling)
        bits >>= 1
    if at != root:
        raise Refused(Reason.BAD_PROOF, seen=at, wanted=root)


def _end_of_path(hashed: bytes, value: bytes | None, proof: StateProof) -> bytes:
    """Return the root of the subtree at the end of the path: of the row itself, of another one, or of none."""
    other = proof.other
    if value is not None:
        if other is not None:
            raise Refused(Reason.BAD_PROOF, seen=other.key, wanted=hashed)
        return leaf_hash(hashed + sha256(value))
    if other is None:
        return EMPTY
    differing = int.from_bytes(other.key, "big") ^ int.from_bytes(hashed, "big")
    if not differing or KEY_BITS - differing.bit_length() < len(proof.siblings):
        raise Refused(Reason.BAD_PROOF, seen=other.key, wanted="another row on the path of this one")
    return leaf_hash(other.key + other.value)
