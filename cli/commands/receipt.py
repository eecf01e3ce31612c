"""`assay receipt`: a job's end as one file, and the check of it that needs no node."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.out import facts
from cli.verb import Cli, verb
from node.rpc.json_value import Json

if TYPE_CHECKING:
    from ledger.market.receipt import CheckedReceipt, JobReceipt

app = typer.Typer(name="receipt", help="Receipts: a job's end as one file, checked offline.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The receipt's file.")]


@verb(app)
def export(
    cli: Cli,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    output: Annotated[Path | None, typer.Option("--output", help="The file to write; by default JOB.receipt.")] = None,
    wait_s: Annotated[float, typer.Option("--wait-s", help="How long to wait for what proves it, seconds.")] = 15.0,
) -> None:
    """Write the receipt of a job that has ended into a file."""
    from cli.client import Client
    from cli.receipts import fetch_receipt, job_id_of

    path = output or Path(f"{job}.receipt")
    with cli.node() as node:
        raw, told = fetch_receipt(Client(node), job_id_of(job), wait_s=wait_s)
    path.write_bytes(raw)
    shown: dict[str, Json] = {name: told[name] for name in ("job", "stage", "height", "transactions")}
    shown |= {"file": str(path), "bytes": len(raw)}
    cli.out.result(shown, *facts(list(shown.items())))


@verb(app)
def show(cli: Cli, file: File) -> None:
    """Show what a receipt says, checked in itself; `assay receipt verify` says whether to believe it."""
    from cli.receipts import read_receipt, told_receipt

    receipt = read_receipt(file)
    told = told_receipt(_in_itself(receipt), None)
    cli.out.result(told, *_lines(told))


@verb(app)
def verify(
    cli: Cli,
    file: File,
    genesis: Annotated[Path | None, typer.Option("--genesis", help="The network's genesis file.")] = None,
    validators: Annotated[
        str | None, typer.Option("--validators", help="Hash of the validators of the receipt's epoch.")
    ] = None,
) -> None:
    """Check a receipt offline, against validators that you trust: by their hash, or by the genesis file."""
    from cli.receipts import check_offline, read_receipt, told_receipt

    believed = check_offline(read_receipt(file), genesis=genesis, validators=validators)
    told: dict[str, Json] = {**told_receipt(believed.checked, believed.prefix), "trusted": believed.trusted}
    cli.out.result(told, *_lines(told), "the receipt is genuine")


def _in_itself(receipt: "JobReceipt") -> "CheckedReceipt":
    """Check a receipt against the validators that it names itself. Raises Refused."""
    from ledger.market.receipt import check_receipt
    from ledger.stake.epochs import set_hash

    proven = receipt.proven
    network = proven.headers[-1].genesis
    return check_receipt(receipt, genesis_hash=network, validators_hash=set_hash(proven.validators))


def _lines(told: dict[str, Json]) -> list[str]:
    """Return a receipt as people read it."""
    pairs: list[tuple[str, object]] = []
    for name, value in told.items():
        if isinstance(value, list):
            pairs += [(_ONE_OF.get(name, name.rstrip("s")), each) for each in value]
        elif value is not None:
            pairs.append((name.replace("_", " "), value))
    return facts(pairs)


_ONE_OF = {"penalties": "penalty", "declined": "declined"}
"""What one of several is called, where that is not the name without its last letter."""
