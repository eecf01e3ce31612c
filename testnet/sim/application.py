"""What the simulated consensus agrees on: the port between a node and its blocks, of bare ids or of the real ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from consensus.ancestry import Point
from consensus.io import Evidence, GuardRecord, Verdict
from testnet.sim.committee import Committee
from testnet.sim.keyring import Keyring


class Links(NamedTuple):
    """A block's place, as its own header tells it."""

    epoch: int
    view: int
    parent: Point
    valid: bool = True
    """Whether the block's own mark, if its kind has one, lets it be valid."""


class Final(NamedTuple):
    """A block that became final: its epoch, its own view and id, and whether its epoch ends with it."""

    epoch: int
    view: int
    block: bytes
    ends: bool
    made_ms: int
    """When it was built, by its builder's clock."""


class Application(Protocol):
    """Builds, judges, keeps and commits blocks. Bodies that are not committed are lost in a crash, unless recovered."""

    def build(self, view: int, proposer: int, parent: Point, now_ms: int) -> tuple[bytes, bytes] | None:
        """Return a new block's id and body, the parent's own if that ends its epoch (C23), None if there is none."""
        ...

    def forge(self, view: int, proposer: int, parent: Point, salt: int, *, valid: bool) -> tuple[bytes, bytes] | None:
        """Return what a liar might propose in place of its block; None if it can't think of anything."""
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

    def commit(self, block: bytes) -> list[Final]:
        """Make a block and its ancestors final; return them, the earliest first."""
        ...

    def head(self) -> Final:
        """Return the last committed block."""
        ...

    def committee(self, epoch: int) -> Committee | None:
        """Return the validators of an epoch, None if they are not known yet."""
        ...

    def crash(self, recovered: Sequence[GuardRecord]) -> None:
        """Forget what was in memory; take the bodies that were stored with votes."""
        ...

    def wipe(self) -> None:
        """Forget everything, as on a new disk."""
        ...

    def copy(self) -> object:
        """Return what is durable, for `restore`."""
        ...

    def restore(self, copy: object) -> None:
        """Hold what was durable once; what came later is forgotten."""
        ...

    def convict(self, evidence: Evidence) -> None:
        """Take evidence that consensus found."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a simulated network is about: what its nodes agree on, and under which keys."""

    keyring: Keyring
    validators: int
    """How many of the nodes are validators at a time, at least."""
    make_application: Callable[[int], Application]
    links_of: Callable[[bytes, bytes], Links | None]
    """Reads a block's place from its id and body; None if the body is not that of the id."""
