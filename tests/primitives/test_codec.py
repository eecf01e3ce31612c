from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.codec import decode, encode
from primitives.hashing import Hash
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import NUMBER_MAX, U8, U64


class Point(Record):
    x: U64
    y: U8


class Left(Record, tag=1):
    at: Point
    name: Annotated[bytes, msgspec.Meta(max_length=40)]


class Right(Record, tag=2):
    roots: Annotated[list[Hash], msgspec.Meta(max_length=4)]
    maybe: U64 | None
    yes: bool


AT_MOST = 1_000
points = st.builds(Point, x=st.integers(0, NUMBER_MAX), y=st.integers(0, 255))
lefts = st.builds(Left, at=points, name=st.binary(max_size=40))
rights = st.builds(
    Right,
    roots=st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    maybe=st.none() | st.integers(0, NUMBER_MAX),
    yes=st.booleans(),
)
EITHER = Left | Right


def decode_either(raw: bytes) -> Left | Right:
    found: Left | Right = decode(EITHER, raw, at_most=AT_MOST)  # type: ignore[arg-type]  # a union is no type[T] to mypy
    return found


def decoded_or_reason(raw: bytes) -> Left | Right | Reason:
    try:
        return decode_either(raw)
    except Refused as refused:
        return refused.reason


def refusal(raw: bytes, at_most: int = AT_MOST) -> Refused:
    with pytest.raises(Refused) as refused:
        decode(Point, raw, at_most=at_most)
    return refused.value


@given(lefts | rights)
def test_what_is_encoded_decodes_to_the_same_record(value: Left | Right) -> None:
    assert decode_either(encode(value)) == value


@given(st.binary(max_size=80))
def test_bytes_are_refused_or_are_the_one_encoding_of_what_they_mean(raw: bytes) -> None:
    found = decoded_or_reason(raw)
    assert found is Reason.MALFORMED or encode(found) == raw


@given(lefts | rights, st.data())
def test_a_changed_encoding_is_refused_or_means_something_else(value: Left | Right, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found = decoded_or_reason(bytes(raw))
    assert found is Reason.MALFORMED or found != value


def test_a_record_is_an_array_of_its_fields_in_order() -> None:
    assert encode(Point(x=1, y=2)) == bytes([0x92, 1, 2])


def test_a_tagged_record_begins_with_its_number() -> None:
    assert encode(Left(at=Point(x=1, y=2), name=b"ab")) == bytes([0x93, 1, 0x92, 1, 2, 0xC4, 2]) + b"ab"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (bytes([0x92, 0xCC, 1, 2]), "a longer integer than need be"),
        (bytes([0x92, 0xCF, 0, 0, 0, 0, 0, 0, 0, 1, 2]), "the longest integer"),
        (bytes([0xDC, 0, 2, 1, 2]), "a longer array header than need be"),
        (bytes([0x92, 1, 2, 0]), "bytes left over"),
        (bytes([0x93, 1, 2, 3]), "a field too many"),
        (bytes([0x91, 1]), "a field too few"),
        (bytes([0x92, 1]), "cut short"),
        (bytes([0x92, 1, 0xCD, 1, 0]), "a number out of range"),
        (bytes([0x92, 1, 0xFF]), "a negative number"),
        (bytes([0x92, 1, 0xCB]) + bytes(8), "a float"),
        (bytes([0x82, 0xA1]) + b"x" + bytes([1, 0xA1]) + b"y" + bytes([2]), "a map"),
        (b"", "nothing"),
        (b"\x91" * 100_000, "nested without end"),
    ],
)
def test_any_other_encoding_of_a_record_is_refused(raw: bytes, why: str) -> None:
    assert refusal(raw, at_most=1_000_000).reason is Reason.MALFORMED, why


@pytest.mark.parametrize(
    "raw",
    [
        bytes([0x93, 3, 0x90, 0xC0]),  # an unknown tag
        bytes([0x93, 0xA1]) + b"1" + bytes([0x92, 1, 2]),  # a tag that is text
        bytes([0x93, 1, 0x92, 1, 2, 0xD9, 2]) + b"ab",  # text where bytes belong
        bytes([0x93, 1, 0x92, 1, 2, 0xC4, 41]) + bytes(41),  # more bytes than the field takes
    ],
)
def test_a_union_takes_its_own_variants_alone(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode_either(raw)
    assert refused.value.reason is Reason.MALFORMED


def test_length_is_checked_before_anything_is_decoded() -> None:
    refused = refusal(bytes(11), at_most=10)
    assert (refused.reason, dict(refused.facts)) == (Reason.TOO_LARGE, {"seen": 11, "wanted": 10})


def test_a_record_can_not_be_changed() -> None:
    point = Point(x=1, y=2)
    with pytest.raises(AttributeError):
        point.x = 3
