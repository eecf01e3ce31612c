"""`assay validator`: who validates, being one, and stake behind one."""

from typing import Annotated

import typer

from cli.commands import guard, stake, validating
from cli.money import karat, percent
from cli.options import Limit
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

app = typer.Typer(name="validator", help="Validators: who they are, being one, stake behind one.", no_args_is_help=True)
app.add_typer(guard.app)

Who = Annotated[str | None, typer.Argument(help="An address or the name of a key; needed if there are several keys.")]


@verb(app)
def list_(cli: Cli, limit: Limit = 100) -> None:
    """List validators, those with the most stake first."""
    with cli.node() as node:
        told = node.table("validator.list", limit=limit)
    found = records(told["validators"])
    heads = ("VALIDATOR", "STATE", "STAKE", "WEIGHT", "NEXT", "COMMISSION", "BLOCKS", "MISSED")
    rows = [
        (
            each["address"],
            each["state"],
            *(karat(int(str(each[name]))) for name in ("stake", "weight", "next_weight")),
            percent(int(str(each["commission_bps"]))),
            each["proposed"],
            each["missed"],
        )
        for each in found
    ]
    cli.out.result(told, *table(heads, rows))


@verb(app)
def show(cli: Cli, who: Who = None) -> None:
    """Show a validator: its stake, its keys, its place in this epoch and the next."""
    from cli.epochs import moment

    with cli.node() as node:
        told = node.table("validator.get", address=_address(cli, who))
    pairs: list[tuple[str, object]] = [("validator", told["address"]), ("state", told["state"])]
    amounts = {"stake": "stake", "own_stake": "its own", "unbonding": "unbonding"}
    pairs += [(words, karat(int(str(told[name])))) for name, words in amounts.items()]
    pairs += [("commission", percent(int(str(told["commission_bps"]))))]
    pairs += [("jailed until", moment(told["jailed_until_ms"]))] if told["jailed_until_ms"] is not None else []
    pairs += [("place", "in no set yet" if told["index"] is None else f"{told['index']} of this epoch's set")]
    pairs += [("weight", f"{karat(int(str(told['weight'])))}, next epoch {karat(int(str(told['next_weight'])))}")]
    pairs += [("this epoch", f"{told['proposed']} blocks, {told['missed']} views missed")]
    pairs += [("offences", told["offences"]), ("vote key", told["key"]), ("peer", told["peer_id"])]
    pairs += [("onion", told["onion"])] + ([("used of it", told["reveals"])] if told["reveals"] is not None else [])
    cli.out.result(told, *facts(pairs))


@verb(app)
def evidence(
    cli: Cli,
    who: Annotated[str | None, typer.Argument(help="Whose; an address or the name of a key.")] = None,
    epoch: Annotated[int | None, typer.Option("--epoch", min=0, help="Of one epoch only.")] = None,
    limit: Limit = 100,
) -> None:
    """Show what was proved against validators: the two votes, and what they cost."""
    accused: dict[str, Json] = {} if who is None else {"validator": _address(cli, who)}
    asked: dict[str, Json] = accused if epoch is None else {**accused, "epoch": epoch}
    with cli.node() as node:
        told = node.table("validator.evidence", limit=limit, **asked)
    found = records(told["evidence"])
    if not found:
        cli.out.note("nothing was proved against any validator" if not asked else "nothing of the kind was proved")
    cli.out.result(told, *(line for each in found for line in [*_offence(each), ""]))


def _offence(told: dict[str, Json]) -> list[str]:
    first, second = told["first"], told["second"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    cost = f"{karat(int(str(told['slashed'])))}, of which {karat(int(str(told['bounty'])))} to {told['reporter']}"
    return facts(
        [
            ("validator", told["validator"]),
            ("offence", f"{str(told['offence']).replace('_', ' ')} in epoch {told['epoch']}, view {first['view']}"),
            *((f"{vote['kind']}s", vote["block"] or "no block") for vote in (first, second)),
            ("lost", cost),
            ("shown in", f"block {told['height']}"),
        ]
    )


def _address(cli: Cli, who: str | None) -> str:
    from cli.wallet_keys import address_of_name, find

    return address_of_name(cli, who) if who else find(cli, None).address_text


validating.add_to(app)
stake.add_to(app)
