"""Receipts as files: what people are told of one that is none, that was changed, or that is another network's."""

from pathlib import Path

import msgspec
import pytest

from cli.receipts import check_offline, read_receipt, told_receipt
from ledger.genesis import Genesis
from ledger.market.receipt import JobReceipt, encode_receipt
from ledger.stake.epochs import set_hash
from ledger.state import change
from node.genesis_file import write_genesis
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import Script, a_world, run_job
from testnet.kit.receipt_builders import a_receipt

WORLD = a_world()
RECEIPT = a_receipt(WORLD, run_job(WORLD, Script(accepts=False)))
TRUSTED = set_hash(RECEIPT.proven.validators).hex()


def genesis_file(folder: Path, genesis: Genesis = WORLD.charter.genesis) -> Path:
    file = folder / "genesis.json"
    write_genesis(file, genesis)
    return file


def refusal(receipt: JobReceipt, *, genesis: Path | None, validators: str | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        check_offline(receipt, genesis=genesis, validators=validators)
    return refused.value


def test_a_receipt_is_believed_by_the_genesis_file_or_by_the_hash_of_the_validators(tmp_path: Path) -> None:
    file = tmp_path / "job.receipt"
    file.write_bytes(encode_receipt(RECEIPT))
    by_genesis = check_offline(read_receipt(file), genesis=genesis_file(tmp_path), validators=None)
    by_hash = check_offline(read_receipt(file), genesis=None, validators=TRUSTED)
    assert by_genesis.checked == by_hash.checked
    told = told_receipt(by_genesis.checked, by_genesis.prefix)
    assert (told["stage"], told["declined"]) == ("void", [])
    assert str(told["time"]).endswith(" UTC")


@pytest.mark.parametrize("raw", [b"", b"no receipt", encode_receipt(RECEIPT)[:-1], encode_receipt(RECEIPT) + b"\0"])
def test_a_file_that_is_no_whole_receipt_is_named(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "job.receipt"
    file.write_bytes(raw)
    with pytest.raises(Refused) as refused:
        read_receipt(file)
    assert refused.value.reason is Reason.MALFORMED
    assert refused.value.facts["file"] == str(file)
    assert "class" not in str(refused.value)


def test_what_was_changed_is_told_by_its_part(tmp_path: Path) -> None:
    genesis = genesis_file(tmp_path)
    for at, words in enumerate(("the row of the job", "the row of its model", "the row of its lowering")):
        rows = list(RECEIPT.proven.rows)
        rows[at] = change(rows[at], value=(rows[at].value or b"")[:-1] + b"\x7f")
        changed = change(RECEIPT, proven=change(RECEIPT.proven, rows=rows))
        found = refusal(changed, genesis=genesis)
        assert (found.reason, found.facts["part"]) == (Reason.BAD_PROOF, words)


def test_a_receipt_of_another_network_is_told_as_such(tmp_path: Path) -> None:
    other = msgspec.structs.replace(WORLD.charter.genesis, name=b"another test")
    assert refusal(RECEIPT, genesis=genesis_file(tmp_path, other)).reason is Reason.WRONG_NETWORK


def test_without_anything_to_trust_both_ways_are_told() -> None:
    found = refusal(RECEIPT, genesis=None)
    assert found.reason is Reason.REQUEST_INVALID
    assert "--genesis" in str(found.facts["wanted"])
    assert "--validators" in str(found.facts["wanted"])
