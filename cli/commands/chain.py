"""`assay chain`: blocks and transactions."""

from typing import Annotated

import typer

from cli.out import facts
from cli.verb import Cli, verb
from node.rpc.json_value import Json

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
def sync(cli: Cli) -> None:
    """Show how far the node is on its way to the head, and from which height on it keeps the chain."""
    _show(cli, "sync.status")


def _show(cli: Cli, method: str, **params: Json) -> None:
    with cli.node() as node:
        told = node.table(method, **params)
    cli.out.result(told, *facts([(name, value) for name, value in told.items() if value is not None]))
