"""Direct links: two persistent streams from each validator to each other, for frames of the node (N7).

One carries what is urgent, the other bodies, so that no vote waits behind a body that the other side reads slowly.
A link is the outbound half; the other validator keeps its own towards us. The opener pings, the other side echoes,
and who hears nothing for too long cuts the connection, which is the one way to stop a read without harm (6.3).
"""

import logging
import struct
from collections.abc import Callable, Sequence
from functools import partial

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID

from node.p2p.connections import Connections
from node.p2p.foreign import Host, Stream
from node.p2p.framed import StreamReader
from node.p2p.hardening.yamux_windows import WINDOW_MAX
from node.p2p.ipc import BODY_MAX, Direct
from node.p2p.lanes import Lanes
from node.p2p.tally import counts

PINGS_PER_SILENCE = 3.3
"""Three pings may be lost, and the last has a little time to come back."""
URGENT_BYTES = 8 << 20
"""For each peer: some 25,000 votes."""
BULK_BYTES = 16 << 20
"""For each peer: four of the largest bodies."""
COALESCE_BYTES = 60_000
"""Frames written together fit in one yamux frame."""
BACK_OFF_S_MIN = 0.2
BACK_OFF_S_MAX = 2.0
"""Who joins at an epoch may try before we know of it: it shall not wait longer for its next try than for a block."""
RESET_S = 1.0

_log = logging.getLogger("assay.p2p")

_HEADER = struct.Struct("!IBB")
"""Length of the body, channel, kind."""
_KIND_BULK = 0
_KIND_URGENT = 1
_KIND_PING = 2
_PING = _HEADER.pack(0, 0, _KIND_PING)

_ENDINGS = (BaseLibp2pError, EOFError, OSError, trio.TooSlowError)
"""How a stream ends; each means that the link is to be opened anew."""


class BadFrameError(BaseLibp2pError):
    """A validator sent a frame that is none: too large, or of no known kind."""


class Line:
    """One of the two streams of a link, and what waits to be written to it."""

    def __init__(self) -> None:
        self.lanes: Lanes[bytes] = Lanes(urgent_bytes=URGENT_BYTES, bulk_bytes=BULK_BYTES)
        self.is_up = False


class Link:
    """Our way to one validator: a line for what is urgent (True) and one for the rest (False)."""

    def __init__(self) -> None:
        self.lines = {True: Line(), False: Line()}
        self.is_up = False
        self.scope = trio.CancelScope()
        """Of the task that keeps it."""


