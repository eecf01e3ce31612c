"""Nodes that know one other node find the rest, remember them, and part from whoever is too much."""

import random
import time
from pathlib import Path

import pytest

from node.network import NetworkConfig, PeerUnavailableError, open_network
from node.p2p.ipc import Limits
from node.peers.records import Endpoint, PeersKnown, PeersWanted, check_record, sign_record
from node.peers.saved import MAGIC, read_peers
from primitives.codec import decode, encode
from tests.node.p2p.conftest import NETWORK_ID, Start, peer_of, seed_of, until

pytestmark = pytest.mark.e2e

OPEN = Limits(is_test_network=True, outbound=8)
"""On loopback, told to find peers by itself."""


async def test_nodes_that_know_one_find_all(start: Start) -> None:  # N11, N12
    first = await start(1, limits=OPEN)
    others = [await start(number, limits=OPEN, bootnodes=(first,)) for number in (2, 3, 4)]
    await until(lambda: all(len(each.network.peers) == 3 for each in [first, *others]))
    await until(lambda: all(each.network.table.known == 3 for each in [first, *others]))


async def test_an_address_of_ipv6_is_listened_at_told_and_dialled(start: Start) -> None:
    first = await start(1, limits=OPEN, host="::1")
    second = await start(2, limits=OPEN, host="::1", bootnodes=(first,))
    await until(lambda: second.network.peers == [peer_of(1)])
    await until(lambda: [each.host for each in first.network.table.peers] == ["::1"])


async def test_acquaintances_are_remembered_over_a_restart(start: Start, tmp_path: Path) -> None:
    book = tmp_path / "peers"
    first = await start(1, limits=OPEN)
    second = await start(2, limits=OPEN, bootnodes=(first,))
    config = NetworkConfig(
        identity_seed=seed_of(3),
        network_id=NETWORK_ID,
        bootnodes=[first.network.address],
        book=str(book),
        limits=OPEN,
    )
    async with open_network(config) as third:
        await until(lambda: third.table.known == 2)
        await until(lambda: book.exists() and len(read_peers(book.read_bytes(), random.Random())[0]) == 2)
    again = await start(3, limits=OPEN, book=str(book))  # with no bootnode
    await until(lambda: again.network.peers == sorted([peer_of(1), second.network.peer_id]))


async def test_a_damaged_book_is_set_aside_and_begun_anew(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "peers"
    book.write_bytes(MAGIC + bytes(100))
    node = await start(1, limits=OPEN, book=str(book))
    assert node.network.restarts == 0
    assert (tmp_path / "peers.damaged").read_bytes() == MAGIC + bytes(100)
    assert "is damaged" in capfd.readouterr().err


async def test_whoever_asks_for_peers_is_told_a_few_signed_ones_and_not_too_often(start: Start) -> None:
    node = await start(1, limits=OPEN)
    asker = await start(2, peers=(node,))
    endpoint = Endpoint(host="127.0.0.1", port=4001)
    own = sign_record(seed_of(2), NETWORK_ID, [endpoint], now_s=1)  # too old to be kept
    answer = await asker.network.request(peer_of(1), "peers", encode(PeersWanted(own=own)))
    known = decode(PeersKnown, answer, at_most=1 << 20)
    assert known.observed_host == "127.0.0.1"
    for signed in known.peers:
        check_record(signed, NETWORK_ID)
    assert peer_of(2) not in [signed.record.peer for signed in known.peers]
    refused = 0
    for _ in range(5):
        try:
            await asker.network.request(peer_of(1), "peers", encode(PeersWanted(own=None)))
        except PeerUnavailableError:
            refused += 1
    assert refused >= 2


async def test_who_asks_for_peers_in_no_form_or_in_anothers_name_is_blamed(start: Start) -> None:
    node = await start(1, limits=OPEN)
    liar = await start(2, peers=(node,))
    elsewhere = sign_record(seed_of(2), b"m" * 32, [Endpoint(host="127.0.0.1", port=1)], now_s=int(time.time()))
    for body in (b"\xff", encode(PeersWanted(own=elsewhere))):
        with pytest.raises(PeerUnavailableError, match="no answer"):
            await liar.network.request(peer_of(1), "peers", body)
    await until(lambda: [each.score <= -200 for each in node.network.table.peers] == [True])


async def test_a_full_house_makes_room_for_a_newcomer_and_keeps_those_it_was_told_to_keep(start: Start) -> None:  # N13
    narrow = Limits(is_test_network=True, outbound=0, inbound=1)
    friend = await start(2)
    node = await start(1, limits=narrow, peers=(friend,))
    node.network.set_validators([peer_of(1), peer_of(3)])
    await start(3, validators=(1, 3), peers=(node,))
    await start(4, peers=(node,))
    assert sorted(node.network.peers) == sorted(map(peer_of, (2, 3, 4)))
    node.network.penalise(peer_of(4), "half way to a ban", 5)
    await until(lambda: any(each.score <= -500 for each in node.network.table.peers))
    newcomer = await start(5, peers=(node,), awaited=False)
    await until(lambda: peer_of(5) in node.network.peers)
    await until(lambda: node.network.stats.get("evicted", 0) >= 1)
    assert {peer_of(2), peer_of(3)} <= set(node.network.peers)
    assert newcomer.network.restarts == 0


async def test_the_operator_may_name_drop_ban_and_pardon_peers(start: Start) -> None:
    node = await start(1)
    other = await start(2, limits=Limits(is_test_network=True, outbound=0))  # who is dropped may come back by itself
    node.network.add_peer(other.network.address)
    await until(lambda: node.network.peers == [peer_of(2)])
    await until(lambda: [each.is_kept for each in node.network.table.peers] == [True])
    assert node.network.remove_peer(peer_of(2))
    assert not node.network.remove_peer(peer_of(2))
    await until(lambda: not node.network.peers)
    node.network.ban(peer_of(2).hex(), 1000)
    await until(lambda: [each.name for each in node.network.table.bans] == [peer_of(2).hex()])
    other.network.add_peer(node.network.address)
    await until(lambda: node.network.stats.get("banned_refused", 0) > 0)
    assert not node.network.peers
    node.network.unban(peer_of(2).hex())
    await until(lambda: node.network.peers == [peer_of(2)])
    await until(lambda: [(each.agent, each.is_inbound) for each in node.network.table.peers] == [("assay/1", True)])
