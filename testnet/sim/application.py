"""What the simulated consensus agrees on: the port, and the least that fits it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

import msgspec

from consensus.ancestry import Point
from consensus.io import GuardRecord, Stored, Verdict
from consensus.validators import Instance, Validator, ValidatorSet
from primitives import codec
from primitives.hashing import Hash, sha256
from primitives.reasons import Refused
from primitives.record import Record
from primitives.units import U64

GENESIS = Point(0, sha256(b"assay/sim/genesis"))


class Links(NamedTuple):
    """A block's place, as its own header tells it."""

    view: int
    parent: Point
    valid: bool = True
    """Whether the block's own mark, if its kind has one, lets it be valid."""


class Application(Protocol):
    """Builds, judges, keeps and commits blocks. Bodies that are not committed are lost in a crash, unless recovered."""

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body, or None if it can't be built."""
        ...

    def validate(self, view: int, block: bytes, body: bytes, parent: Point, now_ms: int) -> Verdict:
        """Judge a block whose ancestors are held."""
        ...

    def adopt(self, block: bytes, body: bytes) -> Links | None:
        """Keep a fetched body, if it is that of `block`."""
        ...

    def body(self, block: bytes) -> bytes | None:
        """Return a body that is held."""
        ...

    def commit(self, block: bytes) -> list[Point]:
        """Make a block and its ancestors final; return them, the earliest first."""
        ...

    def committed(self) -> Point:
        """Return the last committed block."""
        ...

    def crash(self, recovered: Sequence[GuardRecord]) -> None:
        """Forget what was in memory; take the bodies that were stored with votes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a simulated network is about: who its validators are, and what they agree on."""

    instance: Instance
    genesis: Point
    make_application: Callable[[int], Application]
    links_of: Callable[[bytes, bytes], Links | None]
    """Reads a block's place from its id and body; None if the body is not that of the id."""


class NullBody(Record):
    """A block of nothing but its place."""

    view: U64
    parent_view: U64
    parent: Hash
    salt: U64
    valid: bool
    filler: Annotated[bytes, msgspec.Meta(max_length=64)]


class NullApplication:
    """Blocks with random ids and links, and nothing in them."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._bodies: dict[bytes, bytes] = {}
        self._links: dict[bytes, Links] = {}
        self._committed: list[Point] = [GENESIS]
        self._durable: dict[bytes, bytes] = {}

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body."""
        del proposer, now_ms
        self._salt += 1
        block, body = null_block(view, parent, self._salt)
        self.adopt(block, body)
        return block, body

    def validate(self, view: int, block: bytes, body: bytes, parent: Point, now_ms: int) -> Verdict:
        """Judge a block by its links and its mark."""
        del now_ms
        links = self.adopt(block, body)
        if links is None or (links.view, links.parent) != (view, parent):
            return Verdict.MISMATCHED
        return Verdict.VALID if links.valid else Verdict.INVALID

    def adopt(self, block: bytes, body: bytes) -> Links | None:
        """Keep a body, if it is that of `block`."""
        links = null_links(block, body)
        if links is not None:
            self._bodies[block] = body
            self._links[block] = links
        return links

    def body(self, block: bytes) -> bytes | None:
        """Return a body that is held."""
        return self._bodies.get(block)

    def commit(self, block: bytes) -> list[Point]:
        """Make a block and its ancestors final."""
        news: list[Point] = []
        last = self._committed[-1]
        while block != last.block:
            links = self._links[block]
            assert links.view > last.view, "the core commits descendants of what it committed"
            news.append(Point(links.view, block))
            self._durable[block] = self._bodies[block]
            block = links.parent.block
        news.reverse()
        self._committed += news
        return news

    def committed(self) -> Point:
        """Return the last committed block."""
        return self._committed[-1]

    def crash(self, recovered: Sequence[GuardRecord]) -> None:
        """Keep what was committed, and what was stored with votes."""
        self._bodies = {}
        self._links = {}
        for block, body in self._durable.items():
            self.adopt(block, body)
        for record in recovered:
            if isinstance(record, Stored):
                self.adopt(record.block, record.body)


def null_block(view: int, parent: Point, salt: int, *, valid: bool = True) -> tuple[bytes, bytes]:
    """Return the id and the body of an empty block."""
    body = codec.encode(
        NullBody(view=view, parent_view=parent.view, parent=parent.block, salt=salt, valid=valid, filler=b"")
    )
    return sha256(body), body


def null_links(block: bytes, body: bytes) -> Links | None:
    """Return the place of an empty block, if `body` is its body."""
    if sha256(body) != block:
        return None
    try:
        told = codec.decode(NullBody, body, at_most=1_000)
    except Refused:
        return None
    return Links(told.view, Point(told.parent_view, told.parent), told.valid)


def null_ground(chance: random.Random, nodes: int) -> Ground:
    """Return the ground of a network that agrees on nothing but order."""
    # Unequal weights, close enough that any (nodes - 1) // 3 of them stay below a third.
    members = [Validator(key=sha256(bytes([index])), weight=chance.randrange(10, 13)) for index in range(nodes)]
    seed = chance.getrandbits(256).to_bytes(32, "big")
    return Ground(
        instance=Instance(genesis_hash=sha256(b"assay/sim"), epoch=0, validators=ValidatorSet(members, seed)),
        genesis=GENESIS,
        make_application=lambda _: NullApplication(chance.getrandbits(48)),
        links_of=null_links,
    )
