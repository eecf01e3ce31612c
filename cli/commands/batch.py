"""`assay job batch`: many runs of one model by one transaction."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.money import karat, parse_karat
from cli.options import KeyName, PasswordFile, WaitS
from cli.out import facts, reason_told, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

if TYPE_CHECKING:
    from cli.client import Client

app = typer.Typer(name="batch", help="Batches: many runs of one model, ordered at once.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
Inputs = Annotated[
    Path | None, typer.Option("--inputs", help="The inputs as they were submitted, to tell the items by their names.")
]


@verb(app)
def submit(
    cli: Cli,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    inputs: Annotated[Path, typer.Option("--inputs", help="A folder of input files, or a file of JSON lines.")],
    max_price: Annotated[str, typer.Option("--max-price", help="The most to pay for each run, karat.")],
    tier: Annotated[str, typer.Option("--tier", help="spot, standard, high or max.")] = "high",
    value_at_risk: Annotated[
        str, typer.Option("--value-at-risk", help="What a false result may cost you, karat: raises the bond.")
    ] = "0",
    provider: Annotated[str | None, typer.Option("--provider", help="The one worker that may run them.")] = None,
    *,
    class_: Annotated[str | None, typer.Option("--class", help="native or exact; by default native if served.")] = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
    wait_s: WaitS = 300.0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all are settled or void.")] = False,
) -> None:
    """Order one run of a model on each input; all of them are submitted, or none.

    The batch's id is told before anything is waited for: whatever happens here, it goes on, and `assay job batch watch`
    follows it.
    """
    from cli.batches import Terms, ordered, read_inputs
    from cli.client import Client
    from cli.commands.job import class_of, id_of, tier_of
    from cli.wallet_keys import open_key

    price, at_risk = parse_karat(max_price), parse_karat(value_at_risk)
    terms = Terms(tier=tier_of(tier), class_=class_of(class_), max_price=price, at_risk=at_risk)
    found = read_inputs(inputs)
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        worker = client.address(provider) if provider else None
        batch = ordered(client, signer, id_of(model), found, terms, provider=worker)
        cli.out.note(f"batch {batch.hex()}: {len(found)} runs")
        client.final(batch)
        names: list[Json] = [each.name for each in found]
        told = _follow(cli, client, batch, names, wait_s) if wait else _shown(client, batch.hex())
    cli.out.result({**told, "names": names}, *(_lines(told, names) if wait else [batch.hex()]))
    if wait:
        _exit_if_void(told)


@verb(app)
def watch(cli: Cli, batch: BatchId, inputs: Inputs = None, wait_s: WaitS = 600.0) -> None:
    """Follow a batch until its client has all results, or never will."""
    from cli.client import Client
    from cli.commands.job import id_of

    with cli.node() as node:
        client = Client(node)
        names = _names(inputs, _shown(client, batch))
        told = _follow(cli, client, id_of(batch), names, wait_s)
    cli.out.result({**told, "names": names}, *_lines(told, names))
    _exit_if_void(told)


@verb(app)
def show(cli: Cli, batch: BatchId, inputs: Inputs = None) -> None:
    """Show what has become of each item."""
    from cli.client import Client

    with cli.node() as node:
        told = _shown(Client(node), batch)
    names = _names(inputs, told)
    cli.out.result({**told, "names": names}, *_lines(told, names))


@verb(app)
def result(
    cli: Cli,
    batch: BatchId,
    output: Annotated[Path | None, typer.Option("--output", help="Write them into this folder, encoded.")] = None,
    inputs: Inputs = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
) -> None:
    """Fetch the outputs: as JSON lines, one for each item, or into a folder; items without one say why."""
    from cli.batches import outputs_of
    from cli.client import Client
    from cli.wallet_keys import open_key

    lines: list[Json] = []
    with cli.node() as node:
        client = Client(node)
        network = client.network.prefix
        told = _shown(client, batch)
        names = _names(inputs, told)
        opener = cache(lambda: open_key(cli, key, password_file, network=network))
        for at, (line, raw) in enumerate(outputs_of(client, told, opener)):
            if names:
                line["input"] = names[at]
            if raw is not None and output is not None:
                output.mkdir(parents=True, exist_ok=True)
                path = output / f"{line['item']}.bundle"
                path.write_bytes(raw)
                line["output"] = str(path)
            lines.append(line)
    cli.out.result(lines, *(json.dumps(each) for each in lines))


def _shown(client: "Client", batch: str) -> dict[str, Json]:
    """Return what the chain says of a batch. Raises Refused BATCH_UNKNOWN."""
    return client.rpc.table("batch.show", id=batch)


def _names(inputs: Path | None, told: dict[str, Json]) -> list[Json]:
    """Return the names of a batch's inputs, if they are at hand. Raises Refused CONTENT_MISMATCH if they are others."""
    from cli.batches import names_of, read_inputs

    return [] if inputs is None else names_of(read_inputs(inputs), told)


def _follow(cli: Cli, client: "Client", batch: bytes, names: list[Json], wait_s: float) -> dict[str, Json]:
    """Print each item as it ends, and return the batch when all have."""
    from cli.batches import watched

    told, ended = _shown(client, batch.hex()), 0
    try:
        for told, fresh in watched(client, batch, wait_s=wait_s):
            for each in fresh:
                ended += 1
                name = f" {names[int(str(each['item']))]}" if names else ""
                line = f"{ended} of {len(records(told['items']))} ended: item {each['item']}{name} {_end(each)}"
                cli.out.event({"batch": batch.hex(), **each}, line)
    except KeyboardInterrupt:
        cli.out.note(f"it goes on; follow it with `assay job batch watch {batch.hex()}`")
        raise
    return told


def _end(item: dict[str, Json]) -> str:
    """Return how an item has ended, as far as its state does not tell it, and why."""
    state, why = str(item["state"]), _outcome(item)
    return state if why in ("-", state) else f"{state}: {why}"


def _outcome(item: dict[str, Json]) -> str:
    found = dict.fromkeys(reason_told(each) for each in records(item["declined"]))
    return ", ".join([str(item["outcome"] or "-"), *found])


def _lines(told: dict[str, Json], names: list[Json]) -> list[str]:
    """Return a batch as people read it."""
    from cli.batches import has_ended

    items = records(told["items"])
    rows = [
        (
            each["item"],
            *((names[at],) if names else ()),
            each["job"],
            each["state"],
            _outcome(each),
            karat(int(str(each["price"]))),
            "-" if each["paid"] is None else karat(int(str(each["paid"]))),
        )
        for at, each in enumerate(items)
    ]
    heads = ("ITEM", *(("INPUT",) if names else ()), "JOB", "STATE", "OUTCOME", "PRICE", "PAID")
    ended = [each for each in items if has_ended(each)]
    states = Counter(str(each["state"]) for each in ended)
    parted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    pairs: list[tuple[str, object]] = [
        ("batch", told["id"]),
        ("ended", f"{len(ended)} of {len(items)}" + (f": {parted}" if parted else "")),
        ("paid", f"{karat(sum(int(str(each['paid'] or 0)) for each in items))} karat, for runs and verifiers"),
        ("held", f"{karat(int(str(told['escrow'])))} karat, for those that nobody is paid for yet"),
    ]
    return [*facts(pairs), "", *table(heads, rows)]


def _exit_if_void(told: dict[str, Json]) -> None:
    """End with a status of its own if an item has no result, so that a script sees it."""
    from cli.exit import Exit

    if any(each["state"] == "void" for each in records(told["items"])):
        raise typer.Exit(Exit.PROBLEMS)
