"""Floods against a network of four validators under load: how long a transaction takes to final, and memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benches.figures import Figure, say, show
from benches.network import running
from node.rpc.client import RpcClient
from testnet.load import Told, loaded
from testnet.manifest import Manifest
from testnet.network_home import Network

KINDS = ("connections", "idle", "garbage", "oversized", "slow-readers", "spam")
"""What benches.flooder does."""
VALIDATORS = 4
ACCOUNTS = 40
PER_S = 10.0
PHASE_S = 15.0
METHOD = f"{VALIDATORS} validators, {PER_S:.0f} transfers a second, {PHASE_S:.0f} s each; all are flooded at once"
PAGE_BYTES = 4096
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One flood, or none."""

    kind: str
    told: Told
    node_mib: float
    """The largest of the nodes."""
    network_mib: float
    """The largest of their network programs."""
    done: str
    """What the flooders say that they did."""


def run() -> Iterator[Figure]:
    """Yield the time to final without and with each flood, and print the table."""
    phases = list(measured(PHASE_S))
    calm = [phase.told.p99_ms for phase in phases if phase.kind == "none"]
    base = sum(calm) / len(calm)
    say(f"  {'flood':<14}{'p50 ms':>8}{'p99 ms':>8}{'× calm':>8}{'final/s':>9}{'node MiB':>10}{'p2p MiB':>9}  done")
    for phase in phases:
        told, against = phase.told, phase.told.p99_ms / base
        say(
            f"  {phase.kind:<14}{told.p50_ms:>8.0f}{told.p99_ms:>8.0f}{against:>8.2f}{told.final_per_s:>9.1f}"
            f"{phase.node_mib:>10.0f}{phase.network_mib:>9.0f}  {phase.done}"
        )
    for phase in phases:
        yield Figure(what=f"to final, p99, flood: {phase.kind}", value=phase.told.p99_ms, unit="ms", method=METHOD)
    worst = max(phase.told.p99_ms for phase in phases) / base
    yield Figure(
        what="the worst flood against none", value=worst, unit="×", method="p99 against the mean of the calm phases"
    )


def measured(phase_s: float, kinds: tuple[str, ...] = KINDS) -> Iterator[Phase]:
    """Start a network and yield what each flood does to it, a calm phase before and after."""
    manifest = Manifest(validators=VALIDATORS, accounts=ACCOUNTS)
    with running(manifest) as (directory, network):
        loaded(directory, network, per_s=PER_S, seconds=phase_s / 3)  # everything is warm then
        for kind in ("none", *kinds, "none"):
            yield _phase(directory, network, kind, phase_s)


def _phase(directory: Path, network: Network, kind: str, phase_s: float) -> Phase:
    flooders = [] if kind == "none" else [start_flooder(network, at, kind, phase_s) for at in range(VALIDATORS)]
    try:
        told = loaded(directory, network, per_s=PER_S, seconds=phase_s)
        node, program = memory(network)
        done = [flooder.communicate()[0].decode().strip() for flooder in flooders]
    finally:
        for flooder in flooders:
            flooder.kill()
            flooder.wait()
    return Phase(kind=kind, told=told, node_mib=node / MIB, network_mib=program / MIB, done=_sum(done))


def start_flooder(network: Network, at: int, kind: str, seconds: float) -> "subprocess.Popen[bytes]":
    """Begin a flood against one node; what it did is printed on its output at the end."""
    peer, _, where = network.nodes[at].p2p.partition("@")
    words = [kind, where, peer, network.genesis_hash, str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "benches.flooder", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def memory(network: Network) -> tuple[int, int]:
    """Return the resident bytes of the largest node and of the largest network program."""
    nodes, programs = [], []
    for node in network.nodes[:VALIDATORS]:
        with RpcClient(node.rpc) as rpc:
            pids = rpc.table("node.status")["pids"]
        assert isinstance(pids, dict)
        nodes.append(_resident(int(str(pids["node"]))))
        programs.append(_resident(int(str(pids["network"]))))
    return max(nodes), max(programs)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _sum(done: list[str]) -> str:
    """Add up what flooders did."""
    total: dict[str, int] = {}
    for line in done:
        for what, count in json.loads(line or "{}").items():
            total[what] = total.get(what, 0) + count
    return ", ".join(f"{count:,} {what}" for what, count in total.items())


if __name__ == "__main__":
    for figure in run():
        show(figure)
