"""Content by root from this node's store and from peers: the request protocol "blob"."""

import logging
from collections.abc import Sequence
from typing import Annotated, Protocol, assert_never

import msgspec
import trio

from node.network import PeerUnavailableError
from node.sync.blob_store import BlobStore
from primitives.codec import decode, encode
from primitives.content import (
    LEAF_BYTES,
    PROOF_HASHES_MAX,
    SLICE_LEAVES_MAX,
    ContentId,
    Slice,
    check_slice,
    content_id,
    leaf_count,
)
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U64

PROTOCOL = "blob"
REQUEST_BYTES_MAX = 128
"""Two numbers and a content id."""
ANSWER_BYTES_MAX = SLICE_LEAVES_MAX * LEAF_BYTES + PROOF_HASHES_MAX * 40 + 64
"""A slice, its hashes with their prefixes, and the envelope."""
PARALLEL = 4
"""Slices of one fetch under way at once, spread over the peers that hold it."""
ROUNDS = 3
"""How often all peers are asked before content counts as not found."""
ROUND_PAUSE_S = 0.5
"""Between two rounds: a peer that is starting or fetching itself may hold it then."""
HOPS_MAX = 1
"""Passing a request on reaches a holder who is a neighbour's neighbour; more would multiply requests for nothing."""
RELAYS_MAX = 8
"""Requests of others that are passed on at once; each asks every peer at most once."""
RELAY_S = 5.0
"""For passing one on; the asker's own patience is longer."""
FETCHES_MAX = 32
"""Different pieces of content fetched at once; more wait their turn."""

_log = logging.getLogger("assay.blobs")


class BlobRequest(Record):
    """Asks for leaves of a piece of content (B4)."""

    content: ContentId
    start: U64
    count: Annotated[int, msgspec.Meta(ge=1, le=SLICE_LEAVES_MAX)]
    hops: Annotated[int, msgspec.Meta(ge=0, le=HOPS_MAX)]
    """How often the request may be passed on by who does not hold the content."""


class Found(Record, tag=0):
    """Leaves from the one asked for, with their proof; not more than were asked for."""

    piece: Slice


class NotFound(Record, tag=1):
    """This node does not hold the content, or not that leaf of it."""


Answer = Found | NotFound


class Peers(Protocol):
    """What a fetch needs of the network."""

    @property
    def peers(self) -> list[bytes]:
        """The ids of all connected peers."""

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        """Return a peer's answer; raises PeerUnavailableError."""


