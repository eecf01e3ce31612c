"""A running network that a test uses as people do: through the command line and RPC."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.filetype import features, files, labels
from node.rpc.client import RpcClient
from testnet import processes
from testnet.manifest import Manifest
from testnet.network_home import write_network
from testnet.observe import overview, wait_ready

ASSAY = Path(sys.executable).with_name("assay")
LIMIT_S = 120.0
POLL_S = 0.05


def wait_until(holds: Callable[[], Any], what: str, *, limit_s: float = LIMIT_S) -> Any:
    """Return what `holds` returns once that is true; fail with `what` after the limit."""
    until = time.monotonic() + limit_s
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < until, f"not within {limit_s:.0f} s: {what}"
        time.sleep(POLL_S)


class Market:
    """Real processes in a directory of their own."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.network = write_network(directory, manifest)
        self.nodes = {node.name: node for node in self.network.nodes}
        self.home = directory / "client"
        self.model = ""

    # --- processes

    def start(self, *names: str) -> None:
        nodes = [self.nodes[name] for name in names or self.nodes]
        processes.start(self.directory, nodes)
        wait_ready(self.directory, nodes, progress=lambda _: None, limit_s=LIMIT_S)

    def kill(self, *names: str) -> None:
        for name in names:
            processes.kill(self.directory, name)

    def stop(self, *names: str) -> None:
        processes.stop(self.directory, list(names or self.nodes))

    def running(self) -> list[str]:
        return list(processes.read_running(self.directory))

    # --- users

    def cli(self, *words: str, status: int = 0) -> dict[str, Any]:
        """Run `assay` and return its envelope; its exit status must be `status`."""
        ended = subprocess.run(
            [ASSAY, *words, "--home", str(self.home), "--json"],
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert ended.returncode == status, f"assay {' '.join(words)}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return told

    def refused(self, *words: str) -> dict[str, Any]:
        """Run `assay`, which must fail, and return its one error."""
        ended = subprocess.run(
            [ASSAY, *words, "--home", str(self.home), "--json"],
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert ended.returncode not in (0, 70), ended.stdout + ended.stderr
        errors = json.loads(ended.stdout.splitlines()[-1])["errors"]
        assert len(errors) == 1
        first: dict[str, Any] = errors[0]
        return first

    def ask(self, method: str, node: str = "validator0", **params: Any) -> dict[str, Any]:
        with RpcClient(self.nodes[node].rpc) as client:
            return dict(client.table(method, **params))

    def balance(self, name: str) -> int:
        """Return the grains of a dev key or of a worker."""
        address = self.nodes[name].address if name in self.nodes else self.address(name)
        return int(self.ask("account.get", address=address)["balance"])

    def bond(self, name: str) -> int:
        """Return the grains that a worker has at stake."""
        return int(self.ask("account.get", address=self.nodes[name].address)["bond"])

    def fee_paid(self, transaction: str) -> int:
        """Return the grains that a final transaction paid."""
        return int(self.ask("chain.tx", id=transaction)["receipt"]["fee"])

    def address(self, key: str) -> str:
        found = self.cli("keys", "show", key)["data"]["address"]
        assert isinstance(found, str)
        return found

    def publish(self) -> str:
        """Publish magika's model as dev0 and return its id."""
        path = str(labels.package_file(labels.MODEL_FILE))
        sample = str(input_file(self.home, 0))
        told = self.cli("model", "publish", path, "--input", sample, "--licence", "Apache-2.0", "--key", "dev0")
        self.model = told["data"]["model"]
        return self.model

    def submit(self, input_file: Path, *, key: str = "dev1", provider: str | None = None, price: str = "0.01") -> str:
        """Order a job and return its id."""
        words = ["job", "submit", self.model, "--input", str(input_file), "--max-price", price, "--key", key]
        if provider is not None:
            words += ["--provider", self.nodes[provider].address]
        told: str = self.cli(*words)["data"]["id"]
        return told

    def job(self, job_id: str, node: str = "validator0") -> dict[str, Any]:
        return self.ask("job.show", node, id=job_id)

    def in_state(self, job_id: str, *states: str, node: str = "validator0", limit_s: float = LIMIT_S) -> dict[str, Any]:
        """Return the job once it is in one of the states."""

        def look() -> dict[str, Any] | None:
            told = self.job(job_id, node)
            return told if told["state"] in states else None

        found: dict[str, Any] = wait_until(look, f"job {job_id} {' or '.join(states)}", limit_s=limit_s)
        return found

    def ended(self, job_id: str, *, node: str = "validator0", limit_s: float = LIMIT_S) -> dict[str, Any]:
        return self.in_state(job_id, "settled", "void", "past_challenge", node=node, limit_s=limit_s)

    def agree(self) -> bool:
        return overview(self.directory, self.network).agree

    def name_of(self, address: str) -> str:
        return next(node.name for node in self.network.nodes if node.address == address)


def input_file(directory: Path, at: int) -> Path:
    """Write the model's input for the sample file number `at`, as the CLI takes it."""
    sample = files.samples()[at]
    values = features.features(features.read_ends(sample.path))
    told = {labels.INPUT: {"dtype": "int32", "shape": [1, features.FEATURES], "data": values}}
    path = directory / f"input{at}.json"
    path.write_text(json.dumps(told))
    return path


def events(job: dict[str, Any]) -> list[str]:
    """Return what happened to a job, in order."""
    return [each["event"] for each in job["history"]]
