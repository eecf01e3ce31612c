"""`assay peers`: the nodes that a node knows."""

from typing import Annotated

import typer

from cli.verb import Cli, verb
from node.rpc.json_value import Json

app = typer.Typer(name="peers", help="Other nodes: who is connected, whom to keep, whom to ban.", no_args_is_help=True)

PeerId = Annotated[str, typer.Argument(metavar="PEER_ID", help="The peer's id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A peer's id, or an IP address.")]


@verb(app)
def list_(cli: Cli) -> None:
    """Show who is connected, and who is banned."""
    with cli.node() as node:
        told = node.table("peers.list")
    peers, bans = told["peers"], told["bans"]
    assert isinstance(peers, list)
    assert isinstance(bans, list)
    lines = [_line(peer) for peer in peers]
    lines += [f"banned  {ban['name']}  until {ban['until_s']}" for ban in bans if isinstance(ban, dict)]
    cli.out.result(told, *lines, f"{len(peers)} connected, {told['known']} known")


@verb(app)
def add(cli: Cli, peer: Annotated[str, typer.Argument(metavar="PEER_ID@ADDRESS:PORT", help="The node.")]) -> None:
    """Stay connected to a node until this one ends."""
    _ask(cli, "peers.add", "kept", "no room for another", peer=peer)


@verb(app)
def remove(cli: Cli, peer: PeerId) -> None:
    """Stay connected to a node no longer."""
    _ask(cli, "peers.remove", "no longer kept", "was not kept", peer=peer)


@verb(app)
def ban(
    cli: Cli, name: Name, seconds: Annotated[int, typer.Option("--seconds", help="How long the ban stands.")] = 3600
) -> None:
    """Cut a node or an address off and refuse it for a time."""
    _ask(cli, "peers.ban", "banned", "not banned", name=name, seconds=seconds)


@verb(app)
def unban(cli: Cli, name: Name) -> None:
    """Lift a ban."""
    _ask(cli, "peers.unban", "ban lifted", "was not banned", name=name)


def _ask(cli: Cli, method: str, done: str, undone: str, **params: Json) -> None:
    with cli.admin() as node:
        told = node.table(method, **params)
    cli.out.result(told, done if told["done"] else undone)


def _line(peer: Json) -> str:
    assert isinstance(peer, dict)
    way = "in " if peer["inbound"] else "out"
    marks = ", ".join(name for name in ("kept", "link") if peer[name]) or "stranger"
    rtt = "" if peer["rtt_ms"] is None else f", {peer['rtt_ms']} ms"
    return (
        f"{way}  {peer['peer']}  {peer['address']}  score {peer['score']}{rtt}, {marks}, {peer['agent'] or 'unknown'}"
    )
