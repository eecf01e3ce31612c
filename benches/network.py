"""A network of real processes for a benchmark, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.figures import say
from node.keys.files import DEVELOPMENT_PREFIX, Key, KeyKind, load_key
from testnet.manifest import Manifest
from testnet.network_home import CLIENT, Network, write_network
from testnet.observe import wait_ready
from testnet.processes import start, stop


@contextmanager
def running(manifest: Manifest) -> Iterator[tuple[Path, Network]]:
    """Start a network and yield its directory and description once every node has a block; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        directory = Path(scratch) / "network"
        network = write_network(directory, manifest)
        try:
            start(directory, network.nodes)
            wait_ready(directory, network.nodes, progress=lambda _: None)
            say(f"  ({len(network.nodes)} nodes run)")
            yield directory, network
        finally:
            stop(directory, [node.name for node in network.nodes])


def account(directory: Path, at: int) -> Key:
    """Return the key of the funded account dev`at`."""
    return load_key(directory / CLIENT / "keys" / f"dev{at}.json", kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX)
