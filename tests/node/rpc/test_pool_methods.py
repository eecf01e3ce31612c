"""What the API tells of fees and of what waits."""

from ledger.fees import KIND_GAS, suggested_cap
from ledger.parameters import Parameters
from primitives.address import address_text
from primitives.reasons import Reason
from testnet.kit.ledger_builders import address
from tests.node.mempool.test_pool import a_transaction, add
from tests.node.rpc.served import Node

LEAST = Parameters().base_fee_min


def text(name: str) -> str:
    return address_text(address(name), "dasy")


async def test_an_estimate_tells_what_to_offer_and_what_gas_each_kind_takes(node: Node) -> None:
    told = await node.call("fee.estimate")
    assert (told["base_fee"], told["base_fee_min"], told["tip"]) == (str(LEAST), str(LEAST), "0")
    assert told["fee_cap"] == str(suggested_cap(LEAST))
    assert told["kinds"]["Transfer"] == 100
    assert len(told["kinds"]) == len(KIND_GAS)


async def test_the_status_counts_what_waits_and_what_may(node: Node) -> None:
    for transaction in (a_transaction("ann", 0), a_transaction("ann", 1, cap=2 * LEAST), a_transaction("ben", 2)):
        add(node.pool, transaction)
    node.pool.base_fee = LEAST + 1
    told = await node.call("mempool.status")
    assert (told["transactions"], told["accounts"], told["behind_gap"], told["parked"], told["kept"]) == (3, 2, 1, 2, 0)
    assert told["base_fee"] == str(LEAST + 1)
    assert told["limits"] == {"per_account": 64, "transactions": 200, "bytes": 100_000}
    assert told["dropped"] == {}


async def test_the_content_tells_how_each_stands_and_may_be_of_one_account(node: Node) -> None:
    node.pool.base_fee = LEAST + 1
    add(node.pool, a_transaction("ann", 0, tip=5))
    add(node.pool, a_transaction("ben", 1))
    add(node.pool, a_transaction("cy", 0))
    add(node.pool, a_transaction("dan", 0), kept=True)
    told = (await node.call("mempool.content"))["transactions"]
    assert [(each["sender"], each["stands"]) for each in told] == [
        (text("ann"), "ready"),
        (text("ben"), "behind_gap"),
        (text("cy"), "parked"),
        (text("dan"), "kept"),
    ]
    assert (told[0]["kind"], told[0]["tip"], told[0]["gas"]) == ("Transfer", "5", 500)
    assert len((await node.call("mempool.content", limit=2))["transactions"]) == 2
    (mine,) = (await node.call("mempool.content", sender=text("ben")))["transactions"]
    assert (mine["sender"], mine["nonce"]) == (text("ben"), 1)
    assert (await node.call("mempool.content", sender=text("nobody")))["transactions"] == []
    assert (await node.refusal("mempool.content", limit=1_001))["data"]["reason"] == Reason.REQUEST_INVALID
