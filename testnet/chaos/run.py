"""A network of real processes under load, hurt by a plan, and judged at the end."""

import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

import msgspec

from ledger.parameters import Parameters
from primitives.reasons import Reason, Refused
from testnet import processes
from testnet.chaos.copies import Copies
from testnet.chaos.judge import Findings, judge
from testnet.chaos.plan import Event, Fault, plan
from testnet.chaos.setup import write_chaotic
from testnet.chaos.wires import Wires, open_wires
from testnet.load import DRAIN_S, Load, Told, drain
from testnet.manifest import NEVER_ABSENT, Manifest
from testnet.network_home import Network, Node
from testnet.observe import ask, overview, wait_ready

RECOVER_S = 180.0
"""For all to vote and to be at the head again: seconds on an idle machine, far more on a loaded one."""
CHAOTIC = Manifest(
    name="chaos",
    accounts=20,
    idle_ms=500,
    delta_ms=250,
    parameters=Parameters(epoch_ms=60_000, absence_views_min=NEVER_ABSENT),
)
"""Short times, so that a network is soon whole again and many faults, and ends of epochs, fit into a while.

Whoever is hurt must not be jailed for it, or nobody would be left.
"""
RECOUNT_S = 600.0
"""Several hundred blocks take a second."""
POLL_S = 0.2

