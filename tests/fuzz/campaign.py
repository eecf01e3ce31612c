"""Runs inputs against targets: what is wrong is any error but a refusal, a hang, and memory that grows.

A round is so many inputs to one target that was set up anew; it follows from its number alone, so a campaign can go on
where it stopped. Inputs with an outcome that the round has not seen yet are changed further.
"""

import hashlib
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from primitives.reasons import Refused
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"
ROUND = 250
"""Inputs of one round."""
NEW_MAX = 64
"""Inputs of a round that are kept for their outcome."""
CPU_S = 5.0
"""Of one input, over which it hangs: the slowest takes some tens of milliseconds."""
GROWTH_BYTES_MAX = 256 << 20
"""Of the process over a campaign. Caches fill first; what leaks with each input is far above after a million."""


class HangError(Exception):
    """An input took longer than CPU_S."""


@dataclass
class Tally:
    """What came of a target's inputs."""

    inputs: int = 0
    taken: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest: bytes = b""


@dataclass(frozen=True)
class Finding:
    """An input that did what none may do."""

    target: str
    round: int
    raw: bytes
    fault: Exception

    @property
    def place(self) -> str:
        """Return where it happened, as file and line."""
        frames = traceback.extract_tb(self.fault.__traceback__)
        frame = [each for each in frames if each.filename != __file__][-1:] or frames[-1:]
        return f"{Path(frame[0].filename).name}:{frame[0].lineno}"


def corpus_of(target: Target, folder: Path = CORPUS) -> list[bytes]:
    """Return the kept inputs of a target, by name."""
    return [path.read_bytes() for path in sorted((folder / target.name).glob("*"))]


def keep(finding: Finding, folder: Path = CORPUS) -> Path:
    """Write the input of a finding to the corpus and return its file."""
    path = folder / finding.target / hashlib.sha256(finding.raw).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(finding.raw)
    return path


@contextmanager
def _limited() -> Iterator[None]:
    """Have an input that hangs end with HangError."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run_round(target: Target, number: int, tally: Tally, *, inputs: int = ROUND, seed: int = 0) -> list[Finding]:
    """Feed one round to a target, after its seeds and its corpus in round 0; return what was found."""
    mutator = Mutator(Random(f"{seed}/{target.name}/{number}"), is_text=target.is_text)
    pool = list(target.seeds())
    assert pool, f"{target.name} has no seed"
    if number == 0:  # in no other round: what they are made of must not change when a finding is kept
        pool += corpus_of(target)
    first = list(pool) if number == 0 else []
    seen: set[str] = set()
    findings: list[Finding] = []
    with target.open() as feed, _limited():
        for at in range(inputs):
            raw = first[at] if at < len(first) else mutator.next(pool)
            began = time.perf_counter()
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
            outcome = kind = "taken"
            try:
                kind = f"taken {feed(raw)}"
            except Refused as refused:
                outcome = refused.reason.name
                kind = f"{outcome} {refused.facts.get('why')!s:.60} {','.join(refused.facts)}"
            except target.refusals as fault:
                outcome = type(fault).__name__
            except Exception as fault:  # noqa: BLE001  # supervisor: every other error is what is looked for
                findings.append(Finding(target.name, number, raw, fault))
                outcome = f"! {type(fault).__name__}"
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            took = time.perf_counter() - began
            _count(tally, outcome, took, raw)
            if kind not in seen and len(seen) < NEW_MAX:
                seen.add(kind)
                pool.append(raw)
    return findings


def feed_one(target: Target, raw: bytes) -> str:
    """Feed one input to a target that was just set up; return what came of it. Raises what none may raise."""
    with target.open() as feed, _limited():
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
        try:
            return f"taken {feed(raw)}"
        except (Refused, *target.refusals) as refused:
            return f"refused: {refused}"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _count(tally: Tally, outcome: str, took: float, raw: bytes) -> None:
    tally.inputs += 1
    tally.taken += outcome == "taken"
    tally.outcomes[outcome] += 1
    tally.seconds += took
    if took > tally.slowest_s:
        tally.slowest_s, tally.slowest = took, raw


def check_memory(before: int) -> None:
    """Assert that the process has not grown too much since it had `before` bytes at most."""
    grown = memory_peak() - before
    assert grown <= GROWTH_BYTES_MAX, f"memory grew by {grown >> 20} MiB"


def memory_peak() -> int:
    """Return the most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def rounds(targets: list[Target], inputs: int) -> Iterator[tuple[Target, int]]:
    """Yield targets and numbers of rounds, shared out by weight and in turns, until there are as many inputs."""
    total = sum(target.weight for target in targets)
    for number in range(-(-inputs // (ROUND * total))):
        for target in targets:
            for turn in range(target.weight):
                yield target, number * target.weight + turn
