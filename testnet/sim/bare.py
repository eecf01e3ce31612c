"""The least to agree on: blocks with random ids, times and links, in epochs whose validators change."""

import random
from collections.abc import Sequence

from consensus.ancestry import Point
from consensus.io import Evidence, GuardRecord, Stored, Verdict
from consensus.validators import Instance, Validator, ValidatorSet
from primitives import codec
from primitives.hashing import Hash, sha256
from primitives.reasons import Refused
from primitives.record import Record
from primitives.units import U64
from testnet.sim.application import Final, Ground, Links
from testnet.sim.committee import Committee
from testnet.sim.keyring import Keyed

GENESIS = sha256(b"assay/sim/genesis")
DRIFT_MS_MAX = 500
"""A block from further ahead is declined."""
BODY_BYTES_MAX = 1_000
WEIGHT = 100
ROTATING_SHARE = 5
"""Where epochs follow each other, one node in so many is no validator at a time."""


class BareBody(Record):
    """A block of nothing but its place and time."""

    epoch: U64
    view: U64
    parent_view: U64
    parent: Hash
    time_ms: U64
    salt: U64
    valid: bool


class Plan:
    """Who validates in which epoch: `size` of the nodes, which move on by some places each epoch."""

    def __init__(self, weights: Sequence[int], seed: bytes, *, size: int, epoch_ms: int) -> None:
        self.size = size
        self.epoch_ms = epoch_ms
        self._weights = weights
        self._seed = seed
        self._known: dict[int, Committee] = {}

    def committee(self, epoch: int) -> Committee:
        """Return the validators of an epoch."""
        found = self._known.get(epoch)
        if found is None:
            found = self._known[epoch] = self._make(epoch)
        return found

    def _make(self, epoch: int) -> Committee:
        total = len(self._weights)
        nodes = [(epoch * (total - self.size) + place) % total for place in range(self.size)]
        members = [Validator(key=sha256(bytes([node])), weight=self._weights[node]) for node in nodes]
        seed = sha256(self._seed + epoch.to_bytes(8, "big"))
        instance = Instance(genesis_hash=sha256(b"assay/sim"), epoch=epoch, validators=ValidatorSet(members, seed))
        return Committee(instance, nodes)


