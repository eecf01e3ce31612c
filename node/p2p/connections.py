"""Who is connected, who may be, and who has to leave (N9, N13)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import trio
from libp2p.abc import INotifee
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction

from node.p2p.door import Door
from node.p2p.foreign import Foreign, Id, Swarm
from node.p2p.ipc import Limits
from node.p2p.pace import Pace
from node.p2p.tally import counts
from node.peers.addresses import ban_name_of
from node.peers.eviction import Guest, choose_to_leave
from node.peers.standing import Standing, Step

SILENCE_S = 75.0
"""Without one frame, though libp2p pings each half minute: the peer is half-open."""
LOOK_S = 5.0


@dataclass
class Contact:
    """A peer with whom there is at least one connection."""

    host: str
    port: int
    """Of its end of the connection: where it listens only if we dialled it."""
    since_s: float
    is_inbound: bool
    useful_s: float = 0.0
    """When it last brought something good; 0: never."""


def _contact(connection: Foreign, since_s: float, *, useful_s: float = 0.0) -> Contact:
    remote = connection.muxed_conn.get_remote_address()
    return Contact(
        host=str(remote[0]) if remote else "?",
        port=int(remote[1]) if remote else 0,
        since_s=since_s,
        is_inbound=connection.direction == Direction.INBOUND,
        useful_s=useful_s,
    )


class Connections(INotifee):
    """Follows the swarm's connections and refuses whom it must; `on_up` and `on_down` take a peer's bytes."""

    def __init__(
        self,
        swarm: Swarm,
        standing: Standing,
        door: Door,
        limits: Limits,
        *,
        on_up: Callable[[bytes], None],
        on_down: Callable[[bytes], None],
    ) -> None:
        self._swarm = swarm
        self._standing = standing
        self._door = door
        self._limits = limits
        self._validators: dict[bytes, None] = {}
        self._kept: dict[bytes, None] = {}
        self._pace = Pace()
        self._on_up = on_up
        self._on_down = on_down
        self._contacts: dict[bytes, Contact] = {}
        self._changed = trio.Event()
        self._admit = swarm.add_conn
        swarm.add_conn = self._add_if_welcome
        swarm.assay_door = door
        swarm.register_notifee(self)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._contacts

    def __len__(self) -> int:
        return len(self._contacts)

    def __iter__(self) -> Iterator[tuple[bytes, Contact]]:
        return iter(list(self._contacts.items()))

    async def wait_until(self, peer: bytes, *, is_connected: bool) -> None:
        """Wait until a peer is connected, or until it is not."""
        while (peer in self._contacts) is not is_connected:
            await self._changed.wait()

    async def wait_for_change(self) -> None:
        """Wait until somebody comes or goes."""
        await self._changed.wait()

    def set_validators(self, validators: Sequence[bytes]) -> None:
        """Say who may not be cut off from now on."""
        self._validators = dict.fromkeys(validators)
        self._set_turns()

    def set_kept(self, peers: Sequence[bytes]) -> None:
        """Say to whom the operator wants to stay connected."""
        self._kept = dict.fromkeys(peers)
        self._set_turns()

    def is_reserved(self, peer: bytes) -> bool:
        """Tell whether a peer has a place of its own: a validator, or one that the operator named."""
        return peer in self._validators or peer in self._kept

    def is_validator(self, peer: bytes) -> bool:
        """Tell whether a peer is a validator."""
        return peer in self._validators

    def remote_host(self, peer: bytes) -> str:
        """Return the address that a peer comes from; "?" if there is none."""
        for connection in self._swarm.get_connections(ID(peer)):
            remote = connection.muxed_conn.get_remote_address()
            if remote:
                return str(remote[0])
        return "?"

    def rtt_s(self, peer: bytes) -> float:
        """Return the time of a round trip, 0 while it is unknown."""
        times = [float(connection.muxed_conn.rtt()) for connection in self._swarm.get_connections(ID(peer))]
        return min((time for time in times if time > 0), default=0.0)

    def punish(self, peer: bytes, weight: float = 1.0) -> bool:
        """Count a fault against a peer and its address, and tell whether to cut it off.

        The machine of a test network is never banned: every peer would be. A validator loses its gossip but not its
        links: consensus judges votes by itself, and may not be halted by a quarrel over gossip.
        """
        step = self._standing.blame(peer.hex(), weight)
        counts["bans"] += step is Step.BAN
        if self.is_validator(peer):
            return False
        host = self.remote_host(peer)
        if host != "?" and not self._door.is_exempt(host):
            self._standing.blame(ban_name_of(host), weight)
        return step is not Step.NOTHING

    def praise(self, peer: bytes) -> None:
        """Count a useful deed."""
        self._standing.praise(peer.hex())
        contact = self._contacts.get(peer)
        if contact is not None:
            contact.useful_s = trio.current_time()

    def is_silenced(self, peer: Id) -> bool:
        """Tell whether the gossip of a peer is not heard."""
        return self._standing.is_banned(peer.to_bytes().hex())

    async def cut(self, peer: bytes) -> None:
        """End all connections to a peer without a word: a farewell to one that does not read would wait."""
        for connection in self._swarm.get_connections(ID(peer)):
            await connection.muxed_conn.secured_conn.close()

    async def cut_unwelcome(self) -> None:
        """End the connections of whoever has been banned meanwhile."""
        for peer, contact in self:
            if self._is_banned(peer, contact.host):
                await self.cut(peer)

    async def cut_silent(self) -> None:
        """Look for connections that have not carried a frame for too long, and end them, again and again."""
        while True:
            await trio.sleep(LOOK_S)
            oldest = trio.current_time() - SILENCE_S
            for connection in self._swarm.get_connections():
                if getattr(connection.muxed_conn.secured_conn, "assay_heard_at", oldest + 1) < oldest:
                    counts["half_open_cut"] += 1
                    await connection.muxed_conn.secured_conn.close()

    def _is_banned(self, peer: bytes, host: str) -> bool:
        if self.is_validator(peer):
            return False
        return self._standing.is_banned(peer.hex()) or self._standing.is_banned(ban_name_of(host))

    async def _add_if_welcome(self, muxed: Foreign, direction: str = "unknown") -> Foreign:
        peer = muxed.peer_id.to_bytes()
        remote = muxed.get_remote_address()
        host = str(remote[0]) if remote else "?"
        refusal = ""
        if self._is_banned(peer, host):
            refusal = "banned_refused"
        elif direction == "inbound" and not await self._has_room(peer):
            refusal = "full_refused"
        if refusal:
            counts[refusal] += 1
            await muxed.secured_conn.close()
            scope = getattr(muxed, "_resource_scope", None)
            if scope is not None:  # libp2p counts it as open for ever otherwise
                scope.close()
            raise SwarmException(refusal)
        muxed.secured_conn.assay_heard_at = trio.current_time()
        self._set_turn(muxed)
        return await self._admit(muxed, direction=direction)

    async def _has_room(self, peer: bytes) -> bool:
        """Tell whether one more inbound peer fits, having sent somebody away for it if need be (N13)."""
        if self.is_reserved(peer) or peer in self._contacts:
            return True
        guests = self._guests()
        if len(guests) < self._limits.inbound:
            return True
        leaving = choose_to_leave(guests)
        if leaving is None:
            return False
        counts["evicted"] += 1
        await self.cut(leaving)
        return True

    def _guests(self) -> list[Guest]:
        return [
            Guest(
                peer=peer,
                host=contact.host,
                since_s=contact.since_s,
                rtt_s=self.rtt_s(peer),
                useful_s=contact.useful_s,
                is_shady=self._standing.is_shady(peer.hex()),
            )
            for peer, contact in self
            if contact.is_inbound and not self.is_reserved(peer)
        ]

    def _set_turns(self) -> None:
        for connection in self._swarm.get_connections():
            self._set_turn(connection.muxed_conn)

    def _set_turn(self, muxed: Foreign) -> None:
        is_stranger = not self.is_reserved(muxed.peer_id.to_bytes())
        muxed.secured_conn.assay_turn = self._pace.new_turn() if is_stranger else None

    async def connected(self, network: Swarm, conn: Foreign) -> None:  # noqa: ARG002 - libp2p's interface
        """Take note of a connection."""
        peer = conn.muxed_conn.peer_id.to_bytes()
        if peer not in self._contacts:
            self._contacts[peer] = _contact(conn, trio.current_time())
            if self.is_reserved(peer):
                self._door.know(self._contacts[peer].host)
            self._note_change()
            self._on_up(peer)

    async def disconnected(self, network: Swarm, conn: Foreign) -> None:
        """Take note of the end of a peer's last connection, or of which is left: it may have dialed us meanwhile."""
        peer_id: Id = conn.muxed_conn.peer_id
        left = [other for other in network.get_connections(peer_id) if not other.muxed_conn.is_closed]
        known = self._contacts.get(peer_id.to_bytes())
        if left and known is not None:
            self._contacts[peer_id.to_bytes()] = _contact(left[0], known.since_s, useful_s=known.useful_s)
        elif self._contacts.pop(peer_id.to_bytes(), None) is not None:
            self._note_change()
            self._on_down(peer_id.to_bytes())
            if peer_id in network.peerstore.peer_ids():  # it would remember every stranger that ever came by
                network.peerstore.clear_peerdata(peer_id)

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def opened_stream(self, network: Swarm, stream: Foreign) -> None:
        """Do nothing."""

    async def closed_stream(self, network: Swarm, stream: Foreign) -> None:
        """Do nothing."""

    async def listen(self, network: Swarm, multiaddr: Foreign) -> None:
        """Do nothing."""

    async def listen_close(self, network: Swarm, multiaddr: Foreign) -> None:
        """Do nothing."""
