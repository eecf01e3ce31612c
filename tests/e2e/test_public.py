"""What joins two nodes is libp2p and nothing else, and it suffices to follow from afar."""

import pytest

from testnet import processes
from tests.e2e.market import Market, wait_until
from tests.e2e.sockets import joined

pytestmark = pytest.mark.e2e


def test_a_follower_of_a_follower_keeps_up_with_head_and_state(honest: Market) -> None:
    only = [honest.ask("node.status", "follower0")["peer_id"]]
    wait_until(lambda: honest.ask("node.status", "follower1")["peers"] == only, "a link to the other follower alone")
    height = honest.ask("chain.head")["height"] + 5
    wait_until(lambda: honest.ask("chain.head", "follower1")["height"] >= height, "five more blocks on the follower")
    root = honest.ask("chain.state_root", "follower1", height=height)
    assert root == honest.ask("chain.state_root", "validator0", height=height)


def test_no_other_socket_joins_two_nodes(honest: Market) -> None:
    running = processes.read_running(honest.directory)
    network_programs = {honest.ask("node.status", name)["pids"]["network"] for name in running}
    groups = {
        name: [process.pid, *(each.pid for each in processes.family(process))] for name, process in running.items()
    }
    pairs = joined(groups)
    assert len(pairs) >= len(running) - 1, "the nodes are connected"
    assert all(one in network_programs and other in network_programs for one, other in pairs)
