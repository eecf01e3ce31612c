"""`assay doctor`: whether this machine can run and judge models, and with what."""

import typer

from cli.out import facts
from cli.verb import Cli, verb
from node.rpc.json_value import Json

LIBRARIES = ("onnxruntime", "onnx", "numpy", "numba", "libp2p", "plyvel", "cryptography", "PyNaCl")
"""What decides how models are run, what is stored and what is believed."""
OPTIONAL = ("numba",)
"""Makes canonical runs faster, bit for bit the same."""


def add_to(app: typer.Typer) -> None:
    """Add the command, which has no noun."""
    verb(app)(doctor)


def doctor(cli: Cli) -> None:
    """Check this machine: libraries, the layers of a sandbox, known-answer tests, and the node if one runs here."""
    from cli.exit import Exit
    from cli.health import libraries, node_here, sandbox

    found = [*libraries(LIBRARIES, OPTIONAL), *sandbox(), *node_here(cli)]
    problems = [each for each in found if each.is_problem]
    told: list[Json] = [{"what": each.what, "state": each.state.value, "told": each.told} for each in found]
    lines = facts([(f"{each.mark} {each.what}", each.told) for each in found])
    lines.append("all well" if not problems else f"{len(problems)} found that keep this machine from AI duties")
    cli.out.result({"checks": told, "problems": len(problems)}, *lines)
    if problems:
        raise typer.Exit(Exit.PROBLEMS)
