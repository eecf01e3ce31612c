"""What `assay doctor` looks at, one finding each."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cli.money import karat, shortfall
from primitives.reasons import Reason, Refused

if TYPE_CHECKING:
    from cli.verb import Cli


class State(enum.Enum):
    """How a finding is to be taken."""

    GOOD = "good"
    NOTE = "note"
    """Less than it could be, and no obstacle."""
    PROBLEM = "problem"


_COMPILE = "python -m vm.compiled"
_MARKS = {State.GOOD: "✓", State.NOTE: "!", State.PROBLEM: "✗"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    told: str

    @property
    def mark(self) -> str:
        """Return the sign that people read first."""
        return _MARKS[self.state]

    @property
    def is_problem(self) -> bool:
        """Tell whether it keeps this machine from running or judging models."""
        return self.state is State.PROBLEM


def libraries(names: Sequence[str], optional: Sequence[str]) -> Iterator[Finding]:
    """Tell the versions of libraries."""
    for name in names:
        try:
            yield Finding(what=name, state=State.GOOD, told=version(name))
        except PackageNotFoundError:
            state = State.NOTE if name in optional else State.PROBLEM
            yield Finding(what=name, state=state, told="not installed")


def sandbox() -> Iterator[Finding]:
    """Start a sandbox, and tell what holds it and whether it computes what the network does (V45, D16)."""
    from vm.pool import PoolConfig, probe_once
    from vm.sandbox_protocol import Layer

    try:
        layers, deviating, compiled = probe_once(PoolConfig())
    except Refused as fault:
        yield Finding(what="sandbox", state=State.PROBLEM, told=f"does not start: {fault}")
        return
    missing = [each.name.lower() for each in Layer if each not in layers]
    for each in layers:
        yield Finding(what="sandbox", state=State.GOOD, told=each.name.lower())
    for name in missing:
        yield Finding(what="sandbox", state=State.NOTE, told=f"{name}: this kernel, or this user, does not grant it")
    yield (
        Finding(what="kernels", state=State.GOOD, told="compiled for this processor")
        if compiled
        else Finding(what="kernels", state=State.NOTE, told=f"not compiled, so exact runs take longer: {_COMPILE}")
    )
    if not deviating:
        yield Finding(what="known answers", state=State.GOOD, told="this machine computes what the network does")
    for test in deviating:
        told = f"{test}: this machine computes otherwise than the network does, so it takes no jobs"
        yield Finding(what="known answers", state=State.PROBLEM, told=told)


def node_here(cli: "Cli") -> Iterator[Finding]:
    """Tell how the node of this home stands, if one runs."""
    try:
        with cli.node() as node:
            told = node.table("node.status")
    except Refused as fault:
        if fault.reason is not Reason.NODE_UNREACHABLE:
            raise
        yield Finding(what="node", state=State.NOTE, told="none runs in this home")
        return
    height, roles = told["height"], told["roles"]
    assert isinstance(roles, list)
    words = " and ".join(map(str, roles)) or "follower"
    yield Finding(what="node", state=State.GOOD, told=f"{words} at height {height}, {told['version']}")
    if told["worker"] is not None:
        yield worker_finding(told["known_answers"], told["deviating"])
        yield reserve_finding(told["worker_balance"], told["worker_reserve"])


def reserve_finding(balance: object, reserve: object) -> Finding:
    """Return whether a worker can pay the bond of a claim, by what its node's status tells (D30)."""
    free, kept = int(str(balance)), int(str(reserve))
    short = shortfall(free, kept)
    if short is not None:
        return Finding(what="reserve", state=State.PROBLEM, told=short)
    told = f"a balance of {karat(free)} karat, of which {karat(kept)} are kept for claims"
    return Finding(what="reserve", state=State.GOOD, told=told)


def worker_finding(known_answers: object, deviating: object) -> Finding:
    """Return whether a node's worker may take jobs, by what its status tells."""
    if known_answers is None:
        return Finding(what="worker", state=State.NOTE, told="no sandbox has told yet whether it computes as others do")
    if known_answers:
        return Finding(what="worker", state=State.GOOD, told="takes jobs")
    return Finding(what="worker", state=State.PROBLEM, told=f"takes no jobs: it fails known-answer tests {deviating}")
