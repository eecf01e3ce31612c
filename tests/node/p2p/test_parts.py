"""The parts of the network program that need no network."""

import base64

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as some

from node.p2p.held import HeldMessages
from node.p2p.ipc import (
    FRAME_MAX,
    Configure,
    Judge,
    Limits,
    PeerAddress,
    Responded,
    Verdict,
    frame,
    frame_length,
    parse_from_network,
    parse_to_network,
)
from node.p2p.lanes import ENTRY_BYTES, Lanes
from node.p2p.peer_id import parse_peer_id, peer_id_of, peer_id_text
from node.p2p.pipe import read_frames
from node.p2p.seen import SEEN_MAX, SEEN_S, Seen
from primitives.codec import encode
from primitives.reasons import Reason, Refused


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_peer_id_is_written_as_libp2p_writes_it() -> None:
    # The public key of the libp2p specification (peer-ids), in protobuf; the text is py-libp2p's.
    raw = base64.b16decode("080112201ED1E8FAE2C4A144B8BE8FD4B47BF3D3B34B871C3CACF6010F0E42D474FCE27E")
    peer = peer_id_of(raw[4:])
    assert peer == b"\x00\x24" + raw
    assert peer_id_text(peer) == "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"


@given(some.binary(min_size=32, max_size=32))
def test_a_peer_id_is_read_as_it_was_written(key: bytes) -> None:
    assert parse_peer_id(peer_id_text(peer_id_of(key))) == peer_id_of(key)


@pytest.mark.parametrize("text", ["", "0OIl", "12D3KooW", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "1" * 200])
def test_what_is_no_peer_id_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_peer_id(text)
    assert refused.value.reason is Reason.BAD_ADDRESS


def test_messages_between_node_and_program_are_read_as_they_were_written() -> None:
    configure = Configure(
        session=3,
        identity_seed=bytes(32),
        host="127.0.0.1",
        port=0,
        network_id=bytes(32),
        peers=[PeerAddress(peer=peer_id_of(bytes(32)), host="127.0.0.1", port=4001)],
        bootnodes=[],
        announce=[],
        book="/somewhere/peers",
        topics=["tx"],
        limits=Limits(),
    )
    judge = Judge(handle=1 << 40, verdict=Verdict.REJECT)
    for message in (configure, judge):
        assert parse_to_network(frame(message)[4:]) == message
    responded = Responded(id=7, body=None, reason="busy")
    assert parse_from_network(frame(responded)[4:]) == responded


def test_what_is_no_message_is_refused() -> None:
    for raw in (b"", b"\xff", encode([99]), encode([3, 1, 3]), frame(Judge(handle=1, verdict=Verdict.ACCEPT))):
        with pytest.raises(Refused):
            parse_to_network(raw)
    with pytest.raises(Refused) as refused:
        frame_length((FRAME_MAX + 1).to_bytes(4, "big"))
    assert refused.value.reason is Reason.TOO_LARGE


async def test_frames_are_put_together_however_they_arrive() -> None:
    ours, theirs = await _socket_pair()
    records = [Judge(handle=number, verdict=Verdict.IGNORE) for number in range(5)]
    raw = b"".join(frame(record) for record in records)
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            for at in range(0, len(raw), 3):
                await theirs.send_all(raw[at : at + 3])
            await theirs.aclose()

        nursery.start_soon(write)
        assert [parse_to_network(body) async for body in read_frames(ours)] == records
    await ours.aclose()


async def _socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    one, other = trio.socket.socketpair()
    return trio.SocketStream(one), trio.SocketStream(other)


async def test_urgent_entries_overtake_and_a_full_lane_refuses_the_newest() -> None:
    lanes: Lanes[str] = Lanes(urgent_bytes=2 * ENTRY_BYTES, bulk_bytes=ENTRY_BYTES + 10)
    assert lanes.push("bulk", 10, urgent=False)
    assert not lanes.push("too much", 0, urgent=False)
    assert lanes.push("vote 1", 0, urgent=True)
    assert lanes.push("vote 2", 0, urgent=True)
    assert not lanes.push("vote 3", 0, urgent=True)
    assert lanes.refused == 2
    assert [await lanes.pop(), await lanes.pop(), await lanes.pop()] == ["vote 1", "vote 2", "bulk"]
    assert lanes.pop_nowait() is None
    assert lanes.push("room again", 10, urgent=False)


async def test_who_waits_for_an_entry_is_woken() -> None:
    lanes: Lanes[str] = Lanes(urgent_bytes=1000, bulk_bytes=1000)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            assert await lanes.pop() == "at last"

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        lanes.push("at last", 0, urgent=False)


def test_a_held_message_is_taken_once() -> None:
    held = HeldMessages(first_handle=5, per_forwarder=10, bytes_max=100)
    assert held.hold("a", "message", 10) == 5
    taken = held.take(5)
    assert taken is not None
    assert (taken.forwarder, taken.message) == ("a", "message")
    assert held.take(5) is None


def test_the_oldest_of_who_holds_most_is_let_go() -> None:
    held = HeldMessages(first_handle=0, per_forwarder=3, bytes_max=100)
    for number in range(4):
        held.hold("busy", number, 1)
    assert held.take(0) is None
    large = held.hold("greedy", "large", 60)
    small = held.hold("modest", "small", 30)
    later = held.hold("modest", "later", 20)
    assert held.take(large) is None
    assert held.take(small) is not None
    assert held.take(later) is not None
    assert held.let_go == 2


def test_messages_are_remembered_for_a_while_and_a_bounded_number_of_them() -> None:
    clock = Clock()
    seen = Seen(clock)
    assert seen.add(b"first")
    assert not seen.add(b"first")
    assert seen.has(b"first")
    clock.now += SEEN_S
    assert not seen.has(b"first")
    for number in range(SEEN_MAX + 1):
        seen.add(b"%d" % number)
    assert not seen.has(b"0")
    assert seen.has(b"%d" % SEEN_MAX)
