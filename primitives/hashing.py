"""SHA-256 with domain tags, and the fixed-size byte strings of records."""

import hashlib
from typing import Annotated

import msgspec

HASH_BYTES = 32

Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
"""A SHA-256 digest, 32 bytes."""
KeyBytes = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""An Ed25519 public key, 32 bytes."""
SignatureBytes = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
"""An Ed25519 signature, 64 bytes."""
AddressBytes = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
"""The first 20 bytes of the tagged hash of a public key."""
Salt = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""What keeps a commitment secret, 32 random bytes."""

ZERO_HASH = bytes(HASH_BYTES)


def sha256(raw: bytes) -> bytes:
    """Return the SHA-256 digest, 32 bytes."""
    return hashlib.sha256(raw).digest()


def tagged(tag: str, *parts: bytes) -> bytes:
    """Return SHA-256(len(tag) ‖ tag ‖ parts...): an id that can't be taken for one of another kind (P5).

    The parts are joined as they are: all but the last must have a fixed length.
    """
    name = tag.encode("ascii")
    digest = hashlib.sha256(bytes([len(name)]) + name)
    for part in parts:
        digest.update(part)
    return digest.digest()
