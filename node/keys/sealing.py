"""A secret behind a password: scrypt, then AES-256-GCM (K3). The only user of `cryptography`."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from primitives.reasons import Reason, Refused
from primitives.record import Record

SCRYPT_COST = 2**17
"""128 MiB and about half a second for each guess, with r = 8 and p = 1 (OWASP's first choice)."""
SCRYPT_COST_MAX = 2**20
"""A foreign key file may not make us spend more than 1 GiB."""
_SCRYPT_COST_MIN = 2
_SCRYPT_R = 8
_SCRYPT_P = 1
_SALT_BYTES = 16
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Sealed(Record):
    """A secret that a password opens."""

    cost: int
    """scrypt's N, a power of two."""
    salt: bytes
    nonce: bytes
    text: bytes
    """The secret's ciphertext and the tag."""


def _key(password: bytes, *, cost: int, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=cost, r=_SCRYPT_R, p=_SCRYPT_P).derive(password)


def seal(secret: bytes, password: bytes, *, bound: bytes, cost: int = SCRYPT_COST) -> Sealed:
    """Return `secret` sealed; `bound` is not secret, but opening fails if it was changed."""
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    text = AESGCM(_key(password, cost=cost, salt=salt)).encrypt(nonce, secret, bound)
    return Sealed(cost=cost, salt=salt, nonce=nonce, text=text)


def unseal(sealed: Sealed, password: bytes, *, bound: bytes) -> bytes:
    """Return the secret.

    Raises Refused KEY_UNREADABLE for parameters out of bounds and KEY_WRONG_PASSWORD if the password (or `bound`) is
    not the one it was sealed with.
    """
    in_bounds = _SCRYPT_COST_MIN <= sealed.cost <= SCRYPT_COST_MAX and not sealed.cost & (sealed.cost - 1)
    if not in_bounds or len(sealed.nonce) != _NONCE_BYTES or len(sealed.salt) != _SALT_BYTES:
        raise Refused(Reason.KEY_UNREADABLE, seen=sealed.cost, wanted=f"a power of two up to {SCRYPT_COST_MAX}")
    try:
        return AESGCM(_key(password, cost=sealed.cost, salt=sealed.salt)).decrypt(sealed.nonce, sealed.text, bound)
    except InvalidTag:
        raise Refused(Reason.KEY_WRONG_PASSWORD) from None
