"""libp2p may not dial by itself: with all its minima at 0 it still dials any address that a peer told it of.

A stream to a peer that has just gone dials it, too: whoever parts from a peer, as feelers do, met it again at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from libp2p.network.auto_connector import AutoConnector
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm

from node.p2p.foreign import Foreign, Id

_dial_peer = Swarm.dial_peer


@contextmanager
def dialing(swarm: Foreign, peer: Id) -> Iterator[None]:
    """Let the swarm dial a peer meanwhile; others may do so at the same time."""
    asked = swarm.__dict__.setdefault("assay_dialing", [])
    asked.append(peer)
    try:
        yield
    finally:
        asked.remove(peer)


async def _dial_if_asked(swarm: Foreign, peer: Id) -> Foreign:
    """Stand where libp2p dials whoever it wants a stream to."""
    if peer not in swarm.__dict__.get("assay_dialing", []):
        raise SwarmException("not connected")
    return await _dial_peer(swarm, peer)


async def _connect_nobody(_connector: Foreign) -> None:
    """Stand where libp2p looks for peers to dial."""


def _record_nothing(_connector: Foreign, _peer: Foreign) -> None:
    """Stand where libp2p keeps a table of peers for its dialing."""


def apply() -> None:
    """Leave all dialing to node.p2p.dialer."""
    Swarm.dial_peer = _dial_if_asked
    AutoConnector.maybe_connect = _connect_nobody
    AutoConnector.record_disconnect = _record_nothing
    AutoConnector.record_failed_connection = _record_nothing
    AutoConnector.record_successful_connection = _record_nothing
