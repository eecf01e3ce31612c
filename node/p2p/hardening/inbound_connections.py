"""Inbound connections: a slot is free again when its connection ends, and no address may take them all.

libp2p held each slot until the swarm ended, so the 250th connection in a node's life was its last (notes/p2p.md 6.1).
"""

import ipaddress
from collections import Counter

import trio
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm

from node.p2p.foreign import Foreign
from node.p2p.tally import counts

PENDING_PER_ADDRESS = 32
"""Handshakes under way from one address; one takes milliseconds, an idle one is ended after 10 s."""
CONNECTIONS_PER_ADDRESS = 16
"""Several nodes behind one router. Not applied to loopback, where whole test networks live."""
SLOTS = 1024
"""Sockets in all: with 32 pending per address, thirty addresses must attack at once to fill them."""


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def apply() -> None:
    """Replace the handler of accepted sockets."""
    prepare = Swarm._init_connection_management

    def prepare_slots(self: Foreign) -> None:
        prepare(self)
        # Established connections are limited where they are registered (max_connections), not by this.
        self._inbound_limiter = trio.CapacityLimiter(SLOTS)
        self.assay_pending = Counter()
        self.assay_established = Counter()

    Swarm._init_connection_management = prepare_slots
    Swarm._do_handle_inbound_connection = _handle_inbound


async def _handle_inbound(self: Foreign, socket: Foreign, listener: Foreign, _failure: Foreign) -> None:
    remote = socket.get_remote_address()
    address = remote[0] if remote else "?"
    crowded = self.assay_established[address] >= CONNECTIONS_PER_ADDRESS and not is_loopback(address)
    refused = getattr(self, "assay_refuses_address", None)
    if crowded or self.assay_pending[address] >= PENDING_PER_ADDRESS or (refused and refused(address)):
        counts["inbound_refused"] += 1
        await _close(socket)
        return
    try:
        self.assay_pending[address] += 1
        try:
            muxed = await self.upgrade_inbound_raw_conn(RawConnection(socket, initiator=False), listener)
        finally:
            _release(self.assay_pending, address)
        self.assay_established[address] += 1
        counts["inbound_taken"] += 1
        counts["inbound_open"] += 1
        try:
            await muxed.event_closed.wait()
        finally:
            counts["inbound_open"] -= 1
            _release(self.assay_established, address)
    except Exception:  # noqa: BLE001 - supervisor: any fault of a handshake concerns this socket alone
        counts["inbound_faults"] += 1
    finally:
        await _close(socket)


def _release(slots: "Counter[str]", address: str) -> None:
    slots[address] -= 1
    if not slots[address]:
        del slots[address]


async def _close(socket: Foreign) -> None:
    try:
        await socket.close()
    except Exception:  # noqa: BLE001 - supervisor: the socket is given up either way
        counts["close_faults"] += 1
