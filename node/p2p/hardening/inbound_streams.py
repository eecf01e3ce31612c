"""No exception may leave a stream handler: one bad protobuf ended the process (notes/p2p.md 6.1).

The same place bounds how many streams of one peer are handled at once, which libp2p leaves open (12,000 streams).
"""

import logging
from collections import Counter

from libp2p.host.basic_host import BasicHost

from node.p2p.foreign import Foreign, Stream
from node.p2p.tally import counts

STREAMS_PER_PEER = 64
"""Gossip, link, identify, ping and 16 request streams, from two connections, with room for other protocols."""

_log = logging.getLogger("assay.p2p")


def apply() -> None:
    """Wrap the handler of all inbound streams."""
    handle = BasicHost._swarm_stream_handler
    open_streams: Counter[bytes] = Counter()

    async def handle_guarded(self: Foreign, stream: Stream) -> None:
        peer = stream.muxed_conn.peer_id.to_bytes()
        if open_streams[peer] >= STREAMS_PER_PEER:
            counts["streams_refused"] += 1
            await _reset(stream)
            return
        open_streams[peer] += 1
        try:
            await handle(self, stream)
        except Exception as fault:  # noqa: BLE001 - supervisor: what a stranger sent may raise anything
            counts["handler_faults"] += 1
            _log.debug("a stream handler failed: %r", fault)
            await _reset(stream)
        finally:
            open_streams[peer] -= 1
            if not open_streams[peer]:
                del open_streams[peer]

    BasicHost._swarm_stream_handler = handle_guarded


async def _reset(stream: Stream) -> None:
    try:
        await stream.reset()
    except Exception:  # noqa: BLE001 - supervisor: the stream is given up either way
        counts["reset_faults"] += 1
