"""A running network on which a trial is staged: used as people use it, by commands and RPC."""

import itertools
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from node.keys.files import DEVELOPMENT_PREFIX, SUFFIX, KeyKind, load_key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json, records
from primitives.codec import encode
from primitives.hashing import sha256
from testnet import processes
from testnet.kit.liars.script import Cast, order
from testnet.manifest import Manifest
from testnet.network_home import CLIENT, Node, write_network
from testnet.observe import ask, wait_ready
from vm.tensor import Bundle, DType, NamedTensor, Tensor

T = TypeVar("T")
ASSAY = Path(sys.executable).with_name("assay")
POLL_S = 0.2
COMMAND_S = 180.0
"""For one command of a user, on a machine that runs a whole network beside it."""
STEP_S = 240.0
"""For one step of a case: the longest window, on such a machine."""
ENDED_S = 900.0
"""For the longest of some cases at once, a dispute of some duels, on a busy machine."""
MODEL_FILE = Path(__file__).with_name("small.onnx")
"""Two layers and a softmax over 24 classes, so that a machine of two cores bears seven canonical runs in a dispute."""
INPUT, FEATURES = b"x", 16
"""What that model reads: floats."""


class TrialError(Exception):
    """A step of a case did not come about."""


class Stage:
    """A network of real processes in a directory of its own, with a published model."""

    def __init__(self, directory: Path, manifest: Manifest, *, at_once: int = 1) -> None:
        self.directory = directory
        self._ended = threading.Barrier(at_once)
        """Where cases that are played at once wait for each other: until all have ended some hold bonds of workers."""
        self.network = write_network(directory, manifest)
        self.nodes: dict[str, Node] = {node.name: node for node in self.network.nodes}
        self.validators = [node.name for node in self.network.nodes if node.role == "validator"]
        self.workers = [node.name for node in self.network.nodes if node.role == "worker"]
        self._names = {node.address: node.name for node in self.network.nodes if node.address}
        self._inputs = itertools.count()
        self._clients = itertools.cycle(f"dev{at}" for at in range(1, manifest.accounts))
        self._users = {f"dev{at}": self._address(f"dev{at}") for at in range(manifest.accounts)}
        self.model = ""

    # --- processes

    def start(self, *names: str) -> None:
        """Start nodes, all unless some are named, and wait until they follow the chain."""
        nodes = [self.nodes[name] for name in names or self.nodes]
        processes.start(self.directory, nodes)
        wait_ready(self.directory, nodes, progress=lambda _: None, limit_s=STEP_S)

    def kill(self, name: str) -> None:
        """End a node as a power cut would."""
        processes.kill(self.directory, name)

    def stop(self) -> None:
        """End the whole network."""
        processes.stop(self.directory, list(self.nodes))

    # --- users

    def assay(self, *words: str, home: str = CLIENT, status: int = 0) -> dict[str, Any]:
        """Run a command as the user of a home and return what it tells. Raises TrialError."""
        command = [str(ASSAY), *words, "--home", str(self.directory / home), "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        if ended.returncode != status:
            raise TrialError(f"assay {' '.join(words)}: exit {ended.returncode}: {ended.stdout}{ended.stderr}")
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])["data"]
        return told

    def publish(self) -> None:
        """Publish the model that all cases run."""
        sample = str(self._input_file())
        self.model = self.assay("model", "publish", str(MODEL_FILE), "--input", sample, "--key", "dev0")["model"]

    def client(self) -> str:
        """Return the key of the user whose turn it is: cases that are played at once have one each."""
        return next(self._clients)

    def submit(self, *, provider: str, tier: str, key: str = "dev1", play: Cast | None = None) -> str:
        """Order a job, tell the provider what to play, and return the job's id."""
        words = ["job", "submit", self.model, "--input", str(self._input_file()), "--max-price", "0.5"]
        told = self.assay(*words, "--tier", tier, "--provider", self.nodes[provider].address, "--key", key)
        self.play(told["id"], "provide", play or {})
        return str(told["id"])

    def plant(self, *, provider: str, key: str = "dev1") -> str:
        """Order a canary of a worker, and return the job's id."""
        words = ["worker", "canary", self.model, "--input", str(self._input_file()), "--max-price", "0.5"]
        told = self.assay(*words, "--worker-home", str(self.directory / provider), "--key", key)
        self.play(told["job"], "provide", {})
        return str(told["job"])

    def play(self, job: str, role: str, cast: Cast) -> None:
        """Say what workers play in a role for a job; who is not named is honest."""
        order(self.directory, bytes.fromhex(job), role, cast)

    def fresh_input(self) -> bytes:
        """Return an encoded input that no job has had yet."""
        number = next(self._inputs)
        seed = sha256(number.to_bytes(8, "big"))
        data = struct.pack(f"<{FEATURES}f", *(byte / 64 - 2 for byte in seed[:FEATURES]))
        tensor = Tensor(dtype=DType.FLOAT32, shape=[1, FEATURES], data=data)
        return encode(Bundle(tensors=[NamedTensor(name=INPUT, tensor=tensor)]))

    def _input_file(self) -> Path:
        """Write an input that no job has had yet, and return the file."""
        raw = self.fresh_input()
        path = self.directory / f"input-{sha256(raw)[:8].hex()}"
        path.write_bytes(raw)
        return path

    # --- what nodes say

    def ask(self, method: str, node: str = "validator0", **params: Json) -> dict[str, Json]:
        """Return a node's answer. Raises Refused."""
        with RpcClient(self.nodes[node].rpc) as rpc:
            return dict(rpc.table(method, **params))

    def job(self, job: str) -> dict[str, Json]:
        """Return what the chain says of a job."""
        return self.ask("job.show", id=job)

    def name_of(self, address: Json) -> str:
        """Return the name of the worker with an address, or the address."""
        return self._names.get(str(address), str(address))

    def drawn(self, job: str) -> list[str]:
        """Return the names of a job's verifiers, once they are drawn."""

        def look() -> list[str]:
            return [self.name_of(each["worker"]) for each in records(self.job(job)["verifiers"])]

        return self.until(look, f"verifiers of job {job}")

    def in_state(self, job: str, *states: str, limit_s: float = STEP_S) -> dict[str, Json]:
        """Return a job once it is in one of the states."""

        def look() -> dict[str, Json] | None:
            told = self.job(job)
            return told if told["state"] in states else None

        found = self.until(look, f"job {job} {' or '.join(states)}", limit_s=limit_s)
        assert found is not None
        return found

    def until(self, look: Callable[[], T], what: str, *, limit_s: float = STEP_S) -> T:
        """Return what `look` returns once that is true. Raises TrialError after the limit."""
        stop = time.monotonic() + limit_s
        while not (found := look()):
            if time.monotonic() > stop:
                raise TrialError(f"not within {limit_s:.0f} s: {what}")
            time.sleep(POLL_S)
        return found

    def holdings(self) -> dict[str, int]:
        """Return the grains of each user and worker, a worker's bond included."""
        users = {name: self._balance(address) for name, address in self._users.items()}
        bonds = {each["address"]: int(str(each["bond"])) for each in records(self.ask("worker.list")["workers"])}
        mine = {name: self._balance(self.nodes[name].address) for name in self.workers}
        return users | {name: held + bonds.get(self.nodes[name].address, 0) for name, held in mine.items()}

    def holdings_of_all_ended(self) -> dict[str, int]:
        """Return what everybody holds when the other cases have come as far, too. Raises TrialError."""
        try:
            self._ended.wait(ENDED_S)
        except threading.BrokenBarrierError as fault:
            raise TrialError("another case that was played at once did not come to its end") from fault
        return self.holdings()

    def give_up(self) -> None:
        """Let no other case wait for one that failed."""
        if self._ended.parties > 1:
            self._ended.abort()

    def on_every_validator(self, method: str, **params: Json) -> Mapping[str, dict[str, Json] | None]:
        """Return each validator's own answer, None of one that does not answer."""
        return {name: ask(self.nodes[name].rpc, method, **params) for name in self.validators}

    def _balance(self, address: str) -> int:
        return int(str(self.ask("account.get", address=address)["balance"]))

    def _address(self, key: str) -> str:
        path = self.directory / CLIENT / "keys" / f"{key}{SUFFIX}"
        return load_key(path, kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX).info.address_text
