"""libp2p may not dial by itself: with all its minima at 0 it still dials any address that a peer told it of."""

from libp2p.network.auto_connector import AutoConnector

from node.p2p.foreign import Foreign


async def _connect_nobody(_connector: Foreign) -> None:
    """Stand where libp2p looks for peers to dial."""


def _record_nothing(_connector: Foreign, _peer: Foreign) -> None:
    """Stand where libp2p keeps a table of peers for its dialing."""


def apply() -> None:
    """Leave all dialing to node.p2p.dialer."""
    AutoConnector.maybe_connect = _connect_nobody
    AutoConnector.record_disconnect = _record_nothing
    AutoConnector.record_failed_connection = _record_nothing
    AutoConnector.record_successful_connection = _record_nothing
