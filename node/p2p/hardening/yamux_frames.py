"""No frame may be cut off, and none may wait for ever (notes/p2p.md 6.1 half-open, 6.3 cancellation).

A cancel between encryption and the end of the write desynchronises noise and loses the connection; so whole frames
are written in a shield of their own, whose end is the connection's end.
"""

import libp2p.stream_muxer.yamux.yamux as library
import trio
from libp2p.network.connection.exceptions import RawConnError

from node.p2p.foreign import Foreign
from node.p2p.tally import counts

WRITE_S = 15.0
"""A peer that takes no byte for so long is half-open: stopped, unplugged, or hostile."""
CLEAN_UP_S = 1.0
FRAME_BYTES = 65519
"""Header and body in one noise message; libp2p's 65536 makes two of each frame (4.1)."""


def apply() -> None:
    """Shield frame writes, window updates and wake readers of a stream that is reset."""
    library.MAX_MESSAGE_SIZE = FRAME_BYTES
    write_frame = library.Yamux._write_frame
    update_window = library.YamuxStream._auto_tune_and_send_window_update
    reset = library.YamuxStream.reset

    async def write_whole(self: Foreign, data: bytes) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + WRITE_S) as scope:
            await write_frame(self, data)
        if scope.cancelled_caught:
            counts["write_timeouts"] += 1
            self.event_shutting_down.set()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP_S):
                await self._cleanup_on_error()
            raise RawConnError("the peer takes no more bytes")

    async def update_shielded(self: Foreign, *, bytes_read: int = 0) -> None:
        with trio.CancelScope(shield=True):  # bounded by WRITE_S
            await update_window(self, bytes_read=bytes_read)

    async def reset_and_wake(self: Foreign) -> None:
        waiting = self.conn.stream_events.get(self.stream_id)
        await reset(self)
        if waiting is not None:  # libp2p forgets the event unset, and a reader of ours would wait for ever
            waiting.set()

    library.Yamux._write_frame = write_whole
    library.YamuxStream._auto_tune_and_send_window_update = update_shielded
    library.YamuxStream.reset = reset_and_wake
