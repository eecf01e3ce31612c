"""Leaves of a value, shown with the proof that they are the value's (V85)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from primitives import merkle
from primitives.hashing import Hash
from primitives.reasons import Reason, Refused
from primitives.record import Record
from vm.canonical.arrays import NUMPY_OF, Array, normal
from vm.referee.reach import Range, places
from vm.tensor import ITEM_BYTES, ROOT_LEAF_BYTES, DType, TensorType, bound_root, element_count, leaf_count
from vm.tiles import LEAF_ENCODED_BYTES, PROOF_BYTES_MAX

LEAVES_MAX = PROOF_BYTES_MAX // LEAF_ENCODED_BYTES
HASHES_MAX = PROOF_BYTES_MAX // 34
"""What fits the longest accusation, at 34 bytes for each."""

Leaf = Annotated[bytes, msgspec.Meta(min_length=1, max_length=ROOT_LEAF_BYTES)]
Proof = Annotated[list[Hash], msgspec.Meta(max_length=HASHES_MAX)]


class Opened(Record):
    """A value's type, and the leaves of it that are read: which, follows from what is judged."""

    type: TensorType
    leaves: Annotated[list[Leaf], msgspec.Meta(max_length=LEAVES_MAX)]
    proof: Proof
    """The set's (P8); of no leaves the root of the whole tree."""


def open_value(type_: TensorType, data: bytes, tree: merkle.Tree, ranges: Sequence[Range]) -> Opened:
    """Return what shows the elements of ranges; `tree` is over the leaves of `data`."""
    at = places(type_, ranges)
    leaves = [data[place * ROOT_LEAF_BYTES : (place + 1) * ROOT_LEAF_BYTES] for place in at]
    return Opened(type=type_, leaves=leaves, proof=tree.prove_set(at) if at else [tree.root])


def opened_root(opened: Opened, ranges: Sequence[Range]) -> bytes:
    """Return the root of the value that is opened at the ranges (V85).

    Raises Refused BAD_PROOF for another number of leaves, a leaf of another length, and a proof that does not fit.
    """
    type_, at = opened.type, places(opened.type, ranges)
    if len(at) != len(opened.leaves):
        raise Refused(Reason.BAD_PROOF, what="leaves of a value", seen=len(opened.leaves), wanted=len(at))
    total = element_count(type_.shape) * ITEM_BYTES[type_.dtype]
    for place, leaf in zip(at, opened.leaves, strict=True):
        wanted = min(ROOT_LEAF_BYTES, total - place * ROOT_LEAF_BYTES)
        if len(leaf) != wanted:
            raise Refused(Reason.BAD_PROOF, what="bytes of a leaf", seen=len(leaf), wanted=wanted)
    if at:
        tree = merkle.root_from_set(opened.leaves, places=at, count=leaf_count(type_), proof=opened.proof)
    elif len(opened.proof) == 1:
        tree = opened.proof[0]
    else:
        raise Refused(Reason.BAD_PROOF, what="root of a value", seen=len(opened.proof), wanted="one hash")
    return bound_root(type_, tree)


def shown_bytes(opened: Opened, ranges: Sequence[Range]) -> bytes:
    """Return the bytes of the ranges, one after the other, from leaves that `opened_root` has checked."""
    type_, item = opened.type, ITEM_BYTES[opened.type.dtype]
    leaf_at = dict(zip(places(type_, ranges), opened.leaves, strict=True))
    raw = bytearray()
    for first, count in ranges:
        start, stop = first * item, (first + count) * item
        while start < stop:
            place, offset = divmod(start, ROOT_LEAF_BYTES)
            end = min(ROOT_LEAF_BYTES, stop - place * ROOT_LEAF_BYTES)
            raw += leaf_at[place][offset:end]
            start = place * ROOT_LEAF_BYTES + end
    return bytes(raw)


def elements(opened: Opened, ranges: Sequence[Range]) -> Array:
    """Return the elements of the ranges, one after the other, floats in normal form.

    Raises Refused BAD_PROOF for a bool other than 0 and 1.
    """
    raw = shown_bytes(opened, ranges)
    if opened.type.dtype is DType.BOOL and raw.translate(None, b"\x00\x01"):
        raise Refused(Reason.BAD_PROOF, what="bool", wanted="bytes 0 and 1")
    with np.errstate(invalid="ignore"):  # a stranger's NaN may signal
        return normal(np.frombuffer(raw, NUMPY_OF[opened.type.dtype]))
