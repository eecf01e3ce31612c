"""`python -m testnet.fair`: 500 jobs by 20 clients over 8 workers of which 3 misbehave; exit 1 if one ends otherwise.

Jobs are placed by a plan that follows from the seed; whoever misbehaves in one plays what the plan says, all else is
the product on real processes. At the end each validator is asked about each job, and all must say the same.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from testnet.audit.recount import Node, recount, told
from testnet.audit.rules import BeyondError, WrongError
from testnet.fair.judge import disagreements, faults, table, times
from testnet.fair.plan import manifest, plan
from testnet.fair.play import Players
from testnet.trials.stage import Stage

EXIT_WRONG = 1
FAULTS_SHOWN = 100
JOBS_MAX = 10_000
"""Three hours at one a second."""
CLIENTS_MAX = 99
"""A manifest has a hundred accounts, and one publishes."""


def main(arguments: list[str]) -> int:
    """Hold a fair, and return the exit status."""
    parser = argparse.ArgumentParser(prog="testnet.fair", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="an empty folder for the network; it is kept")
    options = parser.parse_args(arguments)
    if not (1 <= options.jobs <= JOBS_MAX and 1 <= options.clients <= CLIENTS_MAX):
        parser.error(f"1 to {JOBS_MAX} jobs and 1 to {CLIENTS_MAX} clients, not {options.jobs} and {options.clients}")
    if options.directory is not None:
        return _hold(options.directory, options.jobs, options.clients, options.seed)
    with tempfile.TemporaryDirectory(prefix="assay-fair-") as directory:
        return _hold(Path(directory) / "network", options.jobs, options.clients, options.seed)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _hold(directory: Path, jobs: int, clients: int, seed: int) -> int:
    planned = plan(seed, jobs=jobs, clients=clients)
    stage = Stage(directory, manifest(clients))
    try:
        _say(f"seed {seed}: {len(planned)} jobs by {clients} clients; starting {len(stage.nodes)} nodes")
        stage.start()
        stage.publish()
        began = time.monotonic()
        placed = Players(stage, say=_say).play(planned)
        seconds = time.monotonic() - began
        wrong = [fault for each in placed for fault in faults(each, stage.name_of)]
        wrong += disagreements(placed, stage)
        wrong += _recounted(stage)
        for line in [*table(placed, stage.name_of), *times(placed)]:
            _say(line)
        _say(f"{len(placed)} jobs in {seconds:.0f} s, {len(placed) * 60 / seconds:.0f} a minute, windows included")
        for line in wrong[:FAULTS_SHOWN]:
            _say(f"WRONG: {line}")
        _say(f"{len(wrong)} faults")
        return EXIT_WRONG if wrong else 0
    finally:
        stage.stop()


def _recounted(stage: Stage) -> list[str]:
    """Have every balance recounted from blocks alone, and return what is wrong about it."""
    genesis = json.loads((stage.directory / "genesis.json").read_bytes())
    nodes = [Node(node.rpc) for node in stage.nodes.values()]
    try:
        books = recount(genesis, nodes)
    except (WrongError, BeyondError) as fault:
        return [f"recount: {type(fault).__name__}: {fault}"]
    _say(f"{told(books)}, and {len(nodes)} nodes say the same")
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
