"""`assay testnet`: a whole network on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit import Exit
from cli.out import facts, table
from cli.verb import TESTNET, Cli, verb
from node.rpc.json_value import Json

if TYPE_CHECKING:
    from testnet.network_home import Network
    from testnet.observe import Overview, Standing

app = typer.Typer(name="testnet", help="A whole network on this machine.", no_args_is_help=True)

Directory = Annotated[Path, typer.Option("--dir", help="The network's own directory.")]
LOG_POLL_S = 0.3


@verb(app)
def up(
    cli: Cli,
    validators: Annotated[int, typer.Option("--validators", min=1, max=20, help="Nodes that vote.")] = 4,
    workers: Annotated[int, typer.Option("--workers", min=0, max=20, help="Nodes that run and verify jobs.")] = 5,
    followers: Annotated[int, typer.Option("--followers", min=0, max=10, help="Nodes that follow.")] = 0,
    liars: Annotated[int, typer.Option("--liars", min=0, max=5, help="Dishonest workers in addition.")] = 0,
    directory: Directory = TESTNET,
) -> None:
    """Make a network, start it, and wait until every node has a block; or start one that was stopped again."""
    import time

    from primitives.reasons import Reason, Refused
    from testnet.manifest import standard
    from testnet.network_home import NETWORK_FILE, read_network, write_network
    from testnet.observe import overview, wait_ready
    from testnet.processes import read_running, start, stop

    began = time.monotonic()
    if (directory / NETWORK_FILE).exists():
        network = read_network(directory)
        if read_running(directory):
            raise Refused(Reason.TESTNET_EXISTS, directory=str(directory))
        cli.out.note(f"starting the network in {directory} again")
    else:
        cli.out.note(f"making keys and genesis in {directory}")
        manifest = standard(validators=validators, workers=workers, followers=followers, liars=liars)
        network = write_network(directory, manifest)
    try:
        start(directory, network.nodes)
        wait_ready(directory, network.nodes, progress=cli.out.note)
    except Refused:
        stop(directory, [node.name for node in network.nodes])
        raise
    found = overview(directory, network)
    cli.out.result(_json(found), *_screen(directory, network, found, time.monotonic() - began))


@verb(app)
def down(cli: Cli, directory: Directory = TESTNET) -> None:
    """Stop every process of a network; its directory stays."""
    from testnet.network_home import read_network
    from testnet.processes import read_running, stop

    names = [node.name for node in read_network(directory).nodes]
    ran = sorted(read_running(directory))
    stop(directory, names)
    stopped: list[Json] = list(ran)
    cli.out.result({"directory": str(directory), "stopped": stopped}, f"stopped {len(ran)} nodes")


@verb(app)
def status(cli: Cli, directory: Directory = TESTNET) -> None:
    """Show every node, and whether all have the same state at the highest block that all hold."""
    from testnet.network_home import read_network
    from testnet.observe import overview

    found = overview(directory, read_network(directory))
    agreed = "one state root" if found.agree else "NOT one state root"
    said = "no node answers" if found.height is None else f"{agreed} at height {found.height}, which all hold"
    cli.out.result(_json(found), *_table(found.nodes), said)
    if found.height is not None and not found.agree:
        raise typer.Exit(Exit.PROBLEMS)


@verb(app)
def logs(
    cli: Cli,
    node: Annotated[str, typer.Argument(help="A node's name, such as validator0.")],
    directory: Directory = TESTNET,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
) -> None:
    """Print the end of a node's log."""
    import time

    from primitives.reasons import Reason, Refused
    from testnet.network_home import read_network
    from testnet.processes import log_file, log_tail

    names = [each.name for each in read_network(directory).nodes]
    if node not in names:
        raise Refused(Reason.NODE_UNKNOWN, seen=node, wanted=", ".join(names))
    tail = log_tail(directory, node).splitlines()
    lines: list[Json] = list(tail)
    cli.out.result({"node": node, "lines": lines}, *tail)
    if follow:
        with log_file(directory, node).open(errors="replace") as file:
            file.seek(0, 2)
            while True:
                line = file.readline()
                if line:
                    cli.out.event({"node": node, "line": line.rstrip()}, line.rstrip())
                else:
                    time.sleep(LOG_POLL_S)


def _json(found: "Overview") -> Json:
    import json

    import msgspec

    told: Json = json.loads(msgspec.json.encode(found))
    return told


def _table(nodes: "list[Standing]") -> list[str]:
    rows = [
        (
            node.name,
            node.role + (f" ({node.behaviour})" if node.behaviour else ""),
            node.state,
            "-" if node.height is None else str(node.height),
            node.peers,
            node.rpc,
            (node.state_root or "-")[:16],
        )
        for node in nodes
    ]
    return table(("NODE", "ROLE", "STATE", "HEIGHT", "PEERS", "RPC", "STATE ROOT"), rows)


def _screen(directory: Path, network: "Network", found: "Overview", took_s: float) -> list[str]:
    """Return everything that one needs to begin."""
    option = "" if directory == TESTNET else f" --dir {directory}"
    home = "" if directory == TESTNET else f"export ASSAY_HOME={directory / 'client'}"
    last = network.manifest.accounts - 1
    begin = [
        ("accounts", f"dev0 to dev{last}, {network.manifest.balance // 10**9:,} karat each; keys not encrypted"),
        ("home", str(directory / "client")),
        ("ask", network.nodes[0].rpc),
        ("try", "assay wallet balance dev0"),
        ("", "assay wallet send --key dev0 dev1 12.5"),
        ("", f"assay testnet status{option}"),
        ("", f"assay testnet down{option}"),
    ]
    if home:
        begin.insert(3, ("first", home))
    return [
        f"{len(network.nodes)} nodes on this machine, ready in {took_s:.1f} s. Nothing here has value.",
        "",
        *_table(found.nodes),
        "",
        *facts(begin),
    ]
