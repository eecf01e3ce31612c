"""A node's API over the socket for its owner, with a network that notes what is asked of it."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from node.mempool.pool import Pool
from node.p2p.ipc import BanFacts, PeerAddress, PeerFacts, Peers
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.admin_socket import AdminClient
from node.rpc.json_value import Json
from node.rpc.server import open_admin
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from tests.node.chains import LIMITS
from tests.node.rpc.served import services_of

PEER = peer_id_of(b"p" * 32)
PEER_TEXT = peer_id_text(PEER)


class FakePeers:
    """A network of one peer that notes what is asked of it."""

    def __init__(self) -> None:
        facts = PeerFacts(
            peer=PEER,
            host="2001:db8::1",
            port=4001,
            is_inbound=True,
            is_kept=False,
            has_link=False,
            score=-250,
            rtt_us=1_234,
            connected_s=60,
            agent="assay/1",
        )
        bans = [BanFacts(name=PEER.hex(), until_s=9), BanFacts(name="1.2.3.4/32", until_s=7)]
        self.table = Peers(peers=[facts], bans=bans, known=12)
        self.asked: list[object] = []

    def add_peer(self, address: PeerAddress) -> bool:
        self.asked.append(address)
        return True

    def remove_peer(self, peer: bytes) -> bool:
        self.asked.append(peer)
        return False

    def ban(self, name: str, seconds: int) -> None:
        self.asked.append((name, seconds))

    def unban(self, name: str) -> None:
        self.asked.append(name)


class Owner:
    """Asks over the socket."""

    def __init__(self, path: Path, peers: FakePeers) -> None:
        self.path = path
        self.peers = peers

    async def call(self, method: str, **params: Json) -> Json:
        def call() -> Json:
            with AdminClient(self.path) as client:
                return client.call(method, **params)

        return await trio.to_thread.run_sync(call)


@asynccontextmanager
async def owned(path: Path) -> AsyncIterator[Owner]:
    peers, chain = FakePeers(), FakeChain()
    services = dataclasses.replace(services_of(chain, pool=Pool(LIMITS), blobs=FakeBlobs()), peers=peers)
    async with open_admin(services, path):
        yield Owner(path, peers)
