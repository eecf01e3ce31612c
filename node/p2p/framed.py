"""Reading exact numbers of bytes from a libp2p stream."""

from collections.abc import Callable

from node.p2p.foreign import Stream

READ_BYTES = 256 << 10
"""Always named: a read without a number accumulates quadratically (notes/p2p.md 11.1)."""


class StreamReader:
    """A buffer before a stream: many small frames cost one read and few window updates."""

    def __init__(self, stream: Stream, *, on_read: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._on_read = on_read
        self._held = bytearray()

    async def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes; raises EOFError (libp2p's StreamEOF is one) or another StreamError."""
        while len(self._held) < count:
            received = await self._stream.read(READ_BYTES)
            if not received:
                raise EOFError
            self._on_read()
            self._held += received
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken
