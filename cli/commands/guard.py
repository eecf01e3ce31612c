"""`assay validator guard`: the record of a validator's votes, taken along with its key."""

from pathlib import Path
from typing import Annotated

import typer

from cli.verb import Cli, verb

app = typer.Typer(
    name="guard", help="The record of a validator's votes, for a move to another machine.", no_args_is_help=True
)


@verb(app)
def export(cli: Cli, file: Annotated[Path, typer.Argument(help="Where it is written.")]) -> None:
    """Write the record of a home whose node is stopped."""
    from node.guard_file import export_guard
    from node.home import Home, write_whole

    raw = export_guard(Home(cli.home))
    write_whole(file, raw)
    cli.out.result({"file": str(file), "bytes": len(raw)}, f"wrote {file}; start the node of this home no more")


@verb(app)
def import_(cli: Cli, file: Annotated[Path, typer.Argument(help="What `export` wrote.")]) -> None:
    """Take a record into a home whose node is stopped; of what both say the stricter holds."""
    from node.guard_file import GUARD_FILE_BYTES_MAX, import_guard
    from node.home import Home

    with file.open("rb") as opened:
        merged = import_guard(Home(cli.home), opened.read(GUARD_FILE_BYTES_MAX + 1))
    if merged.contradicted:
        cli.out.warn(f"{merged.contradicted} votes contradict those of this home: the key has signed both")
    cli.out.result(
        {
            "added": merged.added,
            "known": merged.known,
            "contradicted": merged.contradicted,
            "epoch": merged.closed.epoch,
            "view": merged.closed.view,
        },
        f"{merged.added} votes added, {merged.known} were known; nothing is signed up to view {merged.closed.view} of "
        f"epoch {merged.closed.epoch}",
    )
