"""Between commit and reveal an output is a secret: nobody serves it, so nobody can copy it."""

from pathlib import Path
from typing import Any

import pytest
import trio

from cli.bundles import bundle_of_file
from examples.filetype import labels
from node.rpc.client import RpcClient
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from tests.e2e.market import Market, input_file, wait_until
from vm.manifest import Class
from vm.pool import PoolConfig, Subject, open_pool

pytestmark = pytest.mark.e2e

SECRET = ("committed", "verifying", "revealing")
"""From the provider's commit to its reveal."""


def test_no_node_serves_an_output_before_its_reveal_is_final(faulty: Market, tmp_path: Path) -> None:
    # worker6 runs the product, so the output of its run here is known before; its verifiers take some seconds.
    path = input_file(tmp_path, 11)
    expected = expected_output(path)
    assert holders(faulty, expected) == []
    job_id = faulty.submit(path, provider="worker6")
    asked = 0
    while True:
        held = holders(faulty, expected)
        state = faulty.job(job_id)["state"]
        if state not in ("open", "accepted", *SECRET):
            break
        assert held == [], f"in state {state} or before"
        asked += state in SECRET
    assert asked > 0, "the job was never seen between commit and reveal"
    job = faulty.ended(job_id)
    assert job["outputs"] == expected, "the test asked for another output than the job's"
    wait_until(lambda: holders(faulty, expected), "somebody holds the output")
    assert served(faulty, expected)


def expected_output(path: Path) -> dict[str, Any]:
    """Return the content id of the output of the product's engine, run outside the network."""
    model = labels.package_file(labels.MODEL_FILE).read_bytes()
    bundle = bundle_of_file(path.read_bytes())

    async def load() -> bytes:
        await trio.lowlevel.checkpoint()
        return model

    async def run() -> bytes:
        async with open_pool(PoolConfig()) as pool:
            subject = Subject(model=b"magika", shapes=[[1, 2048]], class_=Class.NATIVE, load=load)
            return (await pool.execute(subject, bundle)).outputs

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
