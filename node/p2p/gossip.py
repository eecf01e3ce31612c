"""The public topics: what we say, what others say, and the node's verdict between the two (N8)."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio
from libp2p.tools.anyio_service import background_trio_service

from node.p2p.connections import Connections
from node.p2p.foreign import Host, Id, Message
from node.p2p.hardening.gossip_pubsub import JudgedPubsub, message_cost
from node.p2p.held import HeldMessages
from node.p2p.ipc import Gossip, Limits, Verdict
from node.p2p.lanes import Lanes
from node.p2p.names import topic_name
from node.p2p.tally import counts
from node.peers.rate import Bucket, Buckets, Rate

QUEUE_BYTES = 32 << 20
"""Own and accepted messages on their way to libp2p, which takes them in a millisecond each."""

GOSSIP_OF_STRANGER = Rate(per_s=50.0, burst=50.0)
"""Messages, one more for each KiB: 200 transactions a second. What the node accepts is not counted."""
GOSSIP_OF_STRANGERS = Rate(per_s=100.0, burst=100.0)
"""Of all together: to check the signatures of 100 KiB of transactions takes a node a twentieth of a second."""
GOSSIP_OF_RESERVED = Rate(per_s=4_000.0, burst=8_000.0)
"""Of a validator, or a peer that the operator named: more than a chain carries."""

_log = logging.getLogger("assay.p2p")


class Gossiper:
    """Our end of the gossip; `tell_node` takes a held message and says whether there was room for it."""

    def __init__(
        self,
        host: Host,
        connections: Connections,
        *,
        network_id: bytes,
        topics: Sequence[str],
        limits: Limits,
        first_handle: int,
        tell_node: Callable[[Gossip], bool],
    ) -> None:
        self._connections = connections
        self._topic_names = {name: topic_name(name, network_id) for name in topics}
        self._short_names = {full: name for name, full in self._topic_names.items()}
        self._tell_node = tell_node
        self._held = HeldMessages(
            first_handle=first_handle, per_forwarder=limits.held_per_peer, bytes_max=limits.held_bytes
        )
        self._rates = {False: Buckets(GOSSIP_OF_STRANGER), True: Buckets(GOSSIP_OF_RESERVED)}
        self._strangers = Bucket(GOSSIP_OF_STRANGERS, trio.current_time())
        self._todo: Lanes[Callable[[], Awaitable[None]]] = Lanes(urgent_bytes=QUEUE_BYTES, bulk_bytes=QUEUE_BYTES)
        self._pubsub = JudgedPubsub(
            host,
            topics=list(self._topic_names.values()),
            is_silenced=connections.is_silenced,
            pause_s=self._pause_s,
            on_message=self._on_message,
            on_offence=self._on_offence,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run pubsub and its router, subscribed to all topics."""
        async with (
            background_trio_service(self._pubsub),
            background_trio_service(self._pubsub.router),
            trio.open_nursery() as nursery,
        ):
            await self._pubsub.wait_until_ready()
            for name in self._topic_names.values():
                await self._pubsub.subscribe(name)
            nursery.start_soon(self._do_all)
            yield
            nursery.cancel_scope.cancel()

    def publish(self, topic: str, body: bytes) -> None:
        """Say something on a topic of ours."""
        self._do(partial(self._pubsub.publish, self._topic_names[topic], body), len(body))

    def judge(self, handle: int, verdict: Verdict) -> None:
        """Forward, forget, or forget and blame."""
        held = self._held.take(handle)
        if held is None:
            return
        counts[f"gossip_{verdict.name.lower()}"] += 1
        if verdict is Verdict.ACCEPT:
            self._connections.praise(held.forwarder.to_bytes())
            self._repay(held.forwarder, message_cost(held.size))
            self._do(partial(self._pubsub.forward, held.forwarder, held.message), held.size)
        elif verdict is Verdict.REJECT:
            self._on_offence(held.forwarder)

    def _pause_s(self, forwarder: Id, cost: float) -> float:
        """Return how long not to read from a forwarder that sends much; what it has sent waits at its own end."""
        now = trio.current_time()
        is_reserved = self._connections.is_reserved(forwarder.to_bytes())
        pause_s = self._rates[is_reserved].of(forwarder.to_bytes().hex(), now).owe(cost, now)
        return pause_s if is_reserved else max(pause_s, self._strangers.owe(cost, now))

    def _repay(self, forwarder: Id, cost: float) -> None:
        """Take back the cost of a message that the node accepts: whoever pays for what it says may say much."""
        is_reserved = self._connections.is_reserved(forwarder.to_bytes())
        self._rates[is_reserved].of(forwarder.to_bytes().hex(), trio.current_time()).repay(cost)
        if not is_reserved:
            self._strangers.repay(cost)

    def _on_message(self, forwarder: Id, message: Message) -> None:
        size = len(message.data)
        handle = self._held.hold(forwarder, message, size)
        counts["gossip_let_go"] = self._held.let_go
        told = Gossip(
            handle=handle,
            topic=self._short_names[message.topicIDs[0]],
            forwarder=forwarder.to_bytes(),
            author=message.from_id,
            body=message.data,
        )
        if not self._tell_node(told):
            self._held.take(handle)
            counts["gossip_untold"] += 1

    def penalise(self, peer: bytes, weight: int) -> None:
        """Count `weight` invalid messages against a peer, and cut it off if they are too many."""
        if self._connections.punish(peer, weight):
            self._todo.push(partial(self._connections.cut, peer), 0, urgent=True)

    def _on_offence(self, peer: Id) -> None:
        self.penalise(peer.to_bytes(), 1)

    def _do(self, action: Callable[[], Awaitable[None]], size: int) -> None:
        if not self._todo.push(action, size, urgent=False):
            counts["gossip_unsaid"] += 1

    async def _do_all(self) -> None:
        while True:
            action = await self._todo.pop()
            try:
                await action()
            except Exception as fault:  # noqa: BLE001 - supervisor: one message of libp2p's, the next may pass
                counts["gossip_faults"] += 1
                _log.warning("gossip failed: %r", fault)
