"""Ed25519 with one set of rules for the whole protocol.

The verifier is libsodium's (through PyNaCl). Encodings that libraries disagree about are refused before it is asked:
y ≥ p, and points of small order, in the public key and in R alike (P10).
"""

import nacl.bindings
import nacl.exceptions

from primitives.reasons import Reason, Refused

PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _torsion_ys() -> frozenset[int]:
    """Return the y of the points of order 1, 2, 4 and 8: 1, −1, 0 and the four of order 8 (two values)."""
    # A point of order 8 doubles to one whose y is 0, so x² = -y²; with the curve's equation, d·y⁴ + 2·y² - 1 = 0.
    ys = {0, 1, _P - 1}
    root_of_minus_one = pow(2, (_P - 1) // 4, _P)
    inside = (1 + _D) % _P
    root = pow(inside, (_P + 3) // 8, _P)
    if root * root % _P != inside:
        root = root * root_of_minus_one % _P
    for sign in (root, _P - root):
        square = (sign - 1) * pow(_D, _P - 2, _P) % _P
        y = pow(square, (_P + 3) // 8, _P)
        if y * y % _P != square:
            y = y * root_of_minus_one % _P
        if y * y % _P == square:
            ys |= {y, _P - y}
    return frozenset(ys)


TORSION_YS = _torsion_ys()


def _is_plain_point(raw: bytes) -> bool:
    y = int.from_bytes(raw, "little") & 2**255 - 1
    return y < _P and y not in TORSION_YS


def check_public_key(raw: bytes) -> None:
    """Raise Refused BAD_KEY unless `raw` is 32 bytes, canonical and not of small order."""
    if len(raw) != PUBLIC_KEY_BYTES or not _is_plain_point(raw):  # P10
        raise Refused(Reason.BAD_KEY, seen=raw[:64], wanted="a canonical point of large order, 32 bytes")


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (64 bytes) is that of `public_key` (32 bytes) on `message`."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if not _is_plain_point(public_key) or not _is_plain_point(signature[:32]):  # P10
        return False
    try:  # P11
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


class SigningKey:
    """A secret seed of 32 bytes, ready to sign: half the time of `sign`, which derives the key anew each time."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        public, secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.public_key = bytes(public)
        self._secret = bytes(secret)

    def sign(self, message: bytes) -> bytes:
        """Return the signature on `message`, 64 bytes."""
        return bytes(nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES])


def public_key_of(seed: bytes) -> bytes:
    """Return the public key of a 32-byte secret seed."""
    return SigningKey(seed).public_key


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the signature (64 bytes) of a 32-byte secret seed on `message`."""
    return SigningKey(seed).sign(message)
