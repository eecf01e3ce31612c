"""When and where the faults of a manifest strike: all fixed by the seed, and over when the network is left in peace."""

import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from testnet.faults import Faults, Step
from testnet.sim.network import Network
from testnet.sim.node import Act, SimNode

DOWN_DELAYS = 40
"""A crashed node comes back within so many δ; a split, a cut or a deafness lasts as long at most."""
STRIKING_SHARE = 0.9
"""Faults begin in this share of their time, so that the last ones do something too."""


class Sky(Protocol):
    """What the weather needs of the simulation."""

    nodes: list[SimNode]

    def later(self, delay_ms: int, node: int, name: bytes, act: Act) -> None:
        """Let something happen to a node."""
        ...

    def happened(self, fault: str, node: SimNode | None) -> None:
        """Count a fault, and put it into the timeline."""
        ...

    def restart(self, node: SimNode) -> None:
        """Bring a node up, unless it is up."""
        ...


class Weather:
    """Schedules faults and lets them strike."""

    def __init__(
        self, sky: Sky, network: Network, chance: random.Random, faults: Faults, *, honest: list[int], faulty: int
    ) -> None:
        """`faulty` is how many of the honest nodes may lose their disks, or die for good, beside the cast."""
        self._sky = sky
        self._network = network
        self._random = chance
        self._faults = faults
        self._honest = honest
        self._unlucky = chance.sample(honest, min(len(honest), max(0, faulty)))
        self.lost: set[int] = set()
        """Nodes that a script lets die for good."""

    def schedule(self) -> None:
        """Fix what will strike when."""
        chance, faults, later = self._random, self._faults, self._sky.later
        everyone = range(len(self._sky.nodes))
        for _ in range(faults.partitions):
            side = frozenset(chance.sample(everyone, chance.randrange(1, len(everyone) // 2 + 1)))
            later(self._moment(), 0, b"split", partial(self._split, side))
        for _ in range(faults.deaf):
            later(self._moment(), chance.choice(everyone), b"deaf", self._deafen)
        for _ in range(faults.one_way):
            one, other = chance.sample(everyone, 2)
            later(self._moment(), one, b"cut", partial(self._cut, other))
        for _ in range(faults.slow_links):
            one, other = chance.sample(everyone, 2)
            later(self._moment(), one, b"slow", partial(self._slow, other))
        for _ in range(faults.crashes):
            later(self._moment(), chance.choice(self._honest), b"crash", self._crash)
        for how in ("torn", "lost_tail", "full_disk"):
            for _ in range(getattr(faults, how)):
                later(self._moment(), chance.choice(self._honest), how.encode(), partial(self._die_writing, how))
        for how, strike in (
            ("bit_flips", self._flip),
            ("forgetful", self._forget),
            ("old_copies", self._copy),
        ):
            for _ in range(getattr(faults, how) if self._unlucky else 0):
                later(self._moment(), chance.choice(self._unlucky), how.encode(), strike)
        for step in faults.script:
            later(step.at_ms, step.nodes[0], b"script", partial(self._begin, step))

    def expected(self) -> list[str]:
        """Return the faults that the manifest names, each of which must occur."""
        names = [
            "loss", "duplicate", "late", "reorder", "partitions", "deaf", "one_way", "slow_links", "crashes", "torn",
            "lost_tail", "full_disk",
        ]  # fmt: skip
        if self._unlucky:
            names += ["bit_flips", "forgetful", "old_copies"]
        return [name for name in names if getattr(self._faults, name)]

    def revive(self, node: int, *, late: bool = False) -> None:
        """Bring a node back: mostly before the others have moved on."""
        share = 1.0 if late else self._random.random() ** 3
        away = int(share * DOWN_DELAYS * self._network.delay_ms)
        self._sky.later(away, node, b"restart", self._sky.restart)

    def _moment(self) -> int:
        return self._random.randrange(max(1, int(self._faults.for_ms * STRIKING_SHARE)))

    def _while(self) -> int:
        return self._random.randrange(2, DOWN_DELAYS) * self._network.delay_ms

    def _again_if_idle(self, fault: str, lift: Callable[[], None], again: Act) -> Act:
        """Return what ends a fault, and lets it begin anew if it has hit no message."""
        before = self._count(fault)

        def end(node: SimNode) -> None:
            lift()
            if self._count(fault) == before:
                again(node)

        return end

    def _count(self, fault: str) -> int:
        return self._network.counts[fault]

    def _split(self, side: frozenset[int], node: SimNode) -> None:
        self._sky.happened("split", node)
        self._network.split(side, len(self._sky.nodes))
        self._sky.later(self._while(), 0, b"join", lambda _: self._network.join())

    def _deafen(self, node: SimNode) -> None:
        self._sky.happened("deafened", node)
        self._network.deafen(node.index, deaf=True)
        lift = partial(self._network.deafen, node.index, deaf=False)
        self._sky.later(self._while(), node.index, b"hear", self._again_if_idle("deaf", lift, self._deafen))

    def _cut(self, other: int, node: SimNode) -> None:
        self._sky.happened("link cut", node)
        self._network.cut(node.index, other, off=True)
        lift = partial(self._network.cut, node.index, other, off=False)
        again = partial(self._cut, other)
        self._sky.later(self._while(), node.index, b"uncut", self._again_if_idle("one_way", lift, again))

    def _slow(self, other: int, node: SimNode) -> None:
        self._sky.happened("link slow", node)
        self._network.slow(node.index, other, slow=True)
        lift = partial(self._network.slow, node.index, other, slow=False)
        again = partial(self._slow, other)
        self._sky.later(self._while(), node.index, b"quick", self._again_if_idle("slow_links", lift, again))

    def _if_up(self, node: SimNode, name: bytes, strike: Act) -> bool:
        """Tell whether a node is up; if it is down already, strike later."""
        if node.core is None:
            self._sky.later(self._while(), node.index, name, strike)
        return node.core is not None

    def _crash(self, node: SimNode) -> None:
        if self._if_up(node, b"crash", self._crash):
            node.crash()
            self._sky.happened("crashes", node)
            self.revive(node.index)

    def _die_writing(self, how: str, node: SimNode) -> None:
        if not node.die_writing(how):
            self._sky.later(self._while(), node.index, how.encode(), partial(self._die_writing, how))

    def _flip(self, node: SimNode) -> None:
        if self._if_up(node, b"flip", self._flip):
            if not node.disk.flip(self._random):
                self._sky.later(self._while(), node.index, b"flip", self._flip)
                return
            node.crash()
            self._sky.happened("bit_flips", node)
            self.revive(node.index)

    def _forget(self, node: SimNode) -> None:
        if self._if_up(node, b"forget", self._forget):
            node.crash()
            node.lose_disk()
            self._sky.happened("forgetful", node)
            self.revive(node.index)

    def _copy(self, node: SimNode) -> None:
        copy = node.copy()

        def set_back(node: SimNode) -> None:
            if self._if_up(node, b"back", set_back):
                node.crash()
                node.set_back(copy)
                self._sky.happened("old_copies", node)
                self.revive(node.index)

        self._sky.later(self._while(), node.index, b"back", set_back)

    def _begin(self, step: Step, _: SimNode) -> None:
        """Begin a step of the script."""
        struck = [self._sky.nodes[index] for index in step.nodes]
        if step.what == "cut":
            self._network.apply(step, begin=True)
        for node in struck if step.what != "cut" else []:
            node.crash()
            if step.what == "forget":
                node.lose_disk()
        self._sky.happened(f"script {step.what}", struck[0])
        if step.for_ms is not None:
            self._sky.later(step.for_ms, step.nodes[0], b"script", partial(self._end, step))
        elif step.what == "down":
            self.lost.update(step.nodes)

    def _end(self, step: Step, _: SimNode) -> None:
        if step.what == "cut":
            self._network.apply(step, begin=False)
        else:
            for index in step.nodes:
                self._sky.restart(self._sky.nodes[index])
