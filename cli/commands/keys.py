"""`assay keys`: the files that hold secrets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import PasswordFile
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json

if TYPE_CHECKING:
    from node.keys.files import KeyInfo

app = typer.Typer(name="keys", help="Keys: make, list, move.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What you call the key.")]


@verb(app)
def new(
    cli: Cli,
    name: Name,
    kind: Annotated[str, typer.Option("--kind", help="wallet, validator, worker or network.")] = "wallet",
    network: Annotated[str, typer.Option("--network", help="Prefix of its addresses: asy, tasy or dasy.")] = "dasy",
    password_file: PasswordFile = None,
    *,
    unencrypted: Annotated[bool, typer.Option("--unencrypted", help="Without a password; dasy alone.")] = False,
) -> None:
    """Make a key."""
    from cli.wallet_keys import password, path_of
    from node.keys.files import KeyKind, create_key
    from primitives.reasons import Reason, Refused

    kinds = [each.value for each in KeyKind if each is not KeyKind.ONION]
    if kind not in kinds:
        raise Refused(Reason.KEY_WRONG_KIND, seen=kind, wanted=", ".join(kinds))
    given = None if unencrypted else password(password_file, ask=True, confirm=True)
    if given is None and not unencrypted:
        raise Refused(Reason.KEY_NOT_ENCRYPTED, seen="no password", wanted="--password-file, or --unencrypted")
    key = create_key(path_of(cli, name), kind=KeyKind(kind), network=network, password=given)
    cli.out.result(_record(key.info), *_shown(key.info))


@verb(app)
def list_(cli: Cli) -> None:
    """List the keys of the home."""
    from cli.wallet_keys import folder, name_of
    from node.keys.files import list_keys

    found = list_keys(folder(cli))
    rows = [(name_of(each), each.kind.value, each.address_text, "yes" if each.encrypted else "no") for each in found]
    lines = table(("KEY", "KIND", "ADDRESS", "ENCRYPTED"), rows) if rows else []
    if not rows:
        cli.out.note(f"no keys in {folder(cli)}; make one with `assay keys new NAME`")
    cli.out.result([_record(each) for each in found], *lines)


@verb(app)
def show(cli: Cli, name: Name) -> None:
    """Show what a key file tells without its password."""
    from cli.wallet_keys import path_of
    from node.keys.files import describe_key

    info = describe_key(path_of(cli, name))
    cli.out.result(_record(info), *_shown(info))


@verb(app)
def import_(
    cli: Cli, name: Name, file: Annotated[Path, typer.Argument(help="A key file made by `assay keys`.")]
) -> None:
    """Take over a key file from elsewhere, as it is."""
    from cli.wallet_keys import copy_key, path_of
    from node.keys.files import describe_key

    copy_key(file, path_of(cli, name))
    info = describe_key(path_of(cli, name))
    cli.out.result(_record(info), *_shown(info))


@verb(app)
def export(cli: Cli, name: Name, file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write a copy of a key file, encrypted as it is."""
    from cli.wallet_keys import copy_key, path_of

    copy_key(path_of(cli, name), file)
    cli.out.result({"file": str(file)}, str(file))


def _record(info: "KeyInfo") -> Json:
    from cli.wallet_keys import name_of

    return {
        "name": name_of(info),
        "kind": info.kind.value,
        "network": info.network,
        "address": info.address_text,
        "public": info.public.hex(),
        "encrypted": info.encrypted,
        "file": str(info.path),
    }


def _shown(info: "KeyInfo") -> list[str]:
    from cli.wallet_keys import name_of

    sealed = "with its password" if info.encrypted else "NOT; for a development network only"
    return facts(
        [
            ("key", name_of(info)),
            ("kind", info.kind.value),
            ("address", info.address_text),
            ("encrypted", sealed),
            ("file", info.path),
        ]
    )
