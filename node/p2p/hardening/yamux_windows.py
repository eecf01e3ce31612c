"""A peer that ignores the receive window or floods with streams is cut off (notes/p2p.md 6.1).

libp2p buffered 300 MiB for the one, and made 8,000 tasks for the other.
"""

import libp2p.stream_muxer.yamux.yamux as library
import trio

from node.p2p.foreign import Foreign
from node.p2p.tally import counts, offences
from node.peers.rate import Bucket, Rate

WINDOW_MAX = 1 << 20
"""What a peer may have under way on one stream; libp2p let it grow to 16 MiB, and 64 streams may be open."""
OVERRUN_MAX = 256 << 10
"""Bytes beyond the window over a stream's life; an honest peer needs none."""
STREAMS_OPENED = Rate(per_s=10.0, burst=192.0)
"""New streams on one connection: requests use theirs again and again, and a node opens a dozen in its first second."""


def apply() -> None:
    """Bound the receive window and send its updates in batches, not one for each tiny read (4.4)."""
    library.MAX_WINDOW_SIZE = WINDOW_MAX
    library._yamux_release_on_read = lambda: False
    library._yamux_batch_threshold_divisor = lambda: 2
    library._yamux_disable_hysteresis = lambda: False

    class BoundedStream(library.YamuxStream):
        """Counts overruns: libp2p sets a window that went below zero back to zero and reads on."""

        def __init__(self, stream_id: int, conn: Foreign, is_initiator: bool) -> None:  # noqa: FBT001 - libp2p's
            self.overrun = 0
            super().__init__(stream_id, conn, is_initiator)
            if not is_initiator:
                _count_stream(conn)

        def __setattr__(self, name: str, value: Foreign) -> None:
            if name == "recv_window" and value < 0:
                self.overrun -= value
                if self.overrun > OVERRUN_MAX:
                    _give_up(self.conn, "window_overruns")
            object.__setattr__(self, name, value)

    library.YamuxStream = BoundedStream


def _count_stream(conn: Foreign) -> None:
    now = trio.current_time()
    bucket: Bucket | None = getattr(conn, "assay_streams", None)
    if bucket is None:
        bucket = conn.assay_streams = Bucket(STREAMS_OPENED, now)
    if not bucket.take(1, now):
        _give_up(conn, "stream_floods")


def _give_up(conn: Foreign, what: str) -> None:
    counts[what] += 1
    offences.append((conn.peer_id.to_bytes(), what))
    # The one exception for which libp2p's read loop closes the connection.
    raise trio.TooSlowError(what)
