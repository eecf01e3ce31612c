"""Claimants that lie about a job's canonical runs, or fall silent in a dispute."""

from dataclasses import dataclass

import trio

from node.ports import Machine, Task, Told
from primitives import merkle
from primitives.reasons import Reason, Refused
from testnet.kit.liars.around import Around
from vm.dispute_protocol import (
    Asked,
    BytesTold,
    LeafAsked,
    Part,
    PartsTold,
    RunAsked,
    TraceAsked,
    TraceTold,
    ValueAsked,
    WorstAsked,
    WorstTold,
)
from vm.tensor import TensorType, bound_root, leaf_count
from vm.trace import PARTS_MAX, Run, Trace, tell

FAR = 1_000_000
"""Thousandths of σ: beyond all doubt."""


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """A trace in which one bit of one result is other than it should be, and what shows that it is whole."""

    told: TraceTold
    value: int
    type: TensorType
    leaf: bytes
    """The first of the value, changed."""
    leaves: merkle.Tree
    run: merkle.Tree


class Forger(Around):
    """Says that everybody is far off, and claims a trace in which one bit of one result is flipped.

    All it tells and opens is of one piece, so that nothing but the referee's own recomputation can strike it.
    """

    def __init__(self, machine: Machine, bit: int = 0) -> None:
        super().__init__(machine)
        self._bit = bit
        self._forged: dict[bytes, Forgery] = {}
        """By job."""

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Answer from the forged trace; what is not asked of what was forged, truly."""
        forged = self._forged.get(task.job)
        if forged is None:
            forged = self._forged[task.job] = await self._forge(task)
        answer = self._of(forged, asked)
        return answer if isinstance(answer, told) else await self._engine.ask(task, asked, told, cut=cut)

    def _of(self, forged: Forgery, asked: Asked) -> TraceTold | PartsTold | BytesTold | WorstTold | None:
        """Return what the forgery says, None where it says what is true."""
        match asked:
            case TraceAsked():
                return forged.told
            case RunAsked(perturbed=False, part=part):
                return PartsTold(roots=tell(forged.run, part.window, part.width), value_type=None)
            case ValueAsked(perturbed=False, value=forged.value, part=None):
                leaves = [forged.leaves.subtree(at, at + 1) for at in range(len(forged.leaves))]
                return PartsTold(roots=leaves, value_type=forged.type)
            case LeafAsked(perturbed=False, value=forged.value, leaf=0):
                return BytesTold(raw=forged.leaf)
            case WorstAsked():
                return WorstTold(thousandths=FAR, place=0, element=0, proof=None)
            case _:
                return None

    async def _forge(self, task: Task) -> Forgery:
        """Flip a bit in the first leaf of a result: the first small enough from the middle of the program on."""
        true = await self._engine.ask(task, TraceAsked(), TraceTold)
        first, count = len(true.outline.inputs) + true.outline.constants, true.trace.first.count
        for number in range(count // 2, count):
            value = first + number
            parts = await self._engine.ask(task, ValueAsked(perturbed=False, value=value, part=None), PartsTold)
            if parts.value_type is not None and leaf_count(parts.value_type) == len(parts.roots):
                break  # small enough to be told at once
        else:
            raise Refused(Reason.TOO_LARGE, what="every result", wanted=f"one of at most {PARTS_MAX} leaves")
        raw = (await self._engine.ask(task, LeafAsked(perturbed=False, value=value, leaf=0), BytesTold)).raw
        assert raw is not None
        leaf = bytes([raw[0] ^ 1 << self._bit]) + raw[1:]
        leaves = merkle.Tree([merkle.leaf_hash(leaf), *parts.roots[1:]])
        digests = await self._digests(task, true.trace.first)
        digests[number] = merkle.leaf_hash(bound_root(parts.value_type, leaves.root))
        run = merkle.Tree(digests)
        trace = _with_first(true.trace, Run(count=true.trace.first.count, root=run.root))
        told = TraceTold(trace=trace, outline=true.outline)
        return Forgery(told=told, value=value, type=parts.value_type, leaf=leaf, leaves=leaves, run=run)

    async def _digests(self, task: Task, run: Run) -> list[bytes]:
        """Return the leaf hashes of all digests of the true first run."""
        found: list[bytes] = []
        while len(found) < run.count:
            part = Part(low=len(found), high=min(len(found) + PARTS_MAX, run.count), width=1)
            found += (await self._engine.ask(task, RunAsked(perturbed=False, part=part), PartsTold)).roots
        return found


def _with_first(trace: Trace, run: Run) -> Trace:
    return Trace(
        vm_version=trace.vm_version,
        program=trace.program,
        inputs=trace.inputs,
        first=run,
        perturbed=trace.perturbed,
        noise=trace.noise,
    )


class Mute(Forger):
    """Forges a claim, and answers nothing in the duel about it."""

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Answer what leads to a claim, and nothing else."""
        if not isinstance(asked, TraceAsked | WorstAsked):
            await trio.sleep_forever()
        return await super().ask(task, asked, told, cut=cut)


class Absent(Around):
    """Takes no part in any dispute."""

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Wait for ever."""
        await trio.sleep_forever()
        return await super().ask(task, asked, told, cut=cut)
