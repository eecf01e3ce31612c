"""An engine around the product's, and how a misbehaving one changes the numbers in a bundle."""

import math
import struct
from collections.abc import Callable, Sequence

from node.ports import Machine, Role, Task, TaskResult, Told
from primitives.codec import encode
from vm.dispute_protocol import Asked
from vm.scale import SPREAD, TYPICAL
from vm.tensor import FLOATS, ITEM_BYTES, Bundle, DType, NamedTensor, Tensor, decode_bundle


def _numbers(tensor: Tensor) -> list[float]:
    code = "f" if tensor.dtype is DType.FLOAT32 else "d"
    return list(struct.unpack(f"<{len(tensor.data) // ITEM_BYTES[tensor.dtype]}{code}", tensor.data))


def _with_numbers(tensor: Tensor, numbers: Sequence[float]) -> Tensor:
    code = "f" if tensor.dtype is DType.FLOAT32 else "d"
    return Tensor(dtype=tensor.dtype, shape=tensor.shape, data=struct.pack(f"<{len(numbers)}{code}", *numbers))


def changed(raw: bytes, change: Callable[[list[float]], list[float]], *, all_tensors: bool) -> bytes:
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


def scale_of(numbers: Sequence[float]) -> float:
    """Return S of V23: the root mean square of the finite nonzero elements within 2¹⁰ of their typical magnitude."""
    magnitudes = sorted(abs(each) for each in numbers if math.isfinite(each) and each)
    if not magnitudes:
        return 1.0
    typical = magnitudes[(len(magnitudes) - 1) // TYPICAL]
    squares = [each * each for each in magnitudes if typical / SPREAD <= each <= typical * SPREAD]
    return math.sqrt(sum(squares) / len(squares))


class Around:
    """An engine around the product's, of which it leaves as it is what is not said otherwise."""

    def __init__(self, engine: Machine) -> None:
        self._engine = engine

    async def run(self, task: Task) -> TaskResult:
        """Run the task."""
        return await self._engine.run(task)

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the outputs that follow from values at the cut."""
        return await self._engine.tail(task, cut)

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer to a dispute's question."""
        return await self._engine.ask(task, asked, told, cut=cut)


class InOneRole(Around):
    """An engine that lies in one of the two roles, and is honest in the other."""

    def __init__(self, engine: Machine, role: Role = Role.PROVIDE) -> None:
        super().__init__(engine)
        self._role = role
