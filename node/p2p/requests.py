"""Questions to and from any connected peer, over streams that are used again and again (N10)."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, TypeVar

import msgspec
import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID

from node.p2p.connections import Connections
from node.p2p.foreign import Host, Stream
from node.p2p.framed import StreamReader
from node.p2p.ipc import BODY_MAX, REQUEST_BODY_MAX, Body, Name, Request, Requested, Responded
from node.p2p.tally import counts
from node.peers.rate import Bucket, Buckets, Rate
from primitives.codec import decode, encode
from primitives.reasons import Refused
from primitives.record import Record

T = TypeVar("T", bound=Record)

REQUEST_S = 20.0
"""For a question and its answer, waiting for a free stream included."""
ASKED_PER_PEER = 8
"""Our questions to one peer at a time; more wait."""
SERVED_PER_PEER = 16
"""Streams of one peer that we answer: it may ask on two connections."""
ENVELOPE_BYTES = 64
COST_BYTES = 64 << 10
"""So many bytes of an answer cost as much as a question."""
SERVED_TO_ONE = Rate(per_s=50.0, burst=50.0)
"""3 MB/s to a stranger after a first 3 MB, or 50 questions a second."""
SERVED_TO_STRANGERS = Rate(per_s=100.0, burst=100.0)
"""To all of them together."""

UNREAD_MAX = 64 << 20
"""Bytes of answers that peers have not read yet; beyond it, and a quarter of it each, a peer has one at a time."""

OwnAnswer = Callable[[bytes, bytes], Awaitable[bytes | None]]
"""Takes a peer and a question's body; for what the program answers without the node."""

_ENDINGS = (BaseLibp2pError, EOFError, OSError, Refused)


class Question(Record):
    """What goes over the stream first, after its length in four bytes."""

    protocol: Name
    body: Annotated[bytes, msgspec.Meta(max_length=REQUEST_BODY_MAX)]


class Answer(Record):
    """What comes back; None: the peer has no answer."""

    body: Body | None


class _Idle:
    """A stream with no question on it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.reader = StreamReader(stream)


class _Waiting:
    """A peer's question that the node has not answered yet."""

    def __init__(self, peer: bytes) -> None:
        self.peer = peer
        self.done = trio.Event()
        self.body: bytes | None = None


