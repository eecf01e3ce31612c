"""Quotes and batches over the API."""

from ledger.fees import PIECE_BYTES
from ledger.market.batch import item_id
from ledger.transaction import JobAccept
from primitives.address import address_text
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import a_batch, a_submission, address, publish
from tests.node.rpc.served import Node


def wanted() -> dict[str, object]:
    """Return what a quote asks for: the job of the builders."""
    job = a_submission()
    return {"model": job.model.hex(), "lowering": job.lowering.hex()}


async def test_a_quote_tells_price_plan_deadlines_and_endings(node: Node) -> None:  # R14
    publish(node.chain.world)
    told = await node.call("job.quote", **wanted(), max_price=str(KARAT), at_risk=str(KARAT))
    assert told["refusal"] is None
    assert told["escrow"] == str(KARAT + int(told["verifier_fees"]))
    assert (told["plan"]["tier"], told["plan"]["k"]) == ("high", 3)
    assert int(told["provider_bond"]) > 4 * KARAT
    assert told["gas"] > PIECE_BYTES
    assert [each["state"] for each in told["deadlines"]][:3] == ["open", "accepted", "committed"]
    endings = {each["outcome"]: each for each in told["endings"]}
    assert endings["settled"]["client"] == str(-int(told["escrow"]))
    rulings = {(each["state"], each["outcome"]): each for each in told["rulings"]}
    assert rulings["contested", "convicted"]["provider"] == "-" + told["provider_bond"]
    assert rulings["settled", "cleared"]["challenger"] == "-" + told["claim_bond"]
    assert [each["price"] for each in told["asks"]] == [str(KARAT // 100)] * 5


async def test_a_quote_tells_the_refusal_ahead_and_refuses_what_it_cannot_read(node: Node) -> None:  # R14
    publish(node.chain.world)
    poor = address_text(address("stranger"), "dasy")
    told = await node.call("job.quote", **wanted(), client=poor)
    assert told["refusal"]["reason_name"] == "insufficient_balance"
    assert told["max_price"] == str(KARAT // 100)
    for changed in ({"tier": "best"}, {"max_price": "-1"}, {"class": "float"}):
        refused = await node.refusal("job.quote", **{**wanted(), **changed})
        assert refused["data"]["reason"] == Reason.REQUEST_INVALID


async def test_a_batch_is_told_item_by_item(node: Node) -> None:  # R15
    world = node.chain.world
    publish(world)
    batch = world.must("client", a_batch(b"one", b"two"))
    world.must("worker 0", JobAccept(job=item_id(batch, 1), price=KARAT // 2))
    told = await node.call("batch.show", id=batch.hex())
    assert told["client"] == address_text(address("client"), "dasy")
    assert [each["state"] for each in told["items"]] == ["open", "accepted"]
    assert [each["job"] for each in told["items"]] == [item_id(batch, at).hex() for at in range(2)]
    assert (told["ended"], told["items"][1]["price"]) == (0, str(KARAT // 2))
    assert [each["paid"] for each in told["items"]] == [None, None]
    assert told["escrow"] == str(sum(int(each["escrow"]) for each in told["items"]))
    job = await node.call("job.show", id=item_id(batch, 0).hex())
    assert job["state"] == "open"
    world.until(lambda _: world.job(item_id(batch, 0)).outcome is not None)
    told = await node.call("batch.show", id=batch.hex())
    assert (told["ended"], [each["paid"] for each in told["items"]]) == (1, ["0", None])
    assert (await node.refusal("batch.show", id="ab" * 32))["data"]["reason"] == Reason.BATCH_UNKNOWN
