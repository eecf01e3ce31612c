"""How a node that is behind comes to the head: ranges of final blocks from its peers, checked and executed (N63).

It is a follower's only way to follow, and how a validator that was away returns. A light block comes with its
announcement (N61). Ranges come from all peers that are ahead at once; they are checked and executed in order, each as
soon as all below it is final (N66).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import trio

from consensus.certificate import check_final
from consensus.messages import Certificate
from ledger.block import Block, block_id, decode_block
from node.final_chain import DivergedError, FinalChain
from node.network import PeerUnavailableError
from node.sync.messages import PROTOCOL, NotHere, RangeRequest, Status, StatusRequest, decode_range_answer
from node.sync.progress import Progress, Rate
from node.sync.spans import STRAGGLE_S, Claim, Fetched, Span, Spans, lead_of
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

FAR_BLOCKS = 8
"""A validator that is so far behind does not wait whether consensus brings it along."""
QUIET_S = 2.0
"""Without a final block for so long a node asks a peer how far it is: gossip may have lost the news."""
HELP_S = 30.0
"""For one range with its certificate: longer than one answer may take, so that a peer who drips is left in time."""
REST_S = 0.2
"""A peer that was no help is not believed for so long, and each time for twice as long as before."""
REST_S_MAX = 60.0
"""A peer that helps again after a minute is as good as any; one that never does costs a request a minute."""
HELPERS_MAX = 16
"""Peers that are asked at once: enough for any line, and their answers together take some 50 MiB at most."""
UNCERTIFIED_BLOCKS_MAX = 256
"""Blocks taken from a peer before their certificate comes, which is a few blocks away; half of the ledger's tree."""
UNCERTIFIED_BYTES_MAX = 32 << 20
AHEAD_BYTES_MAX = 4 << 20
"""The same for a span that is not the first: more than the rest of the window together is not worth it."""
BATCH_BLOCKS = 16
"""Blocks that reach the disk together: an fsync for each would take longer than executing them."""
GIVEN_MAX = 16
"""Blocks above the head that are kept as they came with their announcements; those of a node that follows come in order
or nearly so, and one that is farther behind asks for more at once."""
FORGED_WEIGHT = 5
"""What blocks or certificates that prove nothing count against a peer: no honest node sends them."""
REPORT_S = 10.0
"""How often the log tells the progress."""
_STATUS_BYTES_MAX = 64

_log = logging.getLogger("assay.sync")


class PeersPort(Protocol):
    """What catching up uses of the network."""

    @property
    def peers(self) -> list[bytes]:
        """The ids of all connected peers."""

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        """Ask a connected peer; raises PeerUnavailableError."""

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        """Count a broken rule against a peer."""


class _TooLong(Exception):
    """No certificate came soon for a span that is not the first; nobody is at fault."""


