"""A whole network under one seeded scheduler: faults for a while, then peace, in which it must come back to life.

Equal seeds give equal runs, event for event: `Report.digest` covers them all.
"""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Commit, GuardRecord
from consensus.messages import Message
from consensus.timing import Timing
from consensus.validators import Instance
from primitives.record import Record
from testnet.sim.application import Ground, null_ground
from testnet.sim.checks import Broken, Checks
from testnet.sim.keyring import KeyedScheme
from testnet.sim.liars import CAST
from testnet.sim.network import DELAY_MS, Network
from testnet.sim.node import Act, SimNode
from testnet.sim.profile import Profile

TIMING = Timing(delta_ms=150, idle_ms=100, cap_ms=3_000, retry_ms=300)
"""Δ is 3 δ: most messages make it, some don't."""
FAULTS_DELAYS = 400
"""How long the faults last, in δ."""
WORK_MS_MAX = 10
"""A block takes up to this to build or to judge."""
DOWN_DELAYS = 40
"""A crashed node comes back within so many δ; a split or a deafness lasts as long at most."""
HEAL_DELAYS = 400
"""Once all is well, final blocks must come within so many δ: some of the longest views."""
HEAL_BLOCKS = 3
"""How many blocks all honest nodes must commit after the faults to count as alive."""
HEAL_VIEWS_PER_LIAR = 4
"""They must come within these blocks' views and so many more for each liar there could be, and one."""
DIGEST_BYTES = 1 << 16

CoreMaker = Callable[[Instance, int, Point, Sequence[GuardRecord]], Core]


def make_core(instance: Instance, me: int, start: Point, recovered: Sequence[GuardRecord]) -> Core:
    """Return the core that a real node would run, with the cheap scheme."""
    return Core(instance=instance, me=me, scheme=KeyedScheme(me), timing=TIMING, start=start, recovered=recovered)


class Report(Record):
    """What came out of a run."""

    seed: int
    nodes: int
    profile: str
    events: int
    blocks: int
    """Committed by any honest node."""
    views: int
    """The highest view at the end."""
    simulated_ms: int
    heal_ms: int
    heal_views: int
    """How long after the faults all honest nodes had committed anew."""
    faults: dict[str, int]
    caught: int
    """Liars against whom there is evidence."""
    digest: str
    broken: str
    """The check that failed, empty if none did."""
    what: str


