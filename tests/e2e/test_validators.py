"""Validators of real processes join, leave and change keys through epochs; one that signs twice is banned (N76, N77).

One network lives through it all: four validators, a node that becomes the fifth, a follower, and one who comes last.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.genesis import genesis_hash
from ledger.onion import grow
from ledger.parameters import Parameters
from ledger.stake.keys import prove
from ledger.transaction import (
    Body,
    Payload,
    Transfer,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUpdate,
    sign_transaction,
)
from node.config import read_config, render_config
from node.genesis_file import read_genesis
from node.home import Home
from node.keys.files import Key, KeyKind, create_key, load_key
from primitives.units import KARAT
from testnet.kit.two_faced import LIE
from testnet.manifest import Follower, Manifest
from testnet.network_home import write_network
from tests.e2e.conftest import EPOCHS
from tests.node.running import Node, same_state, wait_until

PARAMETERS = Parameters(epoch_ms=4_000, churn_bps=3_300)
MANIFEST = Manifest(
    followers=[Follower(), Follower(), Follower()],
    accounts=2,
    balance=20_000 * KARAT,
    idle_ms=400,
    delta_ms=250,
    parameters=PARAMETERS,
)
LIAR, LEAVER, CHANGER = "validator3", "validator2", "validator1"
JOINER, FOLLOWER, LATE = "follower0", "follower1", "follower2"


class TwoFaced(Node):
    """A validator that signs twice once it is told to."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "testnet.kit.two_faced", "--home", str(self.home.root)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def lie(self) -> None:
        (self.home.root / LIE).touch()


class Network:
    """The nodes by name, and the keys of those who act."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        names = [node.name for node in write_network(directory, MANIFEST).nodes]
        self.nodes = {
            name: (TwoFaced if name == LIAR else Node)(directory / name, directory / "logs" / f"{name}.log")
            for name in names
        }
        self.genesis = read_genesis(directory / "genesis.json")
        self.hash = genesis_hash(self.genesis)
        self.rich, self.owner = (self._key("client", f"dev{at}.json", KeyKind.WALLET) for at in range(2))
        self.began_s = time.monotonic()

    def _key(self, home: str, file: str, kind: KeyKind) -> Key:
        return load_key(self.directory / home / "keys" / file, kind=kind, network="dasy")

    def validator_key(self, name: str) -> Key:
        """Return the vote key of a genesis validator, which is its operator's account too."""
        return self._key(name, "validator.json", KeyKind.VALIDATOR)

    def network_key(self, name: str) -> Key:
        return self._key(name, "network.json", KeyKind.NETWORK)

    def start(self, *names: str) -> None:
        for name in names:
            self.nodes[name].start()
        for name in names:
            self.nodes[name].wait_ready()

    def stop(self) -> None:
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is None:
                node.kill()

    @property
    def here(self) -> Node:
        """Whom the tests ask."""
        return self.nodes[FOLLOWER]

    def act(self, key: Key, payload: Payload) -> None:
        """Send a transaction and wait until it is final; it must not fail."""
        account = self.here.call("account.get", address=key.info.address_text)
        body = Body(
            sender=key.info.public,
            nonce=int(str(account["next_nonce"])),
            fee_cap=4 * PARAMETERS.base_fee_min,
            tip=0,
            valid_until=time.time_ns() // 1_000_000 + 120_000,
            payload=payload,
        )
        txid = self.here.call("tx.submit", raw=sign_transaction(key.seed, self.hash, body).hex())["id"]
        wait_until(lambda: self.here.call("chain.tx", id=txid)["state"] == "final", f"the transaction {payload}")
        receipt: Any = self.here.call("chain.tx", id=txid)["receipt"]
        assert receipt["ok"], receipt

    def new_keys(self, home: Home) -> tuple[Key, bytes]:
        """Put a new vote key and a new onion into a home; return the key and the onion's tip."""
        at = len(list(home.keys.glob("*.json")))
        key = create_key(home.keys / f"validator-{at}.json", kind=KeyKind.VALIDATOR, network="dasy", password=None)
        seed = secrets.token_bytes(32)
        tip = grow(seed).tip
        create_key(
            home.keys / f"onion-{at}.json", kind=KeyKind.ONION, network="dasy", password=None, seed=seed, public=tip
        )
        return key, tip

    def members(self, node: Node | None = None) -> list[dict[str, Any]]:
        """Return the validators of the running epoch."""
        found: Any = (node or self.here).call("epoch.get")["members"]
        return list(found)

    def epoch(self, node: Node | None = None) -> int:
        return int(str((node or self.here).call("epoch.get")["epoch"]))

    def proposes(self, key: str) -> bool:
        """Tell whether the holder of a vote key is in the running epoch and has proposed a block of it."""
        return any(each["key"] == key and each["proposed"] for each in self.members())

    def tell(self, what: str) -> None:
        """Put a line into the report."""
        passed_s = time.monotonic() - self.began_s
        EPOCHS.append(f"{passed_s:6.1f} s  epoch {self.epoch():3}  height {self.here.height:4}  {what}")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("epochs") / "net")
    joiner = made.nodes[JOINER].home
    config = read_config(joiner.config)
    roles = msgspec.structs.replace(config.roles, validator=True)
    joiner.config.write_text(render_config(msgspec.structs.replace(config, roles=roles)))
    create_key(joiner.path_of(config.keys.validator), kind=KeyKind.VALIDATOR, network="dasy", password=None)
    seed = secrets.token_bytes(32)
    onion = joiner.path_of(config.keys.onion)
    create_key(onion, kind=KeyKind.ONION, network="dasy", password=None, seed=seed, public=grow(seed).tip)
    try:
        made.start(*(name for name in made.nodes if name != LATE))
        made.tell("four validators")
        yield made
    finally:
        made.stop()


