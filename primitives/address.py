"""Addresses: bech32m (BIP-350) of the first 20 bytes of a tagged hash of the public key (P12)."""

from primitives.hashing import tagged
from primitives.reasons import Reason, Refused

ADDRESS_BYTES = 20
NETWORK_PREFIXES = ("asy", "tasy", "dasy")
"""Main network, public test networks, networks for development (where keys may be printed)."""

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32M = 0x2BC830A3
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_SYMBOLS = 6
_TEXT_MAX = 90


def address_of(public_key: bytes) -> bytes:
    """Return the address of a public key, 20 bytes."""
    return tagged("assay/address", public_key)[:ADDRESS_BYTES]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                check ^= generator
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(values: list[int], from_bits: int, to_bits: int, *, pad: bool) -> list[int] | None:
    gathered = bits = 0
    out: list[int] = []
    for value in values:
        gathered = gathered << from_bits | value
        bits += from_bits
        while bits >= to_bits:
            bits -= to_bits
            out.append(gathered >> bits & (1 << to_bits) - 1)
    rest = gathered & (1 << bits) - 1
    if pad and bits:
        out.append(rest << to_bits - bits)
    elif not pad and (bits >= from_bits or rest):
        return None
    return out


def address_text(address: bytes, prefix: str) -> str:
    """Return an address as people write it, such as `dasy1...`."""
    symbols = _regroup(list(address), 8, 5, pad=True) or []
    check = _polymod(_expand(prefix) + symbols + [0] * _CHECKSUM_SYMBOLS) ^ _BECH32M
    symbols += [check >> 5 * (5 - at) & 31 for at in range(_CHECKSUM_SYMBOLS)]
    return prefix + "1" + "".join(_ALPHABET[symbol] for symbol in symbols)


def parse_address(text: str, prefix: str) -> bytes:
    """Return the 20 bytes of an address of the network with `prefix`.

    Raises Refused BAD_ADDRESS for a wrong checksum, mixed case, a foreign character or length, and WRONG_NETWORK for
    another network's prefix.
    """
    # Unicode has capitals outside ASCII whose small letters are inside it, such as the Kelvin sign.
    if not text.isascii():
        raise Refused(Reason.BAD_ADDRESS, seen=ascii(text[:_TEXT_MAX]), wanted="ASCII characters")
    if text != text.lower() and text != text.upper():
        raise Refused(Reason.BAD_ADDRESS, seen=text[:_TEXT_MAX], wanted="one case")
    lowered = text.lower()
    human, _, rest = lowered.rpartition("1")
    if len(text) > _TEXT_MAX or not human or len(rest) < _CHECKSUM_SYMBOLS or any(c not in _ALPHABET for c in rest):
        raise Refused(Reason.BAD_ADDRESS, seen=text[:_TEXT_MAX], wanted=f"{prefix}1 and bech32m characters")
    symbols = [_ALPHABET.index(c) for c in rest]
    if _polymod(_expand(human) + symbols) != _BECH32M:
        raise Refused(Reason.BAD_ADDRESS, seen=text, wanted="a matching checksum")
    if human != prefix:
        raise Refused(Reason.WRONG_NETWORK, seen=human, wanted=prefix)
    raw = _regroup(symbols[:-_CHECKSUM_SYMBOLS], 5, 8, pad=False)
    if raw is None or len(raw) != ADDRESS_BYTES:
        raise Refused(Reason.BAD_ADDRESS, seen=text, wanted=f"{ADDRESS_BYTES} bytes")
    return bytes(raw)
