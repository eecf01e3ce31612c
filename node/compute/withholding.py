"""Content that is owed: asked for on the chain when it can't be fetched, and shown there when it is asked for (D40)."""

import logging
import secrets
from collections.abc import Sequence

import trio

from ledger.block import Block
from ledger.market.settlement import verifier_lock
from ledger.market.withheld.chunks import check_chunk, chunk_count, show_chunk
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import CHUNK_LEAVES, FILING_CHUNKS_MAX, Stage, WithheldChunk, WithheldFile
from ledger.market.withheld.records import Filing, FilingState, filing_id
from ledger.market.withheld.rows import filings_of, find_filing, open_filings
from ledger.parameters import Parameters
from ledger.transaction import open_transaction
from node.compute.blocks import BlockSignal
from node.compute.sender import Sender
from node.ports import Blobs, ChainView
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, mul_div_floor

PATIENCE = 2
"""Fetches, a block apart, before a filing: a provider that is just starting costs nobody anything."""
SHOWN_AT_ONCE = 4
"""Chunks of ours in the pool at a time: two blocks' worth, and few enough for what an account may have there."""
OPEN = (FilingState.WAITING, FilingState.ASKED)

_log = logging.getLogger("assay.withholding")


class Withholding:
    """What one account does about content that it is owed, or owes."""

    def __init__(self, chain: ChainView, blobs: Blobs, sender: Sender, blocks: BlockSignal) -> None:
        self._chain = chain
        self._blobs = blobs
        self._sender = sender
        self._blocks = blocks
        self._answering: set[tuple[bytes, Stage, int]] = set()
        self._showing = trio.CapacityLimiter(SHOWN_AT_ONCE)

    async def run(self) -> None:
        """Show what we are asked for, until cancelled (D42)."""
        async with trio.open_nursery() as nursery:
            while True:
                for _, filing in open_filings(self._chain.state()):
                    if filing.holder == self._sender.address and filing.state is FilingState.ASKED:
                        self._start(nursery, filing)
                await self._blocks.wait()

    async def fetch(
        self, job_id: bytes, stage: Stage, content: ContentId, *, holder: bytes, hints: Sequence[bytes]
    ) -> bytes:
        """Return content that `holder` (address) owes us: from peers (`hints` first), else by way of the chain (D40).

        Raises Refused CONTENT_NOT_FOUND if it comes from nowhere; TOO_LARGE, STORE_FULL as a fetch does.
        """
        missed = await self._tried(content, hints)
        if isinstance(missed, bytes):
            return missed
        identity = filing_id(job=job_id, stage=stage, holder=holder, filer=self._sender.address)
        shown = self._shown(job_id, content)
        lacking = [chunk for chunk in range(chunk_count(content)) if chunk not in shown]
        if lacking and find_filing(self._chain.state(), identity) is None:
            job = self._chain.state().job(job_id)
            assert job is not None
            chunks = picked(self._chain.genesis.parameters, job.verifier_fee, content, lacking)
            await self._file(WithheldFile(job=job_id, stage=stage, holder=holder, chunks=chunks))
        while (filing := find_filing(self._chain.state(), identity)) is not None and filing.state in OPEN:
            await self._blocks.wait()
        raw = self._read(job_id, content)
        if raw is None:
            raise missed
        await self._blobs.put(raw)
        return raw

    async def _tried(self, content: ContentId, hints: Sequence[bytes]) -> bytes | Refused:
        """Return content, or why it was not found."""
        missed = Refused(Reason.CONTENT_NOT_FOUND, root=content.root)
        for again in range(PATIENCE):
            if again:
                await self._blocks.wait()
            try:
                return await self._blobs.fetch(content, hints=hints)
            except Refused as refused:
                if refused.reason is not Reason.CONTENT_NOT_FOUND:
                    raise
                missed = refused
        return missed

    async def _file(self, payload: WithheldFile) -> None:
        """Ask for content on the chain; what the chain refuses is not owed to us, or is there already."""
        try:
            await self._sender.send(payload)
        except Refused as refused:
            _log.warning("job %s, its %s is not asked for: %s", payload.job.hex(), payload.stage.name.lower(), refused)
        else:
            _log.warning("job %s: asked on the chain for its %s", payload.job.hex(), payload.stage.name.lower())

    def _read(self, job_id: bytes, content: ContentId) -> bytes | None:
        """Return content whose chunks all stand in final blocks, or None (D41)."""
        shown = self._shown(job_id, content)
        pieces = [self._piece(job_id, content, chunk, shown.get(chunk)) for chunk in range(chunk_count(content))]
        found = [piece for piece in pieces if piece is not None]
        return b"".join(found) if len(found) == len(pieces) else None

    def _shown(self, job_id: bytes, content: ContentId) -> dict[int, int]:
        """Return which chunks stand on the chain, whoever asked for them, and in which block each."""
        return {
            each.chunk: each.height
            for _, filing in filings_of(self._chain.state(), job_id)
            if filing.content == content
            for each in filing.produced
        }

    def _piece(self, job_id: bytes, content: ContentId, chunk: int, height: int | None) -> bytes | None:
        kept = None if height is None else self._chain.block(height)
        return None if kept is None else piece_in(kept[0], self._chain.genesis_hash, job_id, content, chunk)

    def _start(self, nursery: trio.Nursery, filing: Filing) -> None:
        """Show what a filing misses and is not under way yet: one answer is for all who ask, and is paid once."""
        chunks = [chunk for chunk in filing.missing if (filing.job, filing.stage, chunk) not in self._answering]
        if chunks:
            self._answering.update((filing.job, filing.stage, chunk) for chunk in chunks)
            nursery.start_soon(self._answer, filing, chunks)

    async def _answer(self, filing: Filing, chunks: list[int]) -> None:
        """Show chunks of what a filing asks for, if we hold it (D42)."""
        try:
            if not self._blobs.has(filing.content):
                _log.error("job %s: asked for its %s, which is not here", filing.job.hex(), filing.stage.name.lower())
                await self._blocks.wait()
                return
            async with trio.open_nursery() as nursery:
                for chunk in chunks:
                    nursery.start_soon(self._show, filing, chunk)
        finally:
            self._answering.difference_update((filing.job, filing.stage, chunk) for chunk in chunks)

    async def _show(self, filing: Filing, chunk: int) -> None:
        """Show one chunk; no more of the content is in memory meanwhile."""
        async with self._showing:
            try:
                piece = await self._blobs.slice(filing.content, chunk * CHUNK_LEAVES, CHUNK_LEAVES)
                if piece is None:
                    raise Refused(Reason.CONTENT_NOT_FOUND, root=filing.content.root)
                payload = show_chunk(filing.job, filing.stage, filing.holder, piece)
                check_chunk(filing.content, payload)  # the disk may have damaged it
                await self._sender.send(payload)
            except Refused as refused:  # another showed it first; else the next block asks again
                _log.info("job %s, chunk %d is not shown: %s", filing.job.hex(), chunk, refused)


def piece_in(block: Block, genesis_hash: bytes, job_id: bytes, content: ContentId, chunk: int) -> bytes | None:
    """Return a chunk of content that a final block holds, None if it does not."""
    for raw in block.transactions:
        payload = open_transaction(raw, genesis_hash, verified=lambda _: True).body.payload
        if isinstance(payload, WithheldChunk) and (payload.job, payload.chunk) == (job_id, chunk):
            try:
                check_chunk(content, payload)
            except Refused:
                continue  # of another stage, or one that failed
            return payload.data
    return None


def picked(parameters: Parameters, fee: int, content: ContentId, lacking: Sequence[int]) -> list[int]:
    """Return which of the chunks that are lacking to ask for: as many as silence would cost, one at least, at random.

    A holder that has nothing to show loses by any one of them, and one that shows all can't make us pay more (D40).
    """
    chunk = carriage(parameters, content, 0)
    silence = mul_div_floor(verifier_lock(parameters, fee), parameters.no_reveal_bps, BASIS)
    named = min(len(lacking), FILING_CHUNKS_MAX, max(1, silence // max(1, chunk)))
    return sorted(secrets.SystemRandom().sample(lacking, named))
