"""What came out of simulated runs, and how it is told: a row for a seed, a table of faults, a timeline of a failure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from primitives.record import Record

COLUMNS = (
    ("seed", "SEED", "the seed"),
    ("nodes", "NODES", "validators, twins counted once"),
    ("events", "EVENTS", "messages that arrived, timers that rang, work that was done"),
    ("sim_s", "SIM S", "simulated seconds"),
    ("blocks", "BLOCKS", "final blocks"),
    ("views", "VIEWS", "views, of all epochs together"),
    ("epochs", "EPOCHS", "epochs begun"),
    ("heal_ms", "HEAL MS", "from the end of the faults until every honest node had three new final blocks"),
    ("heal_views", "VIEWS", "views that this took"),
    ("caught", "CAUGHT", "dishonest nodes that an honest one accused, with proof or for a broken rule"),
    ("faults", "FAULTS", "faults that struck, of all kinds together"),
    ("digest", "DIGEST", "the first digits of the hash of all events: equal seeds give equal runs"),
    ("verdict", "VERDICT", "ok, or the check that failed"),
)
"""The fixed columns of a report: name in JSON, heading, meaning."""
DIGITS = 12


class Moment(NamedTuple):
    """A row of a timeline."""

    ms: int
    node: str
    what: str
    epoch: int
    view: int
    facts: str


class Report(Record):
    """What came out of a run."""

    manifest: str
    seed: int
    mutant: str
    """The core with one rule broken that ran; empty for the product."""
    nodes: int
    events: int
    blocks: int
    views: int
    epochs: int
    simulated_ms: int
    heal_ms: int
    heal_views: int
    """How long after the faults all honest nodes had committed anew."""
    messages: int
    """What honest nodes sent, each receiver counted."""
    bytes: int
    """In these messages."""
    faults: dict[str, int]
    caught: int
    digest: str
    broken: str
    """The check that failed, empty if none did."""
    what: str


def row(report: Report) -> tuple[str, ...]:
    """Return the row of a run, by COLUMNS."""
    return (
        str(report.seed),
        str(report.nodes),
        str(report.events),
        f"{report.simulated_ms / 1000:.1f}",
        str(report.blocks),
        str(report.views),
        str(report.epochs),
        str(report.heal_ms),
        str(report.heal_views),
        str(report.caught),
        str(sum(report.faults.values())),
        report.digest[:DIGITS],
        report.broken or "ok",
    )


def headings() -> tuple[str, ...]:
    """Return the headings of the columns."""
    return tuple(heading for _, heading, _ in COLUMNS)


def total_faults(reports: Sequence[Report]) -> list[tuple[str, str, str]]:
    """Return a row for each kind of fault: its name, how often it struck, in how many runs."""
    counts: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for report in reports:
        counts.update(report.faults)
        runs.update(report.faults.keys())
    return [(name, str(counts[name]), str(runs[name])) for name in sorted(counts)]


def replay(report: Report, path: str, commit: str) -> str:
    """Return the line that repeats a run: to be pasted into a shell."""
    mutant = f" --mutant {report.mutant}" if report.mutant else ""
    at = f"   # at commit {commit}" if commit else ""
    return f"assay testnet simulate {path} --seed {report.seed}{mutant}{at}"


def timeline_rows(moments: Sequence[Moment]) -> list[tuple[str, ...]]:
    """Return the rows of a timeline."""
    return [(str(each.ms), each.node, each.what, str(each.epoch), str(each.view), each.facts) for each in moments]


TIMELINE = ("MS", "NODE", "WHAT", "EPOCH", "VIEW", "FACTS")
