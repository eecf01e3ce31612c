"""Receipts over the API, and the commands that read and check them without a node."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from ledger.market.receipt import ReceiptFile, decode_receipt, encode_receipt
from ledger.stake.epochs import set_hash
from ledger.state import change
from node.genesis_file import write_genesis
from primitives import codec
from primitives.address import address_text
from primitives.reasons import Reason
from testnet.kit.ledger_builders import a_genesis, a_submission, address, publish, run_job
from testnet.kit.receipt_builders import signed
from tests.node.rpc.served import Node


async def test_a_job_that_has_ended_has_a_receipt(node: Node) -> None:  # R13
    world = node.chain.world
    job = run_job(world)
    world.block()
    told = await node.call("job.receipt", id=job.hex())
    receipt = decode_receipt(bytes.fromhex(told["receipt"]))
    assert (told["job"], told["stage"], told["transactions"]) == (job.hex(), "settled", 10)
    assert (receipt.job, receipt.proven.height, len(receipt.transactions)) == (job, told["height"], 10)


async def test_others_have_none(node: Node) -> None:
    world = node.chain.world
    publish(world)
    job = world.must("client", a_submission())
    world.block()
    assert (await node.refusal("job.receipt", id=job.hex()))["data"]["reason"] == Reason.JOB_WRONG_STATE
    assert (await node.refusal("job.receipt", id="ab" * 32))["data"]["reason"] == Reason.JOB_UNKNOWN


async def test_the_commands_check_a_file_without_a_node(node: Node, tmp_path: Path) -> None:  # J87
    world = node.chain.world
    job = run_job(world)
    world.block()
    receipt = decode_receipt(bytes.fromhex((await node.call("job.receipt", id=job.hex()))["receipt"]))
    receipt = change(receipt, proven=signed(receipt.proven, world.charter))
    file, genesis = tmp_path / "it.receipt", tmp_path / "genesis.json"
    file.write_bytes(encode_receipt(receipt))
    write_genesis(genesis, world.charter.genesis)
    write_genesis(tmp_path / "another.json", a_genesis(validators=5))
    trusted = set_hash(receipt.proven.validators).hex()

    by_genesis = ran("verify", str(file), "--genesis", str(genesis))
    assert (by_genesis["stage"], by_genesis["client"]) == ("settled", address_text(address("client"), "dasy"))
    by_hash = ran("verify", str(file), "--validators", trusted)
    assert (by_hash["job"], by_hash["client"]) == (job.hex(), address("client").hex())
    assert ran("show", str(file))["validators_hash"] == trusted
    assert refused("verify", str(file)) == "REQUEST_INVALID"
    assert refused("verify", str(file), "--validators", "00" * 32) == "BLOCK_WRONG_VALIDATORS"
    assert refused("verify", str(file), "--genesis", str(tmp_path / "another.json")) == "WRONG_NETWORK"

    file.write_bytes(codec.encode(ReceiptFile(version=2, content=b"")))
    assert refused("show", str(file)) == "RECEIPT_WRONG_VERSION"


def ran(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["receipt", *words, "--json"])
    assert result.exit_code == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)["data"]
    return told


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["receipt", *words, "--json"])
    assert result.exit_code != 0
    return str(json.loads(result.stdout)["errors"][0]["name"])


def test_a_receipt_that_was_not_signed_is_refused_even_if_it_is_only_shown(tmp_path: Path) -> None:
    (tmp_path / "no.receipt").write_bytes(b"\x92\x01\xc4\x00")
    assert refused("show", str(tmp_path / "no.receipt")) == "MALFORMED"
    with pytest.raises(AssertionError):
        ran("show", str(tmp_path / "none.receipt"))
