"""`assay job batch`: many runs of one model by one transaction."""

import json
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from cli.money import karat, parse_karat
from cli.options import KeyName, PasswordFile, WaitS
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

app = typer.Typer(name="batch", help="Batches: many runs of one model, ordered at once.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]


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
    """Order one run of a model on each input; all of them are submitted, or none."""
    from cli.batches import Terms, ordered, read_inputs, wait_for_all
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
        told = wait_for_all(client, batch, wait_s=wait_s) if wait else client.rpc.table("batch.show", id=batch.hex())
    names: list[Json] = [each.name for each in found]
    cli.out.result({**told, "names": names}, *(_lines(told, names) if wait else [batch.hex()]))
    _exit_if_void(told, waited=wait)


@verb(app)
def show(cli: Cli, batch: BatchId) -> None:
    """Show what has become of each item."""
    told = _show(cli, batch)
    cli.out.result(told, *_lines(told, []))


@verb(app)
def result(
    cli: Cli,
    batch: BatchId,
    output: Annotated[Path | None, typer.Option("--output", help="Write them into this folder, encoded.")] = None,
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
        told = client.rpc.table("batch.show", id=batch)
        opener = cache(lambda: open_key(cli, key, password_file, network=network))
        for line, raw in outputs_of(client, told, opener):
            if raw is not None and output is not None:
                output.mkdir(parents=True, exist_ok=True)
                path = output / f"{line['item']}.bundle"
                path.write_bytes(raw)
                line["output"] = str(path)
            lines.append(line)
    cli.out.result(lines, *(json.dumps(each) for each in lines))


def _show(cli: Cli, batch: str) -> dict[str, Json]:
    with cli.node() as node:
        return node.table("batch.show", id=batch)


def _lines(told: dict[str, Json], names: list[Json]) -> list[str]:
    """Return a batch as people read it."""
    items = records(told["items"])
    rows = [
        (
            each["item"],
            *((names[at],) if names else ()),
            each["job"],
            each["state"],
            each["outcome"] or "-",
            karat(int(str(each["price"]))),
        )
        for at, each in enumerate(items)
    ]
    heads = ("ITEM", *(("INPUT",) if names else ()), "JOB", "STATE", "OUTCOME", "PRICE")
    pairs: list[tuple[str, object]] = [
        ("batch", told["id"]),
        ("ended", f"{told['ended']} of {len(items)}"),
        ("held", f"{karat(int(str(told['escrow'])))} karat"),
    ]
    return [*facts(pairs), "", *table(heads, rows)]


def _exit_if_void(told: dict[str, Json], *, waited: bool) -> None:
    """End with a status of its own if an item has no result, so that a script sees it."""
    from cli.exit import Exit

    if waited and any(each["state"] == "void" for each in records(told["items"])):
        raise typer.Exit(Exit.PROBLEMS)