class BareApplication:
    """One node's blocks."""

    def __init__(self, plan: Plan, salt: int) -> None:
        self._plan = plan
        self._salt = salt
        self.wipe()

    def wipe(self) -> None:
        """Forget everything."""
        self._bodies: dict[bytes, bytes] = {}
        self._read: dict[bytes, BareBody] = {}
        self._finals = [Final(0, 0, GENESIS, ends=False, made_ms=0)]
        self._durable: dict[bytes, bytes] = {}
        self._began_ms = {0: 0}

    def _ends(self, block: bytes) -> bool:
        """Tell whether a block ends its epoch, which it does by its time (as Q1 of the ledger)."""
        body = self._read.get(block)
        began_ms = None if body is None else self._began_ms.get(body.epoch)
        return body is not None and began_ms is not None and body.time_ms >= began_ms + self._plan.epoch_ms

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body, or the parent's own if that ends its epoch."""
        del proposer
        if self._ends(parent.block) and parent.view:
            return parent.block, self._bodies[parent.block]
        self._salt += 1
        return self._make(view, parent, self._salt, now_ms, valid=True)

    def forge(self, view: int, proposer: int, parent: Point, salt: int, *, valid: bool) -> tuple[bytes, bytes] | None:
        """Return another block."""
        del proposer
        return self._make(view, parent, salt, 0, valid=valid)

    def _make(self, view: int, parent: Point, salt: int, now_ms: int, *, valid: bool) -> tuple[bytes, bytes]:
        last = self.head()
        before = self._read.get(parent.block)
        body = codec.encode(
            BareBody(
                epoch=last.epoch + last.ends,
                view=view,
                parent_view=parent.view,
                parent=parent.block,
                time_ms=max(now_ms, 1 if before is None else before.time_ms + 1),
                salt=salt,
                valid=valid,
            )
        )
        block = sha256(body)
        self.adopt(block, body)
        return block, body

    def validate(self, view: int, block: bytes, body: bytes, parent: Point, now_ms: int) -> Verdict:
        """Judge a block by its links, its time and its mark."""
        if block == parent.block:  # C23
            right = self._ends(block) and self._bodies.get(block) == body
            return Verdict.VALID if right else Verdict.INVALID
        links = self.adopt(block, body)
        if links is None or (links.view, links.parent) != (view, parent):
            return Verdict.MISMATCHED
        made, before = self._read[block], self._read.get(parent.block)
        last = self.head()
        late = before is not None and made.time_ms <= before.time_ms
        wrong = made.epoch != last.epoch + last.ends or (parent.view > 0 and self._ends(parent.block))
        if not links.valid or late or wrong:
            return Verdict.INVALID
        return Verdict.DECLINED if made.time_ms > now_ms + DRIFT_MS_MAX else Verdict.VALID

    def adopt(self, block: bytes, body: bytes) -> Links | None:
        """Keep a body, if it is that of `block`."""
        read = _read(block, body)
        if read is None:
            return None
        self._bodies[block] = body
        self._read[block] = read
        return _links(read)

    def body(self, block: bytes) -> bytes | None:
        """Return a body that is held."""
        return self._bodies.get(block)

    def commit(self, block: bytes) -> list[Final]:
        """Make a block and its ancestors final."""
        news: list[Final] = []
        last = self._finals[-1].block
        while block != last:
            read = self._read[block]
            news.append(Final(read.epoch, read.view, block, ends=self._ends(block), made_ms=read.time_ms))
            self._durable[block] = self._bodies[block]
            block = read.parent
        news.reverse()
        for final in news:
            if final.ends:
                self._began_ms[final.epoch + 1] = final.made_ms
        self._finals += news
        return news

    def head(self) -> Final:
        """Return the last committed block."""
        return self._finals[-1]

    def committee(self, epoch: int) -> Committee | None:
        """Return the validators of an epoch, which the end of the one before the last has fixed."""
        last = self.head()
        return self._plan.committee(epoch) if epoch <= last.epoch + last.ends + 1 else None

    def crash(self, recovered: Sequence[GuardRecord]) -> None:
        """Keep what was committed, and what was stored with votes."""
        self._bodies = {}
        self._read = {}
        for block, body in self._durable.items():
            self.adopt(block, body)
        for record in recovered:
            if isinstance(record, Stored):
                self.adopt(record.block, record.body)

    def copy(self) -> object:
        """Return what is durable."""
        return dict(self._durable), list(self._finals), dict(self._began_ms)

    def restore(self, copy: object) -> None:
        """Hold what was durable once."""
        assert isinstance(copy, tuple)
        durable, finals, began_ms = copy
        self._durable, self._finals, self._began_ms = dict(durable), list(finals), dict(began_ms)

    def convict(self, evidence: Evidence) -> None:
        """Punish nobody."""


def _read(block: bytes, body: bytes) -> BareBody | None:
    if sha256(body) != block:
        return None
    try:
        return codec.decode(BareBody, body, at_most=BODY_BYTES_MAX)
    except Refused:
        return None


def _links(read: BareBody) -> Links:
    return Links(read.epoch, read.view, Point(read.parent_view, read.parent), read.valid)


def bare_links(block: bytes, body: bytes) -> Links | None:
    """Return the place of a bare block, if `body` is its body."""
    read = _read(block, body)
    return None if read is None else _links(read)


def bare_ground(chance: random.Random, nodes: int, *, stakes: Sequence[int], epoch_ms: int, rotating: bool) -> Ground:
    """Return the ground of a network that agrees on nothing but order; where it is `rotating`, a fifth sits out."""
    size = nodes - nodes // ROTATING_SHARE if rotating else nodes
    faulty = max(1, (size - 1) // 3)
    # Unequal weights, close enough that any (size - 1) // 3 of them stay below a third.
    drawn = [chance.randrange(WEIGHT, WEIGHT + WEIGHT // (2 * faulty)) for _ in range(nodes)]
    weights = [stakes[node % len(stakes)] for node in range(nodes)] if stakes else drawn
    plan = Plan(weights, chance.getrandbits(256).to_bytes(32, "big"), size=size, epoch_ms=epoch_ms)
    return Ground(
        keyring=Keyed(),
        validators=size,
        make_application=lambda _: BareApplication(plan, chance.getrandbits(48)),
        links_of=bare_links,
    )