class Links:
    """All links of this validator; `on_change` takes a peer and whether its link stands."""

    def __init__(
        self,
        host: Host,
        connections: Connections,
        protocol: str,
        nursery: trio.Nursery,
        *,
        silence_s: float,
        on_frame: Callable[[Direct], None],
        on_change: Callable[[bytes, bool], None],
    ) -> None:
        self._own = host.get_id().to_bytes()
        self._host = host
        self._connections = connections
        self._protocol = protocol
        self._silence_s = silence_s
        self._on_frame = on_frame
        self._on_change = on_change
        self._nursery = nursery
        self._links: dict[bytes, Link] = {}
        self._inbound: dict[bytes, list[Stream]] = {}
        host.set_stream_handler(protocol, self._receive)

    def stands(self, peer: bytes) -> bool:
        """Tell whether frames reach a peer."""
        link = self._links.get(peer)
        return link is not None and link.is_up

    def send(self, peers: Sequence[bytes], channel: int, body: bytes, *, is_urgent: bool) -> None:
        """Queue a frame for peers (none: all) whose links stand; it is lost for the others."""
        raw = _HEADER.pack(len(body), channel, _KIND_URGENT if is_urgent else _KIND_BULK) + body
        for peer in peers or self._links:
            link = self._links.get(peer)
            if link is None or not link.is_up or not _push(link, raw, is_urgent=is_urgent):
                counts["direct_unsent"] += 1

    def set_validators(self, validators: Sequence[bytes]) -> None:
        """Keep a link to each of these and to nobody else, from now on."""
        wanted = dict.fromkeys(peer for peer in validators if peer != self._own)
        for peer in [peer for peer in self._links if peer not in wanted]:
            link = self._links.pop(peer)
            link.scope.cancel()
            self._note_down(peer, link)
            for stream in self._inbound.get(peer, []):
                self._nursery.start_soon(_reset, stream)
        for peer in wanted:
            if peer not in self._links:
                self._links[peer] = Link()
                self._nursery.start_soon(self._keep, peer, self._links[peer])

    async def _keep(self, peer: bytes, link: Link) -> None:
        """Open a link, and open it again whenever it ends, until its validator leaves."""
        pause_s = BACK_OFF_S_MIN
        with link.scope:
            while True:
                await self._connections.wait_until(peer, is_connected=True)
                link.lines = {True: Line(), False: Line()}
                try:
                    await self._open_and_run(peer, link)
                except* _ENDINGS:
                    counts["links_ended"] += 1
                except* Exception as fault:  # noqa: BLE001 - supervisor: libp2p tripped; the next link may stand
                    _log.warning("a link failed: %r", fault)
                if link.is_up:
                    pause_s = BACK_OFF_S_MIN
                    self._note_down(peer, link)
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, BACK_OFF_S_MAX)

    def _note_down(self, peer: bytes, link: Link) -> None:
        if link.is_up:
            link.is_up = False
            self._on_change(peer, False)  # noqa: FBT003 - the link stands or not

    async def _open_and_run(self, peer: bytes, link: Link) -> None:
        """Keep both lines; returns never, raises when one of them is gone."""
        async with trio.open_nursery() as nursery:
            for line in link.lines.values():
                nursery.start_soon(self._keep_line, peer, link, line)

    async def _keep_line(self, peer: bytes, link: Link, line: Line) -> None:
        stream = await self._host.new_stream(ID(peer), [self._protocol])
        try:
            await self._run(peer, link, line, stream)
        finally:
            with trio.CancelScope(shield=True):
                await _reset(stream)

    async def _run(self, peer: bytes, link: Link, line: Line, stream: Stream) -> None:
        """Write frames and pings and read their echoes; returns never, raises when the line is gone."""
        silence = self._silence()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cut_when_silent, peer, silence)
            nursery.start_soon(_write, stream, line.lanes, partial(self._note_life, silence))
            nursery.start_soon(self._ping, line.lanes)
            reader = StreamReader(stream, on_read=partial(self._note_life, silence))
            while True:
                if await reader.exactly(_HEADER.size) != _PING:
                    raise BadFrameError("an echo that is none")
                line.is_up = True
                if not link.is_up and all(each.is_up for each in link.lines.values()):
                    link.is_up = True  # the other side takes us for a validator too
                    self._on_change(peer, True)  # noqa: FBT003 - the link stands or not

    async def _receive(self, stream: Stream) -> None:
        """Take frames from another validator's link for as long as it stands."""
        peer = stream.muxed_conn.peer_id.to_bytes()
        if peer not in self._links:  # N7
            counts["links_refused"] += 1
            await stream.reset()
            return
        silence = self._silence()
        inbound = self._inbound.setdefault(peer, [])
        inbound.append(stream)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cut_when_silent, peer, silence)
                await self._read_frames(peer, stream, silence)
        except* _ENDINGS:
            await stream.reset()
        finally:
            inbound.remove(stream)
            if not inbound:
                self._inbound.pop(peer, None)

    async def _read_frames(self, peer: bytes, stream: Stream, silence: trio.CancelScope) -> None:
        reader = StreamReader(stream, on_read=partial(self._note_life, silence))
        while True:
            length, channel, kind = _HEADER.unpack(await reader.exactly(_HEADER.size))
            if length > BODY_MAX or kind > _KIND_PING:
                raise BadFrameError(f"length {length}, kind {kind}")
            body = await reader.exactly(length)
            if kind == _KIND_PING:
                await stream.write(_PING)
            else:
                self._on_frame(Direct(peer=peer, channel=channel, priority=kind == _KIND_URGENT, body=body))

    async def _cut_when_silent(self, peer: bytes, silence: trio.CancelScope) -> None:
        with silence:
            await trio.sleep_forever()
        counts["silent_cut"] += 1
        await self._connections.cut(peer)
        raise trio.TooSlowError("the peer is silent")

    async def _ping(self, lanes: Lanes[bytes]) -> None:
        while True:
            lanes.push(_PING, len(_PING), urgent=True)
            await trio.sleep(self._silence_s / PINGS_PER_SILENCE)

    def _silence(self) -> trio.CancelScope:
        return trio.CancelScope(deadline=trio.current_time() + self._silence_s)

    def _note_life(self, silence: trio.CancelScope) -> None:
        silence.deadline = trio.current_time() + self._silence_s


def _push(link: Link, raw: bytes, *, is_urgent: bool) -> bool:
    return link.lines[is_urgent].lanes.push(raw, len(raw), urgent=is_urgent)


async def _reset(stream: Stream) -> None:
    """End a stream, which may have ended."""
    try:
        with trio.move_on_after(RESET_S):
            await stream.reset()
    except Exception:  # noqa: BLE001 - supervisor: the stream is given up either way
        counts["reset_faults"] += 1


async def _write(stream: Stream, lanes: Lanes[bytes], note_life: Callable[[], None]) -> None:
    while True:
        batch = [await lanes.pop()]
        size = len(batch[0])
        while size < COALESCE_BYTES and (more := lanes.pop_nowait()) is not None:
            batch.append(more)
            size += len(more)
        raw = b"".join(batch)
        for at in range(0, size, COALESCE_BYTES):
            await stream.write(raw[at : at + COALESCE_BYTES])
            if at > WINDOW_MAX:  # a ping waits behind a long body, but here the peer must have read
                note_life()
