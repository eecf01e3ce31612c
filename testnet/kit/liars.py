"""Workers that lie, are noisy or fall silent: engines put in at the worker's port, around the product's own.

Whatever they do, the chain must end the job: rejected and refunded, settled by the others, or refunded by a deadline.
"""

import json
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from node.home import Home
from node.ports import Engine, Role, Task, TaskResult
from node.rpc.client import RpcClient
from primitives.codec import encode
from primitives.content import ContentId
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from vm.manifest import Class, Ratio
from vm.scale import SPREAD, TYPICAL
from vm.tensor import FLOATS, ITEM_BYTES, Bundle, DType, NamedTensor, Tensor, decode_bundle

NOISE = 1e-6
"""Of the scale: what another machine's rounding may do, and far within the tolerance."""
NUDGE = 10
"""Times what is tolerated."""
SLOW_S = 4.0
"""Longer than it takes to see that a run has begun, shorter than every deadline of a test network."""
COPY_TRIES = 20
"""How often a copier looks for the provider's output, a second apart."""


def _numbers(tensor: Tensor) -> list[float]:
    code = "f" if tensor.dtype is DType.FLOAT32 else "d"
    return list(struct.unpack(f"<{len(tensor.data) // ITEM_BYTES[tensor.dtype]}{code}", tensor.data))


def _with_numbers(tensor: Tensor, numbers: Sequence[float]) -> Tensor:
    code = "f" if tensor.dtype is DType.FLOAT32 else "d"
    return Tensor(dtype=tensor.dtype, shape=tensor.shape, data=struct.pack(f"<{len(numbers)}{code}", *numbers))


def _changed(raw: bytes, change: Callable[[list[float]], list[float]], *, all_tensors: bool) -> bytes:
    """Return an encoded bundle with the numbers of its float tensors, or of the first of them, changed."""
    tensors = []
    left = True
    for each in decode_bundle(raw).tensors:
        tensor = each.tensor
        if tensor.dtype in FLOATS and tensor.data and (left or all_tensors):
            tensor = _with_numbers(tensor, change(_numbers(tensor)))
            left = False
        tensors.append(NamedTensor(name=each.name, tensor=tensor))
    return encode(Bundle(tensors=tensors))


