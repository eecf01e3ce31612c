"""One simulated node: the driver of a core, as node.driver is in a real one, on simulated time, network and disk."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

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
    Verdict,
)
from consensus.messages import Certificate, Message, SignedVote, encode_message, epoch_of
from consensus.parting import last_word
from consensus.scheme import Scheme
from testnet.sim.application import Application, Final
from testnet.sim.asking import Asking
from testnet.sim.catch_up import Archived, CatchUp, Range
from testnet.sim.committee import Committee
from testnet.sim.disk import Disk, DiskDamagedError

Act = Callable[["SimNode"], None]
"""What happens to a node at a moment of simulated time."""
EARLY_MAX = 256
"""Messages of the next epoch that are kept until it begins (C24)."""


class Copy(NamedTuple):
    """All that was on a node's disk at some time."""

    votes: Disk
    blocks: object
    archive: list[Archived]


class CoreMaker(Protocol):
    """Makes the core of a node, by the number of the validator that it stands for."""

    def __call__(
        self, committee: Committee, voice: int, start: Point, recovered: Sequence[GuardRecord], *, quarantine: bool
    ) -> Core:
        """Return the core for an epoch."""
        ...


class World(Protocol):
    """What a node sees of the simulation around it."""

    def now_ms(self) -> int:
        """Return the simulated time."""
        ...

    def later(self, delay_ms: int, node: int, name: bytes, act: Act) -> None:
        """Let something happen to a node; `name` stands for it in the digest."""
        ...

    def carry(self, sender: int, to: int, kind: str, name: bytes, act: Act) -> None:
        """Put something on the network: it happens to validator `to` when it arrives."""
        ...

    def reply(self, sender: int, to: int, kind: str, name: bytes, act: Act) -> None:
        """Put something on the network that goes to one node, even if another stands for the same validator."""
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

    def sign(self, committee: Committee, voice: int, message: bytes) -> bytes:
        """Return the signature of a validator on anything."""
        ...

    def scheme(self, committee: Committee) -> Scheme:
        """Return what checks the signatures of an epoch."""
        ...

    def died(self, node: "SimNode", how: str, records: Sequence[GuardRecord]) -> None:
        """Tell that a node died amid a step, whose records may be half written."""
        ...

    def stepped(self, node: "SimNode", given: Input, effects: Sequence[Effect]) -> None:
        """Tell the checks what a node makes of an input."""
        ...

    def sent(self, node: "SimNode", message: Message, *, receivers: int, size: int) -> None:
        """Tell the checks what a node says, to how many, and how many bytes it is."""
        ...

    def committed(self, node: "SimNode", certificate: Certificate, news: Sequence[Final]) -> None:
        """Tell the checks what a node committed."""
        ...

    def accused(self, node: "SimNode", culprit: int | None, why: str) -> None:
        """Tell the checks whom a node accuses."""
        ...

    def halted(self, node: "SimNode", why: str) -> None:
        """Tell the checks that a node gave up."""
        ...

    def lost_disk(self, node: "SimNode") -> None:
        """Tell the checks that a node's disk is lost."""
        ...


