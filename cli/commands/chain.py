"""`assay chain`: blocks and transactions."""

from pathlib import Path
from typing import Annotated

import typer

from cli.money import karat
from cli.options import Limit
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

app = typer.Typer(name="chain", help="The chain: its head, blocks, transactions.", no_args_is_help=True)


@verb(app)
def head(cli: Cli) -> None:
    """Show the last final block."""
    _show(cli, "chain.head")


@verb(app)
def block(cli: Cli, which: Annotated[str, typer.Argument(help="A height or a block's id.")]) -> None:
    """Show a final block."""
    if which.isdigit() and len(which) < 20:  # noqa: PLR2004 - an id has 64 digits, a height at most 19
        _show(cli, "chain.block", height=int(which))
    else:
        _show(cli, "chain.block", id=which)


@verb(app)
def tx(cli: Cli, id_: Annotated[str, typer.Argument(metavar="ID", help="The transaction's id.")]) -> None:
    """Show where a transaction stands."""
    _show(cli, "chain.tx", id=id_)


@verb(app)
def epoch(
    cli: Cli, number: Annotated[int | None, typer.Argument(min=0, help="Its number; none: the running one.")] = None
) -> None:
    """Show an epoch and its validators."""
    from cli.epochs import moment

    asked: dict[str, Json] = {} if number is None else {"epoch": number}
    with cli.node() as node:
        told = node.table("epoch.get", **asked)
    members = records(told["members"])
    heads = ("INDEX", "VALIDATOR", "WEIGHT", "BLOCKS", "MISSED")
    rows = [
        (
            each["index"],
            each["validator"],
            karat(int(str(each["weight"]))),
            _or_dash(each["proposed"]),
            _or_dash(each["missed"]),
        )
        for each in members
    ]
    pairs: list[tuple[str, object]] = [("epoch", told["epoch"]), ("running", told["running"])]
    times = [("started", told["started_ms"]), ("ends", told["ends_ms"])]
    pairs += [(name, moment(time_ms)) for name, time_ms in times if time_ms is not None]
    pairs += [("weight", karat(int(str(told["weight"])))), ("set", told["validators_hash"])]
    cli.out.result(told, *facts(pairs), "", *table(heads, rows))


@verb(app)
def fees(cli: Cli) -> None:
    """Show what gas costs now, what to offer for it, and what a transfer and a job pay at that price."""
    with cli.node() as node:
        told = node.table("fee.estimate")
    kinds = told["kinds"]
    assert isinstance(kinds, dict)
    price = int(str(told["base_fee"])) + int(str(told["tip"]))
    pieces = {"Transfer": 1, "JobSubmit": 2}  # of their length, as the fee counts it
    cost = {name: price * (int(str(kinds[name])) + each * int(str(told["piece_gas"]))) for name, each in pieces.items()}
    pairs: list[tuple[str, object]] = [
        ("base fee", f"{told['base_fee']} grains per gas, {told['base_fee_min']} at least")
    ]
    pairs += [("to offer", f"cap {told['fee_cap']}, tip {told['tip']}")]
    pairs += [
        ("last block", f"{told['gas_used']:,} gas of ordinary transactions; the fee rises above {told['gas_target']:,}")
    ]
    pairs += [("a transfer", f"{karat(cost['Transfer'])} karat"), ("a job", f"{karat(cost['JobSubmit'])} karat")]
    cli.out.result(told, *facts(pairs))


@verb(app)
def pool(
    cli: Cli,
    who: Annotated[str | None, typer.Argument(help="Whose; an address or the name of a key.")] = None,
    limit: Limit = 20,
) -> None:
    """Show the transactions that wait in the node for a block."""
    from cli.wallet_keys import address_of_name

    asked: dict[str, Json] = {} if who is None else {"sender": address_of_name(cli, who)}
    with cli.node() as node:
        told, content = node.table("mempool.status"), node.table("mempool.content", limit=limit, **asked)
    found = records(content["transactions"])
    names = ("transactions", "bytes", "accounts", "behind_gap", "parked", "kept", "base_fee")
    heads = ("TRANSACTION", "SENDER", "NONCE", "KIND", "CAP", "TIP", "STANDS")
    rows = [
        tuple(each[name] for name in ("id", "sender", "nonce", "kind", "fee_cap", "tip", "stands")) for each in found
    ]
    lines = facts([(name.replace("_", " "), told[name]) for name in names])
    cli.out.result({**told, "content": [*found]}, *lines, *(["", *table(heads, rows)] if rows else []))


@verb(app)
def sync(cli: Cli) -> None:
    """Show how far the node is on its way to the head, and from which height on it keeps the chain."""
    _show(cli, "sync.status")


@verb(app)
def proof(
    cli: Cli,
    of: Annotated[list[str], typer.Argument(help="Addresses, names of keys, or keys of the state in hexadecimal.")],
    height: Annotated[int | None, typer.Option("--height", help="After which block; one of the last 64.")] = None,
    genesis: Annotated[Path | None, typer.Option("--genesis", help="The network's genesis file.")] = None,
    validators: Annotated[
        str | None, typer.Option("--validators", help="Hash of the epoch's validators, believed without proof.")
    ] = None,
) -> None:
    """Show accounts, or other rows of the state, and check here that they are final: the node need not be trusted."""
    from cli.proofs import Trust, fetch_rows, hash_of, told_facts, told_rows
    from cli.wallet_keys import address_of_name

    names = [each if _is_hexadecimal(each) else address_of_name(cli, each) for each in of]
    trust = Trust(genesis=genesis, validators=None if validators is None else hash_of(validators))
    with cli.node() as node:
        checked = fetch_rows(node, names, height=height, trust=trust)
    if not checked.is_independent:
        cli.out.warn("network and validators are taken from the node: give --genesis, and --validators after epoch 1")
    told, rows = told_facts(checked), told_rows(checked)
    lines = [(str(row["key"]), "absent" if row["value"] is None else row["value"]) for row in rows]
    cli.out.result({**told, "rows": [*rows]}, *facts(list(told.items())), *facts(lines))


def _or_dash(value: Json) -> Json:
    return "-" if value is None else value


def _is_hexadecimal(text: str) -> bool:
    return len(text) % 2 == 0 and all(each in "0123456789abcdef" for each in text)


def _show(cli: Cli, method: str, **params: Json) -> None:
    with cli.node() as node:
        told = node.table(method, **params)
    cli.out.result(told, *facts([(name, value) for name, value in told.items() if value is not None]))
