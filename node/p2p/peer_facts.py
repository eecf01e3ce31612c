"""What the node is told of peers and bans, for whoever asks it."""

import trio

from node.p2p.connections import Connections
from node.p2p.hardening.agents import agents
from node.p2p.ipc import SHOWN_MAX, BanFacts, PeerFacts, Peers
from node.p2p.links import Links
from node.peers.standing import Standing


def peers_facts(connections: Connections, links: Links, standing: Standing, *, known: int) -> Peers:
    """Return who is connected and who is banned."""
    now = trio.current_time()
    peers = [
        PeerFacts(
            peer=peer,
            host=contact.host,
            port=contact.port,
            is_inbound=contact.is_inbound,
            is_kept=connections.is_reserved(peer),
            has_link=links.stands(peer),
            score=int(1000 * standing.score(peer.hex())),
            rtt_us=int(1e6 * connections.rtt_s(peer)),
            connected_s=int(now - contact.since_s),
            agent=agents.get(peer, ""),
        )
        for peer, contact in connections
    ]
    bans = [BanFacts(name=name, until_s=until) for name, until in standing.bans()]
    return Peers(peers=peers[:SHOWN_MAX], bans=bans[:SHOWN_MAX], known=known)
