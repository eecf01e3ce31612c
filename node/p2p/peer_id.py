"""Peer ids as libp2p writes them: the identity multihash of a protobuf Ed25519 public key, base58 for people (N2)."""

from primitives.ed25519 import PUBLIC_KEY_BYTES
from primitives.reasons import Reason, Refused

_IDENTITY_OF_ED25519 = bytes.fromhex("002408011220")
"""Multihash code 0, length 36; protobuf field 1 (key type) = 1 (Ed25519); field 2 (key), length 32."""
PEER_ID_BYTES = len(_IDENTITY_OF_ED25519) + PUBLIC_KEY_BYTES

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TEXT_MAX = 128
"""Longer than any peer id, short enough that the quadratic conversion costs nothing."""


def peer_id_of(public_key: bytes) -> bytes:
    """Return the peer id (38 bytes) of an Ed25519 public key (32 bytes); raises Refused BAD_KEY for another length."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise Refused(Reason.BAD_KEY, seen=len(public_key), wanted=PUBLIC_KEY_BYTES)
    return _IDENTITY_OF_ED25519 + public_key


def peer_id_text(peer_id: bytes) -> str:
    """Return a peer id as people write it, such as `12D3KooW...`."""
    value = int.from_bytes(peer_id, "big")
    digits = ""
    while value:
        value, digit = divmod(value, 58)
        digits = _BASE58[digit] + digits
    leading_zeros = len(peer_id) - len(peer_id.lstrip(b"\x00"))
    return _BASE58[0] * leading_zeros + digits


def parse_peer_id(text: str) -> bytes:
    """Return the bytes of an Ed25519 peer id in base58; raises Refused BAD_ADDRESS for anything else."""
    if len(text) > _TEXT_MAX or any(c not in _BASE58 for c in text):
        raise Refused(Reason.BAD_ADDRESS, seen=text[:_TEXT_MAX], wanted="base58")
    value = 0
    for character in text:
        value = value * 58 + _BASE58.index(character)
    leading_zeros = len(text) - len(text.lstrip(_BASE58[0]))
    raw = bytes(leading_zeros) + value.to_bytes(-(-value.bit_length() // 8), "big")
    if len(raw) != PEER_ID_BYTES or not raw.startswith(_IDENTITY_OF_ED25519):
        raise Refused(Reason.BAD_ADDRESS, seen=text, wanted="the peer id of an Ed25519 key")
    return raw
