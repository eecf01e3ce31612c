"""Results sealed to the client of a job, and the keys that open them (K5, K6). HPKE, RFC 9180, in base mode."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from primitives.hashing import tagged
from primitives.reasons import Reason, Refused

OVERHEAD_BYTES = 48
"""What a sealed text is longer than the text: the sender's passing public key, 32 bytes, and the tag, 16."""
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_DOMAIN = b"assay/delivery"


def reply_secret(seed: bytes, salt: bytes) -> bytes:
    """Return the secret reply key of a job, 32 bytes, from the seed of its client's key and a salt (K5).

    The salt is what the chain keeps of the job: its canary, or for an item of a batch the id of the model. Seed and
    salt outlive a lost computer, the one in the user's backup and the other on the chain; and as each job has a key
    of its own, to show it gives away no other result.
    """
    return tagged("assay/reply-key", seed, salt)


def reply_key(secret: bytes) -> bytes:
    """Return the X25519 public key of a secret reply key, 32 bytes."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def seal_result(text: bytes, key: bytes, *, genesis: bytes, job: bytes, sealer: bytes) -> bytes:
    """Return an encoded result sealed to a reply key, bound to network, job and the address of who seals it (K6).

    The key must have passed `check_exchange_key`. Each sealing of the same text differs.
    """
    return _SUITE.encrypt(text, X25519PublicKey.from_public_bytes(key), info=_DOMAIN + genesis + job + sealer)


def open_result(sealed: bytes, secret: bytes, *, genesis: bytes, job: bytes, sealer: bytes) -> bytes:
    """Return the result that was sealed to the key of `secret`. Raises Refused SEAL_BROKEN if it was not (K6)."""
    opener = X25519PrivateKey.from_private_bytes(secret)
    try:
        return _SUITE.decrypt(sealed, opener, info=_DOMAIN + genesis + job + sealer)
    except (InvalidTag, ValueError):
        raise Refused(
            Reason.SEAL_BROKEN, job=job, sealer=sealer, wanted="a result sealed to this job's reply key"
        ) from None
