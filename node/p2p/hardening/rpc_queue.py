"""A gossip send queue bounded in bytes, for libp2p's of 32 entries that drops bursts silently (notes/p2p.md 5.3)."""

from collections import deque

from libp2p.pubsub.rpc_queue import RpcQueue

from node.p2p.foreign import Foreign, Rpc
from node.p2p.tally import counts

QUEUE_BYTES = 4 << 20
"""For each peer: some seconds of gossip, or four of its largest messages."""
QUEUE_ENTRIES = 4096
ENTRY_BYTES = 256


class ByteBoundedQueue(RpcQueue):
    """Refuses messages over QUEUE_BYTES; control messages pass, they are small and keep the mesh."""

    def __init__(self) -> None:
        super().__init__(max_size=QUEUE_ENTRIES)
        self._bytes = 0

    def push(self, rpc: Rpc, priority: bool = False) -> bool:  # noqa: FBT001, FBT002 - libp2p's signature
        """Queue an RPC and tell whether there was room."""
        cost = rpc.ByteSize() + ENTRY_BYTES
        if (self._bytes + cost > QUEUE_BYTES and not priority) or not super().push(rpc, priority):
            counts["gossip_unsent"] += 1
            return False
        self._bytes += cost
        return True

    async def pop(self) -> Foreign:
        """Wait for the next RPC; None once closed."""
        rpc = await super().pop()
        if rpc is not None:
            self._bytes -= rpc.ByteSize() + ENTRY_BYTES
        return rpc


class Forgetful(deque[float]):
    """Stands where libp2p appends a number for each message and never takes one out."""

    def __init__(self) -> None:
        super().__init__(maxlen=1)
