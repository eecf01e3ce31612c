"""Whom to let go when a newcomer knocks and the house is full (N13)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.peers.addresses import near_of

PROTECTED_EACH = 4
"""Connections that are safe for each reason below: an attacker must beat honest peers at all of them at once."""


@dataclass(frozen=True, kw_only=True)
class Guest:
    """An inbound connection of a peer that has no reserved place."""

    peer: bytes
    host: str
    since_s: float
    rtt_s: float
    """0 while it is unknown."""
    useful_s: float
    """When it last brought something good; 0: never."""
    is_shady: bool


def choose_to_leave(guests: Sequence[Guest]) -> bytes | None:
    """Return the peer whose connection is to end, or None if all are protected.

    As Bitcoin's node does: the longest connected, the nearest, the useful and one of each of many networks stay; of
    the rest, the youngest of the network that has the most connections goes. Shady ones go before all others.
    """
    shady = [guest for guest in guests if guest.is_shady]
    if shady:
        return max(shady, key=lambda guest: (guest.since_s, guest.peer)).peer
    left = list(guests)
    orders: tuple[Callable[[Guest], tuple[float, bytes]], ...] = (
        lambda guest: (guest.rtt_s or float("inf"), guest.peer),
        lambda guest: (-guest.useful_s, guest.peer),
        lambda guest: (guest.since_s, guest.peer),
    )
    for order in orders:
        left = sorted(left, key=order)[PROTECTED_EACH:]
    crowds: dict[str, list[Guest]] = {}
    for guest in left:
        crowds.setdefault(near_of(guest.host), []).append(guest)
    if not crowds:
        return None
    crowd = max(crowds.items(), key=lambda entry: (len(entry[1]), entry[0]))[1]
    return max(crowd, key=lambda guest: (guest.since_s, guest.peer)).peer
