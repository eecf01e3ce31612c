"""A whole network under one seeded scheduler: faults for a while, then peace, in which it must come back to life.

Equal seeds give equal runs, event for event: `Report.digest` covers them all.
"""

import hashlib
import heapq
import random
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Effect, GuardRecord, Input
from consensus.messages import Certificate, CertificateRequest, Certificates, Message, Proposal
from consensus.scheme import Scheme
from consensus.timing import Timing
from testnet.manifest import Manifest
from testnet.sim.application import Final, Ground
from testnet.sim.bare import bare_ground
from testnet.sim.cast import CAST, TWINS
from testnet.sim.checks import Broken, Checks
from testnet.sim.committee import Committee
from testnet.sim.conduct import Conduct
from testnet.sim.limits import Limits
from testnet.sim.memory import check_memory
from testnet.sim.network import Network, network_of
from testnet.sim.node import Act, CoreMaker, SimNode
from testnet.sim.obligations.watch import Watch
from testnet.sim.report import Moment, Report
from testnet.sim.town import Town
from testnet.sim.weather import Weather

WORK_MS_MAX = 10
"""A block takes up to this to build or to judge."""
HEAL_BLOCKS = 3
"""How many blocks all honest nodes must commit after the faults to count as alive."""
HEAL_VIEWS_PER_FAULTY = 4
"""Until then that many views, and so many for each node that may be faulty, and one, may yield no block."""
VIEWS = 40
"""In so many views everybody of the cast finds an occasion."""
LIES = 50
"""Of one cast, after which whoever can be convicted must have been."""
DIGEST_BYTES = 1 << 16
MOMENTS_MAX = 20_000
"""Rows of a timeline."""
RAISED = "raised"
"""The check that fails when the product raises what it should not."""
MEMORY_EVENTS = 4_000
"""Between two looks at what the cores hold."""

CoreKind = Callable[..., Core]


