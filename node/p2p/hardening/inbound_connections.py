"""Inbound connections: a slot is free again when its connection ends, and no address may take them all.

libp2p held each slot until the swarm ended, so the 250th connection in a node's life was its last (notes/p2p.md 6.1).
"""

import trio
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm

from node.p2p.door import Door
from node.p2p.foreign import Foreign
from node.p2p.tally import counts

SLOTS = 1024
"""Sockets in all; the door keeps them far below."""


def apply() -> None:
    """Replace the handler of accepted sockets."""
    prepare = Swarm._init_connection_management

    def prepare_slots(self: Foreign) -> None:
        prepare(self)
        # Established connections are limited where they are registered (node.p2p.connections), not by this.
        self._inbound_limiter = trio.CapacityLimiter(SLOTS)

    Swarm._init_connection_management = prepare_slots
    Swarm._do_handle_inbound_connection = _handle_inbound


async def _handle_inbound(self: Foreign, socket: Foreign, listener: Foreign, _failure: Foreign) -> None:
    remote = socket.get_remote_address()
    address = remote[0] if remote else "?"
    door: Door = self.assay_door
    knock = door.knock(address)
    if knock is None:
        counts["inbound_refused"] += 1
        await _close(socket)
        return
    muxed = None
    try:
        try:
            with knock.scope:
                muxed = await self.upgrade_inbound_raw_conn(RawConnection(socket, initiator=False), listener)
        finally:
            door.settled(knock)
        if muxed is not None:
            await _stay(muxed, address, door)
    except Exception:  # noqa: BLE001 - supervisor: any fault of a handshake concerns this socket alone
        counts["inbound_faults"] += 1
    finally:
        await _close(socket)


async def _stay(muxed: Foreign, address: str, door: Door) -> None:
    """Hold the socket's place until its connection ends."""
    door.opened(address)
    counts["inbound_taken"] += 1
    counts["inbound_open"] += 1
    try:
        await muxed.event_closed.wait()
    finally:
        counts["inbound_open"] -= 1
        door.closed(address)


async def _close(socket: Foreign) -> None:
    try:
        await socket.close()
    except Exception:  # noqa: BLE001 - supervisor: the socket is given up either way
        counts["close_faults"] += 1
