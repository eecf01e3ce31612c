"""Every type that is decoded keeps its form, is read back as it was, and refuses everything else."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused
from tests.conformance import wire_digests
from tests.conformance.decoded import decoded_kinds

KINDS = decoded_kinds()
AT_MOST = 1 << 20
few = settings(max_examples=settings().max_examples // 3)
"""There are many types."""
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=20,
)


def decoded_or_reason(kind: object, raw: bytes) -> object:
    try:
        return decode(kind, raw, at_most=AT_MOST)  # type: ignore[arg-type]  # a kind is a type or a union
    except Refused as refused:
        return refused.reason


def test_every_wire_type_has_the_form_that_it_had() -> None:
    pinned = json.loads(wire_digests.FILE.read_text())
    built = wire_digests.build()
    changed = [name for name in sorted(pinned.keys() | built.keys()) if pinned.get(name) != built.get(name)]
    assert not changed, f"changed: {changed}; to approve: python -m tests.conformance.wire_digests"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_encoded_is_read_back(name: str) -> None:
    for value in wire_digests.values(name):
        assert decoded_or_reason(KINDS[name], encode(value)) == value


@pytest.mark.parametrize("name", KINDS)
def test_an_encoding_that_is_cut_short_or_goes_on_is_refused(name: str) -> None:
    for value in wire_digests.values(name)[:4]:
        raw = encode(value)
        for wrong in (raw[:-1], raw[: len(raw) // 2], raw + b"\x00"):
            assert decoded_or_reason(KINDS[name], wrong) is Reason.MALFORMED


@pytest.mark.parametrize("name", KINDS)
@few
@given(anything)
def test_rubbish_is_refused_or_is_the_one_encoding_of_what_it_means(name: str, rubbish: object) -> None:
    raw = msgspec.msgpack.encode(rubbish)
    found = decoded_or_reason(KINDS[name], raw)
    assert found is Reason.MALFORMED or encode(found) == raw


@pytest.mark.parametrize("name", KINDS)
@few
@given(st.data())
def test_a_changed_byte_never_gives_the_same_value(name: str, data: st.DataObject) -> None:
    value = wire_digests.values(name)[0]
    raw = bytearray(encode(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found = decoded_or_reason(KINDS[name], bytes(raw))
    assert found is Reason.MALFORMED or found != value
