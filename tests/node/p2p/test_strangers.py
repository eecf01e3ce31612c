"""What others may do with a node's network program: join it with any libp2p, and not harm it."""

import socket

import pytest
import trio

from node.p2p.ipc import Direct, Gossip, PeerUp, Requested, Verdict
from node.p2p.names import link_protocol, request_protocol, topic_name
from tests.node.p2p.conftest import NETWORK_ID, Start, StartStock, Witness, peer_of, until

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


async def test_rude_peers_harm_nobody_but_themselves(start: Start, start_stock: StartStock) -> None:
    node = await start(1, validators=(1, 2))
    friend = await start(2, validators=(1, 2), peers=(node,))
    await until(lambda: bool(friend.network.links and node.network.links))
    pid = node.network.pid
    rude = await start_stock("rude", node, TX, LINK, REQUESTS)
    findings = [await rude.says() for _ in range(4)]
    assert findings == ["gossip", "streams", "cut off", "silent streams"]
    # Sockets that say nothing, more than one address may have pending, and one that talks nonsense.
    silent = [socket.create_connection((node.network.address.host, node.network.port)) for _ in range(40)]
    silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 64)

    await _is_well(node, friend)
    assert node.network.pid == pid
    assert node.network.restarts == 0
    await until(lambda: node.network.stats.get("gossip_malformed", 0) >= 3)
    await until(lambda: node.network.stats.get("window_overruns", 0) >= 1)
    await until(lambda: node.network.stats.get("streams_refused", 0) >= 1)
    for each in silent:
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
