"""What a node keeps of the past, and how it lets go of the rest: some heights with each final block (N46)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from ledger.transaction import Receipt
from node.store import schema
from node.store.database import Rows
from node.store.schema import BlockRow, FloorRow
from primitives.codec import decode

KEEP_BLOCKS_MIN = 1_024
"""Blocks that every node keeps: a peer that was away for some minutes comes back with anybody's help."""
STEP_HEIGHTS = 4
"""Heights that are let go of with each final block: more than one, so that a shorter memory is reached in time."""

Deletions = list[tuple[bytes, bytes | None]]


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How much is kept; what is younger than `age_ms` is kept always."""

    blocks: int | None = None
    """How many of the last blocks with their certificates; None: all."""
    history: int | None = None
    """For how many of the last blocks receipts, state roots and the places of transactions; None: for all."""
    age_ms: int = 0

    def __post_init__(self) -> None:
        assert self.blocks is None or (self.history is not None and self.history <= self.blocks)


class Mode(StrEnum):
    """How much of the past a node keeps."""

    ARCHIVE = "archive"
    FULL = "full"
    PRUNED = "pruned"


def keep_of(mode: Mode, blocks: int, *, age_ms: int) -> Keep:
    """Return what a mode keeps, with the last so many blocks where it does not keep all."""
    match mode:
        case Mode.ARCHIVE:
            return Keep(age_ms=age_ms)
        case Mode.FULL:
            return Keep(history=blocks, age_ms=age_ms)
        case Mode.PRUNED:
            return Keep(history=blocks, blocks=blocks, age_ms=age_ms)
        case _:
            assert_never(mode)


def step(
    rows: Rows, floor: FloorRow, keep: Keep, *, height: int, time_ms: int, at_most: int
) -> tuple[FloorRow, Deletions]:
    """Return the new floor, and the rows to delete for it, of at most so many heights.

    `height` and `time_ms` are those of the head.
    """
    gone: Deletions = []
    history, blocks = floor.history, floor.blocks
    while keep.history is not None and history - floor.history < at_most and history + keep.history <= height:
        row = block_row(rows, history)
        if row is None or row.time_ms + keep.age_ms > time_ms:
            break
        gone += _history_at(rows, history)
        history += 1
    while keep.blocks is not None and blocks - floor.blocks < at_most and blocks + keep.blocks <= height:
        row = block_row(rows, blocks)
        if row is None or blocks >= history:
            break
        gone += [
            (schema.numbered(schema.BLOCK, blocks), None),
            (schema.numbered(schema.CERTIFICATE, blocks), None),
            (schema.HEIGHT + row.id, None),
        ]
        blocks += 1
    return FloorRow(blocks=blocks, history=history), gone


def block_row(rows: Rows, height: int) -> BlockRow | None:
    """Return what the index says of a final block; raises Refused."""
    raw = rows.get(schema.numbered(schema.BLOCK, height))
    return None if raw is None else decode(BlockRow, raw, at_most=schema.ROW_BYTES_MAX)


def _history_at(rows: Rows, height: int) -> Deletions:
    key = schema.numbered(schema.RECEIPTS, height)
    raw = rows.get(key)
    receipts = [] if raw is None else decode(list[Receipt], raw, at_most=schema.RECEIPTS_BYTES_MAX)
    gone: Deletions = [(key, None), (schema.numbered(schema.ROOT, height), None)]
    return gone + [(schema.TRANSACTION + receipt.transaction, None) for receipt in receipts]
