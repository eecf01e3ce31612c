"""An engine without models: numbers that follow from the input, for tests of whoever asks an engine."""

import struct

from ledger.records import ModelEntry
from node.ports import Role, Task, TaskResult, Told
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import CUT_NAME, NO_CUT, OUTPUT_NAME, OUTPUTS, a_bundle
from vm.dispute_protocol import Asked
from vm.manifest import Class
from vm.tensor import decode_small_bundle

FAILING_INPUT = b"an input that fails"
"""An input on which every run fails, though rehearsals pass."""


def honest_rows(raw: bytes) -> tuple[list[float], list[float]]:
    """Return the values at the cut and the outputs for an input."""
    digest = sha256(raw)
    cut = [(digest[at] + 1) / 16 for at in range(OUTPUTS)]
    return cut, [each / sum(cut) for each in cut]


def honest_result(raw: bytes, class_: Class = Class.NATIVE) -> TaskResult:
    """Return what an honest engine gives for an input."""
    cut, outputs = honest_rows(raw)
    shown = a_bundle(CUT_NAME, cut) if class_ is Class.NATIVE else NO_CUT
    return TaskResult(cut=shown, outputs=a_bundle(OUTPUT_NAME, outputs), wall_ms=1)


class PlainEngine:
    """Computes `honest_result`, at once; counts its runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[bytes, Role]] = []
        self.rehearsals = 0

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Refuse nothing."""
        del task, entry
        self.rehearsals += 1

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the outputs that follow from a cut: each value's share of the sum."""
        del task
        (values,) = decode_small_bundle(cut).tensors
        row = struct.unpack(f"<{OUTPUTS}f", values.tensor.data)
        return a_bundle(OUTPUT_NAME, [each / sum(row) for each in row])

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Refuse: without a model there is nothing to run canonically."""
        del asked, told, cut
        raise Refused(Reason.RUN_ENGINE_ERROR, job=task.job, wanted="a model")

    async def run(self, task: Task) -> TaskResult:
        """Return the values for the task's input."""
        self.runs.append((task.job, task.role))
        if task.input == FAILING_INPUT:
            raise Refused(Reason.RUN_CRASHED, seen="signal 11")
        return honest_result(task.input, task.class_)
