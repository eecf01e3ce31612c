"""docs/reference/cli.md, from the commands themselves."""

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from cli.exit import Exit
from cli.main import app

_HEADER = """# The command line

For users of `assay`: every command and option.
Written by `make reference` from the commands themselves.

Results go to stdout and nothing else does; progress, warnings and errors go to stderr.
With `--json`, stdout is one envelope, `{"schema": 1, "ok": true, "data": ..., "warnings": [], "errors": []}`;
commands that follow something print one JSON object per event before it.
An error begins with one line, `error[AS-206]: insufficient balance: seen 5, wanted 7`;
its number is one of the [reasons](reasons.md).

Every command takes these options:

| option | meaning |
| --- | --- |
| `--json` | print one JSON envelope |
| `--home DIR` | where keys are; else `$ASSAY_HOME`, else `assay-testnet/client` in this directory, else `~/.assay` |
| `--rpc URL` | the node to ask; else `$ASSAY_RPC`, else the home's own node |

## Exit status

| status | meaning |
| --- | --- |
"""

_MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command line is wrong",
    Exit.NOT_FOUND: "not found",
    Exit.LOCKED: "a key is locked, or others may read its file",
    Exit.REJECTED: "refused by the network's rules",
    Exit.UNREACHABLE: "no node answers",
    Exit.PENDING: "still pending when the wait ran out",
    Exit.PROBLEMS: "a check found problems, or a job is void",
    Exit.BUG: "a fault of `assay` itself",
    Exit.INTERRUPTED: "interrupted",
}
_SHARED = ("json", "home", "rpc", "help")


def cli_page() -> str:
    """Return the text of the page."""
    statuses = [f"| {int(status)} | {_MEANINGS[status]} |\n" for status in Exit]
    return _HEADER + "".join(statuses) + "".join(_sections("assay", get_command(app)))


def _sections(words: str, command: object) -> list[str]:
    if isinstance(command, TyperGroup):
        return [text for name, each in command.commands.items() for text in _sections(f"{words} {name}", each)]
    assert isinstance(command, TyperCommand)
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    options = [each for each in command.params if isinstance(each, TyperOption) and each.name not in _SHARED]
    rows = [f"| `{_argument(each)}` | {each.help or ''} |\n" for each in arguments]
    rows += [f"| `{', '.join(each.opts)}` | {each.help or ''}{_default(each)} |\n" for each in options]
    usage = " ".join([words, *(_argument(each) for each in arguments)])
    head = "\n| what | meaning |\n| --- | --- |\n" if rows else ""
    return [f"\n## {usage}\n\n{command.help}\n{head}{''.join(rows)}"]


def _argument(argument: TyperArgument) -> str:
    name = (argument.metavar or argument.name or "").upper().rstrip("_")
    return name if argument.required else f"[{name}]"


def _default(option: TyperOption) -> str:
    given = option.default not in (None, False, "", ())
    return f" (default {option.default})" if given else " (required)" if option.required else ""
