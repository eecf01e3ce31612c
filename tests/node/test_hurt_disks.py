"""Real nodes whose files can't grow, or are not what they were: they say which, and go on once that is mended (N45)."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.app import EXIT_FAILED, EXIT_REFUSED
from testnet.manifest import Follower, Manifest
from testnet.network_home import write_network
from tests.node.running import READY_S, STEP_S, Node, wait_until

pytestmark = pytest.mark.e2e

ROOM_BYTES = 500
"""Less than one block and its rows."""


class Pair:
    """One validator and one follower."""

    def __init__(self, directory: Path) -> None:
        manifest = Manifest(validators=1, followers=[Follower(connect=["validator0"])], idle_ms=200, delta_ms=200)
        network = write_network(directory, manifest)
        logs = directory / "logs"
        self.validator, self.follower = (
            Node(directory / node.name, logs / f"{node.name}.log") for node in network.nodes
        )

    def together(self) -> bool:
        """Tell whether the follower is at most a block behind."""
        return self.follower.height >= self.validator.height - 1

    def start(self, node: Node) -> None:
        node.start()
        node.wait_ready()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("pair") / "net")
    try:
        made.start(made.validator)
        made.start(made.follower)
        wait_until(lambda: made.follower.height >= 20, "twenty blocks")
        yield made
    finally:
        for node in (made.validator, made.follower):
            if node.process is not None and node.process.poll() is None:
                node.kill()


def ended(node: Node) -> int:
    assert node.process is not None
    return node.process.wait(timeout=READY_S)


def last_line(node: Node) -> str:
    return node.log.read_text().splitlines()[-1]


def files(node: Node) -> list[Path]:
    return [path for path in node.home.state.rglob("*") if path.is_file()]


@pytest.mark.parametrize("who", ["follower", "validator"])
def test_a_node_whose_disk_is_full_says_so_and_goes_on_when_there_is_room_n45(pair: Pair, who: str) -> None:
    node: Node = getattr(pair, who)
    assert node.process is not None
    height = node.height
    room = max(path.stat().st_size for path in files(node)) + ROOM_BYTES
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert ended(node) == EXIT_FAILED
    assert "StoreFailedError" in last_line(node)
    assert str(node.home.state) in last_line(node)
    assert "too large" in last_line(node)
    pair.start(node)
    assert node.height >= height
    before = pair.validator.height
    wait_until(lambda: pair.validator.height >= before + 3 and pair.together(), "more blocks")


def test_a_node_with_a_flipped_bit_names_the_file_and_a_new_store_is_fetched_n45(pair: Pair) -> None:
    node = pair.follower
    assert node.stop() == 0
    segment = node.home.state / "segments" / "00000001.seg"
    raw = bytearray(segment.read_bytes())
    raw[-100] ^= 16
    segment.write_bytes(raw)
    node.start()
    assert ended(node) == EXIT_REFUSED
    assert last_line(node).startswith("error[AS-905]: store damaged")
    assert str(segment) in last_line(node)
    assert "assay db check" in last_line(node)
    command = [sys.executable, "-m", "cli.main", "db", "check", "--home", str(node.home.root), "--json"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=STEP_S, check=False)
    assert checked.returncode == 8
    assert [problem["file"] for problem in json.loads(checked.stdout)["data"]["problems"]] == [str(segment)]
    shutil.move(node.home.state, node.home.root / "damaged")
    pair.start(node)
    wait_until(pair.together, "all blocks again")
    status = node.call("sync.status")
    assert status["lowest_block"] == 0
    root = node.call("chain.state_root", height=node.height)
    assert root == pair.validator.call("chain.state_root", height=root["height"])
