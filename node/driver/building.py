"""When this node builds its block: at once if there is something to do, else after the idle time (N72)."""

import logging
from collections.abc import Awaitable, Callable

import trio

from consensus.io import Build, BuildFailed, Built, Input
from ledger.chain import ParentUnknown, TreeFull
from node.final_chain import FinalChain
from primitives.reasons import Refused

GATHER_S = 0.1
"""For the other verifiers of a job once one of them has spoken: they do at about the same time, and to find places in a
block more takes two or three times as long."""
_MS_PER_S = 1_000

_log = logging.getLogger("assay.driver")


class Builder:
    """Builds the blocks of this validator, one at a time."""

    def __init__(
        self,
        *,
        chain: FinalChain,
        nursery: trio.Nursery,
        give: Callable[[Input], Awaitable[None]],
        propose: Callable[[Build], tuple[bytes, bytes]],
        epoch: int,
        idle_ms: int,
        min_interval_ms: int,
    ) -> None:
        """`propose` makes the block (id, encoded)."""
        self._chain = chain
        self._nursery = nursery
        self._give = give
        self._propose = propose
        self._epoch = epoch
        self._idle_ms = idle_ms
        self._min_interval_ms = min_interval_ms
        self._scope = trio.CancelScope()

    def start(self, wanted: Build) -> None:
        """Build a block; one that is being waited for is given up."""
        self._scope.cancel()
        self._scope = trio.CancelScope()
        self._nursery.start_soon(self._build, self._scope, wanted)

    async def _build(self, scope: trio.CancelScope, wanted: Build) -> None:
        with scope:
            try:
                self._chain.execute(wanted.parent)
                await self._wait_for_work(wanted.parent)
                name, body = self._propose(wanted)
            except (Refused, ParentUnknown, TreeFull) as fault:
                _log.error("no block for view %d: %s", wanted.view, fault)
                await self._give(BuildFailed(view=wanted.view))
                return
            await self._give(Built(view=wanted.view, block=name, body=body))

    async def _wait_for_work(self, parent: bytes) -> None:
        """Wait until the least interval is over, and there is something to do or the idle time is over too."""
        since_parent_ms = self._chain.age_ms(parent)
        await trio.sleep(max(0, self._min_interval_ms - since_parent_ms) / _MS_PER_S)
        if self._chain.ends_epoch(
            parent, self._epoch
        ):  # nothing stands on it but itself, unless it is final by now (C23)
            return
        with trio.move_on_after(max(0, self._idle_ms - since_parent_ms) / _MS_PER_S):
            while not self._chain.has_work(parent):
                await self._chain.pool_changed.wait()
            with trio.move_on_after(GATHER_S):
                while self._chain.some_follow(parent):
                    await self._chain.pool_changed.wait()
