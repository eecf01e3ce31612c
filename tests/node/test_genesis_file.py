"""The genesis file: for people to read, and checked when it is."""

import json
from pathlib import Path

import pytest

from node.genesis_file import parse_genesis, read_genesis, render_genesis, write_genesis
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import a_genesis

GENESIS = a_genesis()
TEXT = render_genesis(GENESIS)


def test_a_genesis_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_genesis(tmp_path / "genesis.json", GENESIS)
    assert read_genesis(tmp_path / "genesis.json") == GENESIS


def test_people_can_read_it() -> None:
    told = json.loads(TEXT)["genesis"]
    assert told["validators"][0]["key"] == GENESIS.validators[0].key.hex()
    assert told["parameters"]["base_fee_min"] == GENESIS.parameters.base_fee_min


def test_a_changed_number_is_seen_by_the_hash() -> None:
    told = json.loads(TEXT)
    told["genesis"]["accounts"][0]["balance"] += 1
    with pytest.raises(Refused) as refused:
        parse_genesis(json.dumps(told))
    assert refused.value.reason is Reason.GENESIS_MISMATCH


@pytest.mark.parametrize(
    ("before", "after"),
    [('"stake"', '"steak"'), ('"hash"', '"hush"'), ('"prefix": "dasy"', '"prefix": 3'), ('"name": "', '"name": "x')],
)
def test_a_file_of_another_form_is_refused(before: str, after: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_genesis(TEXT.replace(before, after))
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, "9" * 5_000])
def test_what_is_no_file_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_genesis(text)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_genesis(tmp_path / "genesis.json")
    assert refused.value.reason is Reason.HOME_INCOMPLETE
