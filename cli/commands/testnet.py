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
MS_PER_S = 1_000


@verb(app)
def up(
    cli: Cli,
    manifest: Annotated[Path | None, typer.Argument(help="A manifest; without one the options say it.")] = None,
    validators: Annotated[int, typer.Option("--validators", min=1, max=20, help="Nodes that vote.")] = 4,
    workers: Annotated[int, typer.Option("--workers", min=0, max=20, help="Nodes that run and verify jobs.")] = 5,
    followers: Annotated[int, typer.Option("--followers", min=0, max=10, help="Nodes that follow.")] = 0,
    liars: Annotated[int, typer.Option("--liars", min=0, max=5, help="Dishonest workers in addition.")] = 0,
    epoch_s: Annotated[int, typer.Option("--epoch-s", min=1, max=86_400, help="How long an epoch lasts.")] = 3_600,
    directory: Directory = TESTNET,
) -> None:
    """Make a network, start it, and wait until every node has a block; or start one that was stopped again."""
    import time

    from msgspec.structs import replace

    from primitives.reasons import Reason, Refused
    from testnet.manifest import read_manifest, standard
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
        usual = standard(validators=validators, workers=workers, followers=followers, liars=liars)
        usual = replace(usual, parameters=replace(usual.parameters, epoch_ms=epoch_s * MS_PER_S))
        network = write_network(directory, usual if manifest is None else read_manifest(manifest))
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


@verb(app)
def load(
    cli: Cli,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=5_000, help="Transfers per second.")] = 20.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=86_400, help="How long new ones are sent.")] = 30.0,
    directory: Directory = TESTNET,
) -> None:
    """Send signed transfers at a steady rate to a running network, and tell how long they take to become final."""
    import msgspec

    from testnet.load import lines_of, loaded
    from testnet.network_home import read_network

    told = loaded(directory, read_network(directory), per_s=rate, seconds=seconds)
    cli.out.result(msgspec.to_builtins(told), *lines_of(told))
    if told.waiting:
        raise typer.Exit(Exit.PROBLEMS)


@verb(app)
def chaos(
    cli: Cli,
    manifest: Annotated[Path | None, typer.Argument(help="A manifest; without one four validators.")] = None,
    events: Annotated[int, typer.Option("--events", min=1, max=10_000, help="How many faults.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Names the plan, which it prints again.")] = 1,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=1_000, help="Transfers per second meanwhile.")] = 10.0,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where the network is made; kept.")] = None,
    *,
    show: Annotated[bool, typer.Option("--plan", help="Print the plan and do nothing.")] = False,
) -> None:
    """Kill, pause, cut, slow, restart and set back the nodes of a network of its own under load, and judge it."""
    import shutil
    import tempfile

    import msgspec

    from testnet.chaos.run import CHAOTIC, lines_of, plan_for
    from testnet.chaos.run import chaos as run_chaos
    from testnet.manifest import read_manifest

    network = CHAOTIC if manifest is None else read_manifest(manifest)
    todo = plan_for(network, seed=seed, events=events)
    if show:
        told: list[Json] = [each.told() for each in todo]
        cli.out.result(told, *map(str, told))
        return
    place = Path(tempfile.mkdtemp(prefix="assay-chaos-")) / "net" if directory is None else directory
    cli.out.note(f"{events} events of the plan of seed {seed} on a network in {place}")
    report = run_chaos(place, network, todo, seed=seed, per_s=rate, progress=cli.out.note)
    cli.out.result(msgspec.to_builtins(report), *lines_of(report))
    if report.wrong:
        cli.out.note(f"homes, logs and votes are kept in {place}")
        raise typer.Exit(Exit.PROBLEMS)
    if directory is None:
        shutil.rmtree(place.parent)


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
