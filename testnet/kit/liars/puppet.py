"""A worker that plays what somebody ordered for each job (testnet.kit.liars.script), and is honest otherwise."""

from collections.abc import Callable
from pathlib import Path

from node.ports import Machine, Role, Task, TaskResult, Told
from testnet.kit.liars import withholding
from testnet.kit.liars.around import Around
from testnet.kit.liars.claims import Absent, Forger, Mute
from testnet.kit.liars.grey import Grey
from testnet.kit.liars.lazy import Lazy
from testnet.kit.liars.script import part_of, read_cast
from testnet.kit.liars.silence import Speechless, Unrevealing
from testnet.kit.liars.values import NudgeCut, OtherInput, SwapTopTwo
from testnet.kit.liars.withholding import Withholder
from vm.dispute_protocol import Asked

PLAYED: dict[str, Callable[[Machine, Role], Machine]] = {
    "other-input": OtherInput,
    "swap-top-two": SwapTopTwo,
    "nudge-cut": NudgeCut,
    "grey": Grey,
    "silent": Speechless,
    "unrevealed": Unrevealing,
}
"""What can be ordered of the runs of a job, in either role."""
CLAIMED: dict[str, Callable[[Machine], Machine]] = {
    "forge": Forger,
    "forge-otherwise": lambda machine: Forger(machine, bit=1),
    "mute": Mute,
    "absent": Absent,
}
"""What can be ordered of the answers in the disputes of a job."""
LAZY = "lazy"
"""What can be ordered of a verifier besides: to copy what the provider has."""
DISPUTE = "dispute"
"""The role in which they are ordered."""


class Puppet(Around):
    """Plays in each role of each job what is ordered; of what it has once played, it gives the same again."""

    def __init__(self, engine: Machine, home: Path) -> None:
        super().__init__(engine)
        self._home = home
        self._claimed: dict[bytes, Machine] = {}
        """What is played in the disputes of a job: a forgery is told piece by piece."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task as ordered."""
        part = await part_of(self._home, task.job, task.role.value)
        if part is None:
            return await self._engine.run(task)
        if part in withholding.PLAYED:
            return await Withholder(self._engine, self._home, withholding.PLAYED[part]).run(task)
        if part == LAZY:
            return await Lazy(self._engine, self._home.parent).run(task)
        return await PLAYED[part](self._engine, task.role).run(task)

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Answer as ordered; unlike a run, a dispute waits for no order."""
        cast = read_cast(self._home.parent, task.job, DISPUTE) or {}
        part = cast.get(self._home.name)
        if part is None:
            return await self._engine.ask(task, asked, told, cut=cut)
        player = self._claimed.setdefault(task.job, CLAIMED[part](self._engine))
        return await player.ask(task, asked, told, cut=cut)
