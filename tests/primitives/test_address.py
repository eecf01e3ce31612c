import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.address import ADDRESS_BYTES, NETWORK_PREFIXES, address_of, address_text, parse_address
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused

addresses = st.binary(min_size=ADDRESS_BYTES, max_size=ADDRESS_BYTES)
prefixes = st.sampled_from(NETWORK_PREFIXES)

# BIP-350's own lists.
VALID = [
    "A1LQFN3A",
    "a1lqfn3a",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]
TWENTY_BYTES = VALID[3]
INVALID = [
    "\x201xj0phk",
    "\x7f1g6xzxy",
    "\x801vctc34",
    "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
    "qyrz8wqd2c9m",
    "1qyrz8wqd2c9m",
    "y1b0jsk6g",
    "lt1igcx5c0",
    "in1muywd",
    "mm1crxm3i",
    "au1s5cgom",
    "M1VUXWEZ",
    "16plkw9",
    "1p2gdwpf",
]
BECH32_NOT_M = "A12UEL5L"


def refusal(text: str, prefix: str = "dasy") -> Reason:
    with pytest.raises(Refused) as refused:
        parse_address(text, prefix)
    return refused.value.reason


@given(addresses, prefixes)
def test_an_address_is_read_back_in_either_case(address: bytes, prefix: str) -> None:
    text = address_text(address, prefix)
    assert text.startswith(prefix + "1")
    assert parse_address(text, prefix) == address
    assert parse_address(text.upper(), prefix) == address


@given(addresses, prefixes, st.data())
def test_a_wrong_character_is_found(address: bytes, prefix: str, data: st.DataObject) -> None:
    text = address_text(address, prefix)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(exclude_characters=text[at] + text[at].upper())) + text[at + 1 :]
    assert refusal(changed, prefix) is Reason.BAD_ADDRESS


@given(addresses, st.data())
def test_two_wrong_or_swapped_characters_are_found(address: bytes, data: st.DataObject) -> None:
    text = address_text(address, "dasy")
    at, to = data.draw(st.integers(5, len(text) - 1)), data.draw(st.integers(5, len(text) - 1))
    symbols = list(text)
    symbols[at], symbols[to] = symbols[to], symbols[at]
    if "".join(symbols) != text:
        assert refusal("".join(symbols)) is Reason.BAD_ADDRESS


@given(st.text(max_size=100))
def test_text_that_is_no_address_is_refused(text: str) -> None:
    assert refusal(text) is Reason.BAD_ADDRESS


@pytest.mark.parametrize("text", VALID)
def test_the_checksum_is_that_of_bip_350(text: str) -> None:
    assert refusal(text) is Reason.WRONG_NETWORK  # found only after the checksum has been


@pytest.mark.parametrize("text", [*INVALID, BECH32_NOT_M])
def test_what_bip_350_calls_invalid_is_refused(text: str) -> None:
    assert refusal(text) in (Reason.BAD_ADDRESS, Reason.WRONG_NETWORK)
    assert refusal(text, text.rpartition("1")[0]) is Reason.BAD_ADDRESS


@pytest.mark.parametrize("text", [text for text in VALID if text != TWENTY_BYTES])
def test_an_address_has_twenty_bytes(text: str) -> None:
    assert refusal(text, text.lower().rpartition("1")[0]) is Reason.BAD_ADDRESS


def test_five_bits_a_character_are_put_together_as_in_bip_350() -> None:
    symbols = int("".join(f"{symbol:05b}" for symbol in reversed(range(32))), 2)
    assert parse_address(TWENTY_BYTES, "abcdef") == symbols.to_bytes(20, "big")


def test_another_networks_address_is_told_apart() -> None:
    assert refusal(address_text(bytes(20), "asy"), "dasy") is Reason.WRONG_NETWORK


def test_mixed_case_is_refused() -> None:
    text = address_text(bytes(20), "dasy")
    assert refusal("D" + text[1:]) is Reason.BAD_ADDRESS


def test_a_capital_that_only_unicode_makes_small_is_refused() -> None:
    text = next(t for t in (address_text(bytes([at] * 20), "dasy") for at in range(99)) if "k" in t)
    kelvin_sign = "\u212a"
    assert kelvin_sign.lower() == "k"
    assert refusal(text.upper().replace("K", kelvin_sign)) is Reason.BAD_ADDRESS


def test_an_address_is_the_start_of_the_tagged_hash_of_its_key() -> None:
    assert address_of(bytes(32)) == tagged("assay/address", bytes(32))[:20]
