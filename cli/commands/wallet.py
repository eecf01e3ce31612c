"""`assay wallet`: balances and transfers."""

from typing import Annotated

import typer

from cli.money import karat, parse_karat
from cli.options import KeyName, PasswordFile
from cli.out import facts
from cli.verb import Cli, verb

app = typer.Typer(name="wallet", help="Money: balances and transfers.", no_args_is_help=True)


@verb(app)
def balance(
    cli: Cli, who: Annotated[str | None, typer.Argument(help="An address or the name of a key.")] = None
) -> None:
    """Print what an account has, in karat."""
    from cli.wallet_keys import address_of_name, find

    address = address_of_name(cli, who) if who else find(cli, None).address_text
    with cli.node() as node:
        account = node.table("account.get", address=address)
    cli.out.result(account, karat(int(str(account["balance"]))))


@verb(app)
def send(
    cli: Cli,
    to: Annotated[str, typer.Argument(help="An address or the name of a key.")],
    amount: Annotated[str, typer.Argument(help="Karat, such as 12.5.")],
    key: KeyName = None,
    password_file: PasswordFile = None,
    fee_cap: Annotated[
        int | None, typer.Option("--fee-cap", min=0, help="Most to pay for gas, grains per unit.")
    ] = None,
    tip: Annotated[int | None, typer.Option("--tip", min=0, help="Of it to the proposer, grains per unit.")] = None,
    nonce: Annotated[int | None, typer.Option("--nonce", min=0, help="Replace what waits with this nonce.")] = None,
) -> None:
    """Send karat, and wait until the transfer is final."""
    from cli.client import Client, Offer
    from cli.wallet_keys import address_of_name, open_key

    grains = parse_karat(amount)
    target = address_of_name(cli, to)
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        offer = Offer(fee_cap=fee_cap, tip=tip, nonce=nonce)
        txid = client.transfer(signer, to=client.address(target), amount=grains, offer=offer)
        told, fee = node.table("chain.tx", id=txid.hex()), client.fee_paid(txid)
    record = {"transaction": txid.hex(), "height": told["height"], "to": target, "amount": str(grains), "fee": str(fee)}
    pairs = [("transaction", txid), ("height", told["height"]), ("to", target), ("amount", karat(grains))]
    cli.out.result(record, *facts([*pairs, ("fee", karat(fee))]))
