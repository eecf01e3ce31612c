"""Names for libp2p's objects, whose types the checker does not know."""

from typing import Any, TypeAlias

Foreign: TypeAlias = Any
"""Some object of libp2p's."""
Host: TypeAlias = Any
Swarm: TypeAlias = Any
Stream: TypeAlias = Any
"""A negotiated stream (NetStream); `stream.muxed_conn.peer_id` is the peer's Id."""
Id: TypeAlias = Any
"""libp2p.peer.id.ID; `to_bytes()` gives the bytes that the node knows."""
Rpc: TypeAlias = Any
"""A gossip RPC (protobuf)."""
Message: TypeAlias = Any
"""A gossip message (protobuf): from_id, seqno, topicIDs, data, signature, key."""
