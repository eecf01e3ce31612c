"""The one place that changes libp2p's classes. Pinned to 0.8.1: a new version needs every mend looked at again."""

from importlib.metadata import version

from node.p2p.hardening import (
    agents,
    inbound_connections,
    inbound_streams,
    no_auto_dial,
    remote_address,
    services,
    socket_options,
    yamux_frames,
    yamux_pace,
    yamux_windows,
)

PINNED = "0.8.1"


def apply_all() -> None:
    """Mend libp2p in this process; the gossip mends are subclasses and need no applying."""
    assert version("libp2p") == PINNED, "the mends were written for another libp2p"
    services.apply()
    inbound_streams.apply()
    inbound_connections.apply()
    no_auto_dial.apply()
    yamux_frames.apply()
    yamux_windows.apply()
    yamux_pace.apply()
    remote_address.apply()
    socket_options.apply()
    agents.apply()
