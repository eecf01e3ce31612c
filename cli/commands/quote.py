"""`assay job quote`: all that can be told of a job before anybody signs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.money import karat, parse_karat
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

if TYPE_CHECKING:
    from cli.client import Client

SHOWN_ASKS = 5
_PPM = 1_000_000
_BASIS = 10_000
_DRAWN_WORKERS = 3
"""Whom a dispute draws, if there are so many."""


def add_to(app: typer.Typer) -> None:
    """Make `quote` a command of `app`."""
    verb(app)(quote)


def quote(
    cli: Cli,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    input_: Annotated[Path, typer.Option("--input", help="A file: JSON of the tensors, or an encoded bundle.")],
    tier: Annotated[str, typer.Option("--tier", help="spot, standard, high or max.")] = "high",
    max_price: Annotated[str | None, typer.Option("--max-price", help="Karat; without it one is proposed.")] = None,
    value_at_risk: Annotated[
        str, typer.Option("--value-at-risk", help="What a false result may cost you, karat: raises the bond.")
    ] = "0",
    provider: Annotated[str | None, typer.Option("--provider", help="The one worker that may run it.")] = None,
    *,
    client: Annotated[str | None, typer.Option("--client", help="Who would order it: an address or a key.")] = None,
    class_: Annotated[str | None, typer.Option("--class", help="native or exact; by default native if served.")] = None,
) -> None:
    """Tell what a job would cost, how it would be verified and how it may end; signs nothing and needs no key."""
    from cli.bundles import INPUT_FILE_BYTES_MAX, bundle_of_file
    from cli.client import Client
    from cli.wallet_keys import address_of_name, read_limited

    bundle = bundle_of_file(read_limited(input_, INPUT_FILE_BYTES_MAX))
    wanted: dict[str, Json] = {"tier": tier, "at_risk": str(parse_karat(value_at_risk))}
    if max_price is not None:
        wanted["max_price"] = str(parse_karat(max_price))
    if provider is not None:
        wanted["provider"] = provider
    if client is not None:
        wanted["client"] = address_of_name(cli, client)
    with cli.node() as node:
        told = _asked(Client(node), model, bundle, class_, wanted)
    cli.out.result(told, *_lines(told))


def _asked(client: "Client", model: str, bundle: bytes, class_: str | None, wanted: dict[str, Json]) -> dict[str, Json]:
    """Find what the run means, and ask the node."""
    from cli.commands.job import class_of, id_of
    from cli.job_checks import meaning_of

    meant = meaning_of(client, id_of(model), bundle, class_of(class_))
    return client.rpc.table(
        "job.quote",
        model=model,
        lowering=meant.lowering.hex(),
        input_length=len(bundle),
        **{"class": meant.class_.name.lower()},
        **wanted,
    )


def _lines(told: dict[str, Json]) -> list[str]:
    """Return a quote as people read it."""
    from cli.epochs import span

    plan = told["plan"]
    assert isinstance(plan, dict)
    asks, chances = records(told["asks"]), records(plan["chances"])
    refusal = told["refusal"]
    pairs: list[tuple[str, object]] = []
    if isinstance(refusal, dict):
        words = str(refusal["reason_name"]).replace("_", " ")
        pairs.append(("refused now", f"AS-{refusal['reason']} {words} {_facts(refusal['facts'])}".rstrip()))
    pairs += [
        ("price", f"at most {_karat(told['max_price'])} karat"),
        ("verification", f"{_karat(told['verifier_fees'])} karat: a fee for each of {plan['k']}, if it is drawn"),
        ("held", f"{_karat(told['escrow'])} karat until it ends; what is not used comes back"),
        ("fee", f"{_karat(told['fee'])} karat for the transaction, {told['gas']} gas"),
        ("bond", f"{_karat(told['provider_bond'])} karat of the provider's"),
        ("to challenge it", f"a bond of {_karat(told['claim_bond'])} karat, lost if the claim is wrong"),
        ("drawn", f"with a chance of {_percent(plan['audit_bps'], _BASIS)}"),
        ("verifiers", f"{plan['verifiers_now']} could verify now, {plan['verifiers_idle']} if all were idle"),
        ("for a dispute", _dispute_workers(int(str(plan["dispute_workers"])))),
    ]
    pairs += [
        ("a false result", f"passes with {_percent(each['undetected_ppm'], _PPM)} if {each['percent']} % collude")
        for each in chances
    ]
    pairs += [
        ("worker", f"{each['worker']}  {_karat(each['price'])} karat{'' if each['free'] else ', busy now'}")
        for each in asks[:SHOWN_ASKS]
    ]
    if len(asks) > SHOWN_ASKS:
        pairs.append(("", f"and {len(asks) - SHOWN_ASKS} more"))
    limits = [(each["state"], span(int(str(each["live_ms"])))) for each in records(told["deadlines"])]
    heads = ("IF IT ENDS", "CLIENT", "PROVIDER", "VERIFIER", "A SILENT ONE")
    rows = [
        (each["outcome"], *(_karat(each[who]) for who in ("client", "provider", "verifier", "silent_verifier")))
        for each in records(told["endings"])
    ]
    told_rows = [*facts(pairs), "", *table(("STATE", "AT MOST"), limits), "", *table(heads, rows)]
    return [*told_rows, "", *_rulings(told)]


def _dispute_workers(count: int) -> str:
    """Return how many fresh workers a dispute could draw, and what fewer than three mean."""
    told = f"{count} more could be drawn if all were idle"
    return told if count >= _DRAWN_WORKERS else f"{told}, of {_DRAWN_WORKERS}: a liar may get away with its bond"


def _rulings(told: dict[str, Json]) -> list[str]:
    """Return what a dispute may come to."""
    heads = ("IF IT IS DISPUTED", "ONCE", "CLIENT", "PROVIDER", "WHO ACCEPTS", "WHO REJECTS", "CHALLENGER")
    columns = ("client", "provider", "accepts", "rejects", "challenger")
    rows = [
        (
            _RULINGS.get(str(each["outcome"]), each["outcome"]),
            each["state"],
            *("-" if each[who] is None else _karat(each[who]) for who in columns),
        )
        for each in records(told["rulings"])
    ]
    return table(heads, rows)


_RULINGS = {
    "convicted": "it is false: convicted",
    "grey": "it is too far off: grey",
    "cleared": "it is right: cleared",
    "undecided": "nobody is right: undecided",
    "ill_conditioned": "machines differ: ill-conditioned",
}
"""What disputes find, and what that is called."""


def _facts(told: Json) -> str:
    if not isinstance(told, dict):
        return ""
    return ", ".join(f"{name} {value}" for name, value in told.items() if name in ("seen", "wanted"))


def _karat(grains: Json) -> str:
    return karat(int(str(grains)))


def _percent(part: Json, whole: int) -> str:
    return f"{int(str(part)) * 100 / whole:.4g} %"
