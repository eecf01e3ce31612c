"""Who signs how in a simulation, under keys that the whole simulation knows.

Nobody forges in a simulation except on purpose, with `Keyring.sign`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from consensus.messages import VALIDATORS_MAX
from consensus.scheme import Scheme
from primitives import ed25519
from testnet.sim.committee import Committee

SCHEME_NUMBER = 0
"""Of certificates with cheap signatures."""
ED25519_SCHEME = 1
CHECKS_KEPT_MAX = 1 << 14
"""Signatures whose check is remembered: all nodes of a simulation check the same ones, at about the same time."""


class Keyring(Protocol):
    """The keys of all nodes."""

    def sign(self, committee: Committee, node: int, message: bytes) -> bytes:
        """Return the signature of a validator of `committee`, 64 bytes."""
        ...

    def scheme(self, committee: Committee, node: int | None) -> Scheme:
        """Return the scheme of an epoch as a node uses it that signs, or as anybody does, who only checks."""
        ...


def sign_as(node: int, message: bytes) -> bytes:
    """Return a node's signature of the cheap kind: a keyed hash, which costs a microsecond."""
    return hashlib.blake2b(message, key=node.to_bytes(32, "big")).digest()


class KeyedScheme:
    """The cheap scheme, in which the key of a node is its number."""

    number = SCHEME_NUMBER

    def __init__(self, node: int | None, nodes: Sequence[int] = range(VALIDATORS_MAX)) -> None:
        """Take who signs, if anybody does, and the nodes behind the indices of validators."""
        self._node = node
        self._nodes = nodes

    def sign(self, message: bytes) -> bytes:
        """Return this node's signature, 64 bytes."""
        assert self._node is not None, "only a validator votes"
        return sign_as(self._node, message)

    def verify(self, index: int, message: bytes, signature: bytes) -> bool:
        """Tell whether the signature is that of validator `index`."""
        return sign_as(self._nodes[index], message) == signature


class Keyed:
    """Keys of the cheap kind."""

    def sign(self, committee: Committee, node: int, message: bytes) -> bytes:
        """Return the signature of a validator."""
        assert committee.index(node) is not None, "only a validator votes"
        return sign_as(node, message)

    def scheme(self, committee: Committee, node: int | None) -> Scheme:
        """Return the scheme of an epoch."""
        return KeyedScheme(node, committee.nodes)


class Real:
    """Ed25519, as the product signs; each check is made once for all nodes."""

    def __init__(self, seeds: Mapping[bytes, bytes]) -> None:
        """`seeds` holds the secret of each public key that may ever vote."""
        self._seeds = seeds

    def sign(self, committee: Committee, node: int, message: bytes) -> bytes:
        """Return the signature of a validator."""
        return ed25519.sign(self._seeds[_key(committee, node)], message)

    def scheme(self, committee: Committee, node: int | None) -> Scheme:
        """Return the scheme of an epoch."""
        keys = [member.key for member in committee.instance.validators.members]
        mine = None if node is None or committee.index(node) is None else self._seeds[_key(committee, node)]
        return _RealScheme(keys, mine)


class _RealScheme:
    number = ED25519_SCHEME

    def __init__(self, keys: Sequence[bytes], seed: bytes | None) -> None:
        self._keys = keys
        self._mine = None if seed is None else ed25519.SigningKey(seed)

    def sign(self, message: bytes) -> bytes:
        assert self._mine is not None, "only a validator votes"
        return self._mine.sign(message)

    def verify(self, index: int, message: bytes, signature: bytes) -> bool:
        return _verify(self._keys[index], message, signature)


@lru_cache(maxsize=CHECKS_KEPT_MAX)
def _verify(key: bytes, message: bytes, signature: bytes) -> bool:
    return ed25519.verify(key, message, signature)


def _key(committee: Committee, node: int) -> bytes:
    index = committee.index(node)
    assert index is not None, "only a validator votes"
    return committee.instance.validators.members[index].key
