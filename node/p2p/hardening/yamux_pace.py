"""Frames of strangers take turns, and a connection that has said nothing for long is over.

Whatever a flood consists of, it arrives in frames, and each costs the program some 0.1 ms. So all strangers together
may use a share of its time, one frame of each connection after another; validators' connections wait for nobody.
"""

from collections.abc import Awaitable, Callable

import libp2p.stream_muxer.yamux.yamux as library
import trio

from node.p2p.foreign import Foreign

Turn = Callable[[], Awaitable[None]]


def apply() -> None:
    """Let a connection's `assay_turn`, where it has one, wait before each frame."""
    read = library.read_exactly

    async def read_in_turn(reader: Foreign, n: int, *rest: Foreign) -> bytes:
        raw: bytes = await read(reader, n, *rest)
        if n == library.HEADER_SIZE:
            reader.assay_heard_at = trio.current_time()
            turn: Turn | None = getattr(reader, "assay_turn", None)
            if turn is not None:
                await turn()
        return raw

    library.read_exactly = read_in_turn
