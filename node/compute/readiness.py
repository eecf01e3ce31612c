"""Whether this machine computes what the network does: nothing is run on it before that is known (D16)."""

import trio

from ledger.records import ModelEntry
from node.ports import Machine, Rehearsal, Task, TaskResult, Told
from primitives.reasons import Reason, Refused
from vm.dispute_protocol import Asked


class Readiness:
    """What the known-answer tests of a sandbox say of this machine."""

    def __init__(self) -> None:
        self.deviating: tuple[str, ...] | None = None
        """The tests that it fails; None until they have been run."""
        self._told = trio.Event()

    def tell(self, deviating: tuple[str, ...]) -> None:
        """Say which tests this machine fails."""
        self.deviating = deviating
        self._told.set()

    async def passed(self) -> None:
        """Wait until the tests have been run. Raises Refused KNOWN_ANSWERS_WRONG if the machine fails any."""
        await self._told.wait()
        if self.deviating:
            raise Refused(Reason.KNOWN_ANSWERS_WRONG, seen=", ".join(self.deviating))


class Guarded:
    """A machine that runs nothing before it has passed; whoever asks it waits, or is refused (D16)."""

    def __init__(self, machine: Machine, rehearsal: Rehearsal, readiness: Readiness) -> None:
        self._machine = machine
        self._rehearsal = rehearsal
        self._readiness = readiness

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Find out whether a job can be done."""
        await self._readiness.passed()
        await self._rehearsal.rehearse(task, entry)

    async def run(self, task: Task) -> TaskResult:
        """Run a job."""
        await self._readiness.passed()
        return await self._machine.run(task)

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the outputs that follow from values at the cut."""
        await self._readiness.passed()
        return await self._machine.tail(task, cut)

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer to a question about a job's canonical runs."""
        await self._readiness.passed()
        return await self._machine.ask(task, asked, told, cut=cut)
