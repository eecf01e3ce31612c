"""A node stops where rules begin that it does not know, and says which they are (Q51)."""

import time
from pathlib import Path

from ledger.stake.records import RuleVersion
from ledger.state import change
from node.genesis_file import read_genesis, write_genesis
from primitives.reasons import Reason
from testnet.manifest import Manifest
from testnet.network_home import write_network
from tests.node.running import Node, wait_until


def test_a_node_stops_before_the_first_block_of_rules_that_it_does_not_know(tmp_path: Path) -> None:
    directory = tmp_path / "net"
    (only,) = write_network(directory, Manifest(validators=1, idle_ms=200, delta_ms=100)).nodes
    node = Node(directory / only.name, directory / "logs" / "node.log")
    genesis = read_genesis(node.home.genesis)
    from_ms = time.time_ns() // 1_000_000 + 2_000
    later = RuleVersion(protocol=7, vm=1, from_ms=from_ms)
    node.home.genesis.unlink()
    write_genesis(node.home.genesis, change(genesis, versions=[*genesis.versions, later]))
    node.start()
    process = node.process
    assert process is not None
    wait_until(lambda: process.poll() is not None, "the end of the node")
    assert process.returncode == 1
    told = node.log.read_text()
    assert (
        f"error[AS-{int(Reason.RULES_UNKNOWN)}]: rules 7 with vm_version 1 are in force since block time {from_ms}"
        in told
    )
