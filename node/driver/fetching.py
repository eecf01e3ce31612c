"""Getting the body of one block from other validators (N74)."""

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

from consensus.io import BlockKnown, FetchBlock, Input
from ledger.block import block_id, decode_block
from node.final_chain import FinalChain
from node.network import PeerUnavailableError
from node.sync.messages import PROTOCOL, BodyRequest
from node.traffic import NetworkPort
from primitives.codec import encode
from primitives.reasons import Reason, Refused

UNDER_WAY_MAX = 64
"""Bodies fetched at once; consensus asks again for others on its next retry."""
HOLDER_S = 5.0
"""For one validator to answer, a full block on a slow line included; a vote may wait for the body."""

_log = logging.getLogger("assay.driver")


class Fetcher:
    """Fetches bodies that consensus asks for, each by one task."""

    def __init__(
        self,
        *,
        chain: FinalChain,
        network: NetworkPort,
        nursery: trio.Nursery,
        peers: Sequence[bytes],
        give: Callable[[Input], Awaitable[None]],
    ) -> None:
        """`peers` are the validators' peer ids by index."""
        self._chain = chain
        self._network = network
        self._nursery = nursery
        self._peers = peers
        self._give = give
        self._under_way: dict[bytes, None] = {}

    def start(self, wanted: FetchBlock) -> None:
        """Begin to fetch a body, unless that is under way."""
        if wanted.block not in self._under_way and len(self._under_way) < UNDER_WAY_MAX:
            self._under_way[wanted.block] = None
            self._nursery.start_soon(self._fetch, wanted)

    async def _fetch(self, wanted: FetchBlock) -> None:
        try:
            if self._chain.header(wanted.block) is None and not await self._ask(wanted):
                return
            header = self._chain.header(wanted.block)
            if header is None:  # final meanwhile, and so of no more interest
                return
            links = BlockKnown(
                block=wanted.block, view=header.view, parent_view=header.parent_view, parent=header.parent
            )
        finally:
            del self._under_way[wanted.block]
        await self._give(links)

    async def _ask(self, wanted: FetchBlock) -> bool:
        """Ask the hinted validator, then the others, once each; tell whether one had it."""
        hinted = [] if wanted.hint is None else [self._peers[wanted.hint]]
        others = [peer for peer in self._peers if peer not in hinted and peer != self._network.peer_id]
        request = encode(BodyRequest(block=wanted.block))
        for peer in hinted + others:
            try:
                with trio.fail_after(HOLDER_S):
                    raw = await self._network.request(peer, PROTOCOL, request)
                block = decode_block(raw)
                if block_id(block.header) != wanted.block:
                    raise Refused(Reason.BLOCK_WRONG_PARENT, seen=block_id(block.header), wanted=wanted.block)
            except (PeerUnavailableError, trio.TooSlowError):
                continue
            except Refused as fault:
                _log.warning("validator %s sent another block than asked for: %s", peer.hex(), fault)
                continue
            self._chain.hold(block)
            return True
        return False
