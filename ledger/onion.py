"""Hash onions: each block reveals the next layer of its proposer's, and the reveals make the beacon (L45)."""

from hashlib import sha256

from primitives.hashing import Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U64

LAYERS = 2**20
"""A block per second by one validator of four lasts 48 days; a devnet may take fewer."""
CHECKPOINT_EVERY = 2**10
"""A reveal costs at most this many hashes, half a millisecond."""

_PREFIX = b"\x0bassay/onion"  # what `tagged` puts before a layer; a million calls of it would take a second more


def peel(layer: bytes) -> bytes:
    """Return the layer outside `layer`, 32 bytes."""
    return sha256(_PREFIX + layer).digest()


class Onion(Record):
    """A whole onion: every 1,024th layer from the inside out, and how many there are outside the core."""

    checkpoints: list[Hash]
    layers: U64
    tip: Hash
    """The outermost layer, which genesis names."""


def grow(seed: bytes, *, layers: int = LAYERS) -> Onion:
    """Return the onion of a 32-byte secret seed with `layers` layers to reveal; the full length takes half a second."""
    layer = tagged("assay/onion-core", seed)
    checkpoints = []
    for at in range(layers):
        if at % CHECKPOINT_EVERY == 0:
            checkpoints.append(layer)
        layer = sha256(_PREFIX + layer).digest()
    return Onion(checkpoints=checkpoints, layers=layers, tip=layer)


def reveal(onion: Onion, revealed: int) -> bytes:
    """Return the layer that follows `revealed` earlier ones, 32 bytes.

    Raises Refused ONION_USED_UP (L45).
    """
    at = onion.layers - 1 - revealed
    if at < 0:
        raise Refused(Reason.ONION_USED_UP, seen=revealed, wanted=f"fewer than {onion.layers}")
    layer = onion.checkpoints[at // CHECKPOINT_EVERY]
    for _ in range(at % CHECKPOINT_EVERY):
        layer = peel(layer)
    return layer
