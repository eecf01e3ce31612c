"""Requests that are wrong: one line with what was seen and wanted, nothing spent, the same number from every side."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from cli.client import Client, Order
from cli.job_checks import unchecked_meaning
from examples.filetype import labels
from ledger.state import change
from ledger.transaction import ModelPublish
from node.config import parse_peer
from node.keys.files import Key, KeyKind, load_key
from node.mempool.gossip import TOPIC, TransactionBatch
from node.network import NetworkConfig, open_network
from node.rpc.client import RpcClient
from primitives import codec
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from tests.e2e.market import Market, input_file, wait_until

pytestmark = pytest.mark.e2e

UNKNOWN = "ab" * 32
TOO_DEAR = 10**9 * KARAT


@contextmanager
def nothing_spent(market: Market) -> Iterator[None]:
    """Check that no balance changes and nothing waits in any validator's mempool."""
    accounts = ["dev3", *(name for name in market.nodes if name.startswith("worker"))]
    before = {name: market.balance(name) for name in accounts}
    yield
    wait_until(lambda: market.ask("node.status")["mempool"] == 0, "an empty mempool")
    assert {name: market.balance(name) for name in accounts} == before


def key_of(market: Market) -> Key:
    return load_key(market.home / "keys" / "dev3.json", kind=KeyKind.WALLET, network="dasy")


def written(folder: Path, *, dtype: str = "int32", shape: list[int] | None = None) -> Path:
    """Write an input for the model, or one that it does not take."""
    size = shape or [1, 2048]
    count = size[0] * size[1]
    path = folder / "input.json"
    path.write_text(json.dumps({"bytes": {"dtype": dtype, "shape": size, "data": [0] * count}}))
    return path


def order_words(market: Market, input_: Path, *, model: str = "", price: str = "0.01") -> list[str]:
    return ["job", "submit", model or market.model, "--input", str(input_), "--max-price", price, "--key", "dev3"]


def check_told(error: dict[str, Any], reason: Reason, **facts: object) -> None:
    assert error["code"] == f"AS-{int(reason)}"
    assert {name: error["facts"].get(name) for name in facts} == facts


