"""The keys of a node that shall validate, and when that takes effect."""

from pathlib import Path

import pytest

from cli.client import Network
from cli.epochs import moment, span
from cli.node_home import make_home
from cli.validator_keys import NodeKeys
from ledger.stake.keys import proof_bytes
from node.config import RolesSection, read_config
from node.genesis_file import write_genesis
from node.keys.files import KeyKind, describe_key, list_keys
from primitives import ed25519
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import a_genesis, address

NETWORK = Network(prefix="dasy", genesis_hash=bytes(32), verifier_fee=1)
VALIDATOR = address("client")


def a_home(tmp_path: Path, *, validator: bool) -> Path:
    write_genesis(tmp_path / "genesis.json", a_genesis())
    make_home(
        tmp_path / "node",
        genesis=tmp_path / "genesis.json",
        peers=[],
        roles=RolesSection(validator=validator),
        password=None,
        password_file=None,
    )
    return tmp_path / "node"


def keys_of(root: Path) -> NodeKeys:
    return NodeKeys(root, network=NETWORK, validator=VALIDATOR)


def test_a_follower_gets_the_keys_and_the_role_and_must_be_restarted(tmp_path: Path) -> None:
    root = a_home(tmp_path, validator=False)
    keys = keys_of(root)
    vote, tip = keys.vote_key(fresh=False), keys.onion(fresh=False)
    assert keys.take_role()
    assert read_config(root / "config.toml").roles.validator
    assert not keys_of(root).take_role()
    again = keys_of(root)
    assert (again.vote_key(fresh=False), again.onion(fresh=False)) == (vote, tip)
    assert describe_key(root / "keys" / "onion.json").public == tip


def test_keys_prove_that_they_are_the_validators(tmp_path: Path) -> None:
    keys = keys_of(a_home(tmp_path, validator=True))
    for proven in (keys.vote_key(fresh=False), keys.peer()):
        assert ed25519.verify(proven.key, proof_bytes(NETWORK.genesis_hash, VALIDATOR), proven.proof)
    assert not keys.take_role()


def test_fresh_keys_stand_beside_the_old_ones_where_the_node_looks(tmp_path: Path) -> None:
    root = a_home(tmp_path, validator=True)
    keys = keys_of(root)
    votes = {keys.vote_key(fresh=fresh).key for fresh in (False, True, True)}
    tips = {keys.onion(fresh=fresh) for fresh in (False, True)}
    found = list_keys(keys.folder)
    assert {info.public for info in found if info.kind is KeyKind.VALIDATOR} == votes
    assert {info.public for info in found if info.kind is KeyKind.ONION} == tips
    assert (root / "keys" / "validator-3.json").exists()


def test_a_home_without_a_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        keys_of(tmp_path)
    assert refused.value.reason is Reason.HOME_INCOMPLETE


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (7_200_000, "2 h"),
        (5_025_000, "1 h 23 min"),
        (86_400_000 * 14, "14 d"),
        (86_459_000, "1 d"),
        (61_000, "1 min 1 s"),
    ],
)
def test_a_span_of_time_has_its_two_largest_units(milliseconds: int, told: str) -> None:
    assert span(milliseconds) == told


def test_a_time_is_told_as_people_read_it() -> None:
    assert moment(1_795_337_657_788) == "2026-11-22 08:54:17 UTC"
