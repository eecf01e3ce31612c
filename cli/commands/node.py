"""`assay init`, `run` and `status`: a node of one's own."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.money import shortfall
from cli.options import PasswordFile
from cli.out import facts
from cli.verb import Cli, verb
from node.rpc.json_value import Json

MS_PER_S = 1000


def add_to(app: typer.Typer) -> None:
    """Add the commands that have no noun."""
    for action in (init, run, status):
        verb(app)(action)


def init(
    cli: Cli,
    genesis: Annotated[Path, typer.Option("--genesis", help="The network's genesis file.")],
    peer: Annotated[list[str] | None, typer.Option("--peer", help="A node to connect to, PEER_ID@HOST:PORT.")] = None,
    password_file: PasswordFile = None,
    *,
    worker: Annotated[bool, typer.Option("--worker", help="Run and verify jobs too.")] = False,
    validator: Annotated[bool, typer.Option("--validator", help="Vote, as soon as a set names the node.")] = False,
) -> None:
    """Make a home for a node that follows a network, and works or validates if told so."""
    from cli.node_home import make_home
    from cli.wallet_keys import password
    from node.config import RolesSection

    given = password(password_file, ask=False, confirm=False)
    told = make_home(
        cli.home,
        genesis=genesis,
        peers=peer or [],
        roles=RolesSection(worker=worker, validator=validator),
        password=given,
        password_file=password_file,
    )
    cli.out.result(told, *facts([*told.items(), ("next", f"assay run --home {cli.home}")]))


def run(cli: Cli) -> None:
    """Run the node of this home in the foreground."""
    os.execv(sys.executable, [sys.executable, "-m", "node.app", "--home", str(cli.home)])


def status(cli: Cli) -> None:
    """Show how a node is."""
    with cli.node() as node:
        told = node.table("node.status")
        way = node.table("sync.status")
    roles, peers, pids, age = (told[name] for name in ("roles", "peers", "pids", "final_age_ms"))
    assert isinstance(roles, list)
    assert isinstance(peers, list)
    assert isinstance(pids, dict)
    assert isinstance(age, int)
    pairs = [
        ("node", f"assay {told['version']}, {', '.join(map(str, roles)) or 'follower'}, process {pids['node']}"),
        ("network", f"{told['network']}, genesis {told['genesis_hash']}"),
        ("height", f"{told['height']}, final {age / MS_PER_S:.1f} s ago"),
        ("behind", _way_told(way)),
        ("state root", told["state_root"]),
        ("waiting", f"{told['mempool']} transactions"),
        ("peers", len(peers)),
        ("reach it at", told["p2p_address"]),
        ("worker", told["worker"]),
        ("reserve", _reserve(told)),
        ("known answers", _known_answers(told)),
        ("votes", None if told["voting"] is None else "yes" if told["voting"] else "not now"),
    ]
    cli.out.result({**told, "sync": way}, *facts([(name, value) for name, value in pairs if value is not None]))


def _reserve(told: dict[str, Json]) -> str | None:
    """Return whether a worker can pay the bonds of claims; nothing where it can, and for a node without one (D30)."""
    if told["worker_reserve"] is None:
        return None
    return shortfall(int(str(told["worker_balance"])), int(str(told["worker_reserve"])))


def _known_answers(told: dict[str, Json]) -> str | None:
    """Return whether a worker's machine computes what the network does; nothing for a node without one."""
    if told["worker"] is None:
        return None
    if told["known_answers"] is None:
        return "not told yet"
    return "right" if told["known_answers"] else f"wrong, so no jobs are taken: {told['deviating']}"


def _way_told(way: dict[str, Json]) -> str | None:
    """Return how far a node has to go; nothing for one that is at the head."""
    if not way["behind"]:
        return None
    left = "" if way["left_s"] is None else f", about {way['left_s']} s left"
    return f"{way['behind']} of {way['target']} blocks, {way['blocks_per_s']} blocks/s{left}"