def _scale(numbers: Sequence[float]) -> float:
    """Return S of V23: the root mean square of the finite nonzero elements within 2¹⁰ of their typical magnitude."""
    magnitudes = sorted(abs(each) for each in numbers if math.isfinite(each) and each)
    if not magnitudes:
        return 1.0
    typical = magnitudes[(len(magnitudes) - 1) // TYPICAL]
    squares = [each * each for each in magnitudes if typical / SPREAD <= each <= typical * SPREAD]
    return math.sqrt(sum(squares) / len(squares))


class Around:
    """An engine around the product's, whose tails it leaves as they are."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, task: Task) -> TaskResult:
        """Run the task."""
        return await self._engine.run(task)

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the outputs that follow from values at the cut."""
        return await self._engine.tail(task, cut)


class OtherInput(Around):
    """As a provider it runs the model on another input, the same elements backwards, and gives that for the result."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task, or as a provider another one."""
        if task.role is not Role.PROVIDE:
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


class SwapTopTwo(Around):
    """As a provider it swaps the two highest scores of the output, so that the second label seems to win."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, as a provider, swap."""
        result = await self._engine.run(task)
        if task.role is not Role.PROVIDE:
            return result
        outputs = _changed(result.outputs, _swapped, all_tensors=False)
        return TaskResult(cut=result.cut, outputs=outputs, wall_ms=result.wall_ms)


def _swapped(numbers: list[float]) -> list[float]:
    first, second, *_ = sorted(range(len(numbers)), key=lambda at: -numbers[at])
    swapped = list(numbers)
    swapped[first], swapped[second] = numbers[second], numbers[first]
    return swapped


class NudgeCut(Around):
    """As a provider it moves the largest element at the cut by ten times the tolerance, and leaves all else true."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, as a provider, nudge."""
        result = await self._engine.run(task)
        if task.role is not Role.PROVIDE:
            return result
        tolerance = task.lowering.tolerance
        assert tolerance is not None, "a lie for jobs of class native"
        cut = _changed(result.cut, lambda numbers: _nudged(numbers, tolerance), all_tensors=False)
        return TaskResult(cut=cut, outputs=result.outputs, wall_ms=result.wall_ms)


def _nudged(numbers: list[float], tolerance: Ratio) -> list[float]:
    at = max(range(len(numbers)), key=lambda each: abs(numbers[each]))
    nudged = list(numbers)
    nudged[at] += NUDGE * tolerance.numerator / tolerance.denominator * max(abs(numbers[at]), _scale(numbers))
    return nudged


class Liar(Around):
    """As a provider it tells the three lies in turn, one for each job; as a verifier it is honest."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._lies: tuple[Engine, ...] = (OtherInput(engine), SwapTopTwo(engine), NudgeCut(engine))
        self._told: dict[bytes, Engine] = {}

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
            scale = _scale(numbers)  # of the whole tensor: our models give one row a job
            return [each + NOISE * scale * _noise(task.job, at) for at, each in enumerate(numbers)]

        cut = _changed(result.cut, noisy, all_tensors=True)
        return TaskResult(cut=cut, outputs=await self._engine.tail(task, cut), wall_ms=result.wall_ms)


def _noise(job: bytes, at: int) -> float:
    """Return a number from -1 to 1 that follows from the job and the element's place."""
    return int.from_bytes(sha256(job + at.to_bytes(8, "big"))[:4], "big") / 2**31 - 1


class Copying(Around):
    """As a verifier it runs nothing: it looks for the provider's output to copy, and has nothing to commit.

    The chain shows a salted commitment alone, and no node serves the output before its reveal is final.
    """

    def __init__(self, engine: Engine, find: Callable[[bytes], bytes | None]) -> None:
        """`find` looks for the output of a job wherever it can, and returns it or None; it may block."""
        super().__init__(engine)
        self._find = find

    async def run(self, task: Task) -> TaskResult:
        """Run the task as a provider; as a verifier look for something to copy. Raises Refused CONTENT_NOT_FOUND."""
        if task.role is Role.PROVIDE:
            return await self._engine.run(task)
        for _ in range(COPY_TRIES):
            found = await trio.to_thread.run_sync(self._find, task.job, abandon_on_cancel=True)  # type: ignore[call-arg]  # old stubs
            if found is not None:
                return TaskResult(cut=found, outputs=found, wall_ms=0)
            await trio.sleep(1)
        raise Refused(Reason.CONTENT_NOT_FOUND, job=task.job, what="the provider's output")


def search_through(home: Path) -> Callable[[bytes], bytes | None]:
    """Return a search that asks the node in `home`, and through it all its peers, for the output of a job."""

    def find(job: bytes) -> bytes | None:
        with RpcClient(json.loads(Home(home).running.read_bytes())["rpc"]) as rpc:
            told = rpc.table("job.show", id=job.hex())
            # Before the reveal the chain names no output; the commitment is the only hash of it that anybody sees.
            outputs = told["outputs"]
            known = outputs if isinstance(outputs, dict) else {"root": told["commitment"], "length": len(job)}
            try:
                return rpc.get_blob(ContentId(root=bytes.fromhex(str(known["root"])), length=int(str(known["length"]))))
            except Refused:
                return None

    return find


class SilentAfterAccept(Around):
    """As a provider it accepts jobs and never runs them: no commitment comes."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task as a verifier; as a provider wait for ever."""
        if task.role is Role.PROVIDE:
            await trio.sleep_forever()
        return await self._engine.run(task)


class SilentAfterCommit(Around):
    """As a provider it commits to values that no block lets it reveal, so it is silent after its commit."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, as a provider, spoil the result."""
        result = await self._engine.run(task)
        return _unrevealable(result) if task.role is Role.PROVIDE else result


class NeverReveals(Around):
    """As a verifier it commits to values that no block lets it reveal."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, as a verifier, spoil the result."""
        result = await self._engine.run(task)
        return _unrevealable(result) if task.role is Role.VERIFY else result


def _unrevealable(result: TaskResult) -> TaskResult:
    """Return bundles without any tensor: well-formed, and not what any model gives."""
    return TaskResult(cut=result.cut, outputs=encode(Bundle(tensors=[])), wall_ms=result.wall_ms)


class Slow(Around):
    """Honest, on a slow machine: every run takes some seconds more, in which a test can kill it."""

    async def run(self, task: Task) -> TaskResult:
        """Wait, then run the task."""
        await trio.sleep(SLOW_S)
        return await self._engine.run(task)


BEHAVIOURS: dict[str, Callable[[Engine, Path], Engine]] = {
    "other-input": lambda engine, _: OtherInput(engine),
    "swap-top-two": lambda engine, _: SwapTopTwo(engine),
    "nudge-cut": lambda engine, _: NudgeCut(engine),
    "liar": lambda engine, _: Liar(engine),
    "noisy": lambda engine, _: Noisy(engine),
    "copying": lambda engine, home: Copying(engine, search_through(home)),
    "silent-after-accept": lambda engine, _: SilentAfterAccept(engine),
    "silent-after-commit": lambda engine, _: SilentAfterCommit(engine),
    "never-reveals": lambda engine, _: NeverReveals(engine),
    "slow": lambda engine, _: Slow(engine),
}
"""By name: what to put around the engine of the node in a home directory."""