def test_a_model_cut_short_is_refused_here_and_by_a_worker(honest: Market, tmp_path: Path) -> None:
    raw = labels.package_file(labels.MODEL_FILE).read_bytes()
    short = tmp_path / "short.onnx"
    short.write_bytes(raw[: len(raw) // 2])
    with nothing_spent(honest):
        error = honest.refused("model", "publish", str(short), "--key", "dev3")
        check_told(error, Reason.MODEL_UNREADABLE)
        with RpcClient(honest.nodes["worker0"].rpc) as worker:
            content = worker.put_blob(short.read_bytes())
            with pytest.raises(Refused) as told:
                worker.call("model.check", root=content.root.hex(), length=content.length)
        assert told.value.reason is Reason.MODEL_UNREADABLE


@pytest.mark.parametrize(
    ("dtype", "shape", "reason", "seen", "wanted"),
    [
        ("float32", None, Reason.INPUT_WRONG_TYPE, "float32", "int32"),
        ("int32", [1, 2047], Reason.INPUT_WRONG_SHAPE, "[1,2047]", "[?,2048]"),
    ],
)
def test_an_input_that_the_model_does_not_take_is_refused_before_anything_is_spent(
    honest: Market, tmp_path: Path, dtype: str, shape: list[int] | None, reason: Reason, seen: str, wanted: str
) -> None:
    words = order_words(honest, written(tmp_path, dtype=dtype, shape=shape))
    with nothing_spent(honest):
        check_told(honest.refused(*words), reason, seen=seen, wanted=wanted)
        check_told(honest.refused(*words, "--unchecked"), reason, seen=seen, wanted=wanted)


def test_an_unknown_model_has_one_number_on_every_side(honest: Market, tmp_path: Path) -> None:
    with nothing_spent(honest):
        error = honest.refused(*order_words(honest, written(tmp_path), model=UNKNOWN))
        check_told(error, Reason.MODEL_UNKNOWN)
        unchecked = honest.refused(*order_words(honest, written(tmp_path), model=UNKNOWN), "--unchecked")
        check_told(unchecked, Reason.MODEL_UNKNOWN)
        refused_everywhere(honest, a_job(honest, model=bytes.fromhex(UNKNOWN)), Reason.MODEL_UNKNOWN)


def test_a_price_above_the_balance_has_one_number_on_every_side(honest: Market, tmp_path: Path) -> None:
    with nothing_spent(honest):
        input_ = input_file(tmp_path, 0)
        error = honest.refused(*order_words(honest, input_, price=str(TOO_DEAR // KARAT)))
        check_told(error, Reason.INSUFFICIENT_BALANCE)
        assert error["facts"]["wanted"] > error["facts"]["seen"]
        unchecked = honest.refused(*order_words(honest, input_, price=str(TOO_DEAR // KARAT)), "--unchecked")
        check_told(unchecked, Reason.INSUFFICIENT_BALANCE)
        raw = a_job(honest, model=bytes.fromhex(honest.model), price=TOO_DEAR)
        refused_everywhere(honest, raw, Reason.INSUFFICIENT_BALANCE)


def test_a_lowering_that_contradicts_its_model_is_refused_with_its_number(honest: Market) -> None:
    with RpcClient(honest.nodes["validator0"].rpc) as rpc, nothing_spent(honest):
        client, key = Client(rpc), key_of(honest)
        model = kit.a_model(file=b"of nobody")
        model = change(model, publisher=key.info.address)
        raw = client.sign(key, ModelPublish(model=model, lowering=kit.a_lowering(model, classes=0)))
        refused_everywhere(honest, raw, Reason.LOWERING_INVALID)


def a_job(market: Market, *, model: bytes, price: int = KARAT // 100) -> bytes:
    """Return a signed transaction that orders a job, made without any check."""
    with RpcClient(market.nodes["validator0"].rpc) as rpc:
        client = Client(rpc)
        meant = unchecked_meaning(client, model, kit.a_bundle(b"x", [1.0]), None)
        content = ContentId(root=bytes(32), length=9)
        order = Order(model=model, lowering=meant.lowering, class_=meant.class_, input=content, max_price=price)
        return client.order(key_of(market), order)


def refused_everywhere(market: Market, raw: bytes, reason: Reason) -> None:
    """Hand a transaction to the node, to another node, and into the gossip as a stranger; no pool takes it."""
    for name in ("validator0", "validator1", "worker0"):
        with RpcClient(market.nodes[name].rpc) as rpc:
            for method in ("tx.check", "tx.submit"):
                with pytest.raises(Refused) as told:
                    rpc.call(method, raw=raw.hex())
                assert told.value.reason is reason
    known = refusals(market, reason)
    trio.run(gossiped, market, raw)
    wait_until(lambda: refusals(market, reason) > known, f"validator0 refusing what a peer said, {reason.name}")
    for node in market.network.nodes:
        if node.role == "validator":
            assert market.ask("node.status", node.name)["mempool"] == 0


def refusals(market: Market, reason: Reason) -> int:
    """Return how many transactions validator0 has kept out of its pool for a reason."""
    return int(market.ask("node.status")["refused"].get(str(int(reason)), 0))


async def gossiped(market: Market, raw: bytes) -> None:
    """Join as a stranger, gossip the transaction, and wait until it has had the time to arrive."""
    everyone = [parse_peer(market.nodes[name].p2p) for name in ("validator0", "validator1")]
    config = NetworkConfig(
        identity_seed=secrets.token_bytes(32),
        network_id=bytes.fromhex(market.network.genesis_hash),
        peers=everyone,
    )
    with trio.fail_after(60):
        async with open_network(config) as network:
            while len(network.peers) < len(everyone):  # noqa: ASYNC110 - the network gives no event for it
                await trio.sleep(0.1)
            body = codec.encode(TransactionBatch(transactions=[raw]))
            height = market.ask("chain.head")["height"]
            while market.ask("chain.head")["height"] < height + 3:
                assert network.publish(TOPIC, body)
                await trio.sleep(0.3)
