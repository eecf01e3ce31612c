"""The methods about peers, and the socket that only the owner of a home may open."""

import stat
from pathlib import Path

import pytest

from node.p2p.ipc import PeerAddress
from node.rpc.admin_socket import AdminClient
from primitives.reasons import Reason, Refused
from tests.node.rpc.owned import PEER, PEER_TEXT, owned
from tests.node.rpc.served import served_rpc


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
