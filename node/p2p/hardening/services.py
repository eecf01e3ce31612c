"""A failing task must not take its whole service with it (notes/p2p.md 6.1: gossip with an undecodable key)."""

import functools
import logging
from collections.abc import Awaitable, Callable

import trio
from libp2p.tools.anyio_service.trio_manager import TrioManager

from node.p2p.foreign import Foreign
from node.p2p.tally import counts

DAEMON_RESTART_S = 0.2

_log = logging.getLogger("assay.p2p")


def apply() -> None:
    """Guard every task that a libp2p service starts; daemons are started again."""
    run_task = TrioManager.run_task

    def run_guarded(
        self: Foreign,
        async_fn: Callable[..., Awaitable[None]],
        *args: Foreign,
        daemon: bool = False,
        name: str | None = None,
        _internal: bool = False,
    ) -> Foreign:
        task = async_fn if _internal else _guarded(async_fn, is_daemon=daemon)
        return run_task(self, task, *args, daemon=daemon, name=name, _internal=_internal)

    TrioManager.run_task = run_guarded
    # A scan over all tasks for each task started, of use only to a hierarchy that nobody reads (4.4).
    TrioManager._find_parent_task = lambda _self, _task: None


def _guarded(async_fn: Callable[..., Awaitable[None]], *, is_daemon: bool) -> Callable[..., Awaitable[None]]:
    @functools.wraps(async_fn)
    async def run(*args: Foreign) -> None:
        while True:
            try:
                await async_fn(*args)
            except Exception as fault:  # noqa: BLE001 - supervisor: a stranger's bytes may raise anything in libp2p
                counts["task_faults"] += 1
                _log.debug("a libp2p task failed: %r", fault)
                if is_daemon:
                    await trio.sleep(DAEMON_RESTART_S)
                    continue
            return

    return run
