"""A peer that ignores the receive window is cut off: libp2p buffered 300 MiB for one (notes/p2p.md 6.1)."""

import libp2p.stream_muxer.yamux.yamux as library
import trio

from node.p2p.foreign import Foreign
from node.p2p.tally import counts

WINDOW_MAX = 1 << 20
"""What a peer may have under way on one stream; libp2p let it grow to 16 MiB, and 64 streams may be open."""
OVERRUN_MAX = 256 << 10
"""Bytes beyond the window over a stream's life; an honest peer needs none."""


def apply() -> None:
    """Bound the receive window and send its updates in batches, not one for each tiny read (4.4)."""
    library.MAX_WINDOW_SIZE = WINDOW_MAX
    library._yamux_release_on_read = lambda: False
    library._yamux_batch_threshold_divisor = lambda: 2
    library._yamux_disable_hysteresis = lambda: False

    class BoundedStream(library.YamuxStream):
        """Counts overruns: libp2p sets a window that went below zero back to zero and reads on."""

        def __init__(self, *args: Foreign) -> None:
            self.overrun = 0
            super().__init__(*args)

        def __setattr__(self, name: str, value: Foreign) -> None:
            if name == "recv_window" and value < 0:
                self.overrun -= value
                if self.overrun > OVERRUN_MAX:
                    counts["window_overruns"] += 1
                    # The one exception for which libp2p's read loop closes the connection.
                    raise trio.TooSlowError("the peer ignores flow control")
            object.__setattr__(self, name, value)

    library.YamuxStream = BoundedStream
