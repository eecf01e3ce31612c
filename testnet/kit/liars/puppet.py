"""A worker that plays what somebody ordered for each job (testnet.kit.liars.script), and is honest otherwise."""

from collections.abc import Callable
from pathlib import Path

from node.ports import Engine, Role, Task, TaskResult
from testnet.kit.liars.around import Around
from testnet.kit.liars.script import part_of
from testnet.kit.liars.silence import Speechless
from testnet.kit.liars.values import NudgeCut, OtherInput, SwapTopTwo

PLAYED: dict[str, Callable[[Engine, Role], Engine]] = {
    "other-input": OtherInput,
    "swap-top-two": SwapTopTwo,
    "nudge-cut": NudgeCut,
    "silent": Speechless,
}
"""What can be ordered of an engine, in either role."""


class Puppet(Around):
    """Plays in each role of each job what is ordered; of what it has once played, it gives the same again."""

    def __init__(self, engine: Engine, home: Path) -> None:
        super().__init__(engine)
        self._home = home

    async def run(self, task: Task) -> TaskResult:
        """Run the task as ordered."""
        part = await part_of(self._home, task.job, task.role.value)
        if part is None:
            return await self._engine.run(task)
        return await PLAYED[part](self._engine, task.role).run(task)
