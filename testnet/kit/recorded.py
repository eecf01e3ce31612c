"""A node that writes down each vote before it sends it: `python -m testnet.kit.recorded --home DIR`.

The record lies beside the home, in `votes/NAME.jsonl`, so that it outlives every loss and every old copy of the home:
what it holds twice, the validator has signed twice.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from consensus.io import GuardRecord, Voted
from node.app import run_program
from node.home import Home
from node.store.guard import Guard

VOTES = "votes"


def votes_file(home: Path) -> Path:
    """Return where the votes of a home's validator are written down."""
    return home.parent / VOTES / f"{home.name}.jsonl"


def main(arguments: list[str]) -> int:
    """Run the node of a home until SIGTERM or SIGINT; return its exit status."""
    parser = argparse.ArgumentParser(prog="testnet.kit.recorded", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="directory of a validator's node")
    home: Path = parser.parse_args(arguments).home
    path = votes_file(home)
    path.parent.mkdir(exist_ok=True)
    honest = Guard.persist
    with path.open("a") as record:

        def persist(guard: Guard, epoch: int, records: Iterable[GuardRecord]) -> None:
            written = list(records)
            honest(guard, epoch, written)
            for each in written:
                if isinstance(each, Voted):
                    vote = each.vote.vote
                    told = {"epoch": vote.epoch, "view": vote.view, "kind": vote.kind.name, "block": vote.block.hex()}
                    record.write(json.dumps(told) + "\n")
            record.flush()  # the operating system has it: a killed process loses nothing

        Guard.persist = persist  # type: ignore[assignment, method-assign]  # the one place through which every vote goes
        return run_program(Home(home))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
