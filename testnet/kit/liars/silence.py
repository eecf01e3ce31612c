"""Parties that fall silent, and one that is slow."""

import trio

from node.ports import Task, TaskResult
from primitives.codec import encode
from testnet.kit.liars.around import Around, InOneRole
from vm.tensor import Bundle

SLOW_S = 4.0
"""Longer than it takes to see that a run has begun, shorter than every deadline of a test network."""


class Unrevealing(InOneRole):
    """In one role it commits to values that no block lets it reveal, so it is silent after its commit."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, in its role, spoil the result."""
        result = await self._engine.run(task)
        return _unrevealable(result) if task.role is self._role else result


def _unrevealable(result: TaskResult) -> TaskResult:
    """Return bundles without any tensor: well-formed, and not what any model gives."""
    return TaskResult(cut=result.cut, outputs=encode(Bundle(tensors=[])), wall_ms=result.wall_ms)


class Speechless(InOneRole):
    """In one role it never comes to an end."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task, or in its role wait for ever."""
        if task.role is self._role:
            await trio.sleep_forever()
        return await self._engine.run(task)


class Slow(Around):
    """Honest, on a slow machine: every run takes some seconds more, in which a test can kill it."""

    async def run(self, task: Task) -> TaskResult:
        """Wait, then run the task."""
        await trio.sleep(SLOW_S)
        return await self._engine.run(task)
