"""What the state holds about filings (H1)."""

import enum
from typing import Annotated

import msgspec

from ledger.market.withheld.payloads import FILING_CHUNKS_MAX, Stage
from primitives.content import ContentId
from primitives.hashing import AddressBytes, Hash, tagged
from primitives.record import Record
from primitives.units import U32, U64

ASKED_CHUNKS_MAX = 48
"""Chunks that holders are asked for at once: with two in a block they fit into 24 of the answer time's 30 blocks."""
HOLDER_CHUNKS_MAX = FILING_CHUNKS_MAX
"""Of these of one holder, whoever asks: so nobody who withholds keeps others from being asked (H14)."""
WAITING_MAX = 128
"""Filings that wait for block space: with so many ahead, the last waits for an hour at most (H14)."""
HOLDER_WAITING_MAX = 16
"""Of these about one holder: two for each verifier of a job, with some to spare."""


class FilingState(enum.IntEnum):
    """Where a filing stands."""

    WAITING = 1
    """For block space; the holder's clock stands."""
    ASKED = 2
    """The holder's clock runs."""
    ANSWERED = 3
    """Every chunk is on the chain."""
    LAPSED = 4
    """The holder has withheld."""
    MOOT = 5
    """The holder had nothing at stake in the job any more when its time was over."""


class FilingEvent(enum.IntEnum):
    """What moves a filing."""

    FILE = 1
    ASK = 2
    """There is block space for its answer."""
    CHUNK = 3
    DUE = 4
    """The time for the answer is over."""


class Produced(Record):
    """A chunk that was shown, and where."""

    chunk: U32
    height: U64
    """Of the block that holds it."""


class Filing(Record):
    """What somebody asks for on the chain; its key is its id."""

    job: Hash
    stage: Stage
    holder: AddressBytes
    filer: AddressBytes
    content: ContentId
    chunks: Annotated[list[U32], msgspec.Meta(max_length=FILING_CHUNKS_MAX)]
    produced: Annotated[list[Produced], msgspec.Meta(max_length=FILING_CHUNKS_MAX)]
    state: FilingState
    carriage: U64
    """Grains of the filer that are held for whoever shows the chunks."""
    filed: U64
    """Live time."""
    due_live_ms: U64 | None
    """When the holder's time is over; None unless its clock runs."""
    lost: U64
    """Grains that the holder lost by it."""

    @property
    def missing(self) -> list[int]:
        """Return the chunks that are not on the chain yet."""
        shown = [each.chunk for each in self.produced]
        return [chunk for chunk in self.chunks if chunk not in shown]


class Line(Record):
    """All open filings: those whose holders are asked, and in order those that wait for block space."""

    asked: Annotated[list[Hash], msgspec.Meta(max_length=ASKED_CHUNKS_MAX)]
    waiting: Annotated[list[Hash], msgspec.Meta(max_length=WAITING_MAX)]


def filing_id(*, job: bytes, stage: Stage, holder: bytes, filer: bytes) -> bytes:
    """Return the id of a filing, 32 bytes: there is one for each stage, holder and filer (H12)."""
    return tagged("assay/withheld", job, bytes([stage]), holder, filer)
