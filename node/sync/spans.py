"""What is to be fetched next, and from whom: a window of spans of heights above the head (N66)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from consensus.messages import Certificate
from ledger.block import Block
from node.sync.messages import RANGE_BYTES_MAX

SPANS_MAX = 12
"""Spans in the window, fetched or being fetched: with 3 MiB each they bound what waits for execution."""
SPAN_BLOCKS_MAX = 128
"""Blocks of one span: half of what an answer may hold, as it may go on to the next certificate."""
STRAGGLE_S = 2.0
"""After so long without an answer the span is asked of one more peer: longer than an answer waits for a new block."""


class Fetched(NamedTuple):
    """An answer that fits together; whether its certificate holds is found out when its turn comes."""

    peer: bytes
    blocks: list[Block]
    certificate: Certificate


@dataclass
class Span:
    """Heights that are fetched together."""

    first: int
    last: int
    asked: dict[bytes, float] = field(default_factory=dict)
    """Peers that are being asked, and since when."""
    fetched: Fetched | None = None
    long: bool = False
    """No certificate came soon: it is fetched when it is the first."""


class Claim(NamedTuple):
    """A peer, as it says of itself."""

    height: int
    lowest: int


class Spans:
    """The window, in order of heights without a gap."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._block_bytes = RANGE_BYTES_MAX // SPAN_BLOCKS_MAX

    @property
    def first(self) -> Span | None:
        """The span that the chain needs next."""
        return self._spans[0] if self._spans else None

    def reach(self, height: int, target: int) -> None:
        """Have the window begin above `height`, and hold what lies below or at `target`, as far as it goes."""
        self._spans = [each for each in self._spans if each.last > height]
        if self._spans:
            head = self._spans[0]
            head.first = max(head.first, height + 1) if head.fetched is None and not head.asked else head.first
        behind = self._spans[-1].last if self._spans else height
        while behind < target and len(self._spans) < SPANS_MAX:
            count = max(1, min(SPAN_BLOCKS_MAX, RANGE_BYTES_MAX // self._block_bytes))
            self._spans.append(Span(behind + 1, min(behind + count, target)))
            behind = self._spans[-1].last

    def take(self, claim: Claim, peer: bytes, now_s: float) -> Span | None:
        """Return the span that a peer should be asked for now; None: there is none for it.

        That is the first that nobody has been asked for, else the first whose answer is overdue.
        """
        wanted = [
            each
            for at, each in enumerate(self._spans)
            if each.fetched is None
            and peer not in each.asked
            and claim.lowest <= each.first <= claim.height
            and (at == 0 or not each.long)
        ]
        chosen = next((each for each in wanted if not each.asked), None)
        if chosen is None:
            late = (each for each in wanted if max(each.asked.values()) <= now_s - STRAGGLE_S)
            chosen = next(late, None)
        if chosen is not None:
            chosen.asked[peer] = now_s
        return chosen

    def took(self, span: Span, fetched: Fetched, size: int) -> None:
        """Put in an answer of `size` bytes; what it lacks of its span becomes a span of its own.

        One that comes after another peer's is left aside.
        """
        if span.fetched is not None or span not in self._spans:
            return
        span.fetched = fetched
        self._block_bytes = max(1, (self._block_bytes + size // len(fetched.blocks)) // 2)
        last = fetched.blocks[-1].header.height
        if last < span.last:
            self._spans.insert(self._spans.index(span) + 1, Span(last + 1, span.last))
        span.last = last

    def in_flight(self) -> bool:
        """Tell whether anybody is being asked."""
        return any(each.asked for each in self._spans)

    def clear(self) -> None:
        """Forget the window."""
        self._spans = []


def lead_of(claims: Mapping[bytes, Claim], height: int) -> int:
    """Return how far the farthest peer that has the next block is ahead, 0 if none is."""
    able = (each.height - height for each in claims.values() if each.lowest <= height + 1)
    return max(0, max(able, default=0))
