"""All floods at once on one validator of a real network: the chain goes on, and an honest peer gets in."""

import time
from pathlib import Path

import trio

from benches.floods import KINDS, memory, start_flooders
from node.config import parse_peer
from node.network import NetworkConfig, open_network
from node.p2p.ipc import Limits
from node.rpc.client import RpcClient
from testnet.manifest import Manifest
from testnet.network_home import Network, write_network
from testnet.observe import wait_ready
from testnet.processes import start, stop

FLOOD_S = 6.0
BLOCKS = 3
PATIENCE_S = 60.0
MEMORY_MAX = 400 << 20
"""Of one process: four times what it needs in peace."""


def test_the_chain_goes_on_and_an_honest_peer_gets_in_while_a_node_is_flooded(tmp_path: Path) -> None:
    network = write_network(tmp_path / "network", Manifest(validators=4))
    try:
        start(tmp_path / "network", network.nodes)
        wait_ready(tmp_path / "network", network.nodes, progress=lambda _: None)
        before, processes = _head(network), _processes(network)
        flooders = start_flooders(network, [0], KINDS, FLOOD_S)
        try:
            assert trio.run(_is_let_in, network)
            deadline = time.monotonic() + PATIENCE_S
            while _head(network) < before + BLOCKS:
                assert time.monotonic() < deadline, "the chain stands still"
                time.sleep(0.1)
            assert all(flooder.wait(PATIENCE_S) == 0 for flooder in flooders)
        finally:
            for flooder in flooders:
                flooder.kill()
                flooder.communicate()
        assert max(memory(network)) < MEMORY_MAX
        assert _processes(network) == processes
    finally:
        stop(tmp_path / "network", [node.name for node in network.nodes])


async def _is_let_in(network: Network) -> bool:
    """Connect to the flooded node as one that nobody knows."""
    config = NetworkConfig(
        identity_seed=b"h" * 32,
        network_id=bytes.fromhex(network.genesis_hash),
        peers=[parse_peer(network.nodes[0].p2p)],
        limits=Limits(is_test_network=True, outbound=0),
    )
    with trio.fail_after(PATIENCE_S):
        async with open_network(config) as honest:
            while not honest.peers:  # noqa: ASYNC110 - the network tells of it by an event that nobody takes here
                await trio.sleep(0.05)
            return True


def _head(network: Network) -> int:
    """Return the height at which the flooded node is."""
    with RpcClient(network.nodes[0].rpc) as rpc:
        return int(str(rpc.table("chain.head")["height"]))


def _processes(network: Network) -> dict[str, object]:
    with RpcClient(network.nodes[0].rpc) as rpc:
        pids = rpc.table("node.status")["pids"]
    assert isinstance(pids, dict)
    return {"node": pids["node"], "network": pids["network"]}
