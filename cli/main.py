"""The `assay` command: puts the nouns together. Nothing heavy is imported before a command needs it."""

import sys

import typer

from cli.commands import (
    chain,
    db,
    dispute,
    doctor,
    job,
    keys,
    model,
    node,
    peers,
    receipt,
    simulate,
    testnet,
    validator,
    wallet,
    worker,
)
from cli.exit import Exit
from cli.verb import Cli, verb

app = typer.Typer(
    name="assay",
    help="Inference that is paid for only after independent machines have re-run it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich would take longer than all the rest
    add_completion=False,
)
node.add_to(app)
doctor.add_to(app)
simulate.add_to(testnet.app)
for noun in (keys, wallet, validator, worker, model, job, dispute, receipt, chain, peers, testnet, db):
    app.add_typer(noun.app)


@verb(app)
def version(cli: Cli) -> None:
    """Tell which Assay this is."""
    from importlib.metadata import version as installed

    found = installed("assay")
    cli.out.result({"version": found}, found)


def main() -> None:
    """Run the command line; a bug ends with exit status 70 and says so."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.exit(Exit.FAILED)
    except Exception:  # noqa: BLE001  # supervisor: the last resort, so that a bug is told from bad input
        sys.stderr.write("error[AS-BUG]: this is a fault of assay itself; please report what follows\n")
        sys.excepthook(*sys.exc_info())
        sys.exit(Exit.BUG)


if __name__ == "__main__":
    main()
