"""Chunks: the pieces in which content is asked for and shown on the chain (H11, H20)."""

from ledger.market.withheld.payloads import CHUNK_BYTES, CHUNK_LEAVES, Stage, WithheldChunk
from primitives.content import ContentId, Slice, check_slice, cut_slice, tree_of
from primitives.reasons import Reason, Refused


def chunk_count(content: ContentId) -> int:
    """Return how many chunks content has; the last may be shorter (H11)."""
    return -(-content.length // CHUNK_BYTES)


def chunk_bytes(content: ContentId, chunk: int) -> int:
    """Return how long a chunk is."""
    return min(CHUNK_BYTES, content.length - chunk * CHUNK_BYTES)


def show_chunk(job: bytes, stage: Stage, holder: bytes, piece: Slice) -> WithheldChunk:
    """Return the payload that shows a chunk, given as a slice of its content."""
    chunk = piece.start // CHUNK_LEAVES
    return WithheldChunk(job=job, stage=stage, holder=holder, chunk=chunk, data=piece.data, proof=piece.proof)


def show_chunks(job: bytes, stage: Stage, holder: bytes, raw: bytes, chunks: list[int]) -> list[WithheldChunk]:
    """Return the payloads that show chunks of `raw`, each with its proof."""
    tree = tree_of(raw)
    pieces = [cut_slice(raw, tree, chunk * CHUNK_LEAVES, CHUNK_LEAVES) for chunk in chunks]
    return [show_chunk(job, stage, holder, piece) for piece in pieces]


def check_chunk(content: ContentId, payload: WithheldChunk) -> None:
    """Raise Refused BAD_PROOF or CONTENT_MISMATCH unless the data is the whole chunk (H20)."""
    wanted = chunk_bytes(content, payload.chunk)
    if len(payload.data) != wanted:
        raise Refused(Reason.BAD_PROOF, seen=len(payload.data), wanted=wanted)
    check_slice(content, Slice(start=payload.chunk * CHUNK_LEAVES, data=payload.data, proof=payload.proof))
