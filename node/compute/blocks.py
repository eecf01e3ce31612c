"""The final blocks as a signal: whoever waits for something on the chain looks again after each (D7)."""

import trio


class BlockSignal:
    """Wakes every waiter at each final block."""

    def __init__(self) -> None:
        self._next = trio.Event()

    def ring(self) -> None:
        """Say that a block became final."""
        self._next.set()
        self._next = trio.Event()

    async def wait(self) -> None:
        """Wait for the next final block."""
        await self._next.wait()
