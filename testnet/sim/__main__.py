"""The nightly campaign: thousands of seeds spread over our manifests. Stopped, it goes on later where it was."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from testnet.sim.campaign import Outcome, Results, commit_here, cores, plan, run_chunks
from testnet.sim.report import replay, total_faults

RESULTS = Path(".night") / "simulate.jsonl"
PROGRESS_S = 10.0
TAB = "  "


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def by_manifest(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each manifest: nodes, seeds, blocks, events, events per second of one core, what broke."""
    names = sorted({outcome.chunk.manifest for outcome in outcomes})
    lines = [f"{'MANIFEST':<20}{'NODES':>6}{'SEEDS':>7}{'BLOCKS':>9}{'EVENTS':>12}{'PER S':>9}  BROKEN"]
    for name in names:
        mine = [outcome for outcome in outcomes if outcome.chunk.manifest == name]
        reports = [report for outcome in mine for report in outcome.reports]
        events, blocks = sum(each.events for each in reports), sum(each.blocks for each in reports)
        cpu_s = sum(outcome.cpu_s for outcome in mine)
        broken = Counter(report.broken for report in reports if report.broken)
        told = ", ".join(f"{check} {count}" for check, count in sorted(broken.items())) or "0"
        lines.append(
            f"{name:<20}{reports[0].nodes:>6}{len(reports):>7}{blocks:>9}{events:>12}{events / cpu_s:>9.0f}  {told}"
        )
    return lines


def tell(results: Results, commit: str) -> int:
    """Print what came of a campaign; return how many runs broke."""
    reports = results.reports
    for line in by_manifest(results.outcomes):
        say(line)
    say("")
    say("faults that struck: " + ", ".join(f"{name} {count}" for name, count, _ in total_faults(reports)))
    events, cpu_s = sum(each.events for each in reports), sum(outcome.cpu_s for outcome in results.outcomes)
    broken = [report for report in reports if report.broken]
    say(
        f"{len(reports)} seeds, {sum(each.blocks for each in reports)} final blocks, {events} events, "
        f"{events / max(cpu_s, 0.001):.0f} per second of one core, {len(broken)} violations"
    )
    for report in broken:
        say(f"BROKEN {report.broken}: {report.what}")
        say(TAB + replay(report, report.manifest, commit))
    return len(broken)


def main() -> int:
    """Run what is missing of a campaign, print it all; exit with 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m testnet.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="in all")
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--results", type=Path, default=RESULTS, help="where what is done is kept")
    chosen = parser.parse_args()
    commit = commit_here()
    results, chunks = Results(chosen.results, commit), plan(chosen.seeds)
    missing = results.missing(chunks)
    say(f"{chosen.seeds} seeds in {len(chunks)} chunks, of which {len(chunks) - len(missing)} are done, at {commit}")
    told_s = began_s = time.monotonic()
    for at, outcome in enumerate(run_chunks(missing, chosen.processes), start=1):
        results.add(outcome)
        now_s = time.monotonic()
        if now_s - told_s > PROGRESS_S or at == len(missing):
            told_s = now_s
            broken = sum(bool(report.broken) for report in results.reports)
            left_s = (now_s - began_s) / at * (len(missing) - at)
            say(f"{at} of {len(missing)} chunks, {len(results.reports)} seeds, {broken} broken, {left_s:.0f} s to go")
    return int(tell(results, commit) > 0)


if __name__ == "__main__":
    sys.exit(main())
