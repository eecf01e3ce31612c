"""False claims against the true one, in both orders: who falls, and whether the true claim always stands."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ledger.market.dispute.records import Fall
from primitives.reasons import Refused
from tests.vm.claims.duelling import fight
from tests.vm.claims.lies import Lie
from tests.vm.claims.sides import Honest, Subject
from vm.trace import Trace, check_trace, trace_root

REFUSED = "refused when it is opened"
"""How a claim ends that is no trace of this program."""


@dataclass
class Score:
    """What came of a number of false claims."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of lie and how it fell."""
    operators: Counter[str] = field(default_factory=Counter)
    """By operator, those that were about one."""
    findings: list[str] = field(default_factory=list)
    """A lie that stood, or a truth that fell."""
    rounds: int = 0
    """The longest duel."""
    list_bytes: int = 0
    proof_bytes: int = 0

    @property
    def fought(self) -> int:
        """Return how many duels there were, refused openings included."""
        return sum(self.ends.values())

    def add(self, other: "Score") -> None:
        """Take in another score."""
        self.ends.update(other.ends)
        self.operators.update(other.operators)
        self.findings += other.findings
        self.rounds = max(self.rounds, other.rounds)
        self.list_bytes = max(self.list_bytes, other.list_bytes)
        self.proof_bytes = max(self.proof_bytes, other.proof_bytes)


def opens(job: Subject, trace: Trace) -> bool:
    """Tell whether a claim can be opened to a trace: whether it is one of the job's program."""
    lowering = job.lowering
    if (trace.vm_version, trace.program) != (lowering.vm_version, lowering.program_root):
        return False
    try:
        check_trace(trace, job.papers.outline, second=job.native)
    except Refused:
        return False
    return True


def play(job: Subject, truth: Honest, lies: Iterable[Lie]) -> Score:
    """Let the true claim meet each false one, now from the left, now from the right."""
    score = Score()
    for number, lie in enumerate(lies):
        assert trace_root(lie.liar.trace) != trace_root(truth.trace)
        if lie.op is not None:
            score.operators[lie.op.name] += 1
        if not opens(job, lie.liar.trace):
            score.ends[lie.kind, REFUSED] += 1
            continue
        right = number % 2
        sides: Sequence[Honest] = (lie.liar, truth) if right else (truth, lie.liar)
        fought = fight(job, *sides)
        fallen = {trace: fall for trace, fall, _ in fought.fallen}
        score.rounds = max(score.rounds, fought.rounds)
        score.list_bytes = max(score.list_bytes, fought.list_bytes)
        score.proof_bytes = max(score.proof_bytes, fought.proof_bytes)
        score.ends[lie.kind, _told(fallen.get(1 - right))] += 1
        if right in fallen or 1 - right not in fallen:
            score.findings.append(f"{job.name}, {lie.kind}, {lie.op}: {fallen}, the lie is {1 - right}")
    return score


def _told(fall: Fall | None) -> str:
    return "stood" if fall is None else fall.name.lower()
