"""What libp2p's sockets should be told: to find out dead peers, and not to pile up what a slow line can't carry."""

import socket

from libp2p.transport.tcp import tcp as library

from node.p2p.foreign import Foreign
from node.p2p.tally import counts

KEEPALIVE_IDLE_S = 20
KEEPALIVE_PAUSE_S = 5
KEEPALIVE_PROBES = 3
"""A machine that is gone without a word is missed after 35 seconds, without any traffic of ours."""
UNSENT_BYTES = 256 << 10
"""What the kernel takes before it has sent the rest: a vote waits behind so much of a body and no more."""


def apply() -> None:
    """Set options on each new socket, and let nobody else listen on our port."""
    begin = library.TrioTCPStream.__init__

    def begin_tuned(self: Foreign, stream: Foreign) -> None:
        begin(self, stream)
        try:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_PAUSE_S)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        except (OSError, AttributeError):  # gone already, or a system without these
            counts["socket_options_refused"] += 1

    library.TrioTCPStream.__init__ = begin_tuned
    library._set_reuse_flags = _reuse_address_alone


def _reuse_address_alone(sock: Foreign) -> None:
    """Let a restarted program have its port again, but share it with nobody.

    With libp2p's SO_REUSEPORT a second node on the port, or any process of this user, would get half of our peers.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
