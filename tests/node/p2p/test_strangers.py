"""What others may do with a node's network program: join it with any libp2p, and not harm it."""

import socket

import pytest
import trio

from node.p2p.ipc import Direct, Gossip, Limits, PeerUp, Requested, Verdict
from node.p2p.names import link_protocol, request_protocol, topic_name
from tests.node.p2p.conftest import NETWORK_ID, Start, StartStock, Witness, peer_of, resident_bytes, until

pytestmark = pytest.mark.e2e

LINK = link_protocol(NETWORK_ID)
REQUESTS = request_protocol(NETWORK_ID)
TX = topic_name("tx", NETWORK_ID)
FINAL = topic_name("final", NETWORK_ID)


async def test_an_unmodified_libp2p_host_joins_hears_and_is_heard(start: Start, start_stock: StartStock) -> None:
    near = await start(1)
    far = await start(2, peers=(near,))
    stock = await start_stock("gossip", near, FINAL, TX)
    assert await stock.says() == "subscribed"
    heard = await near.wait_for(Gossip, body=b"stock says hello")
    assert heard.topic == "tx"
    assert heard.author == heard.forwarder
    near.network.judge(heard.handle, Verdict.ACCEPT)
    await far.wait_for(Gossip, body=b"stock says hello", author=heard.author, forwarder=peer_of(1))

    near.network.publish("final", b"a final header")
    assert await stock.says() == "a final header"
    far.network.publish("final", b"another header")
    passed = await near.wait_for(Gossip, body=b"another header")
    near.network.judge(passed.handle, Verdict.ACCEPT)
    assert await stock.says() == "another header"


async def test_a_stranger_gets_no_link_and_no_protocol_of_another_network(
    start: Start, start_stock: StartStock
) -> None:
    node = await start(1, validators=(1, 2))
    stranger = await start_stock("knock", node, LINK, request_protocol(bytes(32)))
    assert [await stranger.says() for _ in range(3)] == ["connected", "refused", "refused"]
    await until(lambda: node.network.stats.get("links_refused", 0) == 1)
    assert not node.all_of(PeerUp, is_validator_link=True)


async def test_plaintext_is_refused(start: Start, start_stock: StartStock) -> None:
    node = await start(1)
    stranger = await start_stock("plaintext", node)
    assert await stranger.says() == "refused"
    assert not node.network.peers


async def two_friends(start: Start, limits: Limits | None = None) -> tuple[Witness, Witness]:
    node = await start(1, validators=(1, 2), limits=limits)
    friend = await start(2, validators=(1, 2), peers=(node,))
    await until(lambda: bool(friend.network.links and node.network.links))
    return node, friend


async def test_rude_words_harm_nobody_but_who_says_them(start: Start, start_stock: StartStock) -> None:
    node, friend = await two_friends(start)
    rude = await start_stock("rude", node, TX, LINK, REQUESTS)
    assert [await rude.says() for _ in range(2)] == ["gossip", "streams"]
    await _is_well(node, friend)
    await until(lambda: node.network.stats.get("gossip_malformed", 0) >= 3)
    assert node.network.restarts == 0


async def test_who_ignores_the_window_is_cut_off(start: Start, start_stock: StartStock) -> None:
    node, friend = await two_friends(start)
    rude = await start_stock("overrun", node, REQUESTS)
    assert await rude.says() == "cut off"
    await until(lambda: node.network.stats.get("window_overruns", 0) >= 1)
    await _is_well(node, friend)
    assert node.network.restarts == 0


async def test_who_opens_twelve_thousand_streams_is_cut_off(start: Start, start_stock: StartStock) -> None:
    node, friend = await two_friends(start)
    before = resident_bytes(node.network.pid)
    rude = await start_stock("flood_with_streams", node)
    assert await rude.says() == "cut off"
    await until(lambda: node.network.stats.get("stream_floods", 0) >= 1)
    await _is_well(node, friend)
    assert node.network.restarts == 0
    assert resident_bytes(node.network.pid) < before + (32 << 20)


async def test_who_reads_no_answers_gets_few_and_holds_up_nobody(start: Start, start_stock: StartStock) -> None:
    node, friend = await two_friends(start)
    before = resident_bytes(node.network.pid)
    lazy = [await start_stock("read_nothing", node, REQUESTS) for _ in range(2)]
    assert [await each.says() for each in lazy] == ["asked", "asked"]
    await until(lambda: len(node.all_of(Requested, body=b"much")) == 32)
    for asked in node.all_of(Requested, body=b"much"):
        assert node.network.respond(asked.id, bytes(3 << 19))  # 24 MiB for each of the two
    await _is_well(node, friend)
    await until(lambda: node.network.stats.get("answers_refused", 0) >= 8)
    assert resident_bytes(node.network.pid) < before + (160 << 20)
    assert node.network.restarts == 0


async def test_pings_without_end_keep_nobody_from_working(start: Start, start_stock: StartStock) -> None:
    node, friend = await two_friends(start)
    rude = await start_stock("flood_with_pings", node, "5")
    assert await rude.says() == "pinging"
    await _is_well(node, friend)
    assert node.network.restarts == 0


async def test_idle_and_babbling_sockets_lock_nobody_out(start: Start) -> None:
    node, friend = await two_friends(start)
    where = (node.network.address.host, node.network.port)
    idle = [socket.create_connection(where, source_address=(f"127.0.{at % 100 + 1}.2", 0)) for at in range(300)]
    for at, each in enumerate(idle[:60]):
        each.sendall((b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 64, bytes(range(256)) * 64)[at % 4])
    late = await start(3, peers=(node,))
    assert node.network.peer_id in late.network.peers
    await _is_well(node, friend)
    assert node.network.restarts == 0
    for each in idle:
        each.close()


async def test_connections_that_come_and_go_use_up_nothing(start: Start, start_stock: StartStock) -> None:
    node = await start(1)
    crowd = await start_stock("come_and_go", node, "40")
    assert await crowd.says() == {"failed": 0}
    await until(lambda: node.network.stats.get("inbound_taken") == 40)
    await until(lambda: node.network.stats["inbound_open"] == 0)


async def _is_well(node: Witness, friend: Witness) -> None:
    """Check links, gossip and requests between two nodes."""
    friend.network.send(1, b"a vote")
    await node.wait_for(Direct, body=b"a vote")
    friend.network.publish("tx", b"a transaction")
    await node.wait_for(Gossip, body=b"a transaction")
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            node.network.respond((await node.wait_for(Requested, body=b"well?")).id, b"yes")

        nursery.start_soon(answer)
        assert await friend.network.request(node.network.peer_id, "sync", b"well?") == b"yes"
