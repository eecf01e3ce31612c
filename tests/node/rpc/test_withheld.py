"""What was asked for on the chain, over the API."""

from ledger.market.withheld.payloads import Stage
from ledger.parameters import Parameters
from primitives.address import address_text
from primitives.reasons import Reason
from testnet.kit.ledger_builders import address
from tests.ledger.market.withheld.played import CONTENT, a_chunk, a_filing, a_job_being_verified, id_of
from tests.node.rpc.served import Node


async def test_filings_about_a_job_are_listed_with_what_came_of_them(node: Node) -> None:  # R17
    world = node.chain.world
    job_id, (first, second, _) = a_job_being_verified(world)
    assert (await node.call("withheld.list", job=job_id.hex()))["filings"] == []
    world.must(first, a_filing(job_id, Stage.INPUT))
    world.must(second, a_filing(job_id, Stage.MODEL))
    asked = world.state.clock().live_ms
    world.must("worker 0", a_chunk(job_id, Stage.INPUT))
    told = {each["id"]: each for each in (await node.call("withheld.list", job=job_id.hex()))["filings"]}
    answered = told[id_of(job_id, Stage.INPUT, first).hex()]
    assert (answered["stage"], answered["state"], answered["carriage"]) == ("input", "answered", "0")
    assert answered["shown"] == [{"chunk": 0, "height": world.state.clock().height}]
    assert answered["content"]["length"] == len(CONTENT[Stage.INPUT])
    waits = told[id_of(job_id, Stage.MODEL, second).hex()]
    assert (waits["state"], waits["shown"]) == ("asked", [])
    assert waits["due_live_ms"] == asked + Parameters().withheld_ms
    assert (waits["holder"], waits["filer"]) == (
        address_text(address("worker 0"), "dasy"),
        address_text(address(second), "dasy"),
    )
    assert (await node.refusal("withheld.list", job="ab" * 32))["data"]["reason"] == Reason.JOB_UNKNOWN
