"""Rows of the state with their proofs, over the API and as the command checks them."""

from pathlib import Path

import pytest
import trio

from cli.proofs import Trust, fetch_rows, hash_of, state_key
from ledger.proven import PROVEN_ROWS_MAX, decode_proven_rows
from ledger.state import CLOCK, account_key
from node.genesis_file import write_genesis
from node.rpc.client import RpcClient
from primitives.address import address_text
from primitives.reasons import Reason, Refused
from primitives.state_proof import check_state_proof
from testnet.kit.ledger_builders import a_genesis, address
from tests.node.rpc.served import Node

CLIENT = account_key(address("client"))


async def test_rows_are_answered_with_proofs_for_people_and_for_programs(node: Node) -> None:  # R11
    node.chain.step()
    node.chain.step()
    told = await node.call("state.proof", keys=[CLIENT.hex(), "01" + "00" * 20, CLOCK.hex()])
    proven = decode_proven_rows(bytes.fromhex(told["proven"]))
    assert told["height"] == proven.height == 1
    assert told["state_root"] == (await node.call("chain.state_root", height=1))["state_root"]
    assert [row["key"] for row in told["rows"]] == [row.key.hex() for row in proven.rows]
    assert told["rows"][1]["value"] is None
    for row in proven.rows:
        check_state_proof(proven.state_root, row.key, row.value, row.proof)


async def test_a_height_can_be_asked_for_and_what_is_not_there_is_not_found(node: Node) -> None:
    for _ in range(3):
        node.chain.step()
    assert (await node.call("state.proof", keys=[CLIENT.hex()], height=1))["height"] == 1
    assert (await node.refusal("state.proof", keys=[CLIENT.hex()], height=3))["data"]["reason"] == Reason.NOT_FOUND


@pytest.mark.parametrize("keys", [[], [""], ["0"], ["xy"], ["01" * 97], ["01"] * (PROVEN_ROWS_MAX + 1)])
async def test_keys_that_no_row_has_are_refused(node: Node, keys: list[str]) -> None:
    assert (await node.refusal("state.proof", keys=keys))["data"]["reason"] == Reason.REQUEST_INVALID


async def test_the_command_believes_no_certificate_that_nobody_signed(node: Node, tmp_path: Path) -> None:  # L66
    node.chain.step()
    node.chain.step()
    write_genesis(tmp_path / "genesis.json", node.chain.genesis)
    write_genesis(tmp_path / "another.json", a_genesis(validators=5))

    def reason(trust: Trust) -> Reason:
        with RpcClient(node.at) as rpc, pytest.raises(Refused) as refused:
            fetch_rows(rpc, [address_text(address("client"), "dasy")], height=None, trust=trust)
        return refused.value.reason

    for trust, wanted in (
        (Trust(genesis=tmp_path / "genesis.json", validators=None), Reason.BAD_SIGNATURE),
        (Trust(genesis=tmp_path / "another.json", validators=None), Reason.WRONG_NETWORK),
        (Trust(genesis=None, validators=bytes(32)), Reason.BLOCK_WRONG_VALIDATORS),
        (Trust(genesis=None, validators=None), Reason.BAD_SIGNATURE),
    ):
        assert await trio.to_thread.run_sync(reason, trust) is wanted


def test_a_key_is_an_address_or_hexadecimal() -> None:
    assert state_key(address_text(address("client"), "dasy"), "dasy") == CLIENT
    assert state_key(CLIENT.hex(), "dasy") == CLIENT
    for wrong in ("", "00" * 97, "dasy1", "01x"):
        with pytest.raises(Refused):
            state_key(wrong, "dasy")
    with pytest.raises(Refused):
        hash_of("ab")
    assert hash_of("ab" * 32) == b"\xab" * 32
