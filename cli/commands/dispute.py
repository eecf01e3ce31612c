"""`assay dispute`, and `assay job challenge`: who says what of a job's result, and who is right."""

from typing import Annotated

import typer

from cli.money import karat
from cli.options import Limit
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

app = typer.Typer(name="dispute", help="Disputes: who says what of a result, and who is right.", no_args_is_help=True)

Record = dict[str, Json]

DisputeId = Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")]
EXAMINE_S = 300.0
"""Two canonical runs of the largest model, on a machine that has other duties."""
PAID_SIGMA, SLASHED_SIGMA = 16, 64
THOUSANDTHS = 1_000


@verb(app)
def list_(
    cli: Cli,
    job: Annotated[str | None, typer.Option("--job", help="Of one job only.")] = None,
    limit: Limit = 100,
    *,
    undecided: Annotated[bool, typer.Option("--open", help="Those that are not decided.")] = False,
) -> None:
    """List disputes."""
    asked: dict[str, Json] = {"limit": limit, "open_only": undecided}
    with cli.node() as node:
        told = node.table("dispute.list", **(asked if job is None else {**asked, "job": job}))
    rows = [
        (each["id"], each["job"], _about(each), each["stage"], each["outcome"] or "-", len(records(each["claims"])))
        for each in records(told["disputes"])
    ]
    if not rows:
        cli.out.note("no disputes; `assay job challenge` opens one where a result is false")
    cli.out.result(told, *(table(("DISPUTE", "JOB", "ABOUT", "STAGE", "OUTCOME", "CLAIMS"), rows) if rows else []))


@verb(app)
def show(cli: Cli, dispute: DisputeId) -> None:
    """Show a dispute: claims, who owes what by when, what was proved, and who paid whom."""
    with cli.node() as node:
        told = node.table("dispute.show", id=dispute)
        live_ms = int(str(node.table("chain.head")["live_ms"]))
    cli.out.result(told, *_lines(told, live_ms))


def add_to(jobs: typer.Typer) -> None:
    """Add the command that opens disputes to those about jobs."""

    @verb(jobs)
    def challenge(
        cli: Cli,
        job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Claim without being asked again.")] = False,
    ) -> None:
        """Re-run a job canonically on the node of this home, and dispute its result if it is false.

        The claim is made by the node's worker, which then follows the dispute by itself. It holds a bond of its
        balance: lost if the claim is wrong, given back with the costs and a bounty if it is right.
        """
        from cli.exit import Exit

        with cli.admin(call_s=EXAMINE_S) as node:
            found = node.table("dispute.examine", id=job)
            cli.out.event(found, "\n".join(_findings(found)))
            if found["subject"] is None:
                cli.out.result({**found, "dispute": None}, "there is no case: nothing is claimed")
                return
            if not yes and not typer.confirm(f"Claim, with a bond of {karat(int(str(found['bond'])))}?", err=True):
                raise typer.Exit(Exit.FAILED)
            claimed = node.table("dispute.challenge", id=job)
        cli.out.result({**found, **claimed}, f"dispute {claimed['dispute']}", "follow it with `assay dispute show`")


def _findings(found: Record) -> list[str]:
    """Return what a node's own run says of a job's parties."""
    told = [f"{each['party']}: {_off(each)}" for each in records(found["findings"])]
    return [*told, f"a claim holds a bond of {karat(int(str(found['bond'])))}"]


def _off(finding: Record) -> str:
    """Return what was found of one party in words."""
    thousandths = int(str(finding["thousandths"]))
    if thousandths > SLASHED_SIGMA * THOUSANDTHS:
        what = "values beyond what any honest machine gives"
    elif thousandths > PAID_SIGMA * THOUSANDTHS:
        what = "values that are not paid for"
    else:
        what = "values within what honest machines give"
    tail = ", and outputs that do not follow from them" if finding["outputs_differ"] else ""
    return f"{what} ({thousandths / THOUSANDTHS:.3f} σ){tail}"


def _about(told: Record) -> str:
    subject = told["subject"]
    assert isinstance(subject, dict)
    return "the whole job" if subject["kind"] == "whole" else f"the outputs of {subject['party']}"


def _lines(told: Record, live_ms: int) -> list[str]:
    """Return a dispute as people read it."""
    pairs: list[tuple[str, object]] = [
        ("dispute", told["id"]),
        ("job", told["job"]),
        ("about", _about(told)),
        ("stage", told["stage"]),
    ]
    if told["due_live_ms"] is not None:
        pairs.append(("ends within", f"{max(0, int(str(told['due_live_ms'])) - live_ms) // 1_000} s of live time"))
    if told["outcome"] is not None:
        pairs.append(("outcome", _VERDICTS[str(told["outcome"])]))
    if told["ill_conditioned"]:
        pairs.append(("condition", "honest machines themselves differ too much: nobody is slashed"))
    struck = {each["root"]: each["struck"] for each in records(told["traces"])}
    pairs += [("claim", _claim(each, struck)) for each in records(told["claims"])]
    pairs += _duel(told)
    pairs += [("found", f"{each['party']}: {_off(each)}") for each in records(told["findings"])]
    pairs += [
        (str(each["kind"]), f"{karat(int(str(each['amount'])))} to {each['to'] or 'a pot'}")
        for each in records(told["payouts"])
    ]
    pairs += [("lost", f"{karat(int(str(each['amount'])))} by {each['worker']}") for each in records(told["penalties"])]
    return facts(pairs)


_VERDICTS = {
    "upheld": "one trace stands, confirmed by a drawn worker or by the referee",
    "unconfirmed": "one trace stands, and nobody else has confirmed it: it slashes nobody",
    "none_stands": "no trace stands",
}


def _claim(claim: Record, struck: dict[Json, Json]) -> str:
    who = f"{claim['who']} ({claim['role']}, {karat(int(str(claim['bond'])))})"
    if not claim["claimed"]:
        return f"{who} owes a claim"
    if claim["trace"] is None:
        return f"{who} is committed"
    fall = struck.get(claim["trace"])
    return f"{who} {str(claim['trace'])[:16]}…" + (f" struck: {fall}" if fall else " stands")


def _duel(told: Record) -> list[tuple[str, object]]:
    """Return what the duel under way has come to, and who owes what."""
    duel = told["duel"]
    if not isinstance(duel, dict):
        return []
    owing = [f"{str(each['trace'])[:16]}…" for each in records(duel["sides"]) if each["owes"]]
    step = f"{duel['step']} of {duel['part']}, operation {duel['operation']}"
    return [("duel", f"number {told['duels']}: {step}"), ("owing", ", ".join(owing) or "nobody")]
