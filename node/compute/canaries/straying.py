"""An engine that tells the worker's own canary falsely, as no honest machine could err, and all else truly (D62)."""

import logging
import math
import struct

from ledger.market.canary import find_planter
from ledger.state import change
from node.compute.canaries.box import CanaryBox, Planted
from node.ports import ChainView, Engine, Role, Task, TaskResult
from primitives.codec import encode
from primitives.reasons import Refused
from vm.manifest import Class
from vm.tensor import (
    CUT_VALUES_BYTES_MAX,
    FLOATS,
    ITEM_BYTES,
    OUTPUT_VALUES_BYTES_MAX,
    Bundle,
    DType,
    NamedTensor,
    Tensor,
    decode_result,
)

OFF = 10
"""Times what is tolerated, which is 16 σ: verifiers reject beyond that, and beyond 64 σ the referee does (V20)."""

_CODES = {DType.FLOAT16: "e", DType.FLOAT32: "f", DType.FLOAT64: "d"}

_log = logging.getLogger("assay.canaries")


class Straying:
    """The worker's engine, but for one job."""

    def __init__(self, engine: Engine, box: CanaryBox, chain: ChainView, me: bytes) -> None:
        """`me` is the worker's address."""
        self._engine = engine
        self._box = box
        self._chain = chain
        self._me = me

    async def run(self, task: Task) -> TaskResult:
        """Run a job; of the canary in hand, as its provider, return false values from which false outputs follow."""
        result = await self._engine.run(task)
        planted = self._box.find()
        if task.role is not Role.PROVIDE or planted is None or not may_lie(self._chain, self._me, planted, task.job):
            return result
        try:
            lie = await self._lie(task, result)
        except Refused as refused:
            _log.warning("canary %s is told truly: %s", task.job.hex(), refused)
            return result
        self._box.keep(change(planted, job=task.job, lied=True))  # before the commitment: it has to be opened
        return lie

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the outputs that follow from values at the cut."""
        return await self._engine.tail(task, cut)

    async def _lie(self, task: Task, result: TaskResult) -> TaskResult:
        """Return a result of which the values at the cut, or in class exact the outputs, are false. Raises Refused."""
        if task.class_ is Class.EXACT or not decode_result(result.cut, values_max=CUT_VALUES_BYTES_MAX).tensors:
            outputs = decode_result(result.outputs, values_max=OUTPUT_VALUES_BYTES_MAX)
            return TaskResult(cut=result.cut, outputs=encode(astray(outputs, 1.0)), wall_ms=result.wall_ms)
        tolerance = task.lowering.tolerance
        assert tolerance is not None  # of class native (V124)
        part = OFF * tolerance.numerator / tolerance.denominator
        cut = encode(astray(decode_result(result.cut, values_max=CUT_VALUES_BYTES_MAX), part))
        return TaskResult(cut=cut, outputs=await self._engine.tail(task, cut), wall_ms=result.wall_ms)


def may_lie(chain: ChainView, me: bytes, planted: Planted, job_id: bytes) -> bool:
    """Tell whether a job is the canary in hand, and can be opened as soon as its values are shown (D62, J92)."""
    job = chain.state().job(job_id)
    return job is not None and job.canary == planted.canary and job.client == planted.client and is_spaced(chain, me)


def is_spaced(chain: ChainView, me: bytes) -> bool:
    """Tell whether a worker that has opened canaries may open another one by now (J92)."""
    before = find_planter(chain.state(), me)
    spacing_ms = chain.genesis.parameters.canary_spacing_ms
    return before is None or chain.head.live_ms >= before.live_ms + spacing_ms


def astray(bundle: Bundle, part: float) -> Bundle:
    """Return a bundle with the largest element of its first tensor of floats off by so large a part of it.

    Where there is none, the last bit of its first element differs.
    """
    found = [at for at, each in enumerate(bundle.tensors) if each.tensor.dtype in FLOATS and each.tensor.data]
    filled = [at for at, each in enumerate(bundle.tensors) if each.tensor.data]
    at = next(iter([*found, *filled]))
    tensor = bundle.tensors[at].tensor
    changed = _off(tensor, part) if found else bytes([tensor.data[0] ^ 1]) + tensor.data[1:]
    tensors = list(bundle.tensors)
    tensors[at] = NamedTensor(name=tensors[at].name, tensor=change(tensor, data=changed))
    return Bundle(tensors=tensors)


def _off(tensor: Tensor, part: float) -> bytes:
    """Return the numbers of a tensor, the largest by magnitude made less by so large a part of it, or of 1 if it is 0.

    Made less, so that it stays a finite number.
    """
    code = _CODES[tensor.dtype]
    numbers = list(struct.unpack(f"<{len(tensor.data) // ITEM_BYTES[tensor.dtype]}{code}", tensor.data))
    at = max(range(len(numbers)), key=lambda each: abs(numbers[each]) if math.isfinite(numbers[each]) else -1.0)
    numbers[at] = numbers[at] - part * (numbers[at] or 1.0) if math.isfinite(numbers[at]) else 0.0
    return struct.pack(f"<{len(numbers)}{code}", *numbers)
