import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.codec import decode, encode
from primitives.content import (
    LEAF_BYTES,
    SLICE_LEAVES_MAX,
    ContentId,
    Slice,
    check_slice,
    content_id,
    cut_slice,
    leaf_count,
    tree_of,
)
from primitives.reasons import Reason, Refused

SLICE_BYTES_MAX = SLICE_LEAVES_MAX * LEAF_BYTES + 10_000
SIZES = [1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 7 * LEAF_BYTES + 5, 8 * LEAF_BYTES]


def some_bytes(size: int) -> bytes:
    return bytes((at * 7 + at // 256) % 251 for at in range(size))


def refusal(wanted: ContentId, piece: Slice) -> Reason:
    with pytest.raises(Refused) as refused:
        check_slice(wanted, piece)
    return refused.value.reason


@pytest.mark.parametrize("size", SIZES)
def test_every_slice_of_content_is_proved_and_survives_the_wire(size: int) -> None:
    raw = some_bytes(size)
    wanted, tree = content_id(raw), tree_of(raw)
    for start in range(leaf_count(size)):
        for count in range(1, leaf_count(size) - start + 1):
            piece = cut_slice(raw, tree, start, count)
            assert piece.data == raw[start * LEAF_BYTES : (start + count) * LEAF_BYTES]
            check_slice(wanted, decode(Slice, encode(piece), at_most=SLICE_BYTES_MAX))


def test_a_slice_that_goes_over_the_end_holds_what_there_is() -> None:
    raw = some_bytes(2 * LEAF_BYTES + 1)
    piece = cut_slice(raw, tree_of(raw), 1, 100)
    assert piece.data == raw[LEAF_BYTES:]
    check_slice(content_id(raw), piece)


@given(st.sampled_from(SIZES), st.data())
def test_a_changed_byte_is_found(size: int, data: st.DataObject) -> None:
    raw = some_bytes(size)
    start = data.draw(st.integers(0, leaf_count(size) - 1))
    piece = cut_slice(raw, tree_of(raw), start, data.draw(st.integers(1, 4)))
    at = data.draw(st.integers(0, len(piece.data) - 1))
    changed = piece.data[:at] + bytes([piece.data[at] ^ 1]) + piece.data[at + 1 :]
    assert refusal(content_id(raw), Slice(start=start, data=changed, proof=piece.proof)) is Reason.CONTENT_MISMATCH


def test_a_slice_from_elsewhere_is_found() -> None:
    raw = some_bytes(4 * LEAF_BYTES)
    piece = cut_slice(raw, tree_of(raw), 1, 1)
    moved = Slice(start=2, data=piece.data, proof=piece.proof)
    assert refusal(content_id(raw), moved) is Reason.CONTENT_MISMATCH


@pytest.mark.parametrize("length", [4 * LEAF_BYTES - 1, 4 * LEAF_BYTES + 1, 3 * LEAF_BYTES, 0, 2**63 - 1])
def test_the_length_is_part_of_the_root(length: int) -> None:
    raw = some_bytes(4 * LEAF_BYTES)
    wanted = ContentId(root=content_id(raw).root, length=length)
    assert refusal(wanted, cut_slice(raw, tree_of(raw), 0, 4)) in (Reason.BAD_PROOF, Reason.CONTENT_MISMATCH)


@pytest.mark.parametrize("size", [0, 1, LEAF_BYTES - 1, LEAF_BYTES + 1])
def test_leaves_in_the_middle_are_whole(size: int) -> None:
    raw = some_bytes(4 * LEAF_BYTES)
    piece = cut_slice(raw, tree_of(raw), 0, 1)
    assert refusal(content_id(raw), Slice(start=0, data=raw[:size], proof=piece.proof)) is Reason.BAD_PROOF


def test_the_last_leaf_has_its_own_length() -> None:
    raw = some_bytes(LEAF_BYTES + 10)
    piece = cut_slice(raw, tree_of(raw), 1, 1)
    for data in (piece.data[:-1], piece.data + b"\x00"):
        assert refusal(content_id(raw), Slice(start=1, data=data, proof=piece.proof)) is Reason.BAD_PROOF


def test_empty_content_has_an_id_and_no_slice() -> None:
    assert content_id(b"").length == 0
    assert content_id(b"") != content_id(b"\x00")
    assert refusal(content_id(b""), Slice(start=0, data=b"", proof=[])) is Reason.BAD_PROOF


def test_a_slice_of_more_leaves_than_a_message_holds_is_refused_at_decode() -> None:
    for piece in (
        Slice(start=0, data=bytes(SLICE_LEAVES_MAX * LEAF_BYTES + 1), proof=[]),
        Slice(start=0, data=b"x", proof=[bytes(32)] * 129),
    ):
        with pytest.raises(Refused) as refused:
            decode(Slice, encode(piece), at_most=2 * SLICE_BYTES_MAX)
        assert refused.value.reason is Reason.MALFORMED
