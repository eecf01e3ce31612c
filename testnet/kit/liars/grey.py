"""A worker whose values are off by more than is paid and less than is slashed: half-precision, say."""

from node.ports import Task, TaskResult
from testnet.kit.liars.around import InOneRole, changed, scale_of
from vm.dispute_protocol import WorstAsked, WorstTold
from vm.noise import PAID_SIGMA, SLASHED_SIGMA, THOUSANDTHS

GOAL = 32 * THOUSANDTHS
"""In the middle, as the job's own noise measures it."""
FIRST = 1e-4
"""Of the scale: the first guess."""
TRIES_MAX = 8


class Grey(InOneRole):
    """In one role it moves the first value at the cut by some 32 σ of the job's own noise."""

    async def run(self, task: Task) -> TaskResult:
        """Run the task and, in its role, move a value until it is off by as much as it should be."""
        result = await self._engine.run(task)
        if task.role is not self._role:
            return result
        share, cut = FIRST, result.cut
        for _ in range(TRIES_MAX):
            cut = _moved(result.cut, share)
            off = (await self._engine.ask(task, WorstAsked(cut=cut), WorstTold)).thousandths
            if PAID_SIGMA * THOUSANDTHS < off < SLASHED_SIGMA * THOUSANDTHS:
                break
            share *= GOAL / max(off, 1)
        return TaskResult(cut=cut, outputs=await self._engine.tail(task, cut), wall_ms=result.wall_ms)


def _moved(cut: bytes, share: float) -> bytes:
    """Return an encoded cut with the first number of its first float tensor moved by a share of the scale."""

    def move(numbers: list[float]) -> list[float]:
        return [numbers[0] + share * max(abs(numbers[0]), scale_of(numbers)), *numbers[1:]]

    return changed(cut, move, all_tensors=False)
