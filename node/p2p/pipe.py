"""Frames over the socket between the node and its network program, for either end (N3)."""

from collections.abc import AsyncIterator

import trio

from node.p2p.ipc import LENGTH_BYTES, frame_length
from node.p2p.lanes import Lanes

READ_BYTES = 256 << 10
COALESCE_BYTES = 256 << 10
"""Small frames are written together: one system call for a burst of votes."""


async def read_frames(stream: trio.SocketStream) -> AsyncIterator[bytes]:
    """Yield encoded records until the other side closes; raises Refused TOO_LARGE, trio.BrokenResourceError."""
    held = bytearray()
    while True:
        while len(held) >= LENGTH_BYTES:
            end = LENGTH_BYTES + frame_length(bytes(held[:LENGTH_BYTES]))
            if len(held) < end:
                break
            yield bytes(held[LENGTH_BYTES:end])
            del held[:end]
        received = await stream.receive_some(READ_BYTES)
        if not received:
            return
        held += received


async def write_frames(stream: trio.SocketStream, queue: Lanes[bytes]) -> None:
    """Write what the queue holds for as long as the other side reads; raises trio.BrokenResourceError."""
    while True:
        batch = [await queue.pop()]
        size = len(batch[0])
        while size < COALESCE_BYTES and (more := queue.pop_nowait()) is not None:
            batch.append(more)
            size += len(more)
        await stream.send_all(b"".join(batch))
