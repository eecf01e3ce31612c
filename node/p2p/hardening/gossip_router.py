"""The gossipsub router without the defaults that lose, hoard or isolate (notes/p2p.md 5)."""

from collections import defaultdict

import libp2p.pubsub.gossipsub as library
from libp2p.pubsub.pb import rpc_pb2

from node.p2p.foreign import Foreign, Id, Message, Rpc
from node.p2p.hardening.rpc_queue import Forgetful

CONTROLS_MAX = 64
"""Control entries of a kind in one RPC; there are two topics."""
IDS_MAX = 512
"""Message ids in all IHAVE or IWANT entries of one RPC: what a busy topic says in a gossip window."""
BACK_OFF_MAX_S = 60


class SteadyGossipSub(library.GossipSub):
    """Gossipsub 1.1 with a heartbeat of 1 s; who is good or bad is judged by the node, not here."""

    def __init__(self) -> None:
        super().__init__(
            protocols=[library.PROTOCOL_ID_V11],
            degree=8,
            degree_low=6,
            degree_high=12,
            heartbeat_interval=1,  # 5.2, 5.7: the default of 120 s keeps messages for ten minutes
            gossip_window=5,
            gossip_history=10,
            prune_back_off=10,
            unsubscribe_back_off=3,
            adaptive_gossip_enabled=False,  # 5.2: it sets the heartbeat back to 60 s
            spam_protection_enabled=False,  # 5.1: it drops silently above ten messages a second, our own too
            eclipse_protection_enabled=False,
            max_pending_messages_per_peer=1,  # it holds whole messages for peers of other topics
        )
        self.scorer = None  # 5.5: opportunistic grafting isolates nodes once there are more peers than degree_high
        self.recent_message_deliveries: defaultdict[str, Forgetful] = defaultdict(Forgetful)
        self._is_gossiping = False

    def gossip_heartbeat(self) -> Foreign:
        """Choose whom to tell of recent messages; the back-off is about grafting, not about this (5.5)."""
        self._is_gossiping = True
        try:
            return super().gossip_heartbeat()
        finally:
            self._is_gossiping = False

    def _get_in_topic_gossipsub_peers_from_minus(
        self,
        topic: str,
        num_to_select: int,
        minus: Foreign,
        backoff_check: bool = False,  # noqa: FBT001, FBT002 - libp2p's signature
    ) -> Foreign:
        if self.pubsub is None or topic not in self.pubsub.peer_topics:
            return []
        heeds_back_off = backoff_check and not self._is_gossiping
        return super()._get_in_topic_gossipsub_peers_from_minus(topic, num_to_select, minus, heeds_back_off)

    def _check_equivocation(self, msg: Message) -> bool:  # noqa: ARG002 - 5.6: its store keeps 500 whole messages
        return True

    async def _emit_control_msgs(self, *parts: Foreign) -> None:
        # 5.10: within one call libp2p repeats the entries of earlier peers to later ones.
        for peer in dict.fromkeys(peer for part in parts for peer in part):
            await super()._emit_control_msgs(*({peer: part[peer]} if peer in part else {} for part in parts))

    async def handle_rpc(self, rpc: Rpc, sender_peer_id: Id) -> None:
        """Take the control part of an RPC, cut down to what concerns our topics."""
        trimmed = rpc_pb2.RPC(control=self._trimmed(rpc.control))
        await super().handle_rpc(trimmed, sender_peer_id)

    def _trimmed(self, control: Foreign) -> Foreign:
        """Return what is worth handling: libp2p keeps state for each topic name that a stranger makes up."""
        kept = rpc_pb2.ControlMessage()
        for entry in control.graft[:CONTROLS_MAX]:
            if entry.topicID in self.mesh:
                kept.graft.add(topicID=entry.topicID)
        for entry in control.prune[:CONTROLS_MAX]:
            if entry.topicID in self.mesh:  # without its list of peers, whom libp2p would dial unasked
                kept.prune.add(topicID=entry.topicID, backoff=min(entry.backoff, BACK_OFF_MAX_S))
        room = IDS_MAX
        for entry in control.ihave[:CONTROLS_MAX]:
            if entry.topicID in self.mesh and room > 0:
                kept.ihave.add(topicID=entry.topicID, messageIDs=entry.messageIDs[:room])
                room -= len(entry.messageIDs)
        wanted = dict.fromkeys(
            message for entry in control.iwant[:CONTROLS_MAX] for message in entry.messageIDs[:IDS_MAX]
        )
        if wanted:  # each once: libp2p sends a message as often as it is named
            kept.iwant.add(messageIDs=list(wanted)[:IDS_MAX])
        return kept
