from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from node.network import PeerUnavailableError
from node.sync.blob_store import BlobStore
from node.sync.blobs import PARALLEL, PROTOCOL, RELAYS_MAX, BlobRequest, Found, NetworkBlobs
from primitives.codec import decode, encode
from primitives.content import LEAF_BYTES, SLICE_LEAVES_MAX, ContentId, Slice, content_id
from primitives.reasons import Reason, Refused

MEBI = SLICE_LEAVES_MAX * LEAF_BYTES
TEXT = bytes(range(256)) * 40

Behaviour = Callable[[bytes], Awaitable[bytes | None]]


class Wires:
    """Nodes by id, each with its behaviour; counts who was asked."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Behaviour] = {}
        self.asked: list[bytes] = []
        self.cut: set[frozenset[bytes]] = set()

    def apart(self, one: bytes, other: bytes) -> None:
        """Cut the wire between two nodes."""
        self.cut.add(frozenset((one, other)))


class Port:
    """What one node sees of the others."""

    def __init__(self, wires: Wires, name: bytes) -> None:
        self._name = name
        self._wires = wires

    @property
    def peers(self) -> list[bytes]:
        cut = self._wires.cut
        return sorted(n for n in self._wires.nodes if n != self._name and frozenset((n, self._name)) not in cut)

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        assert protocol == PROTOCOL
        self._wires.asked.append(peer)
        await trio.lowlevel.checkpoint()
        answer = await self._wires.nodes[peer](body) if peer in self._wires.nodes else None
        if answer is None:
            raise PeerUnavailableError(peer, "no answer")
        return answer


@pytest.fixture
def wires() -> Wires:
    return Wires()


def a_node(wires: Wires, folder: Path, name: bytes) -> NetworkBlobs:
    blobs = NetworkBlobs(BlobStore(folder / name.decode()), Port(wires, name), round_pause_s=0.01)
    wires.nodes[name] = blobs.answer
    return blobs


async def refusal(blobs: NetworkBlobs, content: ContentId) -> Reason:
    with pytest.raises(Refused) as caught:
        await blobs.fetch(content)
    return caught.value.reason


async def test_content_comes_from_a_peer_and_is_held_from_then_on(wires: Wires, tmp_path: Path) -> None:
    content = await a_node(wires, tmp_path, b"source").put(TEXT)
    sink = a_node(wires, tmp_path, b"sink")
    assert await sink.get(content) is None
    assert await sink.fetch(content) == TEXT
    assert sink.has(content)
    wires.asked.clear()
    assert await sink.fetch(content) == TEXT
    assert not wires.asked


async def test_long_content_comes_in_slices(wires: Wires, tmp_path: Path) -> None:
    text = bytes(range(251)) * 4_200 * 6
    content = await a_node(wires, tmp_path, b"source").put(text)
    sink = a_node(wires, tmp_path, b"sink")
    assert await sink.fetch(content) == text
    assert wires.asked.count(b"source") == -(-len(text) // MEBI)


async def test_hints_are_asked_first(wires: Wires, tmp_path: Path) -> None:
    for name in (b"a", b"b", b"c"):
        await a_node(wires, tmp_path, name).put(TEXT)
    content = content_id(TEXT)
    sink = a_node(wires, tmp_path, b"sink")
    await sink.fetch(content, hints=[b"b"])
    assert wires.asked == [b"b"]


async def test_a_hint_that_is_not_connected_costs_nothing(wires: Wires, tmp_path: Path) -> None:
    content = await a_node(wires, tmp_path, b"source").put(TEXT)
    assert await a_node(wires, tmp_path, b"sink").fetch(content, hints=[b"gone"]) == TEXT


async def test_what_nobody_holds_is_not_found(wires: Wires, tmp_path: Path) -> None:
    a_node(wires, tmp_path, b"other")
    assert await refusal(a_node(wires, tmp_path, b"sink"), content_id(TEXT)) is Reason.CONTENT_NOT_FOUND


async def test_a_peer_that_gets_the_content_a_little_later_is_asked_again(wires: Wires, tmp_path: Path) -> None:
    source = a_node(wires, tmp_path, b"source")
    answers = 0

    async def late(body: bytes) -> bytes | None:
        nonlocal answers
        answers += 1
        if answers == 2:
            await source.put(TEXT)
        return await source.answer(body)

    wires.nodes[b"source"] = late
    assert await a_node(wires, tmp_path, b"sink").fetch(content_id(TEXT)) == TEXT


async def test_a_fetch_goes_on_from_where_another_peer_fell_silent(wires: Wires, tmp_path: Path) -> None:
    text = bytes(range(251)) * 4_200 * 6
    content = await a_node(wires, tmp_path, b"steady").put(text)
    steady = wires.nodes.pop(b"steady")
    brief = a_node(wires, tmp_path, b"brief")
    await brief.put(text)
    answers = 0

    async def falls_silent(body: bytes) -> bytes | None:
        nonlocal answers
        answers += 1
        return await brief.answer(body) if answers <= PARALLEL else None

    wires.nodes[b"brief"] = falls_silent
    sink = a_node(wires, tmp_path, b"sink")
    assert await refusal(sink, content) is Reason.CONTENT_NOT_FOUND
    wires.nodes[b"steady"] = steady
    restarted = a_node(wires, tmp_path, b"sink")
    wires.asked.clear()
    assert await restarted.fetch(content) == text
    assert wires.asked.count(b"steady") == -(-len(text) // MEBI) - PARALLEL


async def spoilt(blobs: NetworkBlobs, body: bytes) -> bytes:
    answer = decode(Found, await blobs.answer(body) or b"", at_most=4 * MEBI)
    piece = answer.piece
    return encode(Found(piece=Slice(start=piece.start, data=b"?" + piece.data[1:], proof=piece.proof)))


async def garbage(blobs: NetworkBlobs, body: bytes) -> bytes:
    return b"\xc1"


async def short(blobs: NetworkBlobs, body: bytes) -> bytes | None:
    asked = decode(BlobRequest, body, at_most=200)
    return await blobs.answer(encode(BlobRequest(content=asked.content, start=asked.start, count=1, hops=0)))


async def elsewhere(blobs: NetworkBlobs, body: bytes) -> bytes | None:
    asked = decode(BlobRequest, body, at_most=200)
    other = BlobRequest(content=asked.content, start=asked.start + 1, count=asked.count, hops=0)
    return await blobs.answer(encode(other))


@pytest.mark.parametrize("lie", [spoilt, garbage, short, elsewhere])
async def test_a_peer_that_lies_is_dropped_and_the_next_one_asked(
    wires: Wires, tmp_path: Path, lie: Callable[[NetworkBlobs, bytes], Awaitable[bytes | None]]
) -> None:
    liar = a_node(wires, tmp_path, b"liar")
    content = await liar.put(TEXT)
    wires.nodes[b"liar"] = lambda body: lie(liar, body)
    sink = a_node(wires, tmp_path, b"sink")
    assert await refusal(sink, content) is Reason.CONTENT_NOT_FOUND
    await a_node(wires, tmp_path, b"honest").put(TEXT)
    wires.asked.clear()
    assert await sink.fetch(content, hints=[b"liar"]) == TEXT
    assert wires.asked == [b"liar", b"honest"]


async def test_those_who_want_the_same_content_share_one_fetch(wires: Wires, tmp_path: Path) -> None:
    content = await a_node(wires, tmp_path, b"source").put(TEXT)
    sink = a_node(wires, tmp_path, b"sink")
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(sink.fetch, content)
    assert wires.asked == [b"source"]


async def test_content_that_is_too_large_is_not_begun(wires: Wires, tmp_path: Path) -> None:
    a_node(wires, tmp_path, b"source")
    sink = a_node(wires, tmp_path, b"sink")
    assert await refusal(sink, ContentId(root=bytes(32), length=2**40)) is Reason.TOO_LARGE
    assert not wires.asked


async def test_empty_content_needs_nobody(wires: Wires, tmp_path: Path) -> None:
    sink = a_node(wires, tmp_path, b"sink")
    assert await sink.fetch(content_id(b"")) == b""
    assert await refusal(sink, ContentId(root=bytes(32), length=0)) is Reason.CONTENT_NOT_FOUND


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\x92\xc4\x00\x00\x00\x01", b"x" * 1000])
async def test_what_is_no_request_gets_no_answer(wires: Wires, tmp_path: Path, body: bytes) -> None:
    assert await a_node(wires, tmp_path, b"node").answer(body) is None


@pytest.mark.parametrize("count", [0, SLICE_LEAVES_MAX + 1])
async def test_a_request_for_too_much_gets_no_answer(wires: Wires, tmp_path: Path, count: int) -> None:
    node = a_node(wires, tmp_path, b"node")
    content = await node.put(TEXT)
    assert await node.answer(encode(BlobRequest(content=content, start=0, count=count, hops=0))) is None


async def test_content_of_a_neighbours_neighbour_is_passed_on_and_not_kept(wires: Wires, tmp_path: Path) -> None:
    text = bytes(range(251)) * 4_200 * 2
    content = await a_node(wires, tmp_path, b"far").put(text)
    middle, near = a_node(wires, tmp_path, b"middle"), a_node(wires, tmp_path, b"near")
    wires.apart(b"near", b"far")
    assert await near.fetch(content) == text
    assert not middle.has(content)


async def test_a_request_is_passed_on_once_only(wires: Wires, tmp_path: Path) -> None:
    content = await a_node(wires, tmp_path, b"far").put(TEXT)
    for name in (b"middle", b"second"):
        a_node(wires, tmp_path, name)
    near = a_node(wires, tmp_path, b"near")
    for one, other in ((b"near", b"far"), (b"near", b"second"), (b"middle", b"far")):
        wires.apart(one, other)
    assert await refusal(near, content) is Reason.CONTENT_NOT_FOUND


async def test_whoever_passes_on_checks_what_it_passes_on(wires: Wires, tmp_path: Path) -> None:
    liar = a_node(wires, tmp_path, b"liar")
    content = await liar.put(TEXT)
    wires.nodes[b"liar"] = lambda body: spoilt(liar, body)
    a_node(wires, tmp_path, b"middle")
    near = a_node(wires, tmp_path, b"near")
    wires.apart(b"near", b"liar")
    assert await refusal(near, content) is Reason.CONTENT_NOT_FOUND


async def test_no_more_requests_are_passed_on_at_once_than_the_limit(wires: Wires, tmp_path: Path) -> None:
    waiting = 0
    go_on = trio.Event()

    async def slow(body: bytes) -> bytes | None:
        nonlocal waiting
        waiting += 1
        await go_on.wait()
        return None

    wires.nodes[b"slow"] = slow
    middle = a_node(wires, tmp_path, b"middle")
    body = encode(BlobRequest(content=content_id(TEXT), start=0, count=1, hops=1))
    async with trio.open_nursery() as nursery:
        for _ in range(RELAYS_MAX + 5):
            nursery.start_soon(middle.answer, body)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert waiting == RELAYS_MAX
        go_on.set()
