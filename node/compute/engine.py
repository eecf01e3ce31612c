"""The product's Engine: admission once for each model, then runs in the pool of sandboxes (D9)."""

from collections import OrderedDict

from ledger.records import ModelEntry
from node.ports import Task, TaskResult
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from vm.manifest import Class
from vm.pool import Pool
from vm.sandbox_protocol import Admitted

ADMITTED_MAX = 256
"""Models whose admission is remembered; a verdict is a few KiB."""
RESULTS_MAX = 64
"""Results kept between rehearsal and run, at most 24 KiB each."""


class SandboxEngine:
    """Runs tasks in sandboxes. A task that was rehearsed is not run a second time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._admitted: OrderedDict[bytes, Admitted] = OrderedDict()
        self._results: OrderedDict[bytes, TaskResult] = OrderedDict()

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Raise Refused (5xx, 6xx) unless the model is what its publication says and the task runs."""
        found = await self._admit(task)
        if (found.inputs, found.outputs) != (entry.model.inputs, entry.model.outputs):
            raise Refused(Reason.GRAPH_INVALID, what="interface", why="not as published", model=task.model_id)
        self._results[_name(task)] = await self._run(task)
        while len(self._results) > RESULTS_MAX:
            self._results.popitem(last=False)

    async def run(self, task: Task) -> TaskResult:
        """Run a job. Raises Refused (5xx, 6xx) if the model, the input or the run fails."""
        known = self._results.pop(_name(task), None)
        if known is not None:
            return known
        await self._admit(task)
        return await self._run(task)

    async def _admit(self, task: Task) -> Admitted:
        known = self._admitted.get(task.model_id)
        if known is None:
            known = await self._pool.admit(task.model, task.cut, Class.NATIVE, sample=task.input)
            self._admitted[task.model_id] = known
            while len(self._admitted) > ADMITTED_MAX:
                self._admitted.popitem(last=False)
        return known

    async def _run(self, task: Task) -> TaskResult:
        async def model() -> bytes:
            return task.model

        result = await self._pool.run(task.model_id, task.cut, model, task.input)
        return TaskResult(cut=result.cut, outputs=result.outputs, wall_ms=result.wall_ms)


def _name(task: Task) -> bytes:
    return task.job + task.model_id + sha256(task.input)
