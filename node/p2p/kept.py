"""The peers to whom this node stays connected: those that the operator named, and validators whose address is known."""

from collections.abc import Sequence

import trio

from node.p2p.connections import Connections
from node.p2p.dialer import stay_connected
from node.p2p.door import Door
from node.p2p.foreign import Host
from node.p2p.ipc import PEERS_MAX, PeerAddress


class Kept:
    """One dialling task for each address."""

    def __init__(self, host: Host, connections: Connections, door: Door, nursery: trio.Nursery) -> None:
        self._host = host
        self._own = host.get_id().to_bytes()
        self._connections = connections
        self._door = door
        self._nursery = nursery
        self._named: dict[PeerAddress, trio.CancelScope] = {}
        self._validators: dict[PeerAddress, trio.CancelScope] = {}

    def add(self, address: PeerAddress) -> None:
        """Stay connected to one more peer."""
        if len(self._named) < PEERS_MAX:
            self._begin(self._named, address)
            self._connections.set_kept([kept.peer for kept in self._named])

    def remove(self, peer: bytes) -> None:
        """Dial a peer no more."""
        for address in [address for address in self._named if address.peer == peer]:
            self._named.pop(address).cancel()
        self._connections.set_kept([kept.peer for kept in self._named])

    def set_validators(self, addresses: Sequence[PeerAddress]) -> None:
        """Stay connected to these for as long as they are validators."""
        for address in [address for address in self._validators if address not in addresses]:
            self._validators.pop(address).cancel()
        for address in addresses:
            self._begin(self._validators, address)

    def _begin(self, table: dict[PeerAddress, trio.CancelScope], address: PeerAddress) -> None:
        self._door.know(address.host)
        if address.peer != self._own and address not in table:
            scope = table[address] = trio.CancelScope()
            self._nursery.start_soon(self._stay, scope, address)

    async def _stay(self, scope: trio.CancelScope, address: PeerAddress) -> None:
        with scope:
            await stay_connected(self._host, self._connections, address)
