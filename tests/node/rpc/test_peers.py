"""The methods about peers, and the socket that only the owner of a home may open."""

import dataclasses
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from node.mempool.pool import Pool
from node.p2p.ipc import BanFacts, PeerAddress, PeerFacts, Peers
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.admin_socket import AdminClient
from node.rpc.json_value import Json
from node.rpc.server import open_admin
from primitives.reasons import Reason, Refused
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from tests.node.chains import LIMITS
from tests.node.rpc.served import served_rpc, services_of

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


async def test_the_owner_is_told_of_peers_and_bans(tmp_path: Path) -> None:
    async with owned(tmp_path / "admin.sock") as owner:
        assert await owner.call("peers.list") == {
            "peers": [
                {
                    "peer": PEER_TEXT,
                    "address": "[2001:db8::1]:4001",
                    "inbound": True,
                    "kept": False,
                    "link": False,
                    "score": -250,
                    "rtt_ms": 1.2,
                    "connected_s": 60,
                    "agent": "assay/1",
                }
            ],
            "bans": [{"name": PEER_TEXT, "until_s": 9}, {"name": "1.2.3.4/32", "until_s": 7}],
            "known": 12,
        }


async def test_the_owner_names_drops_bans_and_pardons(tmp_path: Path) -> None:
    async with owned(tmp_path / "admin.sock") as owner:
        assert await owner.call("peers.add", peer=f"{PEER_TEXT}@[::1]:5") == {"done": True}
        assert await owner.call("peers.remove", peer=PEER_TEXT) == {"done": False}
        assert await owner.call("peers.ban", name="1.2.3.4", seconds=60) == {"done": True}
        assert await owner.call("peers.ban", name=PEER_TEXT) == {"done": True}
        assert await owner.call("peers.unban", name="2001:db8::7") == {"done": False}
        assert await owner.call("peers.unban", name=PEER_TEXT) == {"done": True}
        assert owner.peers.asked == [
            PeerAddress(peer=PEER, host="::1", port=5),
            PEER,
            ("1.2.3.4/32", 60),
            (PEER.hex(), 3_600),
            "2001:db8::/64",
            PEER.hex(),
        ]
        with pytest.raises(Refused) as refused:
            await owner.call("peers.ban", name="example.org")
        assert refused.value.reason is Reason.BAD_ADDRESS


async def test_over_the_port_nobody_may_do_that() -> None:  # R12
    async with served_rpc() as node:
        for method in ("peers.add", "peers.remove", "peers.ban", "peers.unban"):
            error = await node.refusal(method, name=PEER_TEXT)
            assert error["data"]["reason"] == Reason.REQUEST_UNKNOWN_METHOD
        assert (await node.refusal("peers.list"))["data"]["reason"] == Reason.NOT_FOUND


async def test_the_socket_is_its_owners_and_goes_with_the_node(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "admin.sock"  # longer than the kernel takes
    path.parent.mkdir()
    async with owned(path) as owner:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await owner.call("chain.head")
    assert not path.exists()
    with pytest.raises(Refused) as refused:
        AdminClient(path)
    assert refused.value.reason is Reason.NODE_UNREACHABLE
