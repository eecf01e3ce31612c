import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.hashing import sha256, tagged

tags = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(tags, st.lists(st.binary(max_size=40), max_size=4))
def test_a_tagged_hash_is_the_hash_of_length_tag_and_parts(tag: str, parts: list[bytes]) -> None:
    plain = bytes([len(tag)]) + tag.encode() + b"".join(parts)
    assert tagged(tag, *parts) == hashlib.sha256(plain).digest()


@given(tags, tags, st.binary(max_size=8))
def test_one_kind_of_id_is_never_another(one: str, other: str, body: bytes) -> None:
    assert (tagged(one, body) == tagged(other, body)) == (one == other)


def test_the_end_of_a_tag_is_not_the_start_of_a_body() -> None:
    assert tagged("assay/a", b"b") != tagged("assay/ab", b"")


def test_sha256_is_that_of_the_standard() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_tag_is_ascii() -> None:
    with pytest.raises(UnicodeEncodeError):
        tagged("é")
