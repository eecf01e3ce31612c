"""A worker that computes a job and then hands what it was given to nobody: its copies are gone."""

from collections.abc import Callable
from pathlib import Path

from node.home import Home
from node.ports import Machine, Task, TaskResult
from primitives.content import content_id
from testnet.kit.liars.around import Around

Chosen = Callable[[Task], bytes]
"""Tells which of a task's content is withheld."""
PLAYED: dict[str, Chosen] = {"withhold-input": lambda task: task.input, "withhold-model": lambda task: task.model}
"""What can be ordered of a provider."""


class Withholder(Around):
    """Serves no copy of what it has run, and has none to show when it is asked for it on the chain."""

    def __init__(self, engine: Machine, home: Path, chosen: Chosen) -> None:
        super().__init__(engine)
        self._blobs = Home(home).blobs
        self._chosen = chosen

    async def run(self, task: Task) -> TaskResult:
        """Run the task, and lose what it needed before anybody else is drawn to run it."""
        result = await self._engine.run(task)
        lose(self._blobs, content_id(self._chosen(task)).root)
        return result


def lose(blobs: Path, root: bytes) -> None:
    """Remove content from a node's store, as nobody can do from outside."""
    (blobs / root.hex()).unlink(missing_ok=True)
