"""Jobs on a real network: paid only after independent machines agree; honest differences pass, lies do not."""

from pathlib import Path
from typing import Any

import pytest
import trio

from cli.bundles import bundle_of_file
from examples.filetype import labels
from node.rpc.client import RpcClient
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from tests.e2e.market import Market, events, input_file, wait_until
from vm.pool import PoolConfig, open_pool

pytestmark = pytest.mark.e2e

VERIFIERS = 3
PRICE = KARAT // 1_000
"""What every worker of the manifest asks."""


def verdicts(job: dict[str, Any]) -> list[str]:
    return [each["verdict"] for each in job["verifiers"]]


def test_a_job_is_settled_after_three_machines_agree_and_everybody_is_paid(honest: Market, tmp_path: Path) -> None:
    parameters = honest.ask("chain.params")
    fee, base_fee = int(parameters["verifier_fee"]), int(parameters["base_fee"])
    before = honest.balance("dev1")
    publisher = honest.balance("dev0")
    job = honest.ended(honest.submit(input_file(tmp_path, 0), provider="worker0", price="0.01"))
    assert (job["state"], verdicts(job)) == ("settled", ["accept"] * VERIFIERS)
    assert events(job) == [
        "submit", "accept", "commit", "draw",
        "verifier_commit", "verifier_commit", "verifier_commit",
        "provider_reveal", "verifier_reveal", "verifier_reveal", "verifier_reveal",
    ]  # fmt: skip
    assert before - honest.balance("dev1") == PRICE + VERIFIERS * fee + base_fee
    assert honest.balance("dev0") - publisher == PRICE * parameters["owner_share_bps"] // 10_000
    assert sum(int(each["amount"]) for each in job["payouts"]) == 10 * PRICE + VERIFIERS * fee
    assert job["provider"] not in [each["worker"] for each in job["verifiers"]]


def test_other_settings_and_noise_change_the_bits_and_are_accepted(honest: Market, tmp_path: Path) -> None:
    for provider in ("worker1", "worker2"):
        job = honest.ended(honest.submit(input_file(tmp_path, 1), provider=provider))
        assert verdicts(job) == ["accept"] * VERIFIERS
        roots = [job["cut"]["root"]] + [each["cut"]["root"] for each in job["verifiers"]]
        assert len(set(roots)) > 1, f"all parties of {provider}'s job committed to the same bits"


def test_each_of_three_lies_is_found_out_and_refunded(honest: Market, tmp_path: Path) -> None:
    fee = int(honest.ask("chain.params")["verifier_fee"])
    base_fee = int(honest.ask("chain.params")["base_fee"])
    for at in range(3):
        before, liar = honest.balance("dev2"), honest.balance("worker5")
        job = honest.ended(honest.submit(input_file(tmp_path, 3 + at), key="dev2", provider="worker5"))
        assert honest.name_of(job["provider"]) == "worker5"
        assert (job["state"], job["outcome"]) == ("void", "rejected")
        assert "reject" in verdicts(job)
        history = events(job)
        assert history.index("draw") < history.index("verifier_commit")
        assert history[: history.index("provider_reveal")].count("verifier_commit") == VERIFIERS
        assert before - honest.balance("dev2") == VERIFIERS * fee + base_fee
        assert honest.balance("worker5") <= liar
        assert job["penalties"] == []


def test_no_node_serves_an_output_before_its_reveal_is_final(honest: Market, tmp_path: Path) -> None:
    # The output of a first run of the same input on the same machine tells the root; it is a fresh input each time,
    # so nobody holds that output before: worker3 and worker4 run the product with the same settings.
    first = honest.ended(honest.submit(input_file(tmp_path, 7), provider="worker3"))
    assert first["outputs"] is not None
    path = input_file(tmp_path, 8)
    expected = expected_output(path)
    assert holders(honest, expected) == []
    job_id = honest.submit(path, provider="worker3")
    asked = 0
    while True:
        state = honest.job(job_id)["state"]
        held = holders(honest, expected) + (["the network"] if served(honest, expected) else [])
        if honest.job(job_id)["state"] not in ("open", "accepted", "committed", "verifying", "revealing"):
            break
        assert held == [], f"in state {state}"
        asked += state in ("committed", "verifying", "revealing")
    assert asked > 0, "the job was never seen between commit and reveal"
    job = honest.ended(job_id)
    assert job["outputs"] == expected, "the test asked for another output than the job's"
    wait_until(lambda: holders(honest, expected), "somebody holds the output")
    assert served(honest, expected)


def expected_output(path: Path) -> dict[str, Any]:
    """Return the content id of the output of the product's engine, run outside the network."""
    model = labels.package_file(labels.MODEL_FILE).read_bytes()
    bundle = bundle_of_file(path.read_bytes())

    async def load() -> bytes:
        await trio.lowlevel.checkpoint()
        return model

    async def run() -> bytes:
        async with open_pool(PoolConfig()) as pool:
            return (await pool.run(b"magika", [labels.CUT.encode()], load, bundle)).outputs

    found = content_id(trio.run(run))
    return {"root": found.root.hex(), "length": found.length}


def served(market: Market, content: dict[str, Any]) -> bool:
    """Tell whether the output can be had through a node, which asks its peers for it."""
    with RpcClient(market.nodes["validator0"].rpc) as rpc:
        try:
            rpc.get_blob(ContentId(root=bytes.fromhex(content["root"]), length=content["length"]))
        except Refused as refused:
            if refused.reason is Reason.CONTENT_NOT_FOUND:
                return False
            raise
        return True


def holders(market: Market, content: dict[str, Any]) -> list[str]:
    """Return the nodes that hold a piece of content, each asked."""
    names = list(market.nodes)
    return [name for name in names if market.ask("blob.find", name, **content)["held"]]


def test_every_node_ends_in_one_state(honest: Market) -> None:
    wait_until(honest.agree, "one state root on all nodes")
