"""Methods about other nodes: who is connected, and what the operator wants of them."""

from typing import Annotated

from msgspec import Meta

from node.config import parse_peer
from node.p2p.peer_id import parse_peer_id, peer_id_text
from node.peers.addresses import ban_name_of, host_port_text, parse_host
from node.rpc.method import Method, Nothing, Shape
from node.rpc.services import PeerControl, Services
from primitives.reasons import Reason, Refused

BAN_S_MAX = 10 * 365 * 86_400
US_PER_MS = 1_000

PeerText = Annotated[str, Meta(max_length=64, description="A peer id in base58.")]


class Peer(Shape):
    """A connected node."""

    peer: PeerText
    address: str
    """The other end of the connection; where the peer listens only if this node dialled it."""
    inbound: bool
    """Whether the peer dialled."""
    kept: bool
    """Whether the operator named it, or it is a validator."""
    link: bool
    """Whether votes go to it directly."""
    score: Annotated[int, Meta(ge=-1000, le=1000)]
    """Thousandths; at −1000 a peer is banned."""
    rtt_ms: float | None
    """A round trip, once it was measured."""
    connected_s: int
    agent: str
    """What it calls itself."""


class Banned(Shape):
    """A ban that stands."""

    name: str
    """A peer id, or a network of addresses."""
    until_s: int
    """Unix seconds."""


class PeerList(Shape):
    """Who is connected and who is banned."""

    peers: list[Peer]
    bans: list[Banned]
    known: int
    """Nodes in the address book."""


class PeerPlace(Shape):
    """A node and its address."""

    peer: Annotated[str, Meta(max_length=160, description="<peer id>@address:port.")]


class PeerName(Shape):
    """A node."""

    peer: PeerText


class BanWish(Shape):
    """Whom to ban, and for how long."""

    name: Annotated[str, Meta(max_length=64, description="A peer id, or an IP address.")]
    seconds: Annotated[int, Meta(ge=1, le=BAN_S_MAX)] = 3_600


class BanName(Shape):
    """Whom to pardon."""

    name: Annotated[str, Meta(max_length=64, description="A peer id, or an IP address.")]


class Done(Shape):
    """Whether it changed anything, as far as that is known at once."""

    done: bool


async def peers_list(services: Services, _: Nothing) -> PeerList:
    """Return the nodes that this one is connected to, and those that it has banned."""
    told = _control(services).table
    peers = [
        Peer(
            peer=peer_id_text(each.peer),
            address=host_port_text(each.host, each.port),
            inbound=each.is_inbound,
            kept=each.is_kept,
            link=each.has_link,
            score=each.score,
            rtt_ms=round(each.rtt_us / US_PER_MS, 1) if each.rtt_us else None,
            connected_s=each.connected_s,
            agent=each.agent,
        )
        for each in sorted(told.peers, key=lambda each: each.peer)
    ]
    bans = [Banned(name=_ban_text(each.name), until_s=each.until_s) for each in told.bans]
    return PeerList(peers=peers, bans=bans, known=told.known)


async def peers_add(services: Services, wish: PeerPlace) -> Done:
    """Stay connected to a node from now on, until this one ends; config.toml says so for good."""
    return Done(done=_control(services).add_peer(parse_peer(wish.peer)))


async def peers_remove(services: Services, wish: PeerName) -> Done:
    """Stay connected to a node no longer, and end the connection unless it is a validator."""
    return Done(done=_control(services).remove_peer(parse_peer_id(wish.peer)))


async def peers_ban(services: Services, wish: BanWish) -> Done:
    """Cut a node or an address off and refuse it for a time; a validator loses its gossip alone."""
    _control(services).ban(_ban_name(wish.name), wish.seconds)
    return Done(done=True)


async def peers_unban(services: Services, wish: BanName) -> Done:
    """Lift a ban and forget faults."""
    name = _ban_name(wish.name)
    was = any(each.name == name for each in _control(services).table.bans)
    _control(services).unban(name)
    return Done(done=was)


def _control(services: Services) -> PeerControl:
    if services.peers is None:
        raise Refused(Reason.NOT_FOUND, what="a network")
    return services.peers


def _ban_name(text: str) -> str:
    """Return the name under which the network program keeps a peer or an address. Raises Refused BAD_ADDRESS."""
    try:
        return parse_peer_id(text).hex()
    except Refused:
        return ban_name_of(parse_host(text))


def _ban_text(name: str) -> str:
    try:
        return peer_id_text(bytes.fromhex(name))
    except ValueError:
        return name


METHODS = (
    Method(name="peers.list", params=Nothing, result=PeerList, answer=peers_list),
    Method(name="peers.add", params=PeerPlace, result=Done, answer=peers_add, is_admin=True),
    Method(name="peers.remove", params=PeerName, result=Done, answer=peers_remove, is_admin=True),
    Method(name="peers.ban", params=BanWish, result=Done, answer=peers_ban, is_admin=True),
    Method(name="peers.unban", params=BanName, result=Done, answer=peers_unban, is_admin=True),
)
