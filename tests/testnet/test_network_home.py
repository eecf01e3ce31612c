"""The directory of a network."""

import stat
from pathlib import Path

import pytest

from ledger.genesis import genesis_hash
from node.config import read_config
from node.genesis_file import read_genesis
from node.home import Home
from node.keys.files import KeyKind, load_key
from primitives.reasons import Reason, Refused
from testnet.manifest import Follower, Manifest, Worker
from testnet.network_home import Network, read_network, write_network

MANIFEST = Manifest(validators=1, workers=[Worker(threads=2), Worker(registered=False)], followers=[Follower()])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network]:
    directory = tmp_path_factory.mktemp("network")
    return directory, write_network(directory, MANIFEST)


def test_what_was_made_reads_back(made: tuple[Path, Network]) -> None:
    directory, network = made
    assert read_network(directory) == network


def test_every_home_has_the_same_genesis(made: tuple[Path, Network]) -> None:
    directory, network = made
    hashes = {genesis_hash(read_genesis(Home(directory / node.name).genesis)).hex() for node in network.nodes}
    assert hashes == {network.genesis_hash}


def test_each_node_listens_where_the_network_says_and_dials_those_before_it(made: tuple[Path, Network]) -> None:
    directory, network = made
    for at, node in enumerate(network.nodes):
        config = read_config(Home(directory / node.name).config)
        assert f"http://{config.rpc.listen}" == node.rpc
        assert config.network.listen == node.p2p.partition("@")[2]
        assert config.network.peers == [other.p2p for other in network.nodes[:at]]
        assert config.roles.validator == (node.role == "validator")
        assert config.roles.worker == (node.role == "worker")
    assert read_config(Home(directory / "worker0").config).compute.threads == 2


def test_an_unregistered_worker_has_the_money_for_its_bond(made: tuple[Path, Network]) -> None:
    directory, _ = made
    genesis = read_genesis(directory / "genesis.json")
    assert len(genesis.workers) == 1
    key = load_key(directory / "worker1" / "keys" / "worker.json", kind=KeyKind.WORKER, network="dasy")
    (account,) = [each for each in genesis.accounts if each.address == key.info.address]
    assert account.balance > MANIFEST.workers[1].bond


def test_secrets_are_for_their_owner_alone(made: tuple[Path, Network]) -> None:
    directory, _ = made
    keys = list(directory.glob("*/keys/*.json"))
    assert len(keys) == 3 + 2 * 2 + 1 + MANIFEST.accounts
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(Refused) as told:
        write_network(tmp_path, MANIFEST)
    assert told.value.reason is Reason.TESTNET_EXISTS
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_directory_without_a_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as told:
        read_network(tmp_path)
    assert told.value.reason is Reason.TESTNET_UNKNOWN
