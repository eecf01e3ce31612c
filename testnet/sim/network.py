"""The simulated network: who can reach whom now, and how long a message takes."""

import random
from collections import Counter

from testnet.sim.profile import Profile

DELAY_MS = 50
"""δ: the mean of the delays below."""
LEAST_MS = 20
LATE_MS = 20 * DELAY_MS
"""A late message takes up to this much more."""


class Network:
    """Loses, delays, repeats and cuts off. Counts what it did in `faults`."""

    def __init__(self, chance: random.Random, profile: Profile, faults: Counter[str]) -> None:
        self._random = chance.random
        self._spread = chance.expovariate
        self._profile = profile
        self._faults = faults
        self._side: dict[int, int] = {}
        self._deaf: dict[int, bool] = {}
        self._well = False

    def split(self, side: frozenset[int], nodes: int) -> None:
        """Cut the nodes of `side` off from the others."""
        self._side = {node: int(node in side) for node in range(nodes)}

    def join(self) -> None:
        """End the split."""
        self._side = {}

    def deafen(self, node: int, *, deaf: bool) -> None:
        """Let a node hear nothing, or everything again."""
        self._deaf[node] = deaf

    def heal(self) -> None:
        """End all faults for good."""
        self._well = True
        self._side = {}
        self._deaf = {}

    def delays(self, sender: int, to: int) -> tuple[int, ...]:
        """Return after how many milliseconds a message arrives: never, once or twice."""
        if self._well:
            return (self._delay(),)
        if self._side and self._side[sender] != self._side[to]:
            self._faults["partitions"] += 1
            return ()
        if self._deaf.get(to):
            self._faults["deaf"] += 1
            return ()
        profile = self._profile
        if profile.loss and self._random() < profile.loss:
            self._faults["loss"] += 1
            return ()
        delay = self._delay()
        if profile.late and self._random() < profile.late:
            self._faults["late"] += 1
            delay += int(self._random() * LATE_MS)
        if profile.duplicate and self._random() < profile.duplicate:
            self._faults["duplicate"] += 1
            return (delay, delay + self._delay())
        return (delay,)

    def _delay(self) -> int:
        return LEAST_MS + int(self._spread(1 / (DELAY_MS - LEAST_MS)))