class NetworkBlobs:
    """The Blobs port: this node's store, and its peers' through the network."""

    def __init__(self, store: BlobStore, network: Peers, *, round_pause_s: float = ROUND_PAUSE_S) -> None:
        self._store = store
        self._network = network
        self._round_pause_s = round_pause_s
        self._disk = trio.CapacityLimiter(1)  # the store is not made for several threads
        self._fetching: dict[bytes, trio.Lock] = {}
        self._relaying = 0
        self._slots = trio.CapacityLimiter(FETCHES_MAX)

    def has(self, content: ContentId) -> bool:
        """Tell whether this node holds `content`."""
        return self._store.has(content)

    async def put(self, raw: bytes) -> ContentId:
        """Keep `raw` and return its id. Raises Refused TOO_LARGE or STORE_FULL."""
        return await trio.to_thread.run_sync(self._store.put, raw, limiter=self._disk)

    async def get(self, content: ContentId) -> bytes | None:
        """Return content that this node holds."""
        return await trio.to_thread.run_sync(self._store.get, content, limiter=self._disk)

    async def slice(self, content: ContentId, start: int, count: int) -> Slice | None:
        """Return up to `count` leaves from leaf `start` of content that this node holds, with their proof."""
        return await trio.to_thread.run_sync(self._store.cut, content, start, count, limiter=self._disk)

    async def fetch(self, content: ContentId, *, hints: Sequence[bytes] = ()) -> bytes:
        """Return content, from here or from peers (`hints` first), checked slice by slice; then it is held here (B8).

        Raises Refused TOO_LARGE, STORE_FULL, and CONTENT_NOT_FOUND if nobody who could be asked holds it.
        """
        if content.length == 0:
            if content != content_id(b""):
                raise Refused(Reason.CONTENT_NOT_FOUND, root=content.root, length=0)
            return b""
        lock = self._fetching.setdefault(content.root, trio.Lock())
        try:
            async with lock:  # whoever else wants it waits for the same fetch
                held = await self.get(content)
                if held is not None:
                    return held
                async with self._slots:
                    return await self._download(content, hints)
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._fetching.pop(content.root, None)

    async def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a peer's request; None for what is no request (B5)."""
        try:
            asked = decode(BlobRequest, body, at_most=REQUEST_BYTES_MAX)
        except Refused:
            return None
        piece = await self.slice(asked.content, asked.start, asked.count)
        if piece is None and asked.hops:
            piece = await self._relay(asked)
        return encode(NotFound() if piece is None else Found(piece=piece))

    async def _relay(self, asked: BlobRequest) -> Slice | None:
        """Ask our own peers on behalf of another, keeping nothing (B9)."""
        if self._relaying >= RELAYS_MAX:
            return None
        self._relaying += 1
        try:
            with trio.move_on_after(RELAY_S):
                sources = _Sources(_in_order(asked.content, (), self._network.peers))
                return await self._slice(asked.content, asked.start, asked.count, sources, hops=asked.hops - 1)
        finally:
            self._relaying -= 1
        return None

    async def _download(self, content: ContentId, hints: Sequence[bytes]) -> bytes:
        self._store.check_room(content.length)
        for again in range(ROUNDS):
            if again:
                await trio.sleep(self._round_pause_s)
            sources = _Sources(_in_order(content, hints, self._network.peers))
            while (held := self._store.part_bytes(content)) < content.length and sources.peers:
                await self._extend(content, held // LEAF_BYTES, sources, hops=min(again, HOPS_MAX))
            if held >= content.length:
                return await trio.to_thread.run_sync(self._store.finish_part, content, limiter=self._disk)
        raise Refused(
            Reason.CONTENT_NOT_FOUND, root=content.root, length=content.length, asked=len(self._network.peers)
        )

    async def _extend(self, content: ContentId, first: int, sources: "_Sources", *, hops: int) -> None:
        """Fetch up to PARALLEL slices from leaf `first` and keep those that follow on without a gap."""
        pieces: dict[int, Slice] = {}

        async def fetch_slice(start: int) -> None:
            piece = await self._slice(content, start, SLICE_LEAVES_MAX, sources, hops=hops)
            if piece is not None:
                pieces[start] = piece

        starts = range(first, leaf_count(content.length), SLICE_LEAVES_MAX)[:PARALLEL]
        async with trio.open_nursery() as nursery:
            for start in starts:
                nursery.start_soon(fetch_slice, start)
        for start in starts:
            if start not in pieces:
                return
            await trio.to_thread.run_sync(self._store.extend_part, content, pieces[start], limiter=self._disk)

    async def _slice(
        self, content: ContentId, start: int, count: int, sources: "_Sources", *, hops: int
    ) -> Slice | None:
        """Return the checked slice at `start` from the first source that has it; drop the sources that have not."""
        wanted = min(count, leaf_count(content.length) - start)
        if wanted < 1:
            return None
        body = encode(BlobRequest(content=content, start=start, count=wanted, hops=hops))
        while True:
            peer = sources.next()
            if peer is None:
                return None
            try:
                answer = _answer(await self._network.request(peer, PROTOCOL, body))
                match answer:
                    case Found(piece=piece):
                        return _checked(content, piece, start=start, count=wanted)
                    case NotFound():
                        sources.drop(peer)
                    case _:
                        assert_never(answer)
            except PeerUnavailableError:
                sources.drop(peer)
            except Refused as refused:
                _log.warning("dropping a source of content %s: %s", content.root.hex(), refused)
                sources.drop(peer)


class _Sources:
    """The peers that may hold a piece of content, asked in turn."""

    def __init__(self, peers: Sequence[bytes]) -> None:
        self.peers = list(peers)
        self._turn = 0

    def next(self) -> bytes | None:
        if not self.peers:
            return None
        peer = self.peers[self._turn % len(self.peers)]
        self._turn += 1
        return peer

    def drop(self, peer: bytes) -> None:
        if peer in self.peers:
            self.peers.remove(peer)


def _in_order(content: ContentId, hints: Sequence[bytes], peers: Sequence[bytes]) -> list[bytes]:
    """Return hints, then the other peers in an order of the content's own: no peer is everybody's first (B7)."""
    others = sorted((peer for peer in peers if peer not in hints), key=lambda peer: sha256(content.root + peer))
    return [*dict.fromkeys(hints), *others]


def _answer(raw: bytes) -> Answer:
    return decode(Answer, raw, at_most=ANSWER_BYTES_MAX)  # type: ignore[arg-type]  # a union is no type[T] to mypy


def _checked(content: ContentId, piece: Slice, *, start: int, count: int) -> Slice:
    """Return `piece`; raise Refused unless it is the one asked for and proves to be part of `content` (B6)."""
    if piece.start != start or -(-len(piece.data) // LEAF_BYTES) != count:
        raise Refused(Reason.BAD_PROOF, seen=piece.start, wanted=start)
    check_slice(content, piece)
    return piece
