"""Real nodes for tests: processes of `node.app` in homes written by testnet, spoken to over JSON-RPC."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ledger.genesis import genesis_hash
from ledger.transaction import Body, Transfer, sign_transaction
from node.genesis_file import read_genesis
from node.home import Home
from node.keys.files import Key, KeyKind, load_key
from testnet.manifest import Follower, Manifest
from testnet.network_home import write_network

READY_S = 120
"""A node is ready in 2 s; six of them on a machine that is busy with other things take far longer."""
STEP_S = 90
"""For anything that takes seconds on an idle machine."""
STOP_S = 3.0
"""A node ends within this time of SIGTERM."""


def wait_until(condition: Callable[[], bool], what: str, *, limit_s: float = STEP_S) -> None:
    """Poll until `condition` holds."""
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, f"{what} did not come about in {limit_s} s"
        time.sleep(0.05)


class Node:
    """One node and its home."""

    def __init__(self, home: Path, log: Path) -> None:
        self.home = Home(home)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "node.app", "--home", str(self.home.root)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_ready(self) -> None:
        wait_until(self._answers, f"an answer of {self.home.root.name}\n{self.log.read_text()}", limit_s=READY_S)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.call("node.status"))
        except (OSError, ValueError):
            return False

    def call(self, method: str, **params: object) -> dict[str, object]:
        """Return a method's result, or its error under "error"."""
        host, _, port = json.loads(self.home.running.read_bytes())["rpc"].rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=STEP_S)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection.request("POST", "/", body, {"content-type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        told: dict[str, object] = answer.get("result", {"error": answer.get("error")})
        return told

    @property
    def height(self) -> int:
        return int(str(self.call("node.status")["height"]))

    def pids(self) -> list[int]:
        pids = self.call("node.status")["pids"]
        assert isinstance(pids, dict)
        return [int(pids["node"]), int(pids["network"])]

    def kill(self) -> None:
        """End the node as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End the node kindly; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10 * STOP_S)


class RunningNetwork:
    """Validators, and a line of followers of which each knows only the one before it."""

    def __init__(self, directory: Path, *, followers: int) -> None:
        first = Follower(connect=["validator0"])
        line = [first, *(Follower(connect=[f"follower{at}"]) for at in range(followers - 1))][:followers]
        self.network = write_network(directory, Manifest(followers=line, idle_ms=400, delta_ms=200))
        self.nodes = {
            node.name: Node(directory / node.name, directory / "logs" / f"{node.name}.log")
            for node in self.network.nodes
        }
        self.genesis = read_genesis(directory / "genesis.json")
        self.wallets = [_wallet(directory, at) for at in range(2)]

    @property
    def validators(self) -> list[Node]:
        return [node for name, node in self.nodes.items() if name.startswith("validator")]

    def start(self) -> None:
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()

    def stop(self) -> None:
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is None:
                node.kill()

    def transfer(self, through: Node, *, amount: int) -> str:
        """Send from the first wallet to the second, and return the transaction's id."""
        payer, payee = self.wallets
        account = through.call("account.get", address=payer.info.address_text)
        body = Body(
            sender=payer.info.public,
            nonce=int(str(account["next_nonce"])),
            fee_cap=4 * self.genesis.parameters.base_fee_min,
            tip=0,
            valid_until=time.time_ns() // 1_000_000 + 60_000,
            payload=Transfer(to=payee.info.address, amount=amount),
        )
        raw = sign_transaction(payer.seed, genesis_hash(self.genesis), body)
        return str(through.call("tx.submit", raw=raw.hex())["id"])

    def balance(self, through: Node) -> int:
        """Return the second wallet's balance."""
        return int(str(through.call("account.get", address=self.wallets[1].info.address_text)["balance"]))


def same_state(nodes: Sequence[Node]) -> bool:
    """Tell whether all nodes have the same state root at the height that all have reached."""
    height = min(node.height for node in nodes)
    return len({str(node.call("chain.state_root", height=height)) for node in nodes}) == 1


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (one that has ended and is not reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_hard(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _wallet(directory: Path, at: int) -> Key:
    return load_key(directory / "client" / "keys" / f"dev{at}.json", kind=KeyKind.WALLET, network="dasy")
