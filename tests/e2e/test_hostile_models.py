"""With the client's checks off: models made to harm end as refunds, and the workers' nodes stay as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.client import Client, model_record
from node.keys.files import KeyKind, load_key
from node.rpc.client import RpcClient
from node.rpc.json_value import records
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from tests.e2e.market import Market, wait_until
from tests.vm.hostile.corpus import CORPUS
from vm.lowering import CutValue
from vm.manifest import Port, model_id
from vm.tensor import DType, TensorType

pytestmark = pytest.mark.e2e

CASES = {
    "loops-for-ever": Reason.TOO_MANY_NODES,
    "expands-to-8-gb": Reason.VALUE_TOO_LARGE,
    "functions-doubling": Reason.FUNCTIONS_REFUSED,
    "cut-short": Reason.MODEL_UNREADABLE,
}
"""What a worker's sandbox finds in each."""
FOUR = TensorType(dtype=DType.FLOAT32, shape=[4])
BUILD = {hostile.name: hostile.build for hostile in CORPUS}


def publish_unchecked(market: Market, raw: bytes) -> dict[str, Any]:
    """Publish a file with a made-up lowering, as nobody's client would; return its ids and its transaction."""
    key = load_key(market.home / "keys" / "dev4.json", kind=KeyKind.WALLET, network="dasy")
    with RpcClient(market.nodes["validator0"].rpc) as rpc:
        client, content = Client(rpc), rpc.put_blob(raw)
        inputs, outputs = ([Port(name=name, dtype=FOUR.dtype, shape=FOUR.shape)] for name in (b"x", b"y"))
        model = model_record(content, inputs=inputs, outputs=outputs, licence="", publisher=key.info.address)
        made_up = kit.a_lowering(model, inputs=[FOUR], outputs=[FOUR], cut=[CutValue(name=b"y", type=FOUR)])
        txid = client.publish(key, model, made_up)
    return {
        "model": model_id(model).hex(),
        "root": content.root.hex(),
        "length": content.length,
        "transaction": txid.hex(),
    }


def nodes_of(market: Market) -> dict[str, tuple[int, int]]:
    """Return the process ids of each worker's node and network program."""
    told = {name: market.ask("node.status", name)["pids"] for name in market.nodes if name.startswith("worker")}
    return {name: (pids["node"], pids["network"]) for name, pids in told.items()}


def reason_at(market: Market, content: dict[str, Any]) -> Reason:
    """Return why a worker's sandbox refuses a published file."""
    with RpcClient(market.nodes["worker0"].rpc) as rpc:
        try:
            faults = rpc.table("model.check", **content)["faults"]
        except Refused as unreadable:
            return unreadable.reason
    return Reason(int(str(records(faults)[0]["reason"])))


def failures_of(market: Market, job: str) -> list[Reason]:
    """Return why workers could not do a job, as each tells of itself."""
    told = [market.ask("worker.failures", name) for name in market.nodes if name.startswith("worker")]
    return [Reason(each["reason"]) for one in told for each in one["failures"] if each["job"] == job]


def sandboxes_are_known(market: Market) -> bool:
    """Tell whether every child of a worker's node is its network program or a sandbox that it counts."""
    for name in market.nodes:
        if name.startswith("worker"):
            pids = market.ask("node.status", name)["pids"]
            children = children_of(pids["node"])
            if sorted(children) != sorted([pids["network"], *pids["sandboxes"]]):
                return False
    return True


def children_of(pid: int) -> list[int]:
    return [
        int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()
    ]


def test_hostile_models_end_as_typed_failures_and_refunds(honest: Market, tmp_path: Path) -> None:
    input_ = tmp_path / "input.json"
    input_.write_text(json.dumps({"x": {"dtype": "float32", "shape": [4], "data": [1.0] * 4}}))
    nodes, before = nodes_of(honest), honest.balance("dev4")
    jobs: dict[str, str] = {}
    fees = 0
    for name, reason in CASES.items():
        published = publish_unchecked(honest, BUILD[name]())
        words = ["job", "submit", published["model"], "--input", str(input_), "--max-price", "0.01"]
        jobs[name] = honest.cli(*words, "--unchecked", "--key", "dev4")["data"]["id"]
        fees += honest.fee_paid(published["transaction"]) + honest.fee_paid(jobs[name])
        assert reason_at(honest, {"root": published["root"], "length": published["length"]}) is reason
    for name, job in jobs.items():
        told = honest.ended(job)
        print(f"{name:<28} {CASES[name].name.lower():<20} {told['state']}, {told['outcome']}")
        assert told["state"] == "void"
        assert told["penalties"] == []
        failures = failures_of(honest, job)
        assert failures
        assert all(reason is CASES[name] for reason in failures), failures
    assert before - honest.balance("dev4") == fees
    assert nodes_of(honest) == nodes
    assert all(Path(f"/proc/{pid}").exists() for pids in nodes.values() for pid in pids)
    wait_until(lambda: sandboxes_are_known(honest), "no sandbox left behind")
