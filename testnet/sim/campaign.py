"""Many seeds of many manifests, on all cores, and what came of them."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from primitives.reasons import Refused
from testnet.manifest import MANIFESTS, Manifest, read_manifest
from testnet.sim.mutants.cores import core_of
from testnet.sim.report import Report
from testnet.sim.run import Simulation

CHUNK_SEEDS = 5
"""Seeds that a process runs at a time: some seconds of work, all that a stopped campaign loses."""
RESULT_BYTES_MAX = 1 << 20
"""One line of the file of results."""


class Chunk(NamedTuple):
    """Some seeds of one manifest."""

    manifest: str
    first: int
    last: int
    """Not included."""
    mutant: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a chunk."""

    commit: str
    chunk: Chunk
    cpu_s: float
    reports: list[Report]


def simulate(
    manifest: Manifest, seed: int, *, mutant: str = "", traced: bool = False, watched: bool = False
) -> tuple[Report, Simulation]:
    """Run one seed of a manifest; a mutant's under the eyes of all obligations."""
    simulation = Simulation(
        manifest, seed, core=core_of(mutant), mutant=mutant, traced=traced, watched=watched or bool(mutant)
    )
    return simulation.run(), simulation


def run_chunk(chunk: Chunk) -> Outcome:
    """Run some seeds, one after another."""
    try:
        manifest = read_manifest(Path(chunk.manifest))
    except Refused as fault:
        raise ValueError(str(fault)) from None  # a refusal does not travel between processes
    began = time.process_time()
    reports = [simulate(manifest, seed, mutant=chunk.mutant)[0] for seed in range(chunk.first, chunk.last)]
    return Outcome(commit="", chunk=chunk, cpu_s=time.process_time() - began, reports=reports)


def run_chunks(chunks: Sequence[Chunk], processes: int) -> Iterator[Outcome]:
    """Run chunks on so many processes, and return what came of them as it comes."""
    if processes == 1:
        yield from map(run_chunk, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_chunk, chunks)


def chunks_of(manifest: str, first: int, last: int, mutant: str = "") -> list[Chunk]:
    """Return the seeds from `first` to `last`, which is not included, in chunks."""
    return [Chunk(manifest, at, min(at + CHUNK_SEEDS, last), mutant) for at in range(first, last, CHUNK_SEEDS)]


def ours() -> list[str]:
    """Return the names of the manifests that come with the product."""
    return sorted(path.stem for path in MANIFESTS.glob("*.toml"))


def shares(seeds: int) -> dict[str, int]:
    """Return how many of a campaign's seeds each of our manifests gets, by the shares that they name."""
    wanted = {name: read_manifest(Path(name)).simulation.seeds for name in ours()}
    total = sum(wanted.values())
    given = {name: seeds * share // total for name, share in wanted.items()}
    names = sorted(given, key=lambda name: (-wanted[name], name))
    for at in range(seeds - sum(given.values())):  # what rounding leaves over
        given[names[at]] += 1
    return given


def plan(seeds: int) -> list[Chunk]:
    """Return a whole campaign, the manifests in turn, so that what fails early fails soon."""
    queues = [chunks_of(name, 0, count) for name, count in shares(seeds).items()]
    longest = max(len(queue) for queue in queues)
    return [queue[at] for at in range(longest) for queue in queues if at < len(queue)]


def commit_here() -> str:
    """Return the commit of the working tree, empty where there is none; `+` marks what is not committed."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=10"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


class Results:
    """A file of outcomes, one a line: what was done before, and what is done now."""

    def __init__(self, path: Path, commit: str) -> None:
        self._path = path
        self._commit = commit
        self.outcomes: list[Outcome] = []
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    self._recall(line[:RESULT_BYTES_MAX])

    def _recall(self, line: bytes) -> None:
        try:
            outcome = msgspec.json.decode(line, type=Outcome)
        except msgspec.DecodeError:
            return  # the end of a line that was not written whole
        if outcome.commit == self._commit:
            self.outcomes.append(outcome)

    def missing(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks of which nothing is known yet."""
        done = {outcome.chunk for outcome in self.outcomes}
        return [chunk for chunk in chunks if chunk not in done]

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        outcome = msgspec.structs.replace(outcome, commit=self._commit)
        self.outcomes.append(outcome)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")

    @property
    def reports(self) -> list[Report]:
        """Return all reports."""
        return [report for outcome in self.outcomes for report in outcome.reports]


def cores() -> int:
    """Return how many processes this machine runs at a time."""
    return len(os.sched_getaffinity(0))
