"""How every command is run: with the same three options, one way to print and one way to fail."""

import functools
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec

import typer

from cli.exit import exit_of
from cli.out import Out
from primitives.reasons import Reason, Refused

if TYPE_CHECKING:
    from node.rpc.admin_socket import AdminClient
    from node.rpc.client import RpcClient

P = ParamSpec("P")

TESTNET = Path("assay-testnet")
"""The directory that `assay testnet up` makes unless it is told another."""
CLIENT = "client"
"""The folder of a testnet's directory that is a home for its users: funded keys, and the address of a node."""
RPC_FILE = "rpc"
RUNNING_FILE = "running.json"
ADMIN_SOCKET = "admin.sock"

_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON envelope.")]
_HOME = Annotated[Path | None, typer.Option("--home", help="Where keys are, and the node if there is one.")]
_RPC = Annotated[str | None, typer.Option("--rpc", help="The node to ask, http://HOST:PORT.")]


class Cli:
    """What a command works with."""

    def __init__(self, out: Out, *, home: Path | None, rpc: str | None) -> None:
        self.out = out
        self._home = home
        self._rpc = rpc

    @property
    def home(self) -> Path:
        """Return --home, else $ASSAY_HOME, else the testnet of this directory, else ~/.assay."""
        if self._home is not None:
            return self._home
        if named := os.environ.get("ASSAY_HOME"):
            return Path(named)
        here = TESTNET / CLIENT
        return here if here.is_dir() else Path.home() / ".assay"

    @property
    def rpc_url(self) -> str:
        """Return --rpc, else $ASSAY_RPC, else what the home says. Raises Refused NODE_UNREACHABLE."""
        if named := self._rpc or os.environ.get("ASSAY_RPC"):
            return named
        told = self.home / RPC_FILE
        if told.is_file():
            return told.read_text().strip()
        running = self.home / RUNNING_FILE
        if running.is_file():
            try:
                return str(json.loads(running.read_text())["rpc"])
            except (ValueError, KeyError, TypeError) as fault:
                raise Refused(Reason.FILE_UNREADABLE, file=str(running), why=str(fault)) from None
        raise Refused(Reason.NODE_UNREACHABLE, home=str(self.home), said="no node runs in this home")

    def node(self) -> "RpcClient":
        """Return a client of the node that is asked."""
        from node.rpc.client import RpcClient

        return RpcClient(self.rpc_url)

    def admin(self, *, call_s: float | None = None) -> "AdminClient":
        """Return a client of the node of this home, for what only its owner may do; `call_s` bounds each answer.

        Raises Refused NODE_UNREACHABLE.
        """
        from node.rpc.admin_socket import AdminClient

        socket = self.home / ADMIN_SOCKET
        return AdminClient(socket) if call_s is None else AdminClient(socket, call_s=call_s)


def _ended(out: Out, refusal: Refused) -> typer.Exit:
    """Print an error, and return what ends the command."""
    out.refused(refusal)
    return typer.Exit(exit_of(refusal.reason))


def verb(app: typer.Typer) -> Callable[[Callable[Concatenate[Cli, P], None]], Callable[..., None]]:
    """Make a function a command of `app`, named like it; its first parameter is what it works with."""

    def decorate(action: Callable[Concatenate[Cli, P], None]) -> Callable[..., None]:
        @functools.wraps(action)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            out = Out(json_wanted=bool(kwargs.pop("json", False)))
            home, rpc = kwargs.pop("home", None), kwargs.pop("rpc", None)
            cli = Cli(out, home=home if isinstance(home, Path) else None, rpc=rpc if isinstance(rpc, str) else None)
            try:
                action(cli, *args, **kwargs)
            except BrokenPipeError:
                raise
            except OSError as fault:
                unusable = Refused(Reason.FILE_UNREADABLE, file=str(fault.filename), why=fault.strerror)
                raise _ended(out, unusable) from None
            except Refused as refusal:
                raise _ended(out, refusal) from None

        signature = inspect.signature(action)
        own = list(signature.parameters.values())[1:]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, default, kind in (("json", False, _JSON), ("home", None, _HOME), ("rpc", None, _RPC))
        ]
        vars(run)["__signature__"] = signature.replace(parameters=[*own, *shared])
        run.__annotations__ = {each.name: each.annotation for each in [*own, *shared]}
        app.command(name=action.__name__.rstrip("_").replace("_", "-"))(run)
        return run

    return decorate
