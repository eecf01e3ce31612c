"""`assay testnet simulate`: a network in virtual time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit import Exit
from cli.out import table
from cli.verb import Cli, verb
from node.rpc.json_value import Json
from primitives.reasons import Reason, Refused

if TYPE_CHECKING:
    from testnet.sim.report import Report

SHOWN_MOMENTS = 40
"""The end of the timeline of a run that failed."""


def add_to(app: typer.Typer) -> None:
    """Make `simulate` a command of `app`."""
    verb(app)(simulate)


def simulate(
    cli: Cli,
    manifest: Annotated[Path, typer.Argument(help="A manifest, or the name of one of ours, such as storm.")],
    seeds: Annotated[str | None, typer.Option("--seeds", help="Seeds A:B, B not included.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="One seed.")] = None,
    mutant: Annotated[str, typer.Option("--mutant", help="Run cores with one rule broken; `list` names them.")] = "",
    *,
    timeline: Annotated[bool, typer.Option("--timeline", help="Print what happened when, of one seed.")] = False,
) -> None:
    """Run a network in virtual time, once for each seed, and check what must always hold."""
    from testnet.manifest import read_manifest
    from testnet.sim import report as reports
    from testnet.sim.campaign import commit_here
    from testnet.sim.campaign import simulate as run
    from testnet.sim.mutants.cores import MUTANTS

    if mutant == "list":
        told: list[Json] = [{"mutant": name, "rule": each.rule, "what": each.what} for name, each in MUTANTS.items()]
        cli.out.result(
            told,
            *table(
                ("MUTANT", "RULE", "WHAT IT DOES"), [(name, each.rule, each.what) for name, each in MUTANTS.items()]
            ),
        )
        return
    if mutant and mutant not in MUTANTS:
        raise Refused(Reason.REQUEST_INVALID, seen=mutant, wanted="the name of a mutant, or `list`")
    network = read_manifest(manifest)
    chosen = _seeds(seeds, seed)
    found: list[Report] = []
    lines: list[str] = []
    for number in chosen:
        made, world = run(network, number, mutant=mutant, traced=timeline)
        found.append(made)
        if timeline:
            lines += table(reports.TIMELINE, reports.timeline_rows(world.moments or []))
        cli.out.note(f"seed {number}: {made.broken or 'ok'}")
        if made.broken:
            _, again = run(network, number, mutant=mutant, traced=True)
            lines += _failure(made, reports.timeline_rows(again.moments or []))
            lines.append(reports.replay(made, str(manifest), commit_here()))
            break
    cli.out.result(_json(found), *_rows(found), *lines)
    if any(each.broken for each in found):
        raise typer.Exit(Exit.PROBLEMS)


def _seeds(seeds: str | None, seed: int | None) -> list[int]:
    """Return the seeds that are asked for; by default one."""
    if seeds is None:
        return [seed or 0]
    first, colon, last = seeds.partition(":")
    if not (colon and first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise Refused(Reason.REQUEST_INVALID, seen=seeds, wanted="seeds A:B with A below B")
    return list(range(int(first), int(last)))


def _json(found: "list[Report]") -> Json:
    import msgspec

    runs: list[Json] = [msgspec.structs.asdict(each) for each in found]
    return {"runs": runs, "broken": sum(bool(each.broken) for each in found)}


def _rows(found: "list[Report]") -> list[str]:
    from testnet.sim.report import headings, row, total_faults

    faults = total_faults(found)
    lines = table(headings(), [row(each) for each in found])
    return [*lines, "", *table(("FAULT", "STRUCK", "IN RUNS"), faults)] if faults else lines


def _failure(report: "Report", moments: list[tuple[str, ...]]) -> list[str]:
    from testnet.sim.report import TIMELINE

    return ["", f"BROKEN {report.broken}: {report.what}", "", *table(TIMELINE, moments[-SHOWN_MOMENTS:]), ""]
