"""`assay dispute`, and `assay job challenge`: who says what of a job's result, and who is right."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from cli.money import karat
from cli.options import Limit, WaitS
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records
from primitives.reasons import Reason, Refused

if TYPE_CHECKING:
    from node.rpc.client import RpcClient

app = typer.Typer(name="dispute", help="Disputes: who says what of a result, and who is right.", no_args_is_help=True)

Record = dict[str, Json]

DisputeId = Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")]
EXAMINE_S = 300.0
"""Two canonical runs of the largest model, on a machine that has other duties."""
POLL_S = 0.5
"""Between two questions: a block takes about as long."""
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
        told, lines = _shown(node, dispute)
    cli.out.result(told, *lines)


@verb(app)
def watch(cli: Cli, dispute: DisputeId, wait_s: WaitS = 1_200.0) -> None:
    """Follow a dispute until it is decided."""
    seen: list[str] = []
    stop = time.monotonic() + wait_s
    with cli.node() as node:
        while True:
            told, lines = _shown(node, dispute)
            fresh = [line for line in lines if line not in seen and not line.startswith(_COUNTS_DOWN)]
            if fresh:
                cli.out.event(told, "\n".join(fresh))
            seen += fresh
            if told["outcome"] is not None:
                break
            if time.monotonic() > stop:
                raise Refused(Reason.STILL_PENDING, dispute=dispute, stage=str(told["stage"]), waited_s=int(wait_s))
            time.sleep(POLL_S)
    cli.out.result(told, *lines)


def _shown(node: "RpcClient", dispute: str) -> tuple[Record, list[str]]:
    """Return a dispute, and the same as people read it. Raises Refused DISPUTE_UNKNOWN."""
    told = node.table("dispute.show", id=dispute)
    job = node.table("job.show", id=told["job"])
    return told, _lines(told, job, int(str(node.table("chain.head")["live_ms"])))


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
        cli.out.result(
            {**found, **claimed},
            f"dispute {claimed['dispute']}",
            f"follow it with `assay dispute watch {claimed['dispute']}`",
        )


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


def _lines(told: Record, job: Record, live_ms: int) -> list[str]:
    """Return a dispute as people read it."""
    stage = str(told["stage"])
    parts = _parts(job)
    pairs: list[tuple[str, object]] = [
        ("dispute", told["id"]),
        ("job", told["job"]),
        ("about", _about(told)),
        ("stage", f"{stage}: {_STAGES[stage]}" if stage in _STAGES else stage),
    ]
    if told["past"]:
        pairs.append(("since then", "another round about the same: this one says nothing of the parties"))
    if told["due_live_ms"] is not None:
        pairs.append((_COUNTS_DOWN, f"{max(0, int(str(told['due_live_ms'])) - live_ms) // 1_000} s of live time"))
    if told["outcome"] is not None:
        pairs.append(("outcome", _VERDICTS[str(told["outcome"])]))
    if told["ill_conditioned"]:
        pairs.append(("condition", "honest machines themselves differ too much: nobody is slashed"))
    struck = {each["root"]: each["struck"] for each in records(told["traces"])}
    pairs += [("claim", _claim(each, struck, parts)) for each in records(told["claims"])]
    pairs += _duel(told)
    pairs += [
        ("found", f"{each['party']} ({parts.get(str(each['party']), 'party')}): {_off(each)}")
        for each in records(told["findings"])
    ]
    if job["ruled"] is not None:
        pairs.append(("the job ends", f"{job['ruled']}, by all that its disputes have found"))
    pairs += [
        (str(each["kind"]), f"{karat(int(str(each['amount'])))} to {each['to'] or 'a pot'}")
        for each in records(told["payouts"])
    ]
    pairs += [("lost", f"{karat(int(str(each['amount'])))} by {each['worker']}") for each in records(told["penalties"])]
    return facts(pairs)


def _parts(job: Record) -> dict[str, str]:
    """Return what the parties of a job are, by their addresses."""
    found = {str(each["worker"]): f"verifier, {each['verdict'] or 'silent'}" for each in records(job["verifiers"])}
    return {**found, str(job["provider"]): "provider"}


_COUNTS_DOWN = "ends within"
"""What a line begins with that says nothing new each second."""
_STAGES = {
    "drawing": "the beacon is to draw three workers without a part in the job; anybody may claim",
    "claiming": "anybody may commit to a claim; when its time is over, all are opened",
    "opening": "claims are opened",
    "duel": "of two claims that differ, one element is found that every validator computes",
    "judging": "the parties' values are held against the claim that stands; what nobody proves counts as right",
}
_VERDICTS = {
    "upheld": "one trace stands, confirmed by a drawn worker or by the referee",
    "unconfirmed": "one trace stands, and nobody else has confirmed it: it slashes nobody",
    "none_stands": "no trace stands",
}


def _claim(claim: Record, struck: dict[Json, Json], parts: dict[str, str]) -> str:
    role, bond = str(claim["role"]), int(str(claim["bond"]))
    part = parts.get(str(claim["who"]), role) if role == "party" else role
    who = f"{claim['who']} ({part}{f', bond {karat(bond)}' if bond else ''})"
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