class Simulation:
    """The world of the nodes: time, network, chance and the checks."""

    def __init__(
        self,
        manifest: Manifest,
        seed: int,
        *,
        core: CoreKind = Core,
        mutant: str = "",
        ground: Ground | None = None,
        traced: bool = False,
        watched: bool = False,
    ) -> None:
        """`core` is what honest nodes run; `ground` what they agree on, if not what the manifest says.

        With `watched` all obligations of the rules are checked at each step, which takes twice as long.
        """
        self.manifest = manifest
        self.seed = seed
        self._mutant = mutant
        self._random = random.Random(f"{manifest.name} {seed}")
        self._now = 0
        self._count = 0
        self._events = 0
        self._queue: list[tuple[int, int, int, bytes, Act]] = []
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self._spared: set[str] = set()
        """Deaths that would still have come when the faults were over."""
        self.faults: Counter[str] = Counter()
        self.bytes = 0
        """What honest nodes sent, each receiver counted."""
        self.moments: list[Moment] | None = [] if traced else None
        """The timeline, if one is wanted."""
        self.limits = Limits(self._random if manifest.faults.shrunken else None)
        self.town = Town(manifest, self) if manifest.simulation.ledger else None
        """Users and the checks of the ledger, where there is one."""
        self.ground = ground or (self.town.ground if self.town is not None else make_ground(manifest, self._random))
        self._committees: dict[int, Committee] = {}
        self._timing = timing_of(manifest)
        self._cast = self._choose_cast()
        liars = frozenset(self._cast)
        twins = [node for node, name in sorted(self._cast.items()) if name == TWINS]
        voices = [*range(manifest.validators), *twins]
        self._bodies = {voice: [at for at, other in enumerate(voices) if other == voice] for voice in voices}
        self._network: Network = network_of(
            self._random, manifest.faults, self.faults, regions=manifest.regions, nodes=len(voices)
        )
        self.checks = Checks(self.ground, nodes=manifest.validators, liars=liars, committee=self.committee)
        self.conduct = Conduct(liars)
        self._watch = Watch(self.scheme) if watched and not self.limits.chosen else None
        self.nodes = [self._make_node(index, voice, core) for index, voice in enumerate(voices)]
        self.honest = [node.index for node in self.nodes if not node.liar]
        unlucky = (self.ground.validators - 1) // 3 - len(liars)
        self.weather = Weather(self, self._network, self._random, manifest.faults, honest=self.honest, faulty=unlucky)

    def _choose_cast(self) -> dict[int, str]:
        """Return which nodes are dishonest, and how."""
        faults, nodes = self.manifest.faults, self.manifest.validators
        chosen = faults.cast[: (self.ground.validators - 1) // 3 + faults.beyond]
        return dict(zip(self._random.sample(range(nodes), nodes), chosen, strict=False))

    def _make_node(self, index: int, voice: int, core: CoreKind) -> SimNode:
        name = self._cast.get(voice)
        kind = SimNode if name is None else CAST[name]
        skew = self.manifest.faults.skew_ms
        return kind(
            index=index,
            voice=voice,
            nodes=self.manifest.validators,
            world=self,
            application=self.ground.make_application(index),
            make_core=self._core_maker(core if name is None else Core),
            skew_ms=self._random.randrange(-skew, skew + 1) if skew else 0,
        )

    def _core_maker(self, kind: CoreKind) -> CoreMaker:
        def make(
            committee: Committee, voice: int, start: Point, recovered: Sequence[GuardRecord], *, quarantine: bool
        ) -> Core:
            return kind(
                instance=committee.instance,
                me=committee.index(voice),
                scheme=self.ground.keyring.scheme(committee, voice),
                timing=self._timing,
                start=start,
                recovered=recovered,
                quarantine=quarantine,
            )

        return make

    # What the nodes see.

    def now_ms(self) -> int:
        """Return the simulated time."""
        return self._now

    def later(self, delay_ms: int, node: int, name: bytes, act: Act) -> None:
        """Let something happen to a node."""
        self._count += 1
        heapq.heappush(self._queue, (self._now + delay_ms, self._count, node, name, act))

    def carry(self, sender: int, to: int, kind: str, name: bytes, act: Act) -> None:
        """Put something on the network: it happens to validator `to`, and to its twin."""
        for body in self._bodies[to]:
            self.reply(sender, body, kind, name, act)

    def reply(self, sender: int, to: int, kind: str, name: bytes, act: Act) -> None:
        """Put something on the network that goes to one node."""
        for delay in self._network.delays(sender, to, kind):
            self.later(delay, to, name, act)

    def work_ms(self) -> int:
        """Return how long a block takes to build or to judge."""
        return self._random.randrange(WORK_MS_MAX)

    def pick(self, count: int) -> int:
        """Return a number below `count`, by chance."""
        return self._random.randrange(count)

    def sign(self, committee: Committee, voice: int, message: bytes) -> bytes:
        """Return the signature of a validator on anything."""
        return self.ground.keyring.sign(committee, voice, message)

    def scheme(self, committee: Committee) -> Scheme:
        """Return what checks the signatures of an epoch."""
        return self.ground.keyring.scheme(committee, None)

    def committee(self, epoch: int) -> Committee:
        """Return the validators of an epoch that some node has reached."""
        known = self._committees.get(epoch)
        if known is None:
            found = (node.application.committee(epoch) for node in self.nodes)
            known = next((each for each in found if each is not None), None)
            assert known is not None, "somebody speaks of an epoch that nobody has reached"
            self._committees[epoch] = known
        return known

    def lied(self, node: int) -> None:
        """Count a lie."""
        self.faults[self._cast[node]] += 1

    def died(self, node: SimNode, how: str, records: Sequence[GuardRecord]) -> None:
        """Let a node that died amid a step come back later."""
        if records and how == "torn":
            node.disk.write_torn(node.epoch, records, self._random)
        self.happened(how, node)
        self.weather.revive(node.index, late=how == "full_disk")

    # What the checks see.

    def stepped(self, node: SimNode, given: Input, effects: Sequence[Effect]) -> None:
        """Show the checks what a node makes of an input."""
        self.conduct.stepped(node, given, effects)
        if self._watch is not None:
            self._watch.stepped(node, given, effects)

    def sent(self, node: SimNode, message: Message, *, receivers: int, size: int) -> None:
        """Show the checks what a node says."""
        self.checks.sent(node.voice, message)
        self.conduct.said(node, message, receivers)
        if not node.liar:
            self.bytes += receivers * size
        if self.moments is not None and isinstance(message, Proposal | Certificate):
            vote = message.vote.vote if isinstance(message, Proposal) else message.vote
            what = "proposes" if isinstance(message, Proposal) else f"{vote.kind.name.lower()} certificate"
            self._note(node, what, vote.view, vote.block.hex()[:8])
        elif self.moments is not None and isinstance(message, CertificateRequest | Certificates):
            self._note(node, "asks" if isinstance(message, CertificateRequest) else "tells certificates", None, "")

    def committed(self, node: SimNode, certificate: Certificate, news: Sequence[Final]) -> None:
        """Show the checks what a node committed."""
        self.checks.committed(node.voice, certificate, news)
        for final in news:
            self._note(
                node, "commits" + (" the end of its epoch" if final.ends else ""), final.view, final.block.hex()[:8]
            )

    def accused(self, node: SimNode, culprit: int | None, why: str) -> None:
        """Show the checks whom a node accuses."""
        self._note(node, "accuses", None, f"node {culprit}: {why}")
        self.checks.accused(node.voice, culprit, why)

    def halted(self, node: SimNode, why: str) -> None:
        """Show the checks that a node gave up."""
        self._note(node, "halts", None, why)
        self.checks.halted(node.voice, why)

    def happened(self, fault: str, node: SimNode | None) -> None:
        """Count a fault, and put it into the timeline."""
        self.faults[fault] += 1
        self._note(node, fault, None, "")

    def lost_disk(self, node: SimNode) -> None:
        """Tell the checks that a node's disk is lost."""
        if not node.liar:
            self.checks.lost_disk(node.voice, node.catch_up.height)
            self.conduct.lost_disk(node.index)

    def _note(self, node: SimNode | None, what: str, view: int | None, facts: str) -> None:
        if self.moments is None or len(self.moments) >= MOMENTS_MAX:
            return
        name = "" if node is None else f"validator{node.voice}" + ("'" if node.index != node.voice else "")
        at = view if view is not None else (0 if node is None or node.core is None else node.core.view)
        self.moments.append(Moment(self._now, name, what, 0 if node is None else node.epoch, at, facts))

    # The run.

    def restart(self, node: SimNode) -> None:
        """Bring a node up, unless it is up or dead for good."""
        if node.core is None and node.index not in self.weather.lost:
            node.start()
            self._note(node, "starts", None, "")
            if node.index == node.voice:
                self.checks.restarted(node.voice, node.application.head())

    def start(self) -> None:
        """Bring up all nodes."""
        for node in self.nodes:
            node.start()

    def stop(self, index: int) -> None:
        """Let a node die until it is revived."""
        self.nodes[index].crash()

    def revive(self, index: int) -> None:
        """Bring a node back."""
        self.restart(self.nodes[index])

    def heal(self) -> None:
        """End all faults, and bring everybody back who is not dead for good."""
        self._network.heal()
        self._note(None, "all is well again", None, "")
        for node in self.nodes:
            self._spared.add(node.spare())
            self.restart(node)

    def alive(self) -> list[int]:
        """Return the honest nodes that are not dead for good."""
        return [index for index in self.honest if index not in self.weather.lost]

    def views(self) -> int:
        """Return the views of all epochs together, as far as honest nodes have come."""
        return self.conduct.views

    def run(self) -> Report:
        """Run to the end, or to the first check that fails."""
        heal_at = self.manifest.faults.for_ms
        heal_ms = heal_views = 0
        broken = what = ""
        with self.limits:
            try:
                self.start()
                self.weather.schedule()
                if self.town is not None:
                    self.town.begin()
                self.advance(heal_at)
                self.heal()
                heal_views = -self.views()
                goal = len(self.checks.chain) + HEAL_BLOCKS
                self.advance(heal_at + self.manifest.simulation.heal_ms, lambda: self._height() >= goal)
                heal_ms, heal_views = self._now - heal_at, heal_views + self.views()
                self._judge(goal, heal_ms, heal_views)
            except Broken as broke:
                broken, what = broke.check, broke.what
                self._note(None, f"broken: {broken}", None, what)
            except Exception as fault:  # noqa: BLE001  # supervisor: what the product raises is a finding of this seed
                broken, what = RAISED, _told(fault)
        self._digest.update(self._buffer)
        last = self.checks.chain[-1] if self.checks.chain else None
        return Report(
            manifest=self.manifest.name,
            seed=self.seed,
            mutant=self._mutant,
            nodes=self.manifest.validators,
            events=self._events,
            blocks=len(self.checks.chain),
            views=self.views(),
            epochs=1 if last is None else last.epoch + last.ends + 1,
            simulated_ms=self._now,
            heal_ms=heal_ms,
            heal_views=max(0, heal_views),
            messages=self.conduct.messages,
            bytes=self.bytes,
            faults=dict(sorted((name, count) for name, count in self.faults.items() if count)),
            caught=len(self.checks.caught | self.checks.convicted),
            digest=self._digest.hexdigest(),
            broken=broken,
            what=what,
        )

    def _height(self) -> int:
        return self.checks.height(self.alive())

    def _judge(self, goal: int, heal_ms: int, heal_views: int) -> None:
        """Look at the run as a whole."""
        faulty = (self.ground.validators - 1) // 3 + 1
        idle = heal_views - (len(self.checks.chain) - goal + HEAL_BLOCKS)
        idle_max = HEAL_BLOCKS + HEAL_VIEWS_PER_FAULTY * faulty
        if self._height() < goal or idle > idle_max:
            facts = f"heights {self.checks.heights}, wanted {goal}; {heal_ms} ms, {heal_views} views"
            raise Broken("liveness", f"{facts}, {idle} of which yielded nothing, at most {idle_max}")
        self.conduct.sums_up(self.nodes, self.views())
        for node, name in sorted(self._cast.items()):
            if CAST[name].convictable and self.faults[name] >= LIES and node not in self.checks.convicted:
                raise Broken("evidence", f"node {node}, a {name}, is convicted by nobody")
        sure = [name for name in sorted(self._cast.values()) if not CAST[name].quiet]
        for fault in [*self.weather.expected(), *(sure if self.views() >= VIEWS else [])]:
            if not self.faults[fault] and fault not in self._spared:
                raise Broken("faults", f"{fault} never occurred")

    def advance(self, end_ms: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `end_ms`, or until something holds; tell whether it does."""
        queue, buffer, nodes, pop = self._queue, self._buffer, self.nodes, heapq.heappop
        while queue and queue[0][0] <= end_ms:
            now, _, index, name, act = pop(queue)
            self._now = now
            self._events += 1
            buffer += now.to_bytes(6, "big")
            buffer.append(index)
            buffer += name
            if len(buffer) > DIGEST_BYTES:
                self._digest.update(buffer)
                buffer.clear()
            act(nodes[index])
            if self._events % MEMORY_EVENTS == 0:
                self._look_at_memory()
            if done is not None and done():
                return True
        self._now = end_ms
        return False

    def _look_at_memory(self) -> None:
        for node in self.nodes:
            if node.core is not None and not node.liar:
                check_memory(node.core, f"node {node.index}")


def _told(fault: Exception) -> str:
    """Return what was raised, and where."""
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{fault!r} at {Path(last.filename).name}:{last.lineno}"


def timing_of(manifest: Manifest) -> Timing:
    """Return how long cores wait."""
    return Timing(
        delta_ms=manifest.delta_ms,
        idle_ms=manifest.idle_ms,
        cap_ms=manifest.simulation.cap_ms,
        retry_ms=2 * manifest.delta_ms,
    )


def make_ground(manifest: Manifest, chance: random.Random) -> Ground:
    """Return what the nodes of a manifest agree on."""
    epoch_ms = manifest.parameters.epoch_ms
    rotating = epoch_ms < manifest.faults.for_ms
    return bare_ground(chance, manifest.validators, stakes=manifest.stakes, epoch_ms=epoch_ms, rotating=rotating)
