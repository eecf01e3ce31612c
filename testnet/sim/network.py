"""The simulated network: who can reach whom now, and how long a message takes."""

import random
from collections import Counter

from testnet.faults import Faults, Step
from testnet.wan import distances

DELAY_MS = 50
"""δ: the mean of the delays below, where no regions are told."""
LEAST_MS = 20
LATE_DELAYS = 20
"""A late message takes up to so many δ more."""
REORDER_DELAYS = 4
"""One that others overtake takes up to so many δ more."""
SLOW = 20
"""How many times as long a slow link takes."""
INQUIRY = "inquiry"
"""A request and its answer over a connection of their own: not lost by chance, as the sender would send it again."""
JITTER = 0.1
"""Between regions a message takes up to this share longer."""


class Network:
    """Loses, delays, repeats and cuts off. Counts what it did in `faults`."""

    def __init__(self, chance: random.Random, faults: Faults, counts: Counter[str], regions: list[list[int]]) -> None:
        """`regions` holds the one-way times by sender and receiver; empty: all are near each other."""
        self._random = chance.random
        self._spread = chance.expovariate
        self._faults = faults
        self.counts = counts
        self._distances = regions
        self._side: dict[int, int] = {}
        self._deaf: dict[int, bool] = {}
        self._cut: dict[tuple[int, int], bool] = {}
        self._slow: dict[tuple[int, int], bool] = {}
        self._steps: list[Step] = []
        self._well = False
        self.delay_ms = DELAY_MS if not regions else _mean(regions)
        """δ: what a message takes, on average."""

    def split(self, side: frozenset[int], nodes: int) -> None:
        """Cut the nodes of `side` off from the others."""
        self._side = {node: int(node in side) for node in range(nodes)}

    def join(self) -> None:
        """End the split."""
        self._side = {}

    def deafen(self, node: int, *, deaf: bool) -> None:
        """Let a node hear nothing, or everything again."""
        self._deaf[node] = deaf

    def cut(self, sender: int, to: int, *, off: bool) -> None:
        """Let a link carry nothing in one direction, or everything again."""
        self._cut[sender, to] = off

    def slow(self, one: int, other: int, *, slow: bool) -> None:
        """Let a link take long in both directions, or as long as ever."""
        self._slow[one, other] = self._slow[other, one] = slow

    def apply(self, step: Step, *, begin: bool) -> None:
        """Begin or end a cut that a script tells."""
        if begin:
            self._steps.append(step)
        elif step in self._steps:
            self._steps.remove(step)

    def heal(self) -> None:
        """End all faults for good."""
        self._well = True

    def delays(self, sender: int, to: int, kind: str) -> tuple[int, ...]:
        """Return after how many milliseconds a message of a kind arrives: never, once or twice."""
        if self._well:
            return (self._delay(sender, to),)
        lost = self._is_lost(sender, to, kind)
        if lost:
            self.counts[lost] += 1
            return ()
        faults = self._faults
        delay = self._delay(sender, to)
        if faults.late and self._random() < faults.late:
            self.counts["late"] += 1
            delay += int(self._random() * LATE_DELAYS * self.delay_ms)
        if faults.reorder and self._random() < faults.reorder:
            self.counts["reorder"] += 1
            delay += int(self._random() * REORDER_DELAYS * self.delay_ms)
        if self._slow and self._slow.get((sender, to)):
            self.counts["slow_links"] += 1
            delay *= SLOW
        if faults.duplicate and self._random() < faults.duplicate:
            self.counts["duplicate"] += 1
            return (delay, delay + self._delay(sender, to))
        return (delay,)

    def _is_lost(self, sender: int, to: int, kind: str) -> str:
        """Return why a message is lost, empty if it is not."""
        if self._side and self._side[sender] != self._side[to]:
            return "partitions"
        if self._deaf and self._deaf.get(to):
            return "deaf"
        if self._cut and self._cut.get((sender, to)):
            return "one_way"
        for step in self._steps:
            if sender in step.nodes and (not step.to or to in step.to) and (not step.kinds or kind in step.kinds):
                return "script"
        if self._faults.loss and kind != INQUIRY and self._random() < self._faults.loss:
            return "loss"
        return ""

    def _delay(self, sender: int, to: int) -> int:
        if self._distances:
            return int(self._distances[sender][to] * (1 + JITTER * self._random()))
        return LEAST_MS + int(self._spread(1 / (DELAY_MS - LEAST_MS)))


def _mean(regions: list[list[int]]) -> int:
    between = [ms for at, row in enumerate(regions) for to, ms in enumerate(row) if to != at]
    return max(1, sum(between) // max(1, len(between)))


def network_of(
    chance: random.Random, faults: Faults, counts: Counter[str], *, regions: list[str], nodes: int
) -> Network:
    """Return the network of `nodes` nodes that stand in `regions` in turn."""
    return Network(chance, faults, counts, distances(regions, nodes) if regions else [])
