"""`python -m testnet.trials`: plays every disputed case on a network of its own; exit 1 if one ends otherwise.

Whoever stages a case says who lies and how; everything else is the product, on real processes, in real time.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

from primitives.reasons import Refused
from testnet.trials.cases import CASES, MANIFEST, Case
from testnet.trials.report import Outcome, lines, record, table
from testnet.trials.stage import Stage, TrialError

EXIT_WRONG = 1


def main(arguments: list[str]) -> int:
    """Play the cases that are named, or all, and return the exit status."""
    parser = argparse.ArgumentParser(prog="testnet.trials", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="one of --list; by default all")
    parser.add_argument("--list", action="store_true", help="tell the cases, and play none")
    parser.add_argument("--directory", type=Path, help="an empty folder for the network; it is kept")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    options = parser.parse_args(arguments)
    known = {case.name: case for case in CASES}
    if options.list:
        _say(sys.stdout, *(f"{case.name:<22} {case.words}" for case in CASES))
        return 0
    unknown = [name for name in options.cases if name not in known]
    if unknown:
        parser.error(f"there is no case {unknown[0]}; --list tells those that there are")
    chosen = [known[name] for name in options.cases or known]
    if options.directory is not None:
        return _play(chosen, options.directory, json=options.json)
    with tempfile.TemporaryDirectory(prefix="assay-trials-") as directory:
        return _play(chosen, Path(directory) / "network", json=options.json)


def _play(cases: list[Case], directory: Path, *, json: bool) -> int:
    to = sys.stderr if json else sys.stdout
    stage = Stage(directory, MANIFEST)
    outcomes: list[Outcome] = []
    try:
        _say(to, f"starting {len(stage.nodes)} nodes")
        stage.start()
        stage.publish()
        for case in cases:
            outcomes.append(played(stage, case))
            _say(to, *lines(outcomes[-1]))
    finally:
        stage.stop()
    _say(to, "", *table(outcomes))
    if json:
        _say(sys.stdout, record(outcomes))
    return 0 if all(each.is_good for each in outcomes) else EXIT_WRONG


def played(stage: Stage, case: Case) -> Outcome:
    """Play one case, and judge it; what goes wrong is told in what is returned."""
    outcome = Outcome(case=case.name, words=case.words)
    started = time.monotonic()
    try:
        case.play(stage, outcome)
    except (TrialError, Refused) as fault:
        outcome.wrong.append(str(fault))
        stage.give_up()
    outcome.seconds = time.monotonic() - started
    return outcome


def _say(to: TextIO, *words: str) -> None:
    to.write("".join(f"{line}\n" for line in words))
    to.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
