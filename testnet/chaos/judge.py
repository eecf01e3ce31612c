"""What must hold after whatever was done to a network, seen over RPC and in the record of votes alone."""

import json
import random
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.reasons import Refused
from testnet.load import Place
from testnet.network_home import Network, Node

AGREE_S = 120.0
"""For all nodes to come to one height once nobody hurts them any more."""
POLL_S = 0.3
SAMPLED = 100
"""Acknowledged transactions that each node is asked for; one is asked for every block, and so for all of them."""
EVERY_HEIGHT = 20
"""Of the blocks that each of the others is asked for: an id stands for all ancestors, so this looks for damage."""


class Findings(msgspec.Struct, kw_only=True):
    """What was looked at, and what was found wrong with it."""

    height: int = 0
    blocks: int = 0
    transactions: int = 0
    votes: int = 0
    wrong: list[str] = []


def judge(
    directory: Path, network: Network, *, seen: dict[int, str], acknowledged: dict[str, Place], seed: int
) -> Findings:
    """Judge a network that nobody hurts any more; `seen` and `acknowledged` is what nodes said on the way."""
    found = Findings()
    with ExitStack() as opened:
        clients = {node.name: opened.enter_context(RpcClient(node.rpc)) for node in network.nodes}
        _judge_chains(clients, found, seen=seen, acknowledged=acknowledged, chance=random.Random(seed))
    found.votes = judge_votes(directory, network.nodes, found.wrong)
    return found


def _judge_chains(
    clients: dict[str, RpcClient],
    found: Findings,
    *,
    seen: dict[int, str],
    acknowledged: dict[str, Place],
    chance: random.Random,
) -> None:
    """Compare the chains of all nodes with each other, and with what was told of them."""
    common = _common_height(clients, max(seen, default=0), found)
    if common is None:
        return
    found.height = common
    first, *others = clients
    ids = _walk(clients[first], common, acknowledged, found)
    for height, name in seen.items():
        if height <= common and ids.get(height) != name:
            found.wrong.append(f"fork: block {height} was told final as {name} and is {ids.get(height)}")
    for other in others:
        _compare(clients[other], other, ids, common, found)
        sample = chance.sample(sorted(acknowledged), min(SAMPLED, len(acknowledged)))
        _look_up(clients[other], other, {txid: acknowledged[txid] for txid in sample}, found)


def _common_height(clients: dict[str, RpcClient], least: int, found: Findings) -> int | None:
    """Return a height that all nodes reach, at or above `least`; None if they don't."""
    until = time.monotonic() + AGREE_S
    heights: dict[str, int] = {}
    while time.monotonic() < until:
        heights = {name: _height(client) for name, client in clients.items()}
        if min(heights.values()) >= least:
            return min(heights.values())
        time.sleep(POLL_S)
    found.wrong.append(f"not all nodes came to height {least} within {AGREE_S:.0f} s: {heights}")
    return None


def _height(client: RpcClient) -> int:
    try:
        return int(str(client.table("chain.head")["height"]))
    except Refused:
        return -1


def _walk(client: RpcClient, common: int, acknowledged: dict[str, Place], found: Findings) -> dict[int, str]:
    """Read a whole chain; check that it hangs together and holds what was acknowledged; return ids by height."""
    ids: dict[int, str] = {}
    places: dict[str, Place] = {}
    parent: Json = None
    for height in range(1, common + 1):
        block = client.table("chain.block", height=height)
        name, transactions = str(block["id"]), block["transactions"]
        if parent is not None and block["parent"] != parent:
            found.wrong.append(f"fork: block {height} has the parent {block['parent']}, not {parent}")
        parent = ids[height] = name
        assert isinstance(transactions, list)
        for index, each in enumerate(transactions):
            assert isinstance(each, dict)
            if str(each["id"]) in places:
                found.wrong.append(f"transaction {each['id']} is in two blocks")
            places[str(each["id"])] = Place(height, index, name)
    found.blocks, found.transactions = len(ids), len(places)
    for txid, place in acknowledged.items():
        if place.height <= common and places.get(txid) != place:
            found.wrong.append(f"lost: {txid} was told final at {place} and is at {places.get(txid)}")
    return ids


def _compare(client: RpcClient, node: str, ids: dict[int, str], common: int, found: Findings) -> None:
    """Compare a node's blocks with the chain of the first."""
    for height in [*range(1, common, EVERY_HEIGHT), common]:
        name = client.table("chain.block", height=height)["id"]
        if name != ids[height]:
            found.wrong.append(f"fork: {node} has block {height} as {name}, not {ids[height]}")


def _look_up(client: RpcClient, node: str, acknowledged: dict[str, Place], found: Findings) -> None:
    """Ask a node for transactions by their ids."""
    for txid, place in acknowledged.items():
        told = client.table("chain.tx", id=txid)
        if (told["state"], told["height"], told["index"], told["block"]) != (
            "final",
            place.height,
            place.index,
            place.block,
        ):
            found.wrong.append(f"lost: {node} says of {txid}, told final at {place}: {told['state']} {told['height']}")


def judge_votes(directory: Path, nodes: list[Node], wrong: list[str]) -> int:
    """Check that no validator has ever signed what contradicts another vote of its own; return how many it cast."""
    count = 0
    for node in nodes:
        path = directory / "votes" / f"{node.name}.jsonl"
        if not path.exists():
            continue
        cast: dict[tuple[int, int], dict[str, str]] = {}
        with path.open() as file:
            for line in file:
                if not line.endswith("\n"):
                    continue  # killed while it wrote: it never sent that vote
                vote = json.loads(line)
                view = (vote["epoch"], vote["view"])
                mine = cast.setdefault(view, {})
                count += 1
                if mine.setdefault(vote["kind"], vote["block"]) != vote["block"]:
                    wrong.append(f"double sign: {node.name} cast {vote['kind']} twice in epoch and view {view}")
                if "NULLIFY" in mine and "FINALIZE" in mine:
                    wrong.append(f"double sign: {node.name} cast NULLIFY and FINALIZE in epoch and view {view}")
    return count
