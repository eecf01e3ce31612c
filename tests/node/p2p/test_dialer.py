"""Nobody is dialled but by the dialer: libp2p dials for a stream, too, and would meet again whom we just left."""

from functools import partial

import pytest
import trio
from libp2p.host.exceptions import StreamFailure
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID

from node.p2p.dialer import dial, multiaddr_of
from node.p2p.hardening import no_auto_dial
from node.p2p.host import listen_address, make_host
from node.p2p.ipc import PeerAddress
from tests.node.p2p.conftest import peer_of, seed_of, until


async def test_a_stream_to_who_is_not_connected_dials_nobody(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:  # N6, N12
    monkeypatch.setattr(Swarm, "dial_peer", no_auto_dial._dial_if_asked)
    knocks: list[trio.SocketStream] = []

    async def hang_up(stream: trio.SocketStream) -> None:
        knocks.append(stream)
        await stream.aclose()

    listener = (await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1")))[0]
    port = listener.socket.getsockname()[1]
    listen = listen_address("127.0.0.1", 0)
    host, peer = make_host(seed_of(1), listen), ID(peer_of(2))
    async with host.run([listen]):
        host.get_peerstore().add_addrs(peer, [multiaddr_of("127.0.0.1", port)], 60)
        with pytest.raises((StreamFailure, SwarmException)):
            await host.new_stream(peer, ["/any"])
        assert not knocks
        assert not await dial(host, PeerAddress(peer=peer_of(2), host="127.0.0.1", port=port))
        await until(lambda: len(knocks) == 1)
