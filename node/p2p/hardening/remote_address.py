"""The address of an IPv6 peer: libp2p knows none, so that all of them would share the limits of one unknown address."""

import functools

from libp2p.io.trio import TrioTCPStream

from node.p2p.foreign import Foreign


def apply() -> None:
    """Read the first two of however many parts the system gives."""
    begin = TrioTCPStream.__init__

    @functools.wraps(begin)
    def begin_known(self: Foreign, stream: Foreign) -> None:
        begin(self, stream)
        try:
            host, port = stream.socket.getpeername()[:2]
        except (OSError, ValueError):
            return  # gone already; whoever reads will see
        self._cached_remote_address = (host.removeprefix("::ffff:") if "." in host else host, port)

    TrioTCPStream.__init__ = begin_known
