"""`assay worker`: who runs and verifies jobs; and canaries, which keep verifiers awake."""

from pathlib import Path
from typing import Annotated

import typer

from cli.money import karat, parse_karat, shortfall
from cli.options import KeyName, Limit, PasswordFile
from cli.out import facts, table
from cli.verb import ADMIN_SOCKET, Cli, verb
from node.rpc.json_value import Json, records
from primitives.reasons import Reason, Refused

app = typer.Typer(name="worker", help="Workers: who runs and verifies jobs, and canaries.", no_args_is_help=True)


@verb(app)
def list_(cli: Cli, limit: Limit = 100) -> None:
    """List workers."""
    with cli.node() as node:
        told = node.table("worker.list", limit=limit)
    rows = [
        (
            each["address"],
            karat(int(str(each["ask"]))),
            karat(int(str(each["bond_free"]))),
            f"{each['providing']}/{each['capacity']}",
            f"{each['verifying']}/{each['capacity']}",
            *_track(each["track"]),
        )
        for each in records(told["workers"])
    ]
    heads = ("WORKER", "ASK", "FREE BOND", "PROVIDES", "VERIFIES", "SETTLED", "SPOT CHECKED")
    cli.out.result(told, *(table(heads, rows) if rows else []))


def _track(told: Json) -> tuple[str, str]:
    """Return how many jobs of a provider were verified and settled, and how often its spot jobs are verified."""
    assert isinstance(told, dict)
    return str(told["settled"]), f"{int(str(told['spot_audit_bps'])) / 100:g} %"


@verb(app)
def show(
    cli: Cli,
    address: Annotated[
        str | None, typer.Argument(help="Of the worker; by default that of the node which is asked.")
    ] = None,
) -> None:
    """Show a worker: its offer, its bond, what it is busy with, and whether it can pay the bond of a claim."""
    with cli.node() as node:
        status = node.table("node.status")
        name = address or status["worker"]
        if name is None:
            raise Refused(Reason.NOT_A_WORKER, wanted="the address of a worker, or a node with the role of one")
        worker, account = node.table("worker.show", address=name), node.table("account.get", address=name)
    reserve = status["worker_reserve"] if name == status["worker"] else None
    told = {**worker, "balance": account["balance"], "reserve": reserve}
    settled, audits = _track(told["track"])
    pairs = [
        ("worker", told["address"]),
        ("operator", told["operator"]),
        ("asks", f"{_karat(told['ask'])}, and {_karat(told['gas_ask'])} for each million gas"),
        ("bond", f"{_karat(told['bond'])}, {_karat(told['bond_free'])} of it free"),
        ("balance", _balance_told(told)),
        ("provides", f"{told['providing']} of {told['capacity']} jobs"),
        ("verifies", f"{told['verifying']} of {told['capacity']} jobs"),
        ("settled", f"{settled} jobs; {audits} of those in tier spot are verified"),
        ("registered", f"in block {told['registered']}"),
    ]
    cli.out.result(told, *facts(pairs))


def _karat(grains: Json) -> str:
    return f"{karat(int(str(grains)))} karat"


def _balance_told(told: dict[str, Json]) -> str:
    """Return a worker's balance, and whether it is less than what it keeps for claims (D30)."""
    if told["reserve"] is None:
        return _karat(told["balance"])
    balance, reserve = int(str(told["balance"])), int(str(told["reserve"]))
    return shortfall(balance, reserve) or f"{karat(balance)} karat, of which {karat(reserve)} are kept for claims"


@verb(app)
def canary(
    cli: Cli,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    input_: Annotated[Path, typer.Option("--input", help="A file: JSON of the tensors, or an encoded bundle.")],
    max_price: Annotated[str, typer.Option("--max-price", help="As an ordinary client would offer, karat.")],
    worker_home: Annotated[
        Path | None, typer.Option("--worker-home", help="The home of your worker's node, if it is another one.")
    ] = None,
    tier: Annotated[str, typer.Option("--tier", help="spot, standard, high or max.")] = "high",
    class_: Annotated[str | None, typer.Option("--class", help="native or exact; by default native if served.")] = None,
    key: KeyName = None,
    *,
    password_file: PasswordFile = None,
) -> None:
    """Order a job that your own worker provides wrongly on purpose, to find verifiers that do not verify.

    It looks like any other job. The worker confesses to it once the verifiers have given their verdicts. The price
    comes back; the fees of those who rejected do not. At most one such job is in hand at a time.
    """
    from cli.bundles import INPUT_FILE_BYTES_MAX, bundle_of_file
    from cli.client import Client, Order
    from cli.commands.job import class_of, id_of, tier_of
    from cli.job_checks import meaning_of
    from cli.wallet_keys import open_key, read_limited
    from node.rpc.admin_socket import AdminClient

    price, bundle = parse_karat(max_price), bundle_of_file(read_limited(input_, INPUT_FILE_BYTES_MAX))
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        meant = meaning_of(client, id_of(model), bundle, class_of(class_))
        content = node.put_blob(bundle)
        with AdminClient((worker_home or cli.home) / ADMIN_SOCKET) as admin:
            planted = admin.table("canary.plant", client=signer.info.address_text)
        order = Order(
            model=id_of(model),
            lowering=meant.lowering,
            class_=meant.class_,
            input=content,
            max_price=price,
            provider=client.address(str(planted["provider"])),
            tier=tier_of(tier),
            canary=bytes.fromhex(str(planted["canary"])),
        )
        job = client.submit(client.order(signer, order))
        client.final(job)
    told: dict[str, Json] = {"job": job.hex(), "provider": planted["provider"], "canary": planted["canary"]}
    cli.out.result(told, *facts(list(told.items())))
