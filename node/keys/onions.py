"""Key files of hash onions: the seed is secret, the tip is what the ledger knows (L45)."""

import secrets
from pathlib import Path

from ledger.onion import grow
from node.keys.files import Key, KeyKind, create_key
from primitives.ed25519 import SEED_BYTES


def create_onion(path: Path, *, network: str, password: bytes | None) -> Key:
    """Write the key file of a fresh onion; growing it takes a second. Raises Refused as `create_key` does."""
    seed = secrets.token_bytes(SEED_BYTES)
    return create_key(path, kind=KeyKind.ONION, network=network, password=password, seed=seed, public=grow(seed).tip)
