"""What is told of a worker: by the API, and by the commands that stand on it."""

import json
from typing import Any

import pytest
import trio
from typer.testing import CliRunner

from cli.health import State, reserve_finding
from cli.main import app
from ledger.transaction import Transfer
from primitives.address import address_text
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import address
from tests.node.rpc.served import RESERVE, Node

OWN = address_text(address("worker 0"), "dasy")


async def assay(node: Node, *words: str) -> Any:
    def run() -> Any:
        done = CliRunner().invoke(app, [*words, "--json"], env={"ASSAY_RPC": f"http://{node.at}"})
        return json.loads(done.stdout)

    return await trio.to_thread.run_sync(run)


async def text(node: Node, *words: str) -> str:
    def run() -> str:
        return CliRunner().invoke(app, list(words), env={"ASSAY_RPC": f"http://{node.at}"}).stdout

    return await trio.to_thread.run_sync(run)


async def test_a_worker_is_shown_with_what_it_keeps_for_claims(node: Node) -> None:
    """D30."""
    told = (await assay(node, "worker", "show"))["data"]
    listed = (await node.call("worker.list"))["workers"]
    balance = node.chain.world.balance("worker 0")
    assert {
        **next(each for each in listed if each["address"] == OWN),
        "balance": str(balance),
        "reserve": str(RESERVE),
    } == told
    other = (await assay(node, "worker", "show", address_text(address("worker 1"), "dasy")))["data"]
    assert (other["reserve"], other["capacity"]) == (None, told["capacity"])
    stranger = await assay(node, "worker", "show", address_text(address("client"), "dasy"))
    assert stranger["errors"][0]["code"] == f"AS-{int(Reason.WORKER_UNKNOWN)}"


async def test_a_worker_that_could_not_pay_for_a_claim_is_told_of_everywhere(node: Node) -> None:
    """D30."""
    world = node.chain.world
    assert "are kept for claims" in await text(node, "worker", "show")
    assert "takes no new jobs" not in await text(node, "status")
    world.must("worker 0", Transfer(to=address("client"), amount=world.balance("worker 0") - RESERVE))
    for words in (("worker", "show"), ("status",)):
        assert "less than the 5 karat to keep for claims" in await text(node, *words)


@pytest.mark.parametrize(("balance", "state"), [(5 * KARAT, State.GOOD), (5 * KARAT - 1, State.PROBLEM)])
def test_doctor_finds_a_worker_whose_balance_is_below_its_reserve(balance: int, state: State) -> None:
    """D30."""
    found = reserve_finding(str(balance), str(5 * KARAT))
    assert found.state is state
    assert ("less than the 5 karat" in found.told) == found.is_problem
