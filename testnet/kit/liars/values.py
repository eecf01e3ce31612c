"""Providers that lie about their values, and one that is honest on another machine."""

from node.ports import Machine, Role, Task, TaskResult
from primitives.codec import encode
from primitives.hashing import sha256
from testnet.kit.liars.around import Around, InOneRole, changed, scale_of
from vm.manifest import Class, Ratio
from vm.tensor import ITEM_BYTES, Bundle, NamedTensor, Tensor, decode_bundle

NOISE = 1e-6
"""Of the scale: what another machine's rounding may do, and far within the tolerance."""
NUDGE = 10
"""Times what is tolerated."""


class OtherInput(InOneRole):
    """In one role it runs the model on another input, the same elements backwards, and gives that for the result."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task, or in its role another one."""
        if task.role is not self._role:
            return await self._engine.run(task)
        other = Task(
            job=task.job,
            role=task.role,
            model_id=task.model_id,
            model=task.model,
            lowering=task.lowering,
            class_=task.class_,
            input=_backwards(task.input),
        )
        return await self._engine.run(other)


def _backwards(raw: bytes) -> bytes:
    """Return an encoded bundle with the elements of each tensor in the opposite order."""
    tensors = []
    for each in decode_bundle(raw).tensors:
        size, data = ITEM_BYTES[each.tensor.dtype], each.tensor.data
        items = [data[at : at + size] for at in range(0, len(data), size)]
        tensor = Tensor(dtype=each.tensor.dtype, shape=each.tensor.shape, data=b"".join(reversed(items)))
        tensors.append(NamedTensor(name=each.name, tensor=tensor))
    return encode(Bundle(tensors=tensors))


class SwapTopTwo(InOneRole):
    """In one role it swaps the two highest scores of the output, so that the second label seems to win."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, in its role, swap."""
        result = await self._engine.run(task)
        if task.role is not self._role:
            return result
        outputs = changed(result.outputs, _swapped, all_tensors=False)
        return TaskResult(cut=result.cut, outputs=outputs, wall_ms=result.wall_ms)


def _swapped(numbers: list[float]) -> list[float]:
    first, second, *_ = sorted(range(len(numbers)), key=lambda at: -numbers[at])
    swapped = list(numbers)
    swapped[first], swapped[second] = numbers[second], numbers[first]
    return swapped


class NudgeCut(InOneRole):
    """In one role it moves the largest element at the cut by ten times the tolerance, and leaves all else true."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, in its role, nudge."""
        result = await self._engine.run(task)
        if task.role is not self._role:
            return result
        tolerance = task.lowering.tolerance
        assert tolerance is not None, "a lie for jobs of class native"
        cut = changed(result.cut, lambda numbers: _nudged(numbers, tolerance), all_tensors=False)
        return TaskResult(cut=cut, outputs=result.outputs, wall_ms=result.wall_ms)


def _nudged(numbers: list[float], tolerance: Ratio) -> list[float]:
    at = max(range(len(numbers)), key=lambda each: abs(numbers[each]))
    nudged = list(numbers)
    nudged[at] += NUDGE * tolerance.numerator / tolerance.denominator * max(abs(numbers[at]), scale_of(numbers))
    return nudged


class Liar(Around):
    """As a provider it tells the three lies in turn, one for each job; as a verifier it is honest."""

    def __init__(self, engine: Machine) -> None:
        super().__init__(engine)
        self._lies: tuple[Machine, ...] = (OtherInput(engine), SwapTopTwo(engine), NudgeCut(engine))
        self._told: dict[bytes, Machine] = {}

    async def run(self, task: Task) -> TaskResult:
        """Run the task, or tell the job's lie: the same one if it is asked again."""
        if task.role is not Role.PROVIDE:
            return await self._engine.run(task)
        lie = self._told.setdefault(task.job, self._lies[len(self._told) % len(self._lies)])
        return await lie.run(task)


class Noisy(Around):
    """Honest, on a machine that rounds otherwise: at the cut all its floats are off by up to 1e-6 of the scale."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and add the noise, which is the job's own."""
        result = await self._engine.run(task)
        if task.class_ is Class.EXACT:
            return result

        def noisy(numbers: list[float]) -> list[float]:
            scale = scale_of(numbers)  # of the whole tensor: our models give one row a job
            return [each + NOISE * scale * _noise(task.job, at) for at, each in enumerate(numbers)]

        cut = changed(result.cut, noisy, all_tensors=True)
        return TaskResult(cut=cut, outputs=await self._engine.tail(task, cut), wall_ms=result.wall_ms)


def _noise(job: bytes, at: int) -> float:
    """Return a number from -1 to 1 that follows from the job and the element's place."""
    return int.from_bytes(sha256(job + at.to_bytes(8, "big"))[:4], "big") / 2**31 - 1
