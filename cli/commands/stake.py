"""`assay validator bond`, `delegate`, `undelegate`, `delegations`: stake behind a validator."""

from pathlib import Path
from typing import Annotated

import typer

from cli.money import karat, parse_karat
from cli.options import KeyName, PasswordFile
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

Validator = Annotated[str, typer.Argument(help="A validator's address, or the name of its key.")]
Karat = Annotated[str, typer.Argument(help="Karat, such as 12.5.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to their noun."""
    for action in (bond, delegate, undelegate, delegations):
        verb(app)(action)


def bond(cli: Cli, amount: Karat, key: KeyName = None, password_file: PasswordFile = None) -> None:
    """Add to the stake of one's own validator."""
    from cli.wallet_keys import find

    _delegate(cli, find(cli, key).address_text, amount, key, password_file)


def delegate(
    cli: Cli, validator: Validator, amount: Karat, key: KeyName = None, password_file: PasswordFile = None
) -> None:
    """Put karat behind a validator: it earns with its blocks, and loses with its offences."""
    from cli.wallet_keys import address_of_name

    _delegate(cli, address_of_name(cli, validator), amount, key, password_file)


def _delegate(cli: Cli, validator: str, amount: str, key: str | None, password_file: Path | None) -> None:
    from cli.client import Client
    from cli.epochs import effect_of
    from cli.wallet_keys import open_key
    from ledger.transaction import Delegate

    grains = parse_karat(amount)
    with cli.node() as rpc:
        client = Client(rpc)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        txid = client.send(signer, Delegate(validator=client.address(validator), amount=grains))
        effect = effect_of(rpc)
    told: dict[str, Json] = {"transaction": txid.hex(), "validator": validator, "amount": str(grains)}
    pairs = [("transaction", txid), ("validator", validator), ("amount", karat(grains)), ("counts", effect.told)]
    cli.out.result({**told, "epoch": effect.epoch, "from_ms": effect.from_ms}, *facts(pairs))


def undelegate(
    cli: Cli,
    validator: Validator,
    amount: Annotated[str | None, typer.Argument(help="Karat; none: all that is yours.")] = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
) -> None:
    """Take karat out of a validator's stake; they are paid when the unbonding time is over."""
    from cli.client import Client
    from cli.epochs import span
    from cli.wallet_keys import address_of_name, open_key
    from ledger.transaction import Undelegate

    grains, target = None if amount is None else parse_karat(amount), address_of_name(cli, validator)
    with cli.node() as rpc:
        client = Client(rpc)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        txid = client.send(signer, Undelegate(validator=client.address(target), amount=grains))
        unbonding_ms = int(str(rpc.table("chain.params")["unbonding_ms"]))
    told: dict[str, Json] = {"transaction": txid.hex(), "validator": target, "unbonding_ms": unbonding_ms}
    shown = "all" if grains is None else karat(grains)
    pairs = [("transaction", txid), ("validator", target), ("amount", shown), ("paid", f"in {span(unbonding_ms)}")]
    cli.out.result({**told, "amount": None if grains is None else str(grains)}, *facts(pairs))


def delegations(
    cli: Cli, who: Annotated[str | None, typer.Argument(help="An address or the name of a key.")] = None
) -> None:
    """List what an account has delegated, and what it waits to be paid back."""
    from cli.epochs import moment
    from cli.wallet_keys import address_of_name, find

    delegator = address_of_name(cli, who) if who else find(cli, None).address_text
    with cli.node() as rpc:
        told = rpc.table("delegation.list", delegator=delegator)
    staked, waiting = records(told["delegations"]), records(told["unbonding"])
    rows = [(each["validator"], karat(int(str(each["amount"]))), each["state"]) for each in staked]
    rows += [
        (each["validator"], karat(int(str(each["amount"]))), f"paid from {moment(each['due_ms'])} on")
        for each in waiting
    ]
    if not rows:
        cli.out.note("this account has delegated nothing")
    cli.out.result(told, *(table(("VALIDATOR", "KARAT", "STATE"), rows) if rows else []))
