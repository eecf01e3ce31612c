"""A timer that gives one input of consensus after a delay, and can be set anew."""

from collections.abc import Awaitable, Callable

import trio

from consensus.io import Input

_MS_PER_S = 1_000


class Timer:
    """At most one delay under way."""

    def __init__(self, nursery: trio.Nursery, give: Callable[[Input], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._give = give
        self._scope = trio.CancelScope()

    def set(self, delay_ms: int, then: Input) -> None:
        """Give `then` after `delay_ms`; what was set before is forgotten."""
        self._scope.cancel()
        self._scope = trio.CancelScope()
        self._nursery.start_soon(self._wait, self._scope, delay_ms, then)

    async def _wait(self, scope: trio.CancelScope, delay_ms: int, then: Input) -> None:
        with scope:
            await trio.sleep(delay_ms / _MS_PER_S)
            await self._give(then)
