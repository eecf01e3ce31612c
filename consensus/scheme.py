"""How votes are signed and checked."""

from typing import Protocol

from consensus.validators import ValidatorSet
from primitives import ed25519


class Scheme(Protocol):
    """Signs as one validator and checks all of them."""

    number: int
    """The scheme byte of certificates whose signatures are of this scheme."""

    def sign(self, message: bytes) -> bytes:
        """Return this node's signature, 64 bytes."""
        ...

    def verify(self, index: int, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is that of validator `index` (within the set) on `message`."""
        ...


class Ed25519Scheme:
    """Ed25519 under the protocol's one set of rules (P10); a certificate lists the signatures."""

    number = 1

    def __init__(self, validators: ValidatorSet, secret: bytes | None) -> None:
        """Take the 32-byte seed of this node's key, or None for one that only checks."""
        self._keys = tuple(member.key for member in validators.members)
        self._key = None if secret is None else ed25519.SigningKey(secret)

    def sign(self, message: bytes) -> bytes:
        """Return this node's signature, 64 bytes."""
        assert self._key is not None, "only a validator votes"
        return self._key.sign(message)

    def verify(self, index: int, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is that of validator `index` (within the set) on `message`."""
        return ed25519.verify(self._keys[index], message, signature)
