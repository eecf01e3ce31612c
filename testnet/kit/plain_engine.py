"""An engine without models: numbers that follow from the input, for tests of whoever asks an engine."""

from ledger.records import ModelEntry
from node.ports import Role, Task, TaskResult
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import CUT_NAME, OUTPUT_NAME, OUTPUTS, a_bundle

FAILING_INPUT = b"an input that fails"
"""An input on which every run fails, though rehearsals pass."""


def honest_rows(raw: bytes) -> tuple[list[float], list[float]]:
    """Return the values at the cut and the outputs for an input."""
    digest = sha256(raw)
    cut = [(digest[at] + 1) / 16 for at in range(OUTPUTS)]
    return cut, [each / sum(cut) for each in cut]


def honest_result(raw: bytes) -> TaskResult:
    """Return what an honest engine gives for an input."""
    cut, outputs = honest_rows(raw)
    return TaskResult(cut=a_bundle(CUT_NAME, cut), outputs=a_bundle(OUTPUT_NAME, outputs), wall_ms=1)


class PlainEngine:
    """Computes `honest_result`, at once; counts its runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[bytes, Role]] = []
        self.rehearsals = 0

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Refuse nothing."""
        del task, entry
        self.rehearsals += 1

    async def run(self, task: Task) -> TaskResult:
        """Return the values for the task's input."""
        self.runs.append((task.job, task.role))
        if task.input == FAILING_INPUT:
            raise Refused(Reason.RUN_CRASHED, seen="signal 11")
        return honest_result(task.input)
