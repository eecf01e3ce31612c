"""Signed transfers, made final by four validator processes; the client that signs and submits is here too."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benches.figures import Figure, percentile
from benches.network import account, running
from cli.client import Client
from ledger.transaction import Body, Transfer, sign_transaction
from node.keys.files import Key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.units import KARAT
from testnet.manifest import Manifest
from testnet.network_home import Network

VALIDATORS = 4
ACCOUNTS = 40
IN_FLIGHT_MAX = 60
"""Of each account: its transactions that are submitted and not final; the mempool holds 64."""
BATCH = 30
"""Calls in one JSON-RPC request; a node takes 50."""
WARM_S, MEASURED_S = 5.0, 20.0
VALID_MS = 600_000
SINGLE = 20
FEE_CAP = KARAT // 1_000
"""Grains per gas: full blocks raise the base fee."""
POLL_S = 0.02
METHOD_SINGLE = f"{SINGLE} one after the other; seen over RPC, polled each {POLL_S * 1e3:.0f} ms"
METHOD_LOAD = f"{ACCOUNTS} accounts, {IN_FLIGHT_MAX} in flight each; growth of final nonces over {MEASURED_S:.0f} s"


@dataclass(kw_only=True)
class Sender:
    """One account's stream of transfers."""

    key: Key
    to: bytes
    rpc: HTTPConnection
    next_nonce: int = 0
    final_nonce: int = 0


def run() -> Iterator[Figure]:
    """Yield throughput under load, and the time that a single transfer takes."""
    manifest = Manifest(validators=VALIDATORS, accounts=ACCOUNTS)
    with running(manifest) as (directory, network), RpcClient(network.nodes[0].rpc) as rpc:
        client = Client(rpc)
        key, to = account(directory, 0), account(directory, 1).info.address
        took = [_one(client, key, to) for _ in range(SINGLE)]
        for percent in (50, 99):
            value = percentile(took, percent) * 1e3
            yield Figure(what=f"a single transfer to final, p{percent}", value=value, unit="ms", method=METHOD_SINGLE)
        rate, refused = _load(client, directory, network)
    yield Figure(what="signed transfers final", value=rate, unit="1/s", method=METHOD_LOAD)
    yield Figure(what="submissions refused", value=refused, unit="", method="the mempool was full; sent again later")


def _one(client: Client, key: Key, to: bytes) -> float:
    """Send one transfer and return the seconds until the node says that it is final."""
    raw = client.sign(key, Transfer(to=to, amount=1))
    began = time.perf_counter()
    txid = client.submit(raw).hex()
    while client.rpc.table("chain.tx", id=txid)["state"] != "final":
        time.sleep(POLL_S)
    return time.perf_counter() - began


def _load(client: Client, directory: Path, network: Network) -> tuple[float, int]:
    """Keep all accounts busy; return final transfers per second and how many submissions were refused."""
    urls = [urlsplit(node.rpc) for node in network.nodes]
    hosts = [HTTPConnection(str(url.hostname), url.port or 80, timeout=30) for url in urls]
    keys = [account(directory, at) for at in range(ACCOUNTS)]
    senders = [Sender(key=key, to=keys[at - 1].info.address, rpc=hosts[at % len(hosts)]) for at, key in enumerate(keys)]
    _learn_final(senders, hosts[0])
    for sender in senders:
        sender.next_nonce = sender.final_nonce
    refused = 0
    began = time.perf_counter()
    marks: list[tuple[float, int]] = []
    while time.perf_counter() - began < WARM_S + MEASURED_S:
        for sender in senders:
            refused += _fill(sender, client)
        _learn_final(senders, hosts[0])
        now = time.perf_counter()
        if now - began >= WARM_S:
            marks.append((now, sum(sender.final_nonce for sender in senders)))
    (first, before), (last, after) = marks[0], marks[-1]
    return (after - before) / (last - first), refused


def _fill(sender: Sender, client: Client) -> int:
    """Submit one batch if there is room for it; returns how many transfers were refused."""
    if sender.next_nonce + BATCH - sender.final_nonce > IN_FLIGHT_MAX:
        return 0
    raws = [_signed(sender, client, sender.next_nonce + at) for at in range(BATCH)]
    answers = _batch(sender.rpc, "tx.submit", [{"raw": raw.hex()} for raw in raws])
    taken = next((at for at, answer in enumerate(answers) if "error" in answer), BATCH)
    sender.next_nonce += taken
    return BATCH - taken


def _signed(sender: Sender, client: Client, nonce: int) -> bytes:
    body = Body(
        sender=sender.key.info.public,
        nonce=nonce,
        fee_cap=FEE_CAP,
        tip=0,
        valid_until=int(time.time() * 1e3) + VALID_MS,
        payload=Transfer(to=sender.to, amount=KARAT // 1_000_000),
    )
    return sign_transaction(sender.key.seed, client.network.genesis_hash, body)


def _learn_final(senders: list[Sender], rpc: HTTPConnection) -> None:
    answers = _batch(rpc, "account.get", [{"address": sender.key.info.address_text} for sender in senders])
    for sender, answer in zip(senders, answers, strict=True):
        result = answer["result"]
        assert isinstance(result, dict)
        sender.final_nonce = int(str(result["nonce"]))


def _batch(rpc: HTTPConnection, method: str, params: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Call a method several times in one request; the answers in the order of the calls."""
    calls = [{"jsonrpc": "2.0", "id": at, "method": method, "params": each} for at, each in enumerate(params)]
    rpc.request("POST", "/", json.dumps(calls).encode(), {"Content-Type": "application/json"})
    answers: list[dict[str, Json]] = json.loads(rpc.getresponse().read())
    return sorted(answers, key=lambda answer: int(str(answer["id"])))
