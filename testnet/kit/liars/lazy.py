"""A verifier that runs nothing, and copies what a provider in league with it lets it see before the reveal."""

from pathlib import Path

from node.compute.journal import Journal, Part
from node.home import Home
from node.ports import Machine, Role, Task, TaskResult
from primitives.reasons import Reason, Refused
from testnet.kit.liars.around import Around


class Lazy(Around):
    """As a verifier it takes the provider's result for its own: every provider of the network leaks it its journal."""

    def __init__(self, engine: Machine, network: Path) -> None:
        """`network` is the directory with the homes of all nodes."""
        super().__init__(engine)
        self._network = network

    async def run(self, task: Task) -> TaskResult:
        """Run the task as a provider; as a verifier copy. Raises Refused CONTENT_NOT_FOUND if nothing has leaked."""
        if task.role is not Role.VERIFY:
            return await self._engine.run(task)
        for work in sorted(self._network.glob("*/data/work")):
            leaked = Journal(Home(work.parents[1]).work).find(Part.PROVIDER, task.job)
            if leaked is not None:
                return TaskResult(cut=leaked.cut, outputs=leaked.outputs, wall_ms=0)
        raise Refused(Reason.CONTENT_NOT_FOUND, job=task.job, what="the provider's result")
