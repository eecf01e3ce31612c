"""Dialling: one attempt, and staying connected to the peers that the node named (N6)."""

import logging
import random

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from node.p2p.connections import Connections
from node.p2p.foreign import Host
from node.p2p.hardening.no_auto_dial import dialing
from node.p2p.ipc import PeerAddress
from node.p2p.tally import counts

BACK_OFF_S_MIN = 0.2
BACK_OFF_S_MAX = 5.0
DIAL_S = 15.0
"""libp2p gives up after 10 s by itself."""

_log = logging.getLogger("assay.p2p")


def multiaddr_of(host: str, port: int) -> Multiaddr:
    """Return an address as libp2p writes it."""
    return Multiaddr(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")


async def dial(host: Host, address: PeerAddress) -> bool:
    """Try to connect to a peer once; tell whether it is connected."""
    peer = ID(address.peer)
    swarm = host.get_network()
    swarm.unblock_peer(peer)  # a failed dial would forbid others for 60 s (notes/p2p.md 6.1)
    if peer in swarm.peerstore.peer_ids():
        swarm.peerstore.clear_addrs(peer)  # libp2p tries one address only, perhaps one that the peer made up
    try:
        with (
            dialing(swarm, peer),
            trio.fail_after(DIAL_S),
        ):  # nothing of value runs over the connection yet, so it may be cut off
            await host.connect(PeerInfo(peer, [multiaddr_of(address.host, address.port)]))
    except* (BaseLibp2pError, OSError, trio.TooSlowError):
        counts["dials_failed"] += 1
    except* Exception as fault:  # noqa: BLE001 - supervisor: whatever libp2p trips over, the next dial may pass
        _log.warning("a dial failed: %r", fault)
    else:
        counts["dialed"] += 1
        return True
    return False


async def stay_connected(host: Host, connections: Connections, address: PeerAddress) -> None:
    """Dial a peer whenever it is not connected, with growing pauses, until cancelled."""
    pause_s = BACK_OFF_S_MIN
    while True:
        await connections.wait_until(address.peer, is_connected=False)
        if await dial(host, address):
            pause_s = BACK_OFF_S_MIN
        # Some chance in the pause, or two nodes that lose each other dial each other at the same moments for ever.
        await trio.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(2 * pause_s, BACK_OFF_S_MAX)
