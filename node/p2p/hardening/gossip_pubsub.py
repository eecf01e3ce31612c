"""Pubsub that hands each new signed message to a judge and forwards nothing by itself (notes/p2p.md 5.8, N8)."""

import time
from collections.abc import Callable

import libp2p.pubsub.gossipsub as router_library
import libp2p.pubsub.pubsub as library
import trio
from google.protobuf.message import DecodeError
from libp2p.pubsub.pb import rpc_pb2

from node.p2p.foreign import Foreign, Host, Id, Message, Rpc, Stream
from node.p2p.hardening.gossip_router import SteadyGossipSub
from node.p2p.hardening.rpc_queue import ByteBoundedQueue
from node.p2p.ipc import GOSSIP_BODY_MAX
from node.p2p.seen import Seen
from node.p2p.tally import counts

MESSAGES_PER_RPC = 256
"""Checked signatures of one RPC: 13 ms."""
COST_BYTES = 1 << 10
"""So many bytes of an RPC cost as much as a message."""
AUTHOR_BYTES_MAX = 64
SEQNO_BYTES_MAX = 16
SUBSCRIPTIONS_PER_RPC = 64

OnMessage = Callable[[Id, Message], None]
"""Takes the forwarder's id and a message that is new, well formed and signed by its author."""
OnOffence = Callable[[Id], None]
"""Takes the id of a peer that sent what no honest peer sends."""


class JudgedPubsub(library.Pubsub):
    """Strictly signed pubsub; `on_message` decides later whether `forward` is called."""

    def __init__(
        self,
        host: Host,
        *,
        topics: list[str],
        is_silenced: Callable[[Id], bool],
        pause_s: Callable[[Id, float], float],
        on_message: OnMessage,
        on_offence: OnOffence,
    ) -> None:
        library.RpcQueue = ByteBoundedQueue
        library.LastSeenCache = lambda *_: Seen(trio.current_time)  # libp2p's is unbounded and keeps a thread
        # 4.4: a signed address record rides on every RPC and costs more than the message; nobody needs it.
        router_library.env_to_send_in_RPC = library.env_to_send_in_RPC = lambda _host: (b"", False)
        super().__init__(
            host,
            SteadyGossipSub(),
            strict_signing=True,
            allowed_topics=frozenset(topics),
            max_subscriptions_per_rpc=SUBSCRIPTIONS_PER_RPC,
        )
        self.counter = time.time_ns()  # 5.9: counted from seconds, a quick restart repeats numbers that peers have seen
        self._is_silenced = is_silenced
        self._pause_s = pause_s
        self._on_message = on_message
        self._on_offence = on_offence

    def get_hello_packet(self) -> Foreign:
        """Return our subscriptions, without an address record."""
        packet = super().get_hello_packet()
        packet.ClearField("senderRecord")
        return packet

    async def write_msg(self, stream: Stream, rpc_msg: Rpc) -> bool:
        """Write an RPC; an empty address record would make receivers drop it all (11.9)."""
        rpc_msg.ClearField("senderRecord")
        return bool(await super().write_msg(stream, rpc_msg))

    async def continuously_read_stream(self, stream: Stream) -> None:
        """Read RPCs until the stream ends, one message at a time: what waits, waits at the sender."""
        peer = stream.muxed_conn.peer_id
        try:
            while self.manager.is_running:
                await self._take(
                    peer, await library.read_varint_prefixed_bytes_limited(stream, self.max_inbound_rpc_size)
                )
        except (library.MessageTooLarge, library.ParseError, DecodeError):
            # One bad protobuf ended the process (6.1). The sender opens a new stream if it has more to say.
            counts["gossip_malformed"] += 1
            self._offend(peer)
            await stream.reset()
        except (library.StreamError, library.IOException, library.RawConnError):
            return

    async def _take(self, peer: Id, raw: bytes) -> None:
        rpc = rpc_pb2.RPC()
        rpc.ParseFromString(raw)
        cost = 1 + len(rpc.publish) + len(raw) / COST_BYTES
        await trio.sleep(self._pause_s(peer, cost))
        for message in rpc.publish[:MESSAGES_PER_RPC]:
            await self.push_msg(peer, message)
            await trio.lowlevel.checkpoint()
        for subscription in rpc.subscriptions[:SUBSCRIPTIONS_PER_RPC]:
            self.handle_subscription(peer, subscription)
        if rpc.HasField("control"):
            await self.router.handle_rpc(rpc, peer)

    async def push_msg(self, msg_forwarder: Id, msg: Message) -> None:
        """Publish a message of our own, or give a peer's to the judge if it is new and sound."""
        if msg_forwarder == self.my_id:
            self.seen_messages.add(self.get_message_id(msg))
            await self.router.publish(msg_forwarder, msg)
        elif not self._is_silenced(msg_forwarder) and self._is_news(msg_forwarder, msg):
            self._on_message(msg_forwarder, msg)

    async def forward(self, msg_forwarder: Id, msg: Message) -> None:
        """Pass on a message that the judge accepted."""
        await self.router.publish(msg_forwarder, msg)

    def _is_news(self, forwarder: Id, msg: Message) -> bool:
        if len(msg.topicIDs) != 1 or not 0 < len(msg.from_id) <= AUTHOR_BYTES_MAX or len(msg.seqno) > SEQNO_BYTES_MAX:
            self._offend(forwarder)
            return False
        identity = self.get_message_id(msg)
        if msg.topicIDs[0] not in self.topic_ids or self.seen_messages.has(identity):
            return False
        if len(msg.data) > GOSSIP_BODY_MAX or not _is_signed(msg):
            self._offend(forwarder)
            return False
        self.seen_messages.add(identity)
        return bool(msg.from_id != self.my_id.to_bytes())

    def _offend(self, peer: Id) -> None:
        counts["gossip_offences"] += 1
        self._on_offence(peer)


def message_cost(size: int) -> float:
    """Return what a message of so many bytes costs its forwarder, an RPC of its own aside."""
    return 1 + size / COST_BYTES


def _is_signed(msg: Message) -> bool:
    try:
        return bool(library.signature_validator(msg))
    except Exception:  # noqa: BLE001 - supervisor: keys of any kind, in any state of decay
        return False
