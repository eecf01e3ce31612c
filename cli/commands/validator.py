"""`assay validator`: being one."""

import typer

from cli.commands import guard

app = typer.Typer(name="validator", help="Validators: vote records.", no_args_is_help=True)
app.add_typer(guard.app)