class SimNode:
    """A node that keeps the rules, as far as its core does."""

    liar = False
    quiet = False
    """Whether a run may pass in which it does nothing wrong that could be counted."""

    def __init__(
        self,
        *,
        index: int,
        voice: int,
        nodes: int,
        world: World,
        application: Application,
        make_core: CoreMaker,
        skew_ms: int,
    ) -> None:
        """`voice` is the validator that it stands for: itself, unless it is the second of twins."""
        self.index = index
        self.voice = voice
        self.nodes = nodes
        self.world = world
        self.application = application
        self.disk = Disk()
        self.core: Core | None = None
        self.life = 0
        self.epoch = 0
        self.verdicts: dict[tuple[int, int, bytes], Verdict] = {}
        """What the application said, by epoch, view and block."""
        self.building = False
        self.armed_ms = 0
        """What the view's timer was last set to."""
        self._committee: Committee | None = None
        self._make_core = make_core
        self._skew_ms = skew_ms
        self._quarantine = True
        self._timers = 0
        self._retries = 0
        self._builds = 0
        self._dies = ""
        self._early: list[tuple[int, Message]] = []
        self._ends: dict[int, Certificate] = {}
        self._ended_told: set[int] = set()
        self.catch_up = CatchUp(self)
        self.asking = Asking(self)

    @property
    def committee(self) -> Committee:
        """Return the validators of the epoch that the node is in, once it is up."""
        assert self._committee is not None, "a node that is down is in no epoch"
        return self._committee

    @property
    def me(self) -> int | None:
        """Return the node's index in its epoch."""
        return self.committee.index(self.voice)

    def clock_ms(self) -> int:
        """Return the time by this node's own clock."""
        return max(0, self.world.now_ms() + self._skew_ms)

    # Life and death.

    def start(self) -> None:
        """Come up, for the first time or again."""
        last = self.application.head()
        self.epoch = last.epoch + last.ends
        recovered: list[GuardRecord] = []
        try:
            recovered = self.disk.recover(self.epoch)
        except DiskDamagedError:
            self.lose_disk()
        self.application.crash(recovered)
        self._quarantine = True
        self._open(recovered)

    def _open(self, recovered: Sequence[GuardRecord]) -> None:
        """Begin the epoch that follows the last committed block, or go on in it."""
        last = self.application.head()
        self.life += 1
        self.building = False
        self.epoch = last.epoch + last.ends
        self._committee = self.application.committee(self.epoch)
        start = Point(0 if last.ends else last.view, last.block)
        self.core = self._make_core(self.committee, self.voice, start, recovered, quarantine=self._quarantine)
        self.take(Start())
        self.asking.begin()
        early, self._early = self._early, []
        for sender, message in early:
            self.hear(sender, message)

    def crash(self) -> None:
        """Die at once."""
        self.core = None
        self._early = []

    def lose_disk(self) -> None:
        """Begin anew with an empty disk when it comes up next."""
        self.disk.wipe()
        self.application.wipe()
        self.catch_up.wipe()
        self.epoch = 0
        self.world.lost_disk(self)

    def copy(self) -> Copy:
        """Return all that is on disk."""
        return Copy(self.disk.copy(), self.application.copy(), self.catch_up.copy())

    def set_back(self, copy: Copy) -> None:
        """Begin on an older copy of the disk when it comes up next."""
        self.disk = copy.votes.copy()
        self.application.restore(copy.blocks)
        self.catch_up.restore(copy.archive)
        self.world.lost_disk(self)

    def die_writing(self, how: str) -> bool:
        """Die amid the effects of the next step that writes: `torn`, `lost_tail` or `full_disk`.

        Tell whether it will, unless another such death awaits it.
        """
        free = not self._dies
        self._dies = self._dies or how
        return free

    def spare(self) -> str:
        """Let the next step be whole after all; return what would have befallen it."""
        spared, self._dies = self._dies, ""
        return spared

    # Bodies.

    def serve(self, asker: int, block: bytes) -> None:
        """Send a body to a node that asks for it, if it is held."""
        body = self.application.body(block)
        if self.core is not None and body is not None:
            self.world.reply(self.index, asker, "body", b"body" + block, lambda node: node.fetched(block, body))

    def fetched(self, block: bytes, body: bytes) -> None:
        """Take a body that another node sent."""
        links = None if self.core is None else self.application.adopt(block, body)
        if links is not None and links.epoch == self.epoch:
            at = links.parent
            self.take(BlockKnown(block=block, view=links.view, parent_view=at.view, parent=at.block))

    def _fetch(self, effect: FetchBlock) -> None:
        members = self.committee.nodes
        others = [node for node in members if node != self.voice]
        holder = others[self.world.pick(len(others))] if effect.hint is None else members[effect.hint]
        asker, block = self.index, effect.block
        self.world.carry(asker, holder, "fetch", b"fetch" + block, lambda node: node.serve(asker, block))

    # Timers and work.

    def _set_timer(self, effect: SetTimer) -> None:
        self._timers += 1
        self.armed_ms = effect.delay_ms
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
                node._ended_told.clear()
                node.catch_up.renew()
                node.take(RetryDue())

        self.world.later(effect.delay_ms, self.index, b"retry", ring)

    def _build(self, wish: Build) -> None:
        self._builds += 1
        self.building = True
        set_at = (self.life, self._builds)

        def build(node: SimNode) -> None:
            if set_at != (node.life, node._builds) or node.core is None:
                return
            node.building = False
            parent = Point(wish.parent_view, wish.parent)
            made = node.application.build(wish.view, node.voice, parent, node.clock_ms())
            if made is None:
                node.take(BuildFailed(view=wish.view))
            else:
                node.verdicts[node.epoch, wish.view, made[0]] = Verdict.VALID
                node.take(Built(view=wish.view, block=made[0], body=made[1]))

        self.world.later(self.world.work_ms(), self.index, b"build", build)

    def _validate(self, wish: Validate) -> None:
        life = self.life

        def judge(node: SimNode) -> None:
            if life != node.life or node.core is None:
                return
            parent = Point(wish.parent_view, wish.parent)
            verdict = node.application.validate(wish.view, wish.block, wish.body, parent, node.clock_ms())
            node.verdicts[node.epoch, wish.view, wish.block] = verdict
            node.take(Validated(view=wish.view, block=wish.block, verdict=verdict))

        self.world.later(self.world.work_ms(), self.index, b"judge" + wish.block, judge)

    # The core and its effects.

    def take(self, given: Input) -> None:
        """Feed the core, and carry out its effects in order."""
        if self.core is None:
            return
        effects = self.core.step(given)
        if self._dies and any(isinstance(effect, Persist) for effect in effects):
            self._die_amid(effects)
            return
        self.world.stepped(self, given, effects)
        for effect in effects:
            if not self._execute(effect):
                return

    def _die_amid(self, effects: list[Effect]) -> None:
        """Carry out some of the effects, and half of the next, and die."""
        how, done = self._dies, 0
        self._dies = ""
        if how == "torn":
            last = len(effects) - 1
            done = last if self.world.pick(2) else self.world.pick(len(effects))
        life = self.life
        for effect in effects[:done]:
            self._execute(effect)
            if self.life != life:  # an epoch has ended within the step
                break
        half = effects[done]
        self.crash()
        self.world.died(self, how, half.records if isinstance(half, Persist) else [])

    def _execute(self, effect: Effect) -> bool:
        """Carry out an effect; tell whether the core that asked for it is still the one that runs."""
        world = self.world
        match effect:
            case Send():
                self.send(None if effect.to is None else self.committee.nodes[effect.to], effect.message)
            case Persist():
                self.disk.write(self.epoch, effect.records)
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
                return self.finalize(effect.block, effect.certificate)
            case Evidence():
                self.application.convict(effect)
                world.accused(self, self.committee.nodes[effect.first.signer], "evidence")
            case Penalise():
                blamed = None if effect.sender is None else self.committee.nodes[effect.sender]
                world.accused(self, blamed, effect.fault.name)
            case Halt():
                world.halted(self, effect.why)
        return True

    def finalize(self, block: bytes, certificate: Certificate) -> bool:
        """Make a block final; tell whether its epoch goes on."""
        news = self.application.commit(block)
        self.catch_up.note(news, certificate)
        self.world.committed(self, certificate, news)
        if not news:
            return True
        last = news[-1]
        if not last.ends:
            return True
        self._ends[last.epoch] = certificate
        self._quarantine = self._quarantine and not self.asking.proven  # as node.driver.epochs does
        self._open([])
        return False

    # Messages.

    def send(self, to: int | None, message: Message) -> None:
        """Send a message to one validator or to all others of the epoch."""
        self.say([node for node in self.committee.nodes if node != self.voice] if to is None else [to], message)

    def say(self, to: Sequence[int], message: Message) -> None:
        """Put a message on the network."""
        raw = encode_message(message)
        self.world.sent(self, message, receivers=len(to), size=len(raw))
        kind = kind_of(message)
        sender = self.voice
        for other in to:
            self.world.carry(self.index, other, kind, raw, lambda node: node.hear(sender, message))

    def hear(self, sender: int, message: Message) -> None:
        """Take in a message of whatever epoch."""
        if self.core is None:
            return
        epoch = epoch_of(message)
        if epoch is None:
            return
        if epoch == self.epoch:
            self.take(Received(sender=self.committee.index(sender), message=message))
        elif epoch > self.epoch:  # C24: no fault, and it tells that this node is behind
            if len(self._early) < EARLY_MAX and epoch == self.epoch + 1:
                self._early.append((sender, message))
            self.catch_up.ask(sender)
        else:
            self._answer_ended(sender, epoch, message)

    def _answer_ended(self, sender: int, epoch: int, message: Message) -> None:
        """Tell whoever is still in an epoch that it is over, seldom (C24)."""
        end = self._ends.get(epoch)
        said = None if end is None else last_word(message, end)
        if said is not None and sender not in self._ended_told:
            self._ended_told.add(sender)
            self.say([sender], said)

    def take_range(self, told: Range) -> None:
        """Take final blocks that another node gave, with the certificate of the last."""
        if self.core is not None and self.catch_up.take(told):
            self.catch_up.more(told.holder)


KINDS = {1: "notarize", 2: "nullify", 3: "finalize"}


def kind_of(message: Message) -> str:
    """Return the word by which a manifest's script names a kind of message."""
    if isinstance(message, SignedVote):
        return KINDS[message.vote.kind]
    return {"Certificates": "answer", "CertificateRequest": "request"}.get(
        type(message).__name__, type(message).__name__.lower()
    )
