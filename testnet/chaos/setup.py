"""Writes a network whose nodes reach each other only by lines that can be hurt, and whose votes are written down."""

from pathlib import Path

import msgspec

from node.config import read_config, render_config
from node.home import Home, write_whole
from testnet.chaos.links import Line
from testnet.manifest import Manifest, connections
from testnet.network_home import NETWORK_FILE, Network, write_network
from testnet.ports import free_ports
from testnet.processes import RECORDED


def write_chaotic(directory: Path, manifest: Manifest) -> tuple[Network, list[Line]]:
    """Make a network in a directory of its own, and the lines that it needs. Raises Refused TESTNET_EXISTS."""
    network = write_network(directory, manifest)
    nodes = {node.name: node for node in network.nodes}
    pairs = [(name, other) for name, others in connections(manifest).items() for other in others]
    lines = [
        Line(dialler=name, target=other, listen_port=port, target_port=int(nodes[other].p2p.rpartition(":")[2]))
        for (name, other), port in zip(pairs, free_ports(len(pairs), directory), strict=True)
    ]
    for name in nodes:
        dialled = [
            f"{nodes[line.target].p2p.partition('@')[0]}@127.0.0.1:{line.listen_port}"
            for line in lines
            if line.dialler == name
        ]
        path = Home(directory / name).config
        config = read_config(path)
        section = msgspec.structs.replace(config.network, peers=dialled)
        write_whole(path, render_config(msgspec.structs.replace(config, network=section)).encode())
    recorded = [
        msgspec.structs.replace(node, behaviour=RECORDED) if node.role == "validator" else node
        for node in network.nodes
    ]
    network = msgspec.structs.replace(network, nodes=recorded)
    write_whole(directory / NETWORK_FILE, msgspec.json.format(msgspec.json.encode(network), indent=2))
    return network, lines