class CatchUp:
    """Brings the final chain to where peers say that it is."""

    def __init__(
        self,
        chain: FinalChain,
        network: PeersPort,
        *,
        patience_s: Callable[[], float],
        synced: Callable[[Certificate], Awaitable[None]],
    ) -> None:
        """`patience_s`: how long consensus may take to bring the next block before peers are asked, 0 while following.

        `synced` is told each certificate up to which the chain was brought.
        """
        self._chain = chain
        self._network = network
        self._patience_s = patience_s
        self._synced = synced
        self._claims: dict[bytes, Claim] = {}
        self._busy: set[bytes] = set()
        self._strikes: dict[bytes, int] = {}
        self._rests_until: dict[bytes, float] = {}
        self._spans = Spans()
        self._given: dict[int, tuple[Block, Certificate]] = {}
        self._rate = Rate(trio.current_time)
        self._news = trio.Event()
        self._arrivals_in, self._arrivals = trio.open_memory_channel[bytes](1_024)

    def heard(self, peers: Sequence[bytes], height: int) -> None:
        """Note that these peers, as far as they are connected, say that a block at `height` is final."""
        for peer in peers:
            self._believe(peer, height)

    def given(self, block: Block, certificate: Certificate) -> None:
        """Keep a block that came with its announcement, which was checked, for when it is the next (N61)."""
        head, height = self._chain.head.height, block.header.height
        self._given = {key: each for key, each in self._given.items() if key > head}
        if head < height <= head + GIVEN_MAX:
            self._given[height] = block, certificate

    def _believe(self, peer: bytes, height: int, lowest: int | None = None) -> None:
        if trio.current_time() < self._rests_until.get(peer, 0):
            return
        known = self._claims.get(peer, Claim(0, 0))
        self._claims[peer] = Claim(max(height, known.height), known.lowest if lowest is None else lowest)
        self._stir()

    def _stir(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def peer_up(self, peer: bytes) -> None:
        """Ask a peer that has just connected how far it is."""
        try:
            self._arrivals_in.send_nowait(peer)
        except trio.WouldBlock:
            return  # many arrive at once; one that is asked when it is quiet tells as much

    def progress(self) -> Progress:
        """Return how far the chain is."""
        height = self._chain.head.height
        ahead = [each for each in self._claims.values() if each.height > height]
        return Progress(
            height=height,
            target=height + lead_of(self._claims, height),
            peers=len(ahead),
            lowest_block=self._chain.lowest,
            lowest_history=self._chain.lowest_history,
            blocks_per_s=self._rate.per_s(),
        )

    async def run(self) -> None:
        """Keep up, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_arrivals)
            nursery.start_soon(self._ask_when_quiet)
            nursery.start_soon(self._report)
            while True:
                await self._fall_behind()
                await self._come_up()

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
        self._believe(peer, status.height, status.lowest)

    async def _report(self) -> None:
        while True:
            await trio.sleep(REPORT_S)
            progress = self.progress()
            if progress.target - progress.height >= FAR_BLOCKS:
                _log.info("catching up: %s", progress)
            elif progress.peers and progress.target == progress.height:
                _log.warning("no peer has block %d any more: connect to one that keeps all", progress.height + 1)

    async def _fall_behind(self) -> None:
        """Wait until a peer is ahead, and consensus, where it has patience, does not bring the next block."""
        while True:
            height = self._chain.head.height
            self._forget_the_gone()
            lead = lead_of(self._claims, height)
            if lead <= 0:
                await self._news.wait()
                continue
            patience_s = self._patience_s()
            if patience_s and lead < FAR_BLOCKS:
                with trio.move_on_after(patience_s):
                    await self._chain.wait_for_height(height + 1)
                    continue
            return

    def _forget_the_gone(self) -> None:
        connected = set(self._network.peers)
        self._claims = {peer: each for peer, each in self._claims.items() if peer in connected}
        self._strikes = {peer: count for peer, count in self._strikes.items() if peer in connected}
        self._rests_until = {peer: until for peer, until in self._rests_until.items() if peer in connected}

    async def _come_up(self) -> None:
        """Fetch and execute until nobody is ahead any more, or nobody who is can help."""
        self._spans.clear()
        self._rate.note(self._chain.head.height)
        async with trio.open_nursery() as nursery:
            while True:
                news = self._news
                await self._take_given()
                self._ask_for_more(nursery)
                first = self._spans.first
                if first is not None and first.fetched is not None:
                    await self._take_over(first, first.fetched)
                elif first is None or not self._spans.in_flight():
                    break
                else:
                    with trio.move_on_after(STRAGGLE_S):
                        await news.wait()
            nursery.cancel_scope.cancel()
        self._busy.clear()

    async def _take_given(self) -> None:
        """Execute what came with its announcement, as far as it follows the head, and make it final."""
        while True:
            head = self._chain.head
            block, certificate = self._given.pop(head.height + 1, (None, None))
            if block is None or certificate is None:
                return
            if block.header.parent != head.block_id or block.header.epoch != self._chain.epoch:  # N64
                return
            await self._execute([block], certificate)
            self._rate.note(self._chain.head.height)

    def _ask_for_more(self, nursery: trio.Nursery) -> None:
        """Give each peer that has nothing to do a span to fetch, those that never failed first."""
        height = self._chain.head.height
        self._forget_the_gone()
        self._spans.reach(height, height + lead_of(self._claims, height))
        for peer in sorted(self._claims, key=lambda each: self._strikes.get(each, 0)):
            if peer not in self._busy and len(self._busy) < HELPERS_MAX:
                span = self._spans.take(self._claims[peer], peer, trio.current_time())
                if span is not None:
                    self._busy.add(peer)
                    nursery.start_soon(self._fetch, peer, span, nursery)

    async def _fetch(self, peer: bytes, span: Span, nursery: trio.Nursery) -> None:
        """Ask a peer for a span; then find it something else to do."""
        try:
            with trio.fail_after(HELP_S):
                await self._fetch_certified(peer, span)
            self._strikes.pop(peer, None)
        except PeerUnavailableError as fault:
            self._leave(peer, f"no blocks: {fault}")
        except trio.TooSlowError:
            self._leave(peer, "takes too long to give blocks")
        except _TooLong:
            span.long = True
        except Refused as fault:
            self._leave(peer, f"gave blocks that prove nothing: {fault}", weight=FORGED_WEIGHT)
        span.asked.pop(peer, None)
        self._busy.discard(peer)
        self._ask_for_more(nursery)
        self._stir()

    def _leave(self, peer: bytes, why: str, *, weight: int = 0) -> None:
        """Believe nothing that a peer says for some time, and have it penalised if no honest node does what it did."""
        strikes = self._strikes.get(peer, 0)
        self._strikes[peer] = strikes + 1
        self._rests_until[peer] = trio.current_time() + min(REST_S * 2**strikes, REST_S_MAX)
        self._claims.pop(peer, None)
        _log.info("peer %s %s", peer.hex(), why)
        if weight:
            self._network.penalise(peer, why, weight)

    async def _fetch_certified(self, peer: bytes, span: Span) -> None:
        """Fetch blocks that follow each other, the last of them with a certificate that names it; raises Refused."""
        blocks: list[Block] = []
        parent: bytes | None = None
        size = 0
        while len(blocks) < UNCERTIFIED_BLOCKS_MAX and size < UNCERTIFIED_BYTES_MAX:
            first = span.first + len(blocks)
            raw = await self._network.request(peer, PROTOCOL, encode(RangeRequest(first=first, last=span.last)))
            answer = decode_range_answer(raw)
            if isinstance(answer, NotHere):  # N66
                self._claims[peer] = Claim(self._claims.get(peer, Claim(0, 0)).height, answer.lowest)
                if answer.lowest > span.first:
                    return
                break
            if not answer.blocks:  # whatever certificate comes with none proves nothing new
                break
            size += len(raw)
            for encoded in answer.blocks:
                block = decode_block(encoded)
                _check_place(block, span.first + len(blocks), parent)
                _check_epoch(block, blocks[0].header.epoch if blocks else block.header.epoch)
                parent = block_id(block.header)
                blocks.append(block)
            if answer.certificate is not None:
                if answer.certificate.vote.block != parent:
                    raise Refused(Reason.BAD_PROOF, seen=answer.certificate.vote.block, wanted=parent)
                self._spans.took(span, Fetched(peer, blocks, answer.certificate), size)
                return
            if span is not self._spans.first and size >= AHEAD_BYTES_MAX:
                raise _TooLong
        raise Refused(Reason.BAD_PROOF, seen=len(blocks), wanted="blocks with a certificate")

    async def _take_over(self, span: Span, fetched: Fetched) -> None:
        """Check what was fetched for the first span, execute it and make it final; else have it fetched anew (N64)."""
        head = self._chain.head
        blocks = [each for each in fetched.blocks if each.header.height > head.height]  # consensus may have come first
        if blocks:
            try:
                _check_place(blocks[0], head.height + 1, head.block_id)
                certificate = fetched.certificate
                _check_epoch(blocks[-1], certificate.vote.epoch)
                instance = self._chain.instance_for(certificate.vote.epoch)
                if instance is None:
                    raise Refused(Reason.BAD_PROOF, seen=certificate.vote.epoch, wanted="an epoch that is near")
                check_final(certificate, block_id(blocks[-1].header), instance)
            except Refused as fault:
                self._leave(fetched.peer, f"gave blocks that prove nothing: {fault}", weight=FORGED_WEIGHT)
                span.fetched = None
                return
            await self._execute(blocks, certificate)
            self._rate.note(self._chain.head.height)
        self._spans.reach(self._chain.head.height, self._chain.head.height)

    async def _execute(self, blocks: list[Block], certificate: Certificate) -> None:
        """Execute certified blocks on the head and make them final, some at a time (N65)."""
        try:
            for at, block in enumerate(blocks, start=1):
                if block.header.height > self._chain.head.height:
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


def _check_epoch(block: Block, epoch: int) -> None:
    """Raise Refused unless a block is of the epoch of those beside it, and of the validators who certify it (N62, N64).

    Validators of an ended epoch may have their stake back; and the end of each epoch has a certificate of its own.
    """
    if block.header.epoch != epoch:
        raise Refused(Reason.BLOCK_WRONG_VALIDATORS, seen=block.header.epoch, wanted=epoch)


def _check_place(block: Block, height: int, parent: bytes | None) -> None:
    """Raise Refused unless a block has that height and that parent, if it is known."""
    if block.header.height != height:
        raise Refused(Reason.BLOCK_WRONG_HEIGHT, seen=block.header.height, wanted=height)
    if parent is not None and block.header.parent != parent:
        raise Refused(Reason.BLOCK_WRONG_PARENT, seen=block.header.parent, wanted=parent)
