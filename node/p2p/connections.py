"""Who is connected, and the decision that somebody shall not be (N9)."""

from collections.abc import Callable, Sequence

import trio
from libp2p.abc import INotifee
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID

from node.p2p.bans import Bans
from node.p2p.foreign import Foreign, Id, Swarm
from node.p2p.hardening.inbound_connections import is_loopback
from node.p2p.tally import counts


class Connections(INotifee):
    """Follows the swarm's connections and refuses banned peers; `on_up` and `on_down` take a peer's bytes."""

    def __init__(
        self,
        swarm: Swarm,
        bans: Bans,
        *,
        on_up: Callable[[bytes], None],
        on_down: Callable[[bytes], None],
    ) -> None:
        self._swarm = swarm
        self._bans = bans
        self._validators = frozenset[bytes]()
        self._on_up = on_up
        self._on_down = on_down
        self._connected: dict[bytes, None] = {}
        self._changed = trio.Event()
        self._admit = swarm.add_conn
        swarm.add_conn = self._add_if_welcome
        swarm.assay_refuses_address = bans.is_banned
        swarm.register_notifee(self)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._connected

    async def wait_until(self, peer: bytes, *, is_connected: bool) -> None:
        """Wait until a peer is connected, or until it is not."""
        while (peer in self._connected) is not is_connected:
            await self._changed.wait()

    def set_validators(self, validators: Sequence[bytes]) -> None:
        """Say who may not be cut off from now on."""
        self._validators = frozenset(validators)

    def punish(self, peer: bytes) -> bool:
        """Count an invalid message against a peer and its address, and tell whether to cut it off.

        An address on loopback is never banned: every peer of a test network would be. A validator loses its gossip
        but not its links: consensus judges votes by itself, and may not be halted by a quarrel over gossip.
        """
        is_banned = self._bans.count_reject(peer.hex())
        counts["bans"] += is_banned
        if peer in self._validators:
            return False
        remotes = (held.muxed_conn.get_remote_address() for held in self._swarm.get_connections(ID(peer)))
        for address in {remote[0]: None for remote in remotes if remote}:
            if not is_loopback(address):
                self._bans.count_reject(address)
        return is_banned

    def is_silenced(self, peer: Id) -> bool:
        """Tell whether the gossip of a peer is not heard."""
        return self._bans.is_banned(peer.to_bytes().hex())

    async def cut(self, peer: bytes) -> None:
        """End all connections to a peer without a word: a farewell to one that does not read would wait."""
        for connection in self._swarm.get_connections(ID(peer)):
            await connection.muxed_conn.secured_conn.close()

    async def _add_if_welcome(self, muxed: Foreign, direction: str = "unknown") -> Foreign:
        peer = muxed.peer_id.to_bytes()
        if peer not in self._validators and self._bans.is_banned(peer.hex()):
            counts["banned_refused"] += 1
            await muxed.secured_conn.close()
            raise SwarmException("the peer is banned")
        return await self._admit(muxed, direction=direction)

    async def connected(self, network: Swarm, conn: Foreign) -> None:  # noqa: ARG002 - libp2p's interface
        """Take note of a connection."""
        peer = conn.muxed_conn.peer_id.to_bytes()
        if peer not in self._connected:
            self._connected[peer] = None
            self._note_change()
            self._on_up(peer)

    async def disconnected(self, network: Swarm, conn: Foreign) -> None:
        """Take note of the end of a peer's last connection."""
        peer_id: Id = conn.muxed_conn.peer_id
        left = [other for other in network.get_connections(peer_id) if not other.muxed_conn.is_closed]
        if not left and self._connected.pop(peer_id.to_bytes(), True) is None:
            self._note_change()
            self._on_down(peer_id.to_bytes())

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