Progress = Callable[[str], None]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was carried out."""

    event: Event
    recovered_s: float
    """From the end of the fault until all voted and were at the head again."""
    height: int


class Report(msgspec.Struct, kw_only=True):
    """What came of a run."""

    seed: int
    seconds: float
    events: list[Done]
    load: Told
    findings: Findings
    recount: str
    """What the independent program says of the money."""
    wrong: list[str]
    """Everything that must not be; empty if all is well."""


class Chaos:
    """Carries out events on a running network."""

    def __init__(self, directory: Path, network: Network, wires: Wires, *, seed: int) -> None:
        self._directory = directory
        self._nodes = {node.name: node for node in network.nodes}
        self._network = network
        self._wires = wires
        self._chance = random.Random(seed)
        self._copies = Copies(directory, [node.name for node in network.nodes if node.role == "validator"])

    def carry_out(self, event: Event) -> Done:
        """Do what an event says, undo it, and wait until the network is whole again.

        Raises Refused NODE_DID_NOT_START if that takes too long, a node ended, or nodes have different states.
        """
        self._begin(event)
        time.sleep(event.lasts_ms / 1_000)
        heights = [self._height(name) for name in self._nodes if name not in event.victims]
        began = time.monotonic()
        self._end(event)
        height = self._wait_whole(event, max(heights, default=0))
        return Done(event=event, recovered_s=time.monotonic() - began, height=height)

    def _begin(self, event: Event) -> None:
        for name in event.victims:
            match event.fault:
                case Fault.KILL | Fault.HALT:
                    processes.kill(self._directory, name)
                case Fault.RESTORE:
                    processes.kill(self._directory, name)
                    self._copies.put_back(name, self._chance)
                case Fault.RESTART:
                    processes.stop(self._directory, [name])
                case Fault.PAUSE:
                    processes.pause(self._directory, name)
                case Fault.CUT:
                    self._wires.cut(name)
                case Fault.MUTE:
                    self._wires.mute(name)
                case Fault.SLOW:
                    self._wires.slow(name, delay_ms=event.delay_ms, bytes_per_s=event.bytes_per_s)
                case _:
                    assert_never(event.fault)

    def _end(self, event: Event) -> None:
        for name in event.victims:
            match event.fault:
                case Fault.KILL | Fault.RESTART:
                    self._copies.take(name)
                    processes.start(self._directory, [self._nodes[name]])
                case Fault.HALT | Fault.RESTORE:
                    processes.start(self._directory, [self._nodes[name]])
                case Fault.PAUSE:
                    processes.resume(self._directory, name)
                case Fault.CUT | Fault.MUTE | Fault.SLOW:
                    self._wires.heal(name)
                case _:
                    assert_never(event.fault)

    def _wait_whole(self, event: Event, height: int) -> int:
        """Wait until every validator votes and all nodes are above `height`; return the height that all hold."""
        until = time.monotonic() + RECOVER_S
        while True:
            told = {name: ask(node.rpc, "node.status") for name, node in self._nodes.items()}
            heights = {name: -1 if status is None else int(str(status["height"])) for name, status in told.items()}
            silent = [name for name, status in told.items() if status is None or status["voting"] is False]
            if not silent and min(heights.values()) > height:
                found = overview(self._directory, self._network)
                if found.agree and found.height is not None:
                    return found.height
                raise Refused(Reason.NODE_DID_NOT_START, why=f"state roots differ at height {found.height}")
            if time.monotonic() > until:
                why = f"not whole {RECOVER_S:.0f} s after {event.told()}: heights {heights}, silent {silent}"
                raise Refused(Reason.NODE_DID_NOT_START, why=why)
            self._look_for_the_dead(event)
            time.sleep(POLL_S)

    def _look_for_the_dead(self, event: Event) -> None:
        running = processes.read_running(self._directory)
        for name in self._nodes:
            if name not in running:
                tail = processes.log_tail(self._directory, name).splitlines()[-3:]
                raise Refused(Reason.NODE_DID_NOT_START, node=name, why=f"it ended after {event.told()}: {tail}")

    def _height(self, name: str) -> int:
        status = ask(self._nodes[name].rpc, "chain.head")
        return 0 if status is None else int(str(status["height"]))


def bears(manifest: Manifest) -> int:
    """Return how many of its validators a network bears to be faulty: less than a third."""
    return (manifest.validators - 1) // 3


def plan_for(manifest: Manifest, *, seed: int, events: int) -> list[Event]:
    """Return the plan of a seed for the validators of a network."""
    return plan(seed, events, [f"validator{at}" for at in range(manifest.validators)], bears(manifest))


def chaos(
    directory: Path, manifest: Manifest, todo: Sequence[Event], *, seed: int, per_s: float, progress: Progress
) -> Report:
    """Make a network in `directory`, hurt it as `todo` says, and judge it; its processes are ended."""
    network, lines = write_chaotic(directory, manifest)
    began = time.monotonic()
    wrong: list[str] = []
    done: list[Done] = []
    with open_wires(lines) as wires, _running(directory, network.nodes):
        hand = Chaos(directory, network, wires, seed=seed)
        processes.start(directory, network.nodes)
        wait_ready(directory, network.nodes, progress=lambda _: None)
        load = Load(directory, network, per_s=per_s, seed=seed, nodes=network.nodes)
        thread = threading.Thread(target=load.run, daemon=True)
        thread.start()
        try:
            for at, event in enumerate(todo, start=1):
                done.append(hand.carry_out(event))
                progress(
                    f"{at}/{len(todo)} {event.told()}: whole after {done[-1].recovered_s:.1f} s at {done[-1].height}"
                )
            drain(load)
            if not thread.is_alive():
                wrong.append("the load broke off: see the traceback above")
        except Refused as fault:
            wrong.append(str(fault))
        finally:
            load.stop()
            thread.join()
        findings = (
            Findings() if wrong else judge(directory, network, seen=load.blocks, acknowledged=load.final, seed=seed)
        )
        recounted = "" if wrong else _recount(directory, network, wrong)
    told = load.report()
    wrong += [*load.contradictions, *findings.wrong]
    if told.waiting:
        wrong.append(f"{told.waiting} transactions that nodes accepted were not final after {DRAIN_S:.0f} s")
    seconds = time.monotonic() - began
    return Report(seed=seed, seconds=seconds, events=done, load=told, findings=findings, recount=recounted, wrong=wrong)


def _recount(directory: Path, network: Network, wrong: list[str]) -> str:
    """Have the supply and all balances recounted from blocks alone, by a program that knows nothing of the ledger."""
    urls = [node.rpc for node in network.nodes]
    command = [sys.executable, "-m", "testnet.audit.recount", str(directory / "genesis.json"), *urls]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=RECOUNT_S, check=False)
    if ended.returncode:
        wrong.append(f"recount: {ended.stdout.strip()}{ended.stderr[-500:]}")
    return ended.stdout.strip()


@contextmanager
def _running(directory: Path, nodes: list[Node]) -> Iterator[None]:
    """End all processes with the block, paused ones too."""
    try:
        yield
    finally:
        for process in processes.read_running(directory).values():
            for each in (*processes.family(process), process):
                processes.send(each, signal.SIGCONT)
        processes.stop(directory, [node.name for node in nodes])


def lines_of(report: Report) -> list[str]:
    """Return a report as people read it."""
    load, found = report.load, report.findings
    lines = [f"{'FAULT':<10}{'TIMES':>6}{'WHOLE AFTER, MEDIAN':>22}{'LONGEST':>10}"]
    for fault in Fault:
        took = [each.recovered_s for each in report.events if each.event.fault is fault]
        if took:
            lines.append(f"{fault:<10}{len(took):>6}{statistics.median(took):>20.1f} s{max(took):>8.1f} s")
    return [
        *lines,
        "",
        f"chain     {found.height} blocks with {found.transactions} transactions in {report.seconds:.0f} s",
        f"load      {load.accepted} transfers accepted, {load.final} final, {load.waiting} not",
        f"          {load.again} sent again; to final p50 {load.p50_ms:.0f} ms, p99 {load.p99_ms:.0f} ms",
        f"votes     {found.votes} were cast",
        f"money     {report.recount}",
        *([f"WRONG     {each}" for each in report.wrong] or ["all is well: no fork, no double sign, nothing lost"]),
    ]
