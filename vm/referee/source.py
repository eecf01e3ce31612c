"""What a trace begins with, tied to content: the job's input, or one party's values at the cut (V133)."""

import enum
from typing import Annotated, NamedTuple

import msgspec

from primitives import merkle
from primitives.content import LEAF_BYTES, ContentId, Slice, check_slice
from primitives.hashing import Hash
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32
from vm.layout import Layout, Span, bundle_length, heads, spans
from vm.program import Outline, outline_root
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Opened, Proof, opened_root
from vm.referee.reach import Range
from vm.tensor import ITEM_BYTES, ROOT_LEAF_BYTES, Tensor, TensorType, bytes_of, normalised
from vm.trace import Trace, ends_early

PIECE_BYTES_MAX = 2 * LEAF_BYTES
"""128 bytes of a tensor stand in two leaves of its content at most."""


class Held(NamedTuple):
    """An encoded bundle that somebody committed to: what it holds, and what names its content."""

    layout: Layout
    content: ContentId


class Piece(Record):
    """One or two leaves of a piece of content, with their proof."""

    start: U32
    data: Annotated[bytes, msgspec.Meta(max_length=PIECE_BYTES_MAX)]
    proof: Annotated[list[Hash], msgspec.Meta(max_length=2 * 32)]


class Source(enum.IntEnum):
    """Which bundle is meant."""

    INPUT = 1
    CUT = 2
    """A party's values at the cut."""
    OUTPUTS = 3
    """A party's outputs."""


class SourceProof(Record, tag=3):
    """A leaf of an input, or of a value at the cut, in a trace, beside the bytes of the content that it is told of."""

    outline: Outline
    source: Source
    """INPUT, or in the trace of a tail CUT."""
    place: U32
    """Among the inputs, or the values of the cut."""
    leaf: U32
    """Of the tensor's tree."""
    opened: Opened
    """The value at this leaf, as the trace has it; of another type than it should have, at none."""
    run_proof: Proof
    """Of the value's digest; of an input none."""
    piece: Piece


class FrameProof(Record, tag=6):
    """Leaves of a bundle in which a byte that is none of a tensor's data is not as it must be."""

    source: Source
    """CUT or OUTPUTS, of the party that is meant."""
    piece: Piece


def leaf_range(type_: TensorType, leaf: int) -> Range:
    """Return the elements that a leaf of a tensor's tree holds. Raises Refused BAD_PROOF if there is no such leaf."""
    if leaf * ROOT_LEAF_BYTES >= bytes_of(type_):
        raise Refused(Reason.BAD_PROOF, what="leaf of a value", seen=leaf, wanted=f"in {bytes_of(type_)} bytes")
    item = ITEM_BYTES[type_.dtype]
    return leaf * ROOT_LEAF_BYTES // item, min(ROOT_LEAF_BYTES, bytes_of(type_) - leaf * ROOT_LEAF_BYTES) // item


def held_bytes(held: Held, tensor: int, first: Range, piece: Piece) -> bytes:
    """Return the bytes of a range of a tensor's elements from content, floats in normal form (V133).

    Raises Refused BAD_PROOF or CONTENT_MISMATCH unless the piece shows them.
    """
    raw = told_bytes(held, tensor, first, piece)
    return normalised(Tensor(dtype=held.layout.types[tensor].dtype, shape=[first[1]], data=raw)).data


def told_bytes(held: Held, tensor: int, first: Range, piece: Piece) -> bytes:
    """Return the bytes of a range of a tensor's elements as the content has them. Raises as `held_bytes` does."""
    type_ = held.layout.types[tensor]
    item, low = ITEM_BYTES[type_.dtype], spans(held.layout)[tensor].low
    start, stop = low + first[0] * item, low + (first[0] + first[1]) * item
    check_piece(held, piece)
    begin = piece.start * LEAF_BYTES
    if not begin <= start < stop <= begin + len(piece.data):
        raise Refused(Reason.BAD_PROOF, what="piece", seen=begin, wanted=f"bytes {start} to {stop}")
    return piece.data[start - begin : stop - begin]


def check_piece(held: Held, piece: Piece) -> None:
    """Raise Refused BAD_PROOF or CONTENT_MISMATCH unless a piece is of this bundle, which has its layout's length."""
    if held.content.length != bundle_length(held.layout):
        raise Refused(Reason.BAD_PROOF, what="bundle", seen=held.content.length, wanted=bundle_length(held.layout))
    check_slice(held.content, Slice(start=piece.start, data=piece.data, proof=piece.proof))


def judge_source(trace: Trace, shown: SourceProof, held: Held) -> bool:
    """Return whether a trace is right about a leaf of an input, or of a value at the cut (V133).

    `held` is the job's input, or the bundle of the party whose tail is meant. Raises Refused BAD_PROOF or
    CONTENT_MISMATCH where the proof does not show what it should.
    """
    check_known_answers()
    told, place = shown.outline, shown.place
    if outline_root(told) != trace.program:
        raise Refused(Reason.BAD_PROOF, what="program", seen=outline_root(told), wanted=trace.program)
    if shown.source is Source.OUTPUTS:
        raise Refused(Reason.BAD_PROOF, what="source", wanted="what a trace begins with")
    count = len(trace.inputs) if shown.source is Source.INPUT else len(told.cut)
    if place >= min(count, len(held.layout.types)):
        raise Refused(Reason.BAD_PROOF, what="tensor", seen=place, wanted=f"below {count}")
    wanted = held.layout.types[place]
    same = shown.opened.type == wanted
    ranges = [leaf_range(wanted, shown.leaf)] if same and bytes_of(wanted) else []
    _check_committed(trace, shown, opened_root(shown.opened, ranges))
    if shown.source is Source.CUT and ends_early(trace.first, _number(told, place), told):
        return False
    if not ranges:
        return same and shown.opened.proof == [merkle.EMPTY_ROOT]
    return same and shown.opened.leaves[0] == held_bytes(held, place, ranges[0], shown.piece)


def _number(told: Outline, place: int) -> int:
    """Return the operation that gives a value of the cut; below 0 if none does."""
    return told.cut[place] - len(told.inputs) - told.constants


def _check_committed(trace: Trace, shown: SourceProof, root: bytes) -> None:
    """Raise Refused BAD_PROOF unless this is the root that the trace has of the value."""
    told, place = shown.outline, shown.place
    if shown.source is Source.INPUT:
        seen, wanted = root, trace.inputs[place]
    else:
        number = _number(told, place)
        if number < 0:
            raise Refused(Reason.BAD_PROOF, what="value of the cut", seen=place, wanted="a result")
        run = trace.first
        seen = merkle.root_from_set([root], places=[number], count=run.count, proof=shown.run_proof)
        wanted = run.root
    if seen != wanted:
        raise Refused(Reason.BAD_PROOF, what="value", seen=seen, wanted=wanted)


def judge_frame(shown: FrameProof, held: Held) -> bool:
    """Return whether a bundle is none: a byte of these leaves that is no tensor's data is not as it must be (V134).

    Raises Refused BAD_PROOF or CONTENT_MISMATCH where the leaves are not the bundle's.
    """
    check_known_answers()
    check_piece(held, shown.piece)
    begin = shown.piece.start * LEAF_BYTES
    window = Span(begin, begin + len(shown.piece.data))
    at = 0
    for head, data in zip(heads(held.layout), [*spans(held.layout), None], strict=False):
        for place in range(max(at, window.low), min(at + len(head), window.high)):
            if shown.piece.data[place - begin] != head[place - at]:
                return True
        at = data.high if data is not None else at
    return False