def test_a_fifth_validator_joins_a_running_network(network: Network) -> None:
    owner, key = network.owner, network.validator_key(JOINER)
    assert network.nodes[JOINER].call("node.status")["voting"] is False
    onion = network._key(JOINER, "onion.json", KeyKind.ONION).info.public
    registration = ValidatorRegister(
        key=prove(key.seed, network.hash, owner.info.address),
        peer=prove(network.network_key(JOINER).seed, network.hash, owner.info.address),
        onion=onion,
        commission=1_000,
        bond=MANIFEST.stake,
    )
    network.act(owner, registration)
    network.tell("a fifth has registered")
    wait_until(lambda: network.proposes(key.info.public.hex()), "a block of the fifth validator")
    assert len(network.members()) == 5
    wait_until(lambda: network.nodes[JOINER].call("node.status")["voting"] is True, "votes of the fifth validator")
    network.tell("it votes and proposes, among five")


def test_a_validator_changes_its_vote_key_and_its_onion_without_a_restart(network: Network) -> None:
    changer = network.validator_key(CHANGER)
    network.act(network.rich, Transfer(to=changer.info.address, amount=10 * KARAT))
    key, tip = network.new_keys(network.nodes[CHANGER].home)
    proven = prove(key.seed, network.hash, changer.info.address)
    network.act(changer, ValidatorUpdate(key=proven, peer=None, onion=tip, commission=None))
    network.tell("one has told its next keys")
    wait_until(lambda: network.proposes(key.info.public.hex()), "a block by the new keys")
    assert changer.info.public.hex() not in {each["key"] for each in network.members()}
    network.tell("it votes and proposes with them")


def test_a_validator_leaves_and_follows_on(network: Network) -> None:
    leaver = network.validator_key(LEAVER)
    network.act(network.rich, Transfer(to=leaver.info.address, amount=10 * KARAT))
    network.act(leaver, ValidatorExit())
    network.tell("one has left")
    wait_until(lambda: len(network.members()) == 4, "an epoch of four")
    node = network.nodes[LEAVER]
    wait_until(lambda: node.call("node.status")["voting"] is False, "the one who left to vote no more")
    height = node.height
    wait_until(lambda: node.height >= height + 3, "blocks at the one who left")
    network.tell("its part is over, and it follows")


def test_a_validator_that_signs_twice_is_slashed_and_banned_and_every_node_shows_the_proof(network: Network) -> None:
    liar = network.nodes[LIAR]
    assert isinstance(liar, TwoFaced)
    address = network.validator_key(LIAR).info.address_text
    before = int(str(network.here.call("validator.get", address=address)["stake"]))
    liar.lie()
    network.tell("one begins to sign twice")
    running = [node for name, node in network.nodes.items() if name != LATE]
    wait_until(lambda: all(node.call("validator.evidence")["evidence"] for node in running), "evidence everywhere")
    network.tell("every node shows the evidence")
    shown: list[Any] = [node.call("validator.evidence")["evidence"] for node in running]
    ((proof,),) = {msgspec.json.encode(each): each for each in shown}.values()
    assert proof["validator"] == address
    assert proof["first"]["view"] == proof["second"]["view"]
    assert proof["first"]["block"] != proof["second"]["block"]
    assert int(proof["slashed"]) > 0
    told = network.here.call("validator.get", address=address)
    assert told["state"] == "banned"
    assert int(str(told["stake"])) < before
    wait_until(lambda: address not in {each["validator"] for each in network.members()}, "an epoch without the liar")
    height = network.here.height
    wait_until(lambda: network.here.height >= height + 3, "blocks without the liar")
    network.tell(f"it has lost {proof['slashed']} of {before} grains and its place; the chain goes on")


def test_a_node_that_comes_last_follows_through_all_epochs(network: Network) -> None:
    goal, began_s = network.here.height, time.monotonic()
    network.start(LATE)
    late = network.nodes[LATE]
    wait_until(lambda: late.height >= goal, "all blocks at the node that came last")
    passed_s = time.monotonic() - began_s
    network.tell(f"a node that comes last has {goal} blocks after {passed_s:.1f} s, its start included")
    assert same_state(list(network.nodes.values()))
    assert late.call("validator.evidence") == network.here.call("validator.evidence")
    assert network.epoch(late) >= 6  # a change takes effect with the second epoch after it
