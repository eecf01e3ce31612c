"""A validator's keys are those of its home that a set names, beside its own network key (N76)."""

import secrets
from pathlib import Path

import pytest
import trio

from ledger.onion import grow
from ledger.stake.epochs import EpochSet, Member
from node.identity import HomeKeys, ValidatorIdentity
from node.keys.files import Key, KeyKind, create_key, load_key

PEER = b"p" * 32


def open_file(path: Path, kind: KeyKind) -> Key:
    return load_key(path, kind=kind, network="dasy")


class Folder:
    """A folder of keys that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.keys = HomeKeys(path, open_file, peer=PEER)

    def vote_key(self, name: str) -> bytes:
        made = create_key(self.path / f"{name}.json", kind=KeyKind.VALIDATOR, network="dasy", password=None)
        return made.info.public

    def onion(self, name: str) -> bytes:
        seed = secrets.token_bytes(32)
        tip = grow(seed).tip
        path = self.path / f"{name}.json"
        create_key(path, kind=KeyKind.ONION, network="dasy", password=None, seed=seed, public=tip)
        return tip

    def place(self, *members: Member) -> ValidatorIdentity | None:
        epoch_set = EpochSet(epoch=3, seed=bytes(32), members=list(members))
        return trio.run(self.keys.place_in, epoch_set)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "keys")


def a_member(key: bytes, onion: bytes, *, peer: bytes = PEER) -> Member:
    return Member(validator=b"v" * 20, key=key, peer=peer, onion=onion, weight=1)


STRANGER = a_member(b"k" * 32, b"o" * 32, peer=b"q" * 32)


def test_a_set_that_does_not_name_this_node_gives_it_no_place(folder: Folder) -> None:
    assert folder.place(STRANGER) is None


def test_keys_that_come_into_the_folder_later_are_found_when_a_set_names_them(folder: Folder) -> None:
    first = a_member(folder.vote_key("validator"), folder.onion("onion"))
    place = folder.place(STRANGER, first)
    assert place is not None
    assert (place.index, place.onion.tip) == (1, first.onion)
    second = a_member(folder.vote_key("validator-2"), folder.onion("onion-2"))
    again = folder.place(second)
    assert again is not None
    assert (again.index, again.onion.tip) == (0, second.onion)
    assert again.seed != place.seed


def test_a_vote_key_beside_another_network_key_does_not_vote(folder: Folder) -> None:
    key, onion = folder.vote_key("validator"), folder.onion("onion")
    assert folder.place(a_member(key, onion, peer=b"q" * 32)) is None


def test_a_validator_without_its_vote_key_or_its_onion_only_follows(folder: Folder) -> None:
    key, onion = folder.vote_key("validator"), folder.onion("onion")
    assert folder.place(a_member(b"k" * 32, onion)) is None
    assert folder.place(a_member(key, b"o" * 32)) is None
