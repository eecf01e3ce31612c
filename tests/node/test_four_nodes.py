"""Four validators and two followers as real processes: libp2p between them, LevelDB under them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.certificate import check_final
from ledger.block import block_id
from ledger.genesis import charter_of, first_set
from ledger.stake.epochs import instance_of
from node.p2p.names import topic_name
from node.sync.messages import ANNOUNCEMENT_BYTES_MAX, Announcement
from primitives.codec import decode
from tests.node.running import (
    RunningNetwork,
    is_alive,
    kill_hard,
    same_state,
    wait_until,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    running = RunningNetwork(tmp_path_factory.mktemp("net") / "net", followers=2)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_signed_transfers_become_final_on_every_node(network: RunningNetwork) -> None:
    before = network.balance(network.validators[0])
    txids = [network.transfer(network.validators[0], amount=7) for _ in range(20)]
    for node in network.nodes.values():
        wait_until(
            lambda node=node: all(node.call("chain.tx", id=txid).get("state") == "final" for txid in txids),
            f"{len(txids)} final transfers on {node.home.root.name}",
        )
        assert network.balance(node) == before + 7 * len(txids)
    assert same_state(list(network.nodes.values()))


def test_a_transfer_handed_to_the_last_follower_becomes_final(network: RunningNetwork) -> None:
    follower = network.nodes["follower1"]
    txid = network.transfer(follower, amount=11)
    wait_until(lambda: follower.call("chain.tx", id=txid).get("state") == "final", "the transfer's finality")


def test_a_stock_libp2p_host_receives_a_final_header_that_proves_itself(network: RunningNetwork) -> None:
    host = network.nodes["follower0"]
    peer, _, address = str(host.call("node.status")["p2p_address"]).partition("@")
    ip, _, port = address.partition(":")
    charter = charter_of(network.genesis)
    where = [f"/ip4/{ip}/tcp/{port}/p2p/{peer}", topic_name("final", charter.hash)]
    program = Path(__file__).with_name("stock_follower.py")
    with subprocess.Popen([sys.executable, str(program), *where], stdout=subprocess.PIPE) as stock:
        assert stock.stdout is not None
        told = stock.stdout.readline()
        stock.kill()
    announcement = decode(Announcement, bytes.fromhex(told.decode()), at_most=ANNOUNCEMENT_BYTES_MAX)
    instance = instance_of(charter.hash, first_set(charter.genesis, 0))
    check_final(announcement.certificate, block_id(announcement.header), instance)
    wait_until(lambda: host.height >= announcement.header.height, "the announced block")
    assert (
        host.call("chain.block", height=announcement.header.height)["id"] == announcement.certificate.vote.block.hex()
    )


def test_a_killed_validator_misses_nothing_once_it_is_back(network: RunningNetwork) -> None:
    victim, other = network.validators[3], network.validators[0]
    victim.kill()
    before = other.height
    network.transfer(other, amount=13)
    wait_until(lambda: other.height >= before + 3, "three blocks without the fourth validator")
    victim.start()
    victim.wait_ready()
    wait_until(lambda: victim.height >= other.height - 1, "catching up")
    assert same_state(list(network.nodes.values()))


def test_blocks_go_on_after_a_network_program_is_killed(network: RunningNetwork) -> None:
    victim = network.validators[1]
    node_pid, network_pid = victim.pids()
    kill_hard(network_pid)
    wait_until(lambda: victim.pids()[1] not in (0, network_pid), "another network program")
    assert victim.pids()[0] == node_pid
    height = victim.height
    wait_until(lambda: victim.height >= height + 3, "further blocks on the node whose network died")


def test_a_halted_chain_goes_on_when_its_validators_are_back(network: RunningNetwork) -> None:
    stopped, kept = network.validators[2:], network.validators[:2]
    for node in stopped:
        pids = node.pids()
        assert node.stop() == 0
        assert not any(is_alive(pid) for pid in pids)
    halted_at = max(node.height for node in kept)
    for node in stopped:
        node.start()
    for node in stopped:
        node.wait_ready()
    everyone = list(network.nodes.values())
    wait_until(lambda: min(node.height for node in everyone) >= halted_at + 3, "blocks after the halt")
    assert same_state(everyone)


def test_a_second_node_in_one_home_is_refused_in_one_line(network: RunningNetwork) -> None:
    twin = network.validators[0]
    log = twin.log.with_name("twin.log")
    second = type(twin)(twin.home.root, log)
    second.start()
    assert second.process is not None
    assert second.process.wait(timeout=30) == 2
    told = log.read_text().strip().splitlines()
    assert len(told) == 1
    assert "home in use" in told[0]


def test_sigterm_ends_a_node_and_all_that_it_started(network: RunningNetwork) -> None:
    pids = [pid for node in network.nodes.values() for pid in node.pids()]
    for node in network.nodes.values():
        assert node.stop() == 0
    assert not any(is_alive(pid) for pid in pids)
