"""Content (models, inputs, outputs) by root: a Merkle tree over 1 KiB leaves, so that any slice can be proved (P9)."""

from typing import Annotated

import msgspec

from primitives import merkle
from primitives.hashing import Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U64

LEAF_BYTES = 1024
SLICE_LEAVES_MAX = 1024
"""A slice is at most 1 MiB: with its proof it fits an answer between nodes, and checking it takes under 2 ms."""
PROOF_HASHES_MAX = 2 * 64
"""A range has at most two boundaries, and each level of the tree gives one hash for each; lengths have 64 bits."""


class ContentId(Record):
    """What names a piece of content: its root, which binds its length too."""

    root: Hash
    length: U64


class Slice(Record):
    """Whole leaves of a piece of content, from leaf `start`, with the proof that they stand there."""

    start: U64
    data: Annotated[bytes, msgspec.Meta(max_length=SLICE_LEAVES_MAX * LEAF_BYTES)]
    proof: Annotated[list[Hash], msgspec.Meta(max_length=PROOF_HASHES_MAX)]


def leaf_count(length: int) -> int:
    """Return how many leaves content of `length` bytes has."""
    return -(-length // LEAF_BYTES)


def tree_of(raw: bytes) -> merkle.Tree:
    """Return the tree over the leaves of `raw`, for `cut_slice`."""
    return merkle.Tree(_leaf_hashes(raw))


def _leaf_hashes(raw: bytes) -> list[bytes]:
    return merkle.leaf_hashes(raw, LEAF_BYTES)


def _bind(tree_root: bytes, length: int) -> bytes:
    return tagged("assay/content", length.to_bytes(8, "big"), tree_root)


def content_id(raw: bytes) -> ContentId:
    """Return the id of `raw`."""
    return ContentId(root=_bind(merkle.root_of_hashes(_leaf_hashes(raw)), len(raw)), length=len(raw))


def cut_slice(raw: bytes, tree: merkle.Tree, start: int, count: int) -> Slice:
    """Return leaves `start` to `start + count` of `raw`, whose tree is `tree`, with their proof.

    Of a range that goes over the end, what there is; ValueError if it begins behind the end or is empty.
    """
    stop = min(start + count, len(tree))
    proof = tree.prove(start, stop)
    return Slice(start=start, data=raw[start * LEAF_BYTES : stop * LEAF_BYTES], proof=proof)


def check_slice(wanted: ContentId, piece: Slice) -> None:
    """Raise Refused (BAD_PROOF or CONTENT_MISMATCH) unless `piece` is part of the content `wanted`."""
    total = leaf_count(wanted.length)
    leaves = [piece.data[at : at + LEAF_BYTES] for at in range(0, len(piece.data), LEAF_BYTES)]
    reaches_end = piece.start + len(leaves) == total
    right_size = (
        piece.start * LEAF_BYTES + len(piece.data) == wanted.length
        if reaches_end
        else len(piece.data) % LEAF_BYTES == 0
    )
    if not leaves or not right_size:
        raise Refused(Reason.BAD_PROOF, seen=len(piece.data), wanted="whole leaves")
    found = merkle.root_from_range(leaves, start=piece.start, count=total, proof=piece.proof)
    if _bind(found, wanted.length) != wanted.root:
        raise Refused(Reason.CONTENT_MISMATCH, seen=_bind(found, wanted.length), wanted=wanted.root)
