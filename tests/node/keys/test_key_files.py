import json
from pathlib import Path

import pytest

from node.keys.files import DEVELOPMENT_PREFIX, Key, KeyKind, create_key, describe_key, list_keys, load_key
from primitives.address import parse_address
from primitives.ed25519 import public_key_of
from primitives.reasons import Reason, Refused

QUICK = 2**4
"""A scrypt cost for tests."""
PASSWORD = b"correct horse"


def a_key(
    folder: Path, *, network: str = "asy", password: bytes | None = PASSWORD, kind: KeyKind = KeyKind.WALLET
) -> Key:
    public = bytes(range(32)) if kind is KeyKind.ONION else None
    return create_key(
        folder / f"{kind}.key.json", kind=kind, network=network, password=password, cost=QUICK, public=public
    )


def refusal(path: Path, **wanted: object) -> Reason:
    asked = {"kind": KeyKind.WALLET, "network": "asy", "password": PASSWORD} | wanted
    with pytest.raises(Refused) as caught:
        load_key(path, **asked)  # type: ignore[arg-type]  # built from keywords
    return caught.value.reason


@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_key_that_was_created_is_loaded_again(tmp_path: Path, kind: KeyKind) -> None:
    made = a_key(tmp_path, kind=kind)
    loaded = load_key(made.info.path, kind=kind, network="asy", password=PASSWORD)
    assert loaded == made
    assert loaded.info.encrypted


def test_the_file_is_for_its_owner_alone_and_shows_the_address_but_not_the_seed(tmp_path: Path) -> None:
    made = a_key(tmp_path)
    text = made.info.path.read_text()
    assert made.info.path.stat().st_mode & 0o777 == 0o600
    assert parse_address(json.loads(text)["address"], "asy") == made.info.address
    assert made.seed.hex() not in text
    assert made.seed.hex() not in repr(made)


def test_keys_are_described_without_a_password(tmp_path: Path) -> None:
    made = a_key(tmp_path)
    assert describe_key(made.info.path) == made.info
    assert list_keys(tmp_path) == [made.info]


def test_a_seed_that_is_given_is_the_one_that_is_kept(tmp_path: Path) -> None:
    seed = bytes(range(32))
    made = create_key(
        tmp_path / "a.key.json", kind=KeyKind.WORKER, network="tasy", password=b"x", seed=seed, cost=QUICK
    )
    assert made.info.public == public_key_of(seed)


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    path = a_key(tmp_path).info.path
    assert refusal(path, password=b"wrong") is Reason.KEY_WRONG_PASSWORD
    assert refusal(path, password=None) is Reason.KEY_WRONG_PASSWORD


def test_a_key_of_another_kind_or_network_is_refused(tmp_path: Path) -> None:
    path = a_key(tmp_path).info.path
    assert refusal(path, kind=KeyKind.VALIDATOR) is Reason.KEY_WRONG_KIND
    assert refusal(path, network="tasy") is Reason.WRONG_NETWORK


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = a_key(tmp_path).info.path
    path.chmod(0o640)
    assert refusal(path) is Reason.KEY_EXPOSED


def test_a_foreign_version_is_refused_before_anything_else_is_read(tmp_path: Path) -> None:
    path = a_key(tmp_path).info.path
    path.write_text('{"assay_key": 2, "news": true}')
    assert refusal(path) is Reason.KEY_WRONG_VERSION


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"assay_key": 1}', "\xff", "[" * 4000, " " * 5000])
def test_what_is_no_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = a_key(tmp_path).info.path
    path.write_text(text, encoding="latin-1")
    assert refusal(path) is Reason.KEY_UNREADABLE


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.key.json") is Reason.KEY_UNREADABLE


def test_a_second_key_does_not_overwrite_the_first(tmp_path: Path) -> None:
    first = a_key(tmp_path)
    with pytest.raises(Refused) as caught:
        a_key(tmp_path)
    assert caught.value.reason is Reason.KEY_EXISTS
    assert load_key(first.info.path, kind=KeyKind.WALLET, network="asy", password=PASSWORD) == first


def test_a_key_without_a_password_is_for_development_networks_and_says_so(tmp_path: Path) -> None:
    made = a_key(tmp_path, network=DEVELOPMENT_PREFIX, password=None)
    assert load_key(made.info.path, kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX) == made
    assert not made.info.encrypted
    assert "NOT ENCRYPTED" in made.info.path.read_text()


@pytest.mark.parametrize("network", ["asy", "tasy"])
def test_a_key_of_a_network_with_value_needs_a_password(tmp_path: Path, network: str) -> None:
    with pytest.raises(Refused) as caught:
        a_key(tmp_path, network=network, password=None)
    assert caught.value.reason is Reason.KEY_NOT_ENCRYPTED
    assert not list(tmp_path.iterdir())


def test_a_sealed_key_can_not_be_passed_off_as_another(tmp_path: Path) -> None:
    path = a_key(tmp_path).info.path
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"kind": "validator"}))
    assert refusal(path, kind=KeyKind.VALIDATOR) is Reason.KEY_WRONG_PASSWORD
    other = a_key(tmp_path / "other").info
    path.write_text(json.dumps(content | {"public": other.public.hex()}))
    assert refusal(path) is Reason.KEY_UNREADABLE


@pytest.mark.parametrize("cost", [0, 1, 3, 2**21, -2])
def test_a_file_may_not_make_us_spend_any_memory_it_likes(tmp_path: Path, cost: int) -> None:
    path = a_key(tmp_path).info.path
    content = json.loads(path.read_text())
    content["encryption"]["cost"] = cost
    path.write_text(json.dumps(content))
    assert refusal(path) is Reason.KEY_UNREADABLE
