"""One simulated node: the driver of a core, as node.driver is in a real one, on simulated time, network and disk."""

from collections.abc import Callable, Sequence
from typing import Protocol

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import (
    BlockKnown,
    Build,
    BuildFailed,
    Built,
    Commit,
    Effect,
    Evidence,
    FetchBlock,
    GuardRecord,
    Halt,
    Input,
    Penalise,
    Persist,
    Received,
    RetryDue,
    Send,
    SetRetry,
    SetTimer,
    Start,
    TimedOut,
    Validate,
    Validated,
)
from consensus.messages import Message, encode_message
from testnet.sim.application import Application
from testnet.sim.disk import Disk

Act = Callable[["SimNode"], None]
"""What happens to a node at a moment of simulated time."""


class World(Protocol):
    """What a node sees of the simulation around it."""

    def now_ms(self) -> int:
        """Return the simulated time."""
        ...

    def later(self, delay_ms: int, node: int, name: bytes, act: Act) -> None:
        """Let something happen to a node; `name` stands for it in the digest."""
        ...

    def carry(self, sender: int, to: int, name: bytes, act: Act) -> None:
        """Put something on the network: it happens to `to` when it arrives."""
        ...

    def work_ms(self) -> int:
        """Return how long a block takes to build or to judge."""
        ...

    def lied(self, node: int) -> None:
        """Count a lie."""
        ...

    def pick(self, count: int) -> int:
        """Return a number below `count`, by chance."""
        ...

    def torn(self, node: int, records: list[GuardRecord]) -> None:
        """Tell that a node died amid a step, whose records may be half written."""
        ...

    def sent(self, sender: int, message: Message) -> None:
        """Tell the checkers what a node says."""
        ...

    def committed(self, node: int, effect: Commit, news: list[Point]) -> None:
        """Tell the checkers what a node committed."""
        ...

    def accused(self, node: int, culprit: int | None, why: str) -> None:
        """Tell the checkers whom a node accuses."""
        ...

    def halted(self, node: int, why: str) -> None:
        """Tell the checkers that a node gave up."""
        ...


class SimNode:
    """A node that keeps the rules, as far as its core does."""

    liar = False

    def __init__(
        self,
        *,
        index: int,
        nodes: int,
        genesis_hash: bytes,
        world: World,
        application: Application,
        make_core: Callable[[int, Point, list[GuardRecord]], Core],
    ) -> None:
        self.index = index
        self.nodes = nodes
        self.genesis_hash = genesis_hash
        self.world = world
        self.application = application
        self.disk = Disk()
        self.core: Core | None = None
        self.life = 0
        self._make_core = make_core
        self._timers = 0
        self._retries = 0
        self._builds = 0
        self._tears = False

    def start(self) -> None:
        """Come up, for the first time or again."""
        self.life += 1
        recovered = self.disk.recover()
        self.application.crash(recovered)
        self.core = self._make_core(self.index, self.application.committed(), recovered)
        self.take(Start())

    def crash(self) -> None:
        """Die at once."""
        self.core = None
        self._tears = False

    def tear_next(self) -> None:
        """Die amid the effects of the next step that writes."""
        self._tears = True

    def spare(self) -> None:
        """Let the next step be whole after all."""
        self._tears = False

    def serve(self, asker: int, block: bytes) -> None:
        """Send a body to a node that asks for it, if it is held."""
        body = self.application.body(block)
        if self.core is not None and body is not None:
            self.world.carry(self.index, asker, b"body" + block, lambda node: node.fetched(block, body))

    def fetched(self, block: bytes, body: bytes) -> None:
        """Take a body that another node sent."""
        links = None if self.core is None else self.application.adopt(block, body)
        if links is not None:
            at = links.parent
            self.take(BlockKnown(block=block, view=links.view, parent_view=at.view, parent=at.block))

    def _set_timer(self, effect: SetTimer) -> None:
        self._timers += 1
        set_at = (self.life, self._timers)

        def ring(node: SimNode) -> None:
            if set_at == (node.life, node._timers):
                node.take(TimedOut(view=effect.view))

        self.world.later(effect.delay_ms, self.index, b"timer", ring)

    def _set_retry(self, effect: SetRetry) -> None:
        self._retries += 1
        set_at = (self.life, self._retries)

        def ring(node: SimNode) -> None:
            if set_at == (node.life, node._retries):
                node.take(RetryDue())

        self.world.later(effect.delay_ms, self.index, b"retry", ring)

    def _build(self, wish: Build) -> None:
        self._builds += 1
        set_at = (self.life, self._builds)

        def build(node: SimNode) -> None:
            if set_at != (node.life, node._builds) or node.core is None:
                return
            parent = Point(wish.parent_view, wish.parent)
            made = node.application.build(wish.view, node.index, parent, node.world.now_ms())
            if made is None:
                node.take(BuildFailed(view=wish.view))
            else:
                node.take(Built(view=wish.view, block=made[0], body=made[1]))

        self.world.later(self.world.work_ms(), self.index, b"build", build)

    def _validate(self, wish: Validate) -> None:
        life = self.life

        def judge(node: SimNode) -> None:
            if life != node.life or node.core is None:
                return
            parent = Point(wish.parent_view, wish.parent)
            verdict = node.application.validate(wish.view, wish.block, wish.body, parent, node.world.now_ms())
            node.take(Validated(view=wish.view, block=wish.block, verdict=verdict))

        self.world.later(self.world.work_ms(), self.index, b"judge" + wish.block, judge)

    def take(self, given: Input) -> None:
        """Feed the core, and carry out its effects in order."""
        if self.core is None:
            return
        effects = self.core.step(given)
        if self._tears and any(isinstance(effect, Persist) for effect in effects):
            self._die_amid(effects)
            return
        for effect in effects:
            self._execute(effect)

    def _die_amid(self, effects: list[Effect]) -> None:
        """Carry out some of the effects, and half of the next, and die."""
        last = len(effects) - 1
        done = last if self.world.pick(2) else self.world.pick(len(effects))
        for effect in effects[:done]:
            self._execute(effect)
        half = effects[done]
        self.crash()
        self.world.torn(self.index, half.records if isinstance(half, Persist) else [])

    def _execute(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case Send():
                self.send(effect.to, effect.message)
            case Persist():
                self.disk.write(effect.records)
            case SetTimer():
                self._set_timer(effect)
            case SetRetry():
                self._set_retry(effect)
            case Build():
                self._build(effect)
            case Validate():
                self._validate(effect)
            case FetchBlock():
                self._fetch(effect)
            case Commit():
                world.committed(self.index, effect, self.application.commit(effect.block))
            case Evidence():
                world.accused(self.index, effect.first.signer, "evidence")
            case Penalise():
                world.accused(self.index, effect.sender, effect.fault.name)
            case Halt():
                world.halted(self.index, effect.why)

    def _fetch(self, effect: FetchBlock) -> None:
        others = [node for node in range(self.nodes) if node != self.index]
        holder = others[self.world.pick(len(others))] if effect.hint is None else effect.hint
        asker, block = self.index, effect.block
        self.world.carry(asker, holder, b"fetch" + block, lambda node: node.serve(asker, block))

    def send(self, to: int | None, message: Message) -> None:
        """Send a message to one node or to all others."""
        self.say([node for node in range(self.nodes) if node != self.index] if to is None else [to], message)

    def say(self, to: Sequence[int], message: Message) -> None:
        """Put a message on the network."""
        self.world.sent(self.index, message)
        raw = encode_message(message)
        given = Received(sender=self.index, message=message)
        for other in to:
            self.world.carry(self.index, other, raw, lambda node: node.take(given))
