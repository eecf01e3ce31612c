"""The product's Engine: each lowering is derived anew once, then jobs run in the pool of sandboxes (D4, D9)."""

from collections import OrderedDict
from collections.abc import Iterable

from ledger.market.pace import run_ms
from ledger.records import ModelEntry
from node.compute.disputes.turns import is_long
from node.ports import Task, TaskResult, Told
from primitives.hashing import sha256
from primitives.reasons import Fact, Reason, Refused
from vm.dispute_protocol import Asked
from vm.lowering import TOLERANCE_LEAST, Lowering, lowering_id
from vm.manifest import Class
from vm.pool import Pool, Subject
from vm.program import VM_VERSION
from vm.sandbox_protocol import Checked, Failed, Fault, Meaning, refused

CHECKED_MAX = 256
"""Lowerings that are remembered with what was found of them."""
RESULTS_MAX = 64
"""Results kept between rehearsal and run."""
RESULTS_BYTES_MAX = 16 << 20
"""All of them together; most have some KiB, the largest 1.1 MiB."""

RUN_S_MIN = 30.0
"""What the shortest run is given beside what its lowering tells: half of a verifier's deadline, as it is by default."""
MS_PER_S = 1_000


class SandboxEngine:
    """Runs tasks in sandboxes. A task that was rehearsed is not run a second time."""

    def __init__(self, pool: Pool, *, long_questions: Pool | None = None) -> None:
        """`long_questions`: where disputes about long runs are looked into, so that nothing else waits (D29)."""
        self._pool = pool
        self._long_questions = long_questions or pool
        self._checked: OrderedDict[bytes, Checked] = OrderedDict()
        self._results: OrderedDict[bytes, TaskResult] = OrderedDict()

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Raise Refused (5xx, 6xx) unless model and lowering are what is published and the task runs (D4)."""
        found = await self._check(task, offered=True)
        if (found.inputs, found.outputs) != (entry.model.inputs, entry.model.outputs):
            raise Refused(Reason.GRAPH_INVALID, what="interface", why="not as published", model=task.model_id)
        self._results[_name(task)] = await self._run(task, offered=True)
        while len(self._results) > RESULTS_MAX or _bytes_of(self._results.values()) > RESULTS_BYTES_MAX:
            self._results.popitem(last=False)

    async def run(self, task: Task) -> TaskResult:
        """Run a job. Raises Refused (5xx, 6xx) if the model, its lowering, the input or the run fails."""
        known = self._results.pop(_name(task), None)
        if known is not None:
            return known
        await self._check(task)
        return await self._run(task)

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the encoded bundle of outputs that follow from somebody's values at the cut (D10).

        Raises Refused (5xx, 6xx) as `run` does.
        """
        await self._check(task)
        return await self._pool.tail(_subject(task), task.input, cut)

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer to a question about a job's canonical runs, or the tail of values at the `cut` (V137).

        Raises Refused (5xx, 6xx) as `run` does.
        """
        await self._check(task)
        pool = self._long_questions if is_long(run_ms(task.lowering.cost)) else self._pool
        return await pool.ask(_subject(task), task.input, asked, told, cut=cut)

    async def _check(self, task: Task, *, offered: bool = False) -> Checked:
        """Derive the task's lowering anew. Raises Refused unless it is the one on chain and serves the task's class."""
        key = lowering_id(task.lowering)
        found = self._checked.get(key)
        if found is None:
            shapes = [type_.shape for type_ in task.lowering.inputs]
            found = await self._pool.check(task.model, shapes=shapes, calibrate=False, offered=offered)
            self._checked[key] = found
            while len(self._checked) > CHECKED_MAX:
                self._checked.popitem(last=False)
        for fault in found.faults:
            if _stands_against(fault, task.class_):
                raise refused(Failed(reason=fault.reason, facts=fault.facts))
        check_derived(task.lowering, found.meaning)
        return found

    async def _run(self, task: Task, *, offered: bool = False) -> TaskResult:
        result = await self._pool.execute(_subject(task), task.input, offered=offered)
        return TaskResult(cut=result.cut, outputs=result.outputs, wall_ms=result.wall_ms)


def check_derived(published: Lowering, derived: Meaning | None) -> None:
    """Raise Refused LOWERING_DIFFERS unless a lowering is what was derived from the model's file (V125).

    The tolerance alone is the publisher's word, within its bounds (V122): it comes from samples.
    """
    if derived is None:
        raise Refused(Reason.LOWERING_DIFFERS, what="program", seen=published.program_root, wanted="none")
    pairs: list[tuple[str, object, object]] = [
        ("vm_version", published.vm_version, VM_VERSION),
        ("inputs", published.inputs, derived.inputs),
        ("outputs", published.outputs, derived.outputs),
        ("program", published.program_root, derived.program_root),
        ("constants", published.constants_root, derived.constants_root),
        ("cost", published.cost, derived.cost),
        ("worst element", published.worst, derived.worst),
    ]
    if published.offers(Class.NATIVE):
        pairs.append(("cut", published.cut, derived.cut))
    for what, seen, wanted in pairs:
        if seen != wanted:
            raise Refused(Reason.LOWERING_DIFFERS, what=what, seen=_fact(seen), wanted=_fact(wanted))


def _fact(value: object) -> Fact:
    return value if isinstance(value, bytes) else str(value)


def _stands_against(fault: Fault, class_: Class) -> bool:
    return fault.native if class_ is Class.NATIVE else fault.exact


def _subject(task: Task) -> Subject:
    async def load() -> bytes:
        return task.model

    shapes = [type_.shape for type_ in task.lowering.inputs]
    tolerance = task.lowering.tolerance or TOLERANCE_LEAST
    limit_s = RUN_S_MIN + run_ms(task.lowering.cost) / MS_PER_S  # J7; a verifier must have time to object (D15)
    return Subject(
        model=task.model_id, shapes=shapes, class_=task.class_, load=load, tolerance=tolerance, limit_s=limit_s
    )


def _bytes_of(results: Iterable[TaskResult]) -> int:
    return sum(len(each.cut) + len(each.outputs) for each in results)


def _name(task: Task) -> bytes:
    return task.job + lowering_id(task.lowering) + sha256(task.input)
