"""How a network on one machine is, as its nodes tell over RPC."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.reasons import Reason, Refused
from testnet.network_home import Network, Node
from testnet.processes import is_alive, log_tail, read_running

READY_S = 90.0
"""Ten nodes start within 20 s on two idle cores; a loaded machine may need far longer."""
POLL_S = 0.2
TAIL_LINES = 8
"""Of the log of a node that did not start."""

Progress = Callable[[str], None]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one node is."""

    name: str
    role: str
    state: str
    """running, unreachable (a process that does not answer) or stopped."""
    rpc: str
    p2p: str
    address: str
    behaviour: str | None
    height: int | None = None
    head: str | None = None
    state_root: str | None = None
    """After the block at the height that all running nodes hold."""
    peers: int = 0
    mempool: int = 0
    pids: dict[str, Json] | None = None
    """Of the node, its network program (`network`) and its sandboxes."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How a whole network is."""

    directory: str
    height: int | None
    """The highest that all running nodes hold; None if none answers."""
    agree: bool
    """Whether they have one state root there."""
    nodes: list[Standing]


def wait_ready(directory: Path, nodes: list[Node], *, progress: Progress, limit_s: float = READY_S) -> None:
    """Wait until each node answers and has got a new block since.

    Raises Refused NODE_DID_NOT_START with the end of the node's log.
    """
    until = time.monotonic() + limit_s
    waiting = list(nodes)
    first: dict[str, int] = {}
    while waiting:
        running = read_running(directory)
        for node in list(waiting):
            if node.name not in running:
                raise _did_not_start(directory, node, "it ended")
            told = ask(node.rpc, "node.status")
            height = None if told is None else int(str(told["height"]))
            if height is not None and height > first.setdefault(node.name, height):
                waiting.remove(node)
                progress(f"{node.name} is ready, {len(nodes) - len(waiting)} of {len(nodes)}")
        if waiting and time.monotonic() > until:
            raise _did_not_start(directory, waiting[0], f"no block within {limit_s:.0f} s")
        if waiting:
            time.sleep(POLL_S)


def overview(directory: Path, network: Network) -> Overview:
    """Ask every node, and compare their state roots at the highest block that all of them hold."""
    running = read_running(directory)
    told = {node.name: ask(node.rpc, "node.status") for node in network.nodes if node.name in running}
    answers = {name: status for name, status in told.items() if status is not None}
    heights = [int(str(status["height"])) for status in answers.values()]
    common = min(heights) if heights else None
    roots: dict[str, str] = {}
    for node in network.nodes:
        if node.name in answers and common is not None:
            root = ask(node.rpc, "chain.state_root", height=common)
            if root is not None:
                roots[node.name] = str(root["state_root"])
    standings = []
    for node in network.nodes:
        alive = node.name in running and is_alive(running[node.name])
        state = "running" if node.name in answers else "unreachable" if alive else "stopped"
        standings.append(_standing(node, state, answers.get(node.name, {}), roots.get(node.name)))
    agree = bool(roots) and len(roots) == len(answers) and len(set(roots.values())) == 1
    return Overview(directory=str(directory), height=common, agree=agree, nodes=standings)


def ask(rpc: str, method: str, **params: Json) -> dict[str, Json] | None:
    """Return a node's answer, or None if it does not answer."""
    try:
        with RpcClient(rpc, tries=1) as client:
            return client.table(method, **params)
    except Refused:
        return None


def _standing(node: Node, state: str, told: dict[str, Json], state_root: str | None) -> Standing:
    height, head, peers, mempool, pids = (told.get(key) for key in ("height", "head", "peers", "mempool", "pids"))
    return Standing(
        name=node.name,
        role=node.role,
        state=state,
        rpc=node.rpc,
        p2p=node.p2p,
        address=node.address,
        behaviour=node.behaviour,
        height=height if isinstance(height, int) else None,
        head=head if isinstance(head, str) else None,
        state_root=state_root,
        peers=len(peers) if isinstance(peers, list) else 0,
        mempool=mempool if isinstance(mempool, int) else 0,
        pids=pids if isinstance(pids, dict) else None,
    )


def _did_not_start(directory: Path, node: Node, why: str) -> Refused:
    tail = " | ".join(log_tail(directory, node.name).splitlines()[-TAIL_LINES:])
    return Refused(Reason.NODE_DID_NOT_START, node=node.name, why=why, log=tail)
