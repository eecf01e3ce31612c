"""Finality in network delays, over the distances of the world, in virtual time: 4, 10, 31 and 100 validators."""

from collections.abc import Iterator, Sequence
from statistics import mean, median

from benches.figures import Figure
from consensus.messages import Certificate, Message, Proposal
from testnet.faults import Faults, Step
from testnet.manifest import Manifest
from testnet.manifest import Simulation as Virtual
from testnet.sim.application import Final
from testnet.sim.node import SimNode
from testnet.sim.run import Simulation
from testnet.wan import REGIONS, distances

SIZES = {4: 60_000, 10: 40_000, 31: 15_000, 100: 4_000}
"""Validators, and the virtual time of a run in milliseconds."""
DELTA_MS = 300
"""Δ: the longest of the distances takes 205 ms, and up to a tenth more."""
WARM_UP_BLOCKS = 5


class Timed(Simulation):
    """Notes when each block is proposed, and when each node holds it final."""

    def __init__(self, manifest: Manifest, seed: int) -> None:
        super().__init__(manifest, seed)
        self.proposed_ms: dict[bytes, int] = {}
        self.final_ms: dict[bytes, list[int]] = {}

    def sent(self, node: SimNode, message: Message, *, receivers: int, size: int) -> None:
        """Note a proposal."""
        if isinstance(message, Proposal):
            self.proposed_ms.setdefault(message.vote.vote.block, self.now_ms())
        super().sent(node, message, receivers=receivers, size=size)

    def committed(self, node: SimNode, certificate: Certificate, news: Sequence[Final]) -> None:
        """Note final blocks."""
        for final in news:
            self.final_ms.setdefault(final.block, []).append(self.now_ms())
        super().committed(node, certificate, news)

    def latencies_ms(self) -> list[int]:
        """Return how long each block took to each node, once the network runs."""
        blocks = [block for block in self.final_ms if block in self.proposed_ms][WARM_UP_BLOCKS:]
        return [at - self.proposed_ms[block] for block in blocks for at in self.final_ms[block]]


def world(nodes: int, *, for_ms: int, crashed: int) -> Manifest:
    """Return validators in ten regions in turn, the first `crashed` of which are down from the beginning."""
    down = [Step(what="down", nodes=[at]) for at in range(crashed)]
    return Manifest(
        name=f"world of {nodes}",
        validators=nodes,
        delta_ms=DELTA_MS,
        idle_ms=1,
        regions=list(REGIONS),
        faults=Faults(for_ms=for_ms, script=down),
        simulation=Virtual(cap_ms=60_000, heal_ms=60_000),
    )


def run() -> Iterator[Figure]:
    """Yield the figures of each size, with everybody up and with one validator down."""
    for nodes, for_ms in SIZES.items():
        for crashed in (0, 1):
            yield from measured(nodes, for_ms, crashed)


def measured(nodes: int, for_ms: int, crashed: int) -> Iterator[Figure]:
    """Run one network and yield its figures."""
    simulation = Timed(world(nodes, for_ms=for_ms, crashed=crashed), 1)
    report = simulation.run()
    assert not report.broken, report.what
    table = distances(list(REGIONS), nodes)
    between = [ms for at, row in enumerate(table) for to, ms in enumerate(row) if at != to]
    delay_ms = mean(between)
    latencies = simulation.latencies_ms()
    name = f"{nodes} validators" + (", 1 down" if crashed else "")
    method = f"{report.blocks} blocks in {report.simulated_ms / 1000:.0f} s; a delay is {delay_ms:.0f} ms on average"
    yield Figure(what=f"{name}: finality, median", value=median(latencies), unit="ms", method=method)
    yield Figure(what=f"{name}: the same", value=median(latencies) / delay_ms, unit="δ", method="from the proposal on")
    interval_ms = report.simulated_ms / report.blocks
    yield Figure(what=f"{name}: between two blocks", value=interval_ms / delay_ms, unit="δ", method="on average")
    each = report.messages / report.blocks
    yield Figure(what=f"{name}: messages per block", value=each, unit="", method="of all nodes, each receiver counted")
    size = report.bytes / report.blocks / 1024
    yield Figure(what=f"{name}: per block", value=size, unit="KiB", method="of these, bodies empty")