class Requests:
    """Both sides of the request protocol; `tell_node` takes a peer's question and says whether there was room."""

    def __init__(
        self,
        host: Host,
        connections: Connections,
        protocol: str,
        *,
        first_id: int,
        tell_node: Callable[[Requested], bool],
        own_answers: Mapping[str, OwnAnswer],
    ) -> None:
        self._host = host
        self._connections = connections
        self._protocol = protocol
        self._next_id = first_id
        self._tell_node = tell_node
        self._own_answers = own_answers
        self._rates = Buckets(SERVED_TO_ONE)
        self._strangers = Bucket(SERVED_TO_STRANGERS, trio.current_time())
        self._waiting: dict[int, _Waiting] = {}
        self._serving: Counter[bytes] = Counter()
        self._unread: Counter[bytes] = Counter()
        """Bytes of answers under way, by peer."""
        self._idle: dict[bytes, list[_Idle]] = {}
        self._slots: dict[bytes, trio.CapacityLimiter] = {}
        host.set_stream_handler(protocol, self._serve)

    def forget(self, peer: bytes) -> None:
        """Drop what belonged to the connections of a peer that is gone."""
        self._idle.pop(peer, None)
        self._slots.pop(peer, None)

    def respond(self, request_id: int, body: bytes | None) -> None:
        """Take the node's answer to a peer's question; one that comes too late is dropped."""
        waiting = self._waiting.get(request_id)
        if waiting is None or waiting.done.is_set():
            return
        size, own = len(body or b""), self._unread[waiting.peer]
        if own and (own + size > UNREAD_MAX // 4 or self._unread.total() + size > UNREAD_MAX):
            counts["answers_refused"] += 1
        else:
            waiting.body = body
            self._unread[waiting.peer] += size
        waiting.done.set()

    async def ask(self, request: Request) -> Responded:
        """Put the node's question to a peer and return its answer, or why there is none."""
        if request.peer not in self._connections:
            return Responded(id=request.id, body=None, reason="not connected")
        deadline = trio.current_time() + REQUEST_S
        slots = self._slots.setdefault(request.peer, trio.CapacityLimiter(ASKED_PER_PEER))
        ticket = object()
        with trio.move_on_at(deadline) as queueing:
            await slots.acquire_on_behalf_of(ticket)
        if queueing.cancelled_caught:
            return Responded(id=request.id, body=None, reason="busy")
        try:
            return await self._ask_in_turn(request, deadline)
        finally:
            slots.release_on_behalf_of(ticket)

    async def _ask_in_turn(self, request: Request, deadline: float) -> Responded:
        raw = _frame(Question(protocol=request.protocol, body=request.body))
        reason = ""
        for is_last in (False, True):
            idle = self._idle.setdefault(request.peer, [])
            try:
                used = idle.pop() if idle and not is_last else _Idle(await self._open(request.peer))
                answer = await _exchange(used, raw, deadline)
            except* _ENDINGS as faults:
                reason = f"the stream ended: {faults.exceptions[0]}"[:256]
            except* Exception as fault:  # noqa: BLE001 - supervisor: what libp2p trips over is this request's bad luck
                reason = f"the stream failed: {fault.exceptions[0]!r}"[:256]
            else:
                idle.append(used)
                return Responded(id=request.id, body=answer.body, reason="" if answer.body is not None else "no answer")
            # An idle stream may have died unnoticed; a fresh one tells the truth.
            if trio.current_time() >= deadline or request.peer not in self._connections:
                break
        counts["requests_failed"] += 1
        return Responded(id=request.id, body=None, reason=reason)

    async def _open(self, peer: bytes) -> Stream:
        return await self._host.new_stream(ID(peer), [self._protocol])

    async def _serve(self, stream: Stream) -> None:
        """Answer the questions of one stream, one after another, until the peer closes it."""
        peer = stream.muxed_conn.peer_id.to_bytes()
        if self._serving[peer] >= SERVED_PER_PEER:
            counts["requests_refused"] += 1
            await stream.reset()
            return
        self._serving[peer] += 1
        reader = StreamReader(stream)
        try:
            while True:
                question = await _read(reader, Question, REQUEST_BODY_MAX)
                await self._answer(peer, question, stream)
        except _ENDINGS:
            await stream.reset()
        finally:
            self._serving[peer] -= 1
            if not self._serving[peer]:
                del self._serving[peer]

    async def _pause(self, peer: bytes, cost: float) -> None:
        """Make a stranger that asks much wait: before a question costs anything, and before an answer does (N10)."""
        if self._connections.is_reserved(peer):
            return
        now = trio.current_time()
        pause_s = max(self._rates.of(peer.hex(), now).owe(cost, now), self._strangers.owe(cost, now))
        if pause_s > 0:
            counts["answers_delayed"] += 1
            await trio.sleep(pause_s)

    async def _answer(self, peer: bytes, question: Question, stream: Stream) -> None:
        await self._pause(peer, 1)
        own = self._own_answers.get(question.protocol)
        if own is not None:
            await stream.write(_frame(Answer(body=await own(peer, question.body))))
            return
        number = self._next_id
        self._next_id += 1
        waiting = self._waiting[number] = _Waiting(peer)
        try:
            asked = Requested(id=number, peer=peer, protocol=question.protocol, body=question.body)
            if self._tell_node(asked):
                with trio.move_on_after(REQUEST_S):
                    await waiting.done.wait()
            await self._pause(peer, len(waiting.body or b"") / COST_BYTES)
            await stream.write(_frame(Answer(body=waiting.body)))
        finally:
            del self._waiting[number]
            self._unread[peer] -= len(waiting.body or b"")
            if not self._unread[peer]:
                del self._unread[peer]


async def _exchange(used: _Idle, raw: bytes, deadline: float) -> Answer:
    """Write a question and read its answer; at the deadline the stream is reset, which ends both (6.3)."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_reset_at, used.stream, deadline)
        await used.stream.write(raw)
        answer = await _read(used.reader, Answer, BODY_MAX)
        nursery.cancel_scope.cancel()
    return answer


async def _reset_at(stream: Stream, deadline: float) -> None:
    await trio.sleep_until(deadline)
    await stream.reset()


def _frame(record: Record) -> bytes:
    raw = encode(record)
    return len(raw).to_bytes(4, "big") + raw


async def _read(reader: StreamReader, kind: type[T], body_max: int) -> T:
    """Read one record; raises Refused if it is too large or none."""
    length = int.from_bytes(await reader.exactly(4), "big")
    if length > body_max + ENVELOPE_BYTES:
        raise EOFError(f"a frame of {length} bytes")
    return decode(kind, await reader.exactly(length), at_most=body_max + ENVELOPE_BYTES)
