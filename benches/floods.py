"""Floods against a network of four validators under load: how long a transaction takes to final, and memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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
PHASE_S = 10.0
CALM = "none"
CONTROL = "busy"
"""Attackers that use the machine and touch nobody."""
METHOD = f"{VALIDATORS} validators, {PER_S:.0f} transfers a second, {PHASE_S:.0f} s each; all are flooded at once"
BESIDE = "p99 against the mean of the calm phases before and after"
PAGE_BYTES = 4096
MIB = 1 << 20


Flooder = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One flood, or none."""

    kind: str
    told: Told
    node_cpu: float
    """Of one core, the nodes' mean."""
    network_cpu: float
    """The same of their network programs."""
    node_mib: float
    """The largest of the nodes."""
    network_mib: float
    """The largest of their network programs."""
    done: str
    """What the flooders say that they did."""


def run() -> Iterator[Figure]:
    """Yield the time to final without and with each flood, and print the table."""
    phases = list(measured(PHASE_S))
    say("  flood           p50 ms  p99 ms  × calm  final/s   node   p2p  node MiB  p2p MiB  done by the flooders")
    times = []
    for at, phase in enumerate(phases):
        told = phase.told
        calm = (phases[at - 1].told.p99_ms + phases[at + 1].told.p99_ms) / 2 if at % 2 else told.p99_ms
        times.append(told.p99_ms / calm)
        say(
            f"  {phase.kind:<14}{told.p50_ms:>8.0f}{told.p99_ms:>8.0f}{times[-1]:>8.2f}{told.final_per_s:>9.1f}"
            f"{phase.node_cpu:>7.0%}{phase.network_cpu:>6.0%}{phase.node_mib:>10.0f}{phase.network_mib:>9.0f}"
            f"  {phase.done}"
        )
    for phase in phases:
        yield Figure(what=f"to final, p99, flood: {phase.kind}", value=phase.told.p99_ms, unit="ms", method=METHOD)
    yield Figure(what="the worst flood against none", value=max(times), unit="×", method=BESIDE)


def measured(phase_s: float, kinds: tuple[str, ...] = (CONTROL, *KINDS)) -> Iterator[Phase]:
    """Start a network and yield what each flood does to it, with a calm phase before and after each."""
    manifest = Manifest(validators=VALIDATORS, accounts=ACCOUNTS)
    with running(manifest) as (directory, network):
        loaded(directory, network, per_s=PER_S, seconds=phase_s / 3)  # everything is warm then
        for kind in kinds:
            yield _phase(directory, network, CALM, phase_s)
            yield _phase(directory, network, kind, phase_s)
        yield _phase(directory, network, CALM, phase_s)


def _phase(directory: Path, network: Network, kind: str, phase_s: float) -> Phase:
    flooders = [] if kind == CALM else start_flooders(network, range(VALIDATORS), [kind], phase_s)
    try:
        began, nodes_began, programs_began = time.monotonic(), *_busy_s(network)
        told = loaded(directory, network, per_s=PER_S, seconds=phase_s)
        nodes_ended, programs_ended = _busy_s(network)
        wall_s = VALIDATORS * (time.monotonic() - began)
        node, program = memory(network)
        done = [flooder.communicate()[0].decode().strip() for flooder in flooders]
    finally:
        for flooder in flooders:
            flooder.kill()
            flooder.wait()
    return Phase(
        kind=kind,
        told=told,
        node_cpu=(nodes_ended - nodes_began) / wall_s,
        network_cpu=(programs_ended - programs_began) / wall_s,
        node_mib=node / MIB,
        network_mib=program / MIB,
        done=_sum(done),
    )


def start_flooders(network: Network, targets: Sequence[int], kinds: Sequence[str], seconds: float) -> list[Flooder]:
    """Begin floods of these kinds against each of the nodes; what each did is printed on its output at the end."""
    flooders = []
    for target in targets:
        peer, _, where = network.nodes[target].p2p.partition("@")
        for kind in kinds:
            words = [kind, where, peer, network.genesis_hash, str(seconds)]
            flooders.append(
                subprocess.Popen(
                    [sys.executable, "-m", "benches.flooder", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            )
    for flooder in flooders:
        assert flooder.stdout is not None
        flooder.stdout.readline()
    for flooder in flooders:
        assert flooder.stdin is not None
        flooder.stdin.write(b"go\n")
        flooder.stdin.flush()
    return flooders


def memory(network: Network) -> tuple[int, int]:
    """Return the resident bytes of the largest node and of the largest network program."""
    processes = _processes(network)
    return max(_resident(node) for node, _ in processes), max(_resident(program) for _, program in processes)


def _processes(network: Network) -> list[tuple[int, int]]:
    """Return the process of each validator, and of its network program."""
    found = []
    for node in network.nodes[:VALIDATORS]:
        with RpcClient(node.rpc) as rpc:
            pids = rpc.table("node.status")["pids"]
        assert isinstance(pids, dict)
        found.append((int(str(pids["node"])), int(str(pids["network"]))))
    return found


def _busy_s(network: Network) -> tuple[float, float]:
    """Return the CPU seconds that all nodes have used, and all network programs."""
    processes = _processes(network)
    return sum(_cpu_s(node) for node, _ in processes), sum(_cpu_s(program) for _, program in processes)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
