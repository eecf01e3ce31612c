"""The long campaign: `python -m tests.fuzz --inputs 1000000`. Stopped, it goes on where it was.

An input that does what none may do is kept in tests/fuzz/corpus, and one line is printed to run its round again.
"""

import argparse
import json
import logging
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.campaign import ROUND, Finding, Tally, check_memory, keep, memory_peak, rounds, run_round
from tests.fuzz.target import Target
from tests.fuzz.targets import targets

STATE = Path(".night") / "fuzz.json"
WARM_ROUNDS = 2
"""Rounds of each target before memory is measured: caches and imports."""
REPORT_S = 30.0


def main() -> None:
    """Run a campaign, or feed one kept input again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs")
    parser.add_argument("--target", default="", help="only targets whose name holds this")
    parser.add_argument("--anew", action="store_true", help="forget where the last campaign stopped")
    parser.add_argument("--round", type=int, metavar="N", help="only this round, of one target")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what is refused is logged, thousands of times
    chosen = [target for target in targets() if asked.target in target.name]
    if asked.round is not None:
        sys.exit(_round(chosen, asked.round, asked.seed))
    if asked.anew:
        STATE.unlink(missing_ok=True)
    sys.exit(_campaign(chosen, asked.inputs, asked.seed))


def _round(chosen: list[Target], number: int, seed: int) -> int:
    tally = Tally()
    findings = run_round(chosen[0], number, tally, seed=seed)
    for each in findings:
        _say("".join(traceback.format_exception(each.fault)))
    _say(f"{chosen[0].name}, round {number}: {dict(tally.outcomes)}")
    return 1 if findings else 0


def _campaign(chosen: list[Target], inputs: int, seed: int) -> int:
    name = f"{seed}/{inputs}/{','.join(target.name for target in chosen)}"
    told = json.loads(STATE.read_text()) if STATE.exists() else {}
    skip = told["done"] if told.get("name") == name else 0
    tallies = {target.name: Tally() for target in chosen}
    began = reported = time.monotonic()
    before, found = 0, 0
    plan = list(rounds(chosen, inputs))
    warm = min(len(plan), WARM_ROUNDS * sum(target.weight for target in chosen))
    for at, (target, number) in enumerate(plan[skip:], start=skip):
        findings = run_round(target, number, tallies[target.name], seed=seed)
        found += _tell(findings)
        if at - skip == warm:
            before = memory_peak()
        elif before:
            check_memory(before)
        if time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            STATE.parent.mkdir(exist_ok=True)
            STATE.write_text(json.dumps({"name": name, "done": at + 1}))
            rate = (at + 1 - skip) * ROUND / (reported - began)
            _say(f"{(at + 1) * ROUND:>10,} of {len(plan) * ROUND:,} inputs, {rate:,.0f}/s, {found} findings")
    STATE.unlink(missing_ok=True)
    _report(tallies, time.monotonic() - began, found, memory_peak() - before)
    return 1 if found else 0


def _tell(findings: list[Finding]) -> int:
    """Keep and print the findings of a round, the first of each kind; return how many there are."""
    told: set[str] = set()
    for each in findings:
        where = f"{type(each.fault).__name__} at {each.place}"
        if where not in told:
            told.add(where)
            keep(each)
            _say(f"! {where}: {each.fault!s:.100}; python -m tests.fuzz --target {each.target} --round {each.round}")
    return len(findings)


def _report(tallies: dict[str, Tally], seconds: float, found: int, grown: int) -> None:
    _say(f"{'target':<46} {'inputs':>9} {'taken':>9} {'refusals':>8} {'µs':>7} {'slowest ms':>10}")
    for name, tally in tallies.items():
        each_us = tally.seconds / max(1, tally.inputs) * 1e6
        _say(
            f"{name:<46} {tally.inputs:>9,} {tally.taken:>9,} {len(tally.outcomes):>8} {each_us:>7,.0f}"
            f" {tally.slowest_s * 1e3:>10,.1f}"
        )
    total = sum(tally.inputs for tally in tallies.values())
    slowest_name, slowest = max(tallies.items(), key=lambda item: item[1].slowest_s)
    _say(f"{total:,} inputs to {len(tallies)} targets in {seconds:,.0f} s: {found} findings")
    _say(f"memory grew by {grown >> 20} MiB after the first rounds, to {memory_peak() >> 20} MiB")
    shown = slowest.slowest[:24].hex()
    _say(f"slowest: {slowest_name}, {slowest.slowest_s * 1e3:,.0f} ms, {len(slowest.slowest)} bytes {shown}...")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
