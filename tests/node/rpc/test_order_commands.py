"""The commands that order batches and canaries, on a served node whose blocks come by themselves."""

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from typer.testing import CliRunner

from cli.main import app
from ledger.market.canary import canary_of
from node.compute.canaries.box import CanaryBox
from node.keys.files import KeyKind, create_key
from node.mempool.pool import Pool
from node.rpc.server import open_admin, open_rpc
from primitives.address import address_text
from testnet.kit.ledger_builders import OUTPUTS, a_model, address, publish, seed_of
from tests.node.chains import LIMITS
from tests.node.compute.cluster import Cluster
from tests.node.rpc.served import services_of
from vm.manifest import model_id

MODEL = model_id(a_model()).hex()
PLANTER = "worker 0"
BLOCK_S = 0.02


@dataclass
class Shop:
    """A served node, and the home of a client beside it."""

    home: Path
    rpc: str
    cluster: Cluster

    async def assay(self, *words: str) -> Any:
        """Run a command as the client, and return what it tells."""

        def run() -> Any:
            done = CliRunner().invoke(app, [*words, "--home", str(self.home), "--json"], env={"ASSAY_RPC": self.rpc})
            told = json.loads(done.stdout.splitlines()[-1])
            return told["data"] if told["ok"] else told["errors"][0]

        return await trio.to_thread.run_sync(run)


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    """Serve a node with workers that nobody runs."""
    cluster = Cluster(folder / "work")
    publish(cluster.chain.world)
    worker = cluster.worker(PLANTER)
    plain = services_of(cluster.chain, pool=Pool(LIMITS), blobs=cluster.client)
    services = dataclasses.replace(plain, canaries=cluster.canaries(PLANTER, worker))
    home = folder / "home"
    (home / "keys").mkdir(parents=True)
    create_key(
        home / "keys" / "client.json", kind=KeyKind.WALLET, network="dasy", password=None, seed=seed_of("client")
    )

    async def blocks() -> None:
        while True:
            await trio.sleep(BLOCK_S)
            cluster.chain.step()

    async with (
        open_rpc(services, host="127.0.0.1", port=0) as rpc,
        open_admin(services, home / "admin.sock"),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(blocks)
        yield Shop(home, f"http://{rpc}", cluster)
        nursery.cancel_scope.cancel()


def an_input(first: float, *, elements: int = OUTPUTS) -> str:
    data = [first] * elements
    return json.dumps({"x": {"dtype": "float32", "shape": [1, elements], "data": data}})


async def test_a_batch_is_ordered_shown_and_its_items_without_a_result_say_why(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text(f"{an_input(1)}\n{an_input(2)}\n")
    async with shop(tmp_path) as it:
        told = await it.assay("job", "batch", "submit", MODEL, "--inputs", str(inputs), "--max-price", "0.5")
        assert told["names"] == ["line 1", "line 2"]
        assert [each["state"] for each in told["items"]] == ["open", "open"]
        shown = await it.assay("job", "batch", "show", told["id"])
        assert [each["job"] for each in shown["items"]] == [each["job"] for each in told["items"]]
        lines = await it.assay("job", "batch", "result", told["id"])
        assert [(each["item"], each["output"], each["error"]["name"]) for each in lines] == [
            (0, None, "JOB_VOID"),
            (1, None, "JOB_VOID"),
        ]


async def test_nothing_is_ordered_if_one_input_does_not_fit_and_that_one_is_named(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a.json").write_text(an_input(1))
    (inputs / "b.json").write_text(an_input(2, elements=OUTPUTS + 1))
    async with shop(tmp_path) as it:
        told = await it.assay("job", "batch", "submit", MODEL, "--inputs", str(inputs), "--max-price", "0.5")
        assert (told["name"], told["facts"]["input"]) == ("INPUT_WRONG_SHAPE", "b.json")
        assert list(it.cluster.chain.state().jobs()) == []


async def test_nothing_is_ordered_of_a_model_that_nobody_hands_out(tmp_path: Path) -> None:
    file = tmp_path / "input.jsonl"
    file.write_text(an_input(1))
    async with shop(tmp_path) as it:
        del it.cluster.client.held[a_model().file.root]
        for words in (("submit", MODEL, "--input"), ("batch", "submit", MODEL, "--inputs")):
            told = await it.assay("job", *words, str(file), "--max-price", "0.5")
            assert (told["name"], told["facts"]["model"]) == ("CONTENT_NOT_FOUND", MODEL)
        assert list(it.cluster.chain.state().jobs()) == []


async def test_an_operator_orders_a_canary_of_the_own_worker(tmp_path: Path) -> None:  # D61
    file = tmp_path / "input.json"
    file.write_text(an_input(1))
    async with shop(tmp_path) as it:
        told = await it.assay("worker", "canary", MODEL, "--input", str(file), "--max-price", "0.5")
        planted = CanaryBox(tmp_path / "work" / f"{PLANTER} canary").find()
        job = it.cluster.known(bytes.fromhex(told["job"]))
    assert planted is not None
    genesis, client = it.cluster.chain.genesis_hash, address("client")
    wanted = canary_of(genesis=genesis, client=client, provider=address(PLANTER), salt=planted.salt)
    assert (job.canary, job.named, job.client) == (wanted, address(PLANTER), client)
    assert told["provider"] == address_text(address(PLANTER), "dasy")


async def test_a_quote_needs_no_key_and_tells_who_could_pay(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text(an_input(1))
    async with shop(tmp_path) as it:
        (it.home / "keys" / "client.json").unlink()
        told = await it.assay("job", "quote", MODEL, "--input", str(file), "--tier", "spot")
        assert (told["refusal"], told["plan"]["k"], told["plan"]["tier"]) == (None, 1, "spot")
        poor = address_text(address("stranger"), "dasy")
        told = await it.assay("job", "quote", MODEL, "--input", str(file), "--client", poor)
        assert told["refusal"]["reason_name"] == "insufficient_balance"
