"""Run the ONNX backend test suite: `python -m tests.vm.backend_suite [--write] [NAME...]`.

Without `--write` it says what came of each case otherwise than expected.txt says; with it, it writes that file.
"""

import argparse
import sys
import time
from collections import Counter

from tests.vm.backend_suite.cases import suite
from tests.vm.backend_suite.expected import EXPECTED, Row, read, table, tried


def main() -> int:
    """Try the cases named, or all; return 1 if one came out otherwise than expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.backend_suite", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases whose names hold this")
    parser.add_argument("--write", action="store_true", help="write what came out as what is expected")
    asked = parser.parse_args()
    chosen = [case for case in suite() if not asked.names or any(name in case.name for name in asked.names)]
    began = time.monotonic()
    rows = [tried(case) for case in chosen]
    held = read() if EXPECTED.exists() else {}
    changed = [row for row in rows if row != held.get(row.name)]
    if asked.write:
        EXPECTED.write_text(table({**(held if asked.names else {}), **{row.name: row for row in rows}}))
    else:
        for row in changed:
            print(row.line())
    _count(rows)
    print(f"{len(changed)} of {len(rows)} otherwise than expected, {time.monotonic() - began:.0f} s")
    return 1 if changed and not asked.write else 0


def _kind(outcome: str) -> str:
    return "pass" if outcome.startswith("pass") else outcome.partition(":")[0]


def _count(rows: list[Row]) -> None:
    columns = [
        ("canonical", [row.canonical for row in rows]),
        ("native", [row.native for row in rows]),
        ("offered", [row.offered for row in rows]),
    ]
    for name, outcomes in columns:
        counts = Counter(_kind(outcome) for outcome in outcomes)
        bound = sum(outcome.endswith(" bound") for outcome in outcomes)
        told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
        print(f"{name:<10} {told}{f', of the passes {bound} with inputs made constants' if bound else ''}")


sys.exit(main())
