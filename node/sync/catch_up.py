"""How a node that is behind comes to the head: ranges of final blocks from its peers, checked and executed (N63).

It is a follower's only way to follow, and how a validator that was away returns.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

from consensus.certificate import check_final
from consensus.messages import Certificate
from ledger.block import Block, block_id, decode_block
from node.final_chain import DivergedError, FinalChain
from node.network import PeerUnavailableError
from node.sync.messages import (
    ANSWER_BYTES_MAX,
    PROTOCOL,
    Range,
    RangeRequest,
    Status,
    StatusRequest,
)
from node.traffic import NetworkPort
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

FAR_BLOCKS = 8
"""A validator that is so far behind does not wait whether consensus brings it along."""
QUIET_S = 2.0
"""Without a final block for so long a node asks a peer how far it is: gossip may have lost the news."""
HELP_S = 30.0
"""For one range with its certificate: longer than one answer may take, so that a peer who drips is left in time."""
PAUSE_S = 0.1
"""After a peer could not help, before the next is asked."""
UNCERTIFIED_BLOCKS_MAX = 256
"""Blocks taken from a peer before their certificate comes, which is a few blocks away; half of the ledger's tree."""
UNCERTIFIED_BYTES_MAX = 32 << 20
BATCH_BLOCKS = 16
"""Blocks that reach the disk together: an fsync for each would take longer than executing them."""
_STATUS_BYTES_MAX = 64

_log = logging.getLogger("assay.sync")


class CatchUp:
    """Brings the final chain to where peers say that it is."""

    def __init__(
        self,
        chain: FinalChain,
        network: NetworkPort,
        *,
        patience_s: float,
        synced: Callable[[Certificate], Awaitable[None]],
    ) -> None:
        """`patience_s`: how long consensus may take to bring the next block before peers are asked, 0 for a follower.

        `synced` is told each certificate up to which the chain was brought.
        """
        self._chain = chain
        self._network = network
        self._patience_s = patience_s
        self._synced = synced
        self._claims: dict[bytes, int] = {}
        self._news = trio.Event()
        self._arrivals_in, self._arrivals = trio.open_memory_channel[bytes](1_024)

    def heard(self, peers: Sequence[bytes], height: int) -> None:
        """Note that these peers, as far as they are connected, say that a block at `height` is final."""
        for peer in peers:
            self._claims[peer] = max(height, self._claims.get(peer, 0))
        self._news.set()

    def peer_up(self, peer: bytes) -> None:
        """Ask a peer that has just connected how far it is."""
        try:
            self._arrivals_in.send_nowait(peer)
        except trio.WouldBlock:
            return  # many arrive at once; one that is asked when it is quiet tells as much

    async def run(self) -> None:
        """Keep up, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_arrivals)
            nursery.start_soon(self._ask_when_quiet)
            while True:
                await self._fall_behind()
                peer = self._next_peer()
                if peer is not None and not await self._advanced(peer):
                    self._claims.pop(peer, None)
                    await trio.sleep(PAUSE_S)

    async def _ask_arrivals(self) -> None:
        async for peer in self._arrivals:
            await self._ask_status(peer)

    async def _ask_when_quiet(self) -> None:
        turn = 0
        while True:
            height = self._chain.head.height
            with trio.move_on_after(QUIET_S):
                await self._chain.wait_for_height(height + 1)
                continue
            peers = self._network.peers
            if peers:
                turn += 1
                await self._ask_status(peers[turn % len(peers)])

    async def _ask_status(self, peer: bytes) -> None:
        try:
            raw = await self._network.request(peer, PROTOCOL, encode(StatusRequest()))
            status = decode(Status, raw, at_most=_STATUS_BYTES_MAX)
        except (PeerUnavailableError, Refused):
            return
        self.heard((peer,), status.height)

    async def _fall_behind(self) -> None:
        """Wait until a peer is ahead, and consensus, where it has patience, does not bring the next block."""
        while True:
            height = self._chain.head.height
            lead = max(self._claims.values(), default=0) - height
            if lead <= 0:
                self._news = trio.Event()
                await self._news.wait()
                continue
            if self._patience_s and lead < FAR_BLOCKS:
                with trio.move_on_after(self._patience_s):
                    await self._chain.wait_for_height(height + 1)
                    continue
            return

    def _next_peer(self) -> bytes | None:
        """Return a connected peer that is ahead, another one each time; forget the claims of those that are gone."""
        connected = self._network.peers
        self._claims = {peer: height for peer, height in self._claims.items() if peer in connected}
        ahead = [peer for peer, height in self._claims.items() if height > self._chain.head.height]
        if not ahead:
            return None
        self._claims[ahead[0]] = self._claims.pop(ahead[0])  # to the end
        return ahead[0]

    async def _advanced(self, peer: bytes) -> bool:
        """Bring the chain on with a peer's help; tell whether it helped."""
        try:
            with trio.fail_after(HELP_S):
                blocks, certificate = await self._certified_blocks(peer)
        except PeerUnavailableError as fault:
            _log.info("no blocks from %s", fault)
            return False
        except trio.TooSlowError:
            _log.warning("peer %s takes too long to give blocks", peer.hex())
            return False
        except Refused as fault:
            _log.warning("blocks refused from peer %s: %s", peer.hex(), fault)
            return False
        try:
            for at, block in enumerate(blocks, start=1):
                if block.header.height > self._chain.head.height:  # consensus may have come first
                    name = self._chain.hold(block)
                    self._chain.execute(name)
                    if at % BATCH_BLOCKS == 0 and at < len(blocks):
                        self._chain.finalize_ancestor(name)
                await trio.lowlevel.checkpoint()
            self._chain.finalize(certificate)
        except Refused as fault:  # N65
            raise DivergedError(
                f"certified blocks up to {blocks[-1].header.height} are invalid here: {fault}"
            ) from fault
        await self._synced(certificate)
        return True

    async def _certified_blocks(self, peer: bytes) -> tuple[list[Block], Certificate]:
        """Return blocks that follow the head and the checked certificate of the last; raises Refused (N64)."""
        head = self._chain.head
        blocks: list[Block] = []
        parent, size = head.block_id, 0
        while len(blocks) < UNCERTIFIED_BLOCKS_MAX and size < UNCERTIFIED_BYTES_MAX:
            request = RangeRequest(first=head.height + 1 + len(blocks))
            raw = await self._network.request(peer, PROTOCOL, encode(request))
            answer = decode(Range, raw, at_most=ANSWER_BYTES_MAX)
            if not answer.blocks:  # whatever certificate comes with none proves nothing new
                break
            size += len(raw)
            for encoded in answer.blocks:
                block = decode_block(encoded)
                if block.header.parent != parent:
                    raise Refused(Reason.BLOCK_WRONG_PARENT, seen=block.header.parent, wanted=parent)
                parent = block_id(block.header)
                blocks.append(block)
            if answer.certificate is not None:
                check_final(answer.certificate, parent, self._chain.instance)
                return blocks, answer.certificate
        raise Refused(Reason.BAD_PROOF, seen=len(blocks), wanted="blocks with a certificate")