class Simulation:
    """The world of the nodes: time, network, chance and the checks."""

    def __init__(
        self, *, seed: int, nodes: int, profile: Profile, core: CoreMaker = make_core, ground: Ground | None = None
    ) -> None:
        self.seed = seed
        self.profile = profile
        self._random = random.Random(seed * 1_000_003 + nodes)
        self._now = 0
        self._count = 0
        self._events = 0
        self._queue: list[tuple[int, int, int, bytes, Act]] = []
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self.faults: Counter[str] = Counter()
        self.ground = ground or null_ground(self._random, nodes)
        self._instance = self.ground.instance
        self._network = Network(self._random, profile, self.faults)
        liars = profile.liars[: (nodes - 1) // 3 + profile.beyond]
        cast = dict(zip(self._random.sample(range(nodes), nodes), liars, strict=False))
        self._names = cast
        self.checks = Checks(self._instance, self.ground.genesis, frozenset(cast), self.ground.links_of)
        self.nodes = [self._make_node(index, nodes, core) for index in range(nodes)]
        self.honest = [node.index for node in self.nodes if not node.liar]

    def _make_node(self, index: int, nodes: int, core: CoreMaker) -> SimNode:
        kind = CAST[self._names[index]] if index in self._names else SimNode
        honest = core if index not in self._names else make_core
        return kind(
            index=index,
            nodes=nodes,
            genesis_hash=self._instance.genesis_hash,
            world=self,
            application=self.ground.make_application(index),
            make_core=lambda me, start, recovered: honest(self._instance, me, start, recovered),
        )

    # What the nodes see.

    def now_ms(self) -> int:
        """Return the simulated time."""
        return self._now

    def later(self, delay_ms: int, node: int, name: bytes, act: Act) -> None:
        """Let something happen to a node."""
        self._count += 1
        heapq.heappush(self._queue, (self._now + delay_ms, self._count, node, name, act))

    def carry(self, sender: int, to: int, name: bytes, act: Act) -> None:
        """Put something on the network."""
        for delay in self._network.delays(sender, to):
            self.later(delay, to, name, act)

    def work_ms(self) -> int:
        """Return how long a block takes to build or to judge."""
        return self._random.randrange(WORK_MS_MAX)

    def pick(self, count: int) -> int:
        """Return a number below `count`, by chance."""
        return self._random.randrange(count)

    def lied(self, node: int) -> None:
        """Count a lie."""
        self.faults[self._names[node]] += 1

    def torn(self, node: int, records: list[GuardRecord]) -> None:
        """Let a node that died amid a step come back later."""
        if records:
            self.nodes[node].disk.write_torn(records, self._random)
        self.faults["torn"] += 1
        self._revive(node)

    def sent(self, sender: int, message: Message) -> None:
        """Show the checks what a node says."""
        self.checks.sent(sender, message)

    def committed(self, node: int, effect: Commit, news: list[Point]) -> None:
        """Show the checks what a node committed."""
        self.checks.committed(node, effect.certificate, news)

    def accused(self, node: int, culprit: int | None, why: str) -> None:
        """Show the checks whom a node accuses."""
        self.checks.accused(node, culprit, why)

    def halted(self, node: int, why: str) -> None:
        """Show the checks that a node gave up."""
        self.checks.halted(node, why)

    # The weather.

    def _moment(self) -> int:
        return self._random.randrange(FAULTS_DELAYS * DELAY_MS * 9 // 10)

    def _while(self) -> int:
        return self._random.randrange(2, DOWN_DELAYS) * DELAY_MS

    def _revive(self, node: int) -> None:
        away = int(self._random.random() ** 3 * DOWN_DELAYS * DELAY_MS)  # mostly back before the others have moved on
        self.later(away, node, b"restart", self._restart)

    def _restart(self, node: SimNode) -> None:
        if node.core is None:
            node.start()
            self.checks.restarted(node.index, node.application.committed())

    def _crash(self, node: SimNode) -> None:
        if node.core is None:  # it is down already: later, then
            self.later(self._while(), node.index, b"crash", self._crash)
            return
        node.crash()
        self.faults["crashes"] += 1
        self._revive(node.index)

    def _split(self, side: frozenset[int], _: SimNode) -> None:
        self._network.split(side, len(self.nodes))
        self.later(self._while(), 0, b"join", lambda _: self._network.join())

    def _deafen(self, node: SimNode) -> None:
        before = self.faults["deaf"]
        self._network.deafen(node.index, deaf=True)

        def hear(who: SimNode) -> None:
            self._network.deafen(who.index, deaf=False)
            if self.faults["deaf"] == before:  # nobody spoke to it: once more
                self._deafen(who)

        self.later(self._while(), node.index, b"hear", hear)

    def schedule_faults(self) -> None:
        """Fix when and where the faults of the profile will strike."""
        nodes, chance = len(self.nodes), self._random
        for _ in range(self.profile.partitions):
            side = frozenset(chance.sample(range(nodes), chance.randrange(1, nodes // 2 + 1)))
            self.later(self._moment(), 0, b"split", partial(self._split, side))
        for _ in range(self.profile.deaf):
            self.later(self._moment(), chance.randrange(nodes), b"deaf", self._deafen)
        for _ in range(self.profile.crashes):
            self.later(self._moment(), chance.choice(self.honest), b"crash", self._crash)
        for _ in range(self.profile.torn):
            self.later(self._moment(), chance.choice(self.honest), b"tear", SimNode.tear_next)

    def _heal(self) -> None:
        self._network.heal()
        for node in self.nodes:
            node.spare()
            self._restart(node)

    # The run.

    def start(self) -> None:
        """Bring up all nodes."""
        for node in self.nodes:
            node.start()

    def stop(self, index: int) -> None:
        """Let a node die until it is revived."""
        self.nodes[index].crash()

    def revive(self, index: int) -> None:
        """Bring a node back."""
        self._restart(self.nodes[index])

    def run(self) -> Report:
        """Run to the end, or to the first check that fails."""
        heal_at = FAULTS_DELAYS * DELAY_MS
        heal_ms = heal_views = 0
        broken = what = ""
        try:
            self.start()
            self.schedule_faults()
            self.advance(heal_at)
            self._heal()
            view = self._view()
            goal = len(self.checks.chain) - 1 + HEAL_BLOCKS
            self.advance(heal_at + HEAL_DELAYS * DELAY_MS, lambda: self.checks.height(self.honest) >= goal)
            heal_ms, heal_views = self._now - heal_at, self._view() - view
            views_max = HEAL_BLOCKS + HEAL_VIEWS_PER_LIAR * ((len(self.nodes) - 1) // 3 + 1)
            if self.checks.height(self.honest) < goal or heal_views > views_max:
                raise Broken(
                    "liveness", f"heights {self.checks.heights}, wanted {goal}; {heal_ms} ms, {heal_views} views"
                )
            for fault in self._configured():
                if not self.faults[fault]:
                    raise Broken("faults", f"{fault} never occurred")
        except Broken as broke:
            broken, what = broke.check, broke.what
        self._digest.update(self._buffer)
        return Report(
            seed=self.seed,
            nodes=len(self.nodes),
            profile=self.profile.name,
            events=self._events,
            blocks=len(self.checks.chain) - 1,
            views=self._view(),
            simulated_ms=self._now,
            heal_ms=heal_ms,
            heal_views=heal_views,
            faults=dict(sorted(self.faults.items())),
            caught=len(self.checks.caught),
            digest=self._digest.hexdigest(),
            broken=broken,
            what=what,
        )

    def _view(self) -> int:
        return max((node.core.view for node in self.nodes if node.core is not None and not node.liar), default=0)

    def _configured(self) -> list[str]:
        profile = self.profile
        rates = ("loss", "duplicate", "late", "partitions", "deaf", "crashes", "torn")
        return [name for name in rates if getattr(profile, name)] + sorted(self._names.values())

    def advance(self, end_ms: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `end_ms`, or until something holds; tell whether it does."""
        queue, buffer, nodes = self._queue, self._buffer, self.nodes
        while queue and queue[0][0] <= end_ms:
            now, _, index, name, act = heapq.heappop(queue)
            self._now = now
            self._events += 1
            buffer += now.to_bytes(6, "big")
            buffer.append(index)
            buffer += name
            if len(buffer) > DIGEST_BYTES:
                self._digest.update(buffer)
                buffer.clear()
            act(nodes[index])
            if done is not None and done():
                return True
        self._now = end_ms
        return False
