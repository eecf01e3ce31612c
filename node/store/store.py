"""The node's disk: final blocks, the state after the last of them, and what consensus must remember.

A block becomes final in one synced batch of rows, behind which its bytes stand in the segments already; so a crash
leaves the store before a block or after it, never between (N42).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.messages import CERTIFICATE_BYTES_MAX, Certificate
from node.store import schema
from node.store.database import Database, Rows
from node.store.disk import Disk, check_room, damaged
from node.store.guard import Guard
from node.store.pruning import STEP_HEIGHTS, Keep, block_row, step
from node.store.schema import BlockRow, FloorRow, HeadRow, Meta
from node.store.segments import FOLDER, START, Segments, Spot
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

PRUNE_HEIGHTS = 256
"""Heights that one step of pruning by hand lets go of."""


@dataclass(frozen=True, kw_only=True)
class FinalRows:
    """What a final block leaves on disk."""

    height: int
    block_id: bytes
    epoch: int
    time_ms: int
    block: bytes
    receipts: bytes
    transactions: Sequence[bytes]
    """Their ids, in order."""
    writes: Mapping[bytes, bytes | None]
    """State rows; None deletes one."""
    state_root: bytes
    """After this block."""


class Store:
    """The open store of one network: LevelDB in a folder, and the segments in a folder below it."""

    def __init__(self, path: Path, genesis_hash: bytes, *, keep: Keep | None = None, disk: Disk | None = None) -> None:
        """Open or create; raises Refused STORE_FOREIGN, STORE_DAMAGED or HOME_IN_USE, and StoreFailedError."""
        self.path = path
        self._keep = keep or Keep()
        self._disk = disk or Disk()
        path.mkdir(parents=True, exist_ok=True)
        check_room(self._disk, path)
        self._database = Database(path, self._disk)
        self.rows = self._database.rows(b"")
        """All rows, by the keys of node.store.schema."""
        self._segments = Segments(path / FOLDER, self._disk)
        self.state = self._database.rows(schema.STATE)
        """The state after the last final block, as it stands at each look."""
        self.guard = Guard(self._database)
        try:
            self._check_meta(Meta(version=schema.VERSION, genesis_hash=genesis_hash))
            head = self.rows.get(schema.HEAD)
            self._head = None if head is None else decode(HeadRow, head, at_most=schema.ROW_BYTES_MAX)
            floor = self.rows.get(schema.FLOOR)
            self._floor = (
                FloorRow(blocks=0, history=0)
                if floor is None
                else decode(FloorRow, floor, at_most=schema.ROW_BYTES_MAX)
            )
            self._open_segments()
        except BaseException:
            self._database.close()
            raise

    def _check_meta(self, wanted: Meta) -> None:
        """Mark a new store as `wanted`; raise Refused STORE_FOREIGN if an old one is marked otherwise (N43)."""
        raw = self.rows.get(schema.META)
        if raw is None:
            if self._segments.numbers() or any(True for _ in self.rows.scan(limit=1)):
                raise damaged(self.path, what="the row that tells what it is of is gone")
            self._database.write([(schema.META, encode(wanted))], sync=True)
            return
        found = decode(Meta, raw, at_most=schema.ROW_BYTES_MAX)
        if found.version != wanted.version:
            raise Refused(
                Reason.STORE_FOREIGN,
                seen=found.version,
                wanted=wanted.version,
                what="layout version",
                store=str(self.path),
                todo="move the store away; the node fetches the chain again",
            )
        if found.genesis_hash != wanted.genesis_hash:
            raise Refused(Reason.STORE_FOREIGN, seen=found.genesis_hash, wanted=wanted.genesis_hash, what="genesis")
        self._database.check_end()

    def _open_segments(self) -> None:
        """Have exactly the records that the index tells of (N44)."""
        if self._head is None:
            self._segments.open(START.segment, START, -1)
            return
        first, last = self._row(self._floor.blocks), self._row(self._head.height)
        self._segments.open(first.segment, _spot(last), self._head.height)

    def _row(self, height: int) -> BlockRow:
        """Return the index row of a block that must be there."""
        row = block_row(self.rows, height)
        if row is None:
            raise damaged(self.path, what="a row of the index is absent", height=height)
        return row

    @property
    def head(self) -> HeadRow | None:
        """The last final block; None in a new store."""
        return self._head

    def state_now(self) -> Rows:
        """Return the state rows after the last final block, unchanged by later blocks."""
        return self._database.snapshot(schema.STATE)

    def finalize(self, blocks: Sequence[FinalRows], certificate: Certificate | None) -> None:
        """Write blocks that became final together, the last of them by `certificate`.

        The first call has the genesis block alone, which needs no certificate; heights must follow each other. Waits
        for the disk twice: for the segment, then for the batch of rows; a new segment takes two more waits. Raises
        StoreFailedError.
        """
        expected = 0 if self._head is None else self._head.height + 1
        assert [block.height for block in blocks] == list(range(expected, expected + len(blocks)))
        self._database.check_sound()
        check_room(self._disk, self.path)
        spots = self._segments.append([(block.height, block.block) for block in blocks])
        rows = [row for block, spot in zip(blocks, spots, strict=True) for row in _rows_of(block, spot)]
        last = blocks[-1]
        if certificate is not None:
            assert certificate.vote.block == last.block_id
            rows.append((schema.numbered(schema.CERTIFICATE, last.height), encode(certificate)))
            rows += self.guard.forgotten(certificate.vote.epoch, certificate.vote.view)
        head = HeadRow(height=last.height, block=last.block_id, state_root=last.state_root)
        rows.append((schema.HEAD, encode(head)))
        floor, gone = step(
            self.rows,
            self._floor,
            self._keep,
            height=last.height,
            time_ms=last.time_ms,
            at_most=STEP_HEIGHTS * len(blocks),
        )
        self._database.write([*rows, *gone, (schema.FLOOR, encode(floor))], sync=True)
        self._head = head
        self._rise_to(floor)

    def _rise_to(self, floor: FloorRow) -> None:
        """Note the floor that is on disk, and remove the segments that lie below it."""
        if floor.blocks != self._floor.blocks:
            self._segments.remove_before(self._row(floor.blocks).segment)
        self._floor = floor

    def prune(self) -> bool:
        """Let go of some of what is not to be kept; tell whether there was any (N46)."""
        if self._head is None:
            return False
        height = self._head.height
        floor, gone = step(
            self.rows,
            self._floor,
            self._keep,
            height=height,
            time_ms=self._row(height).time_ms,
            at_most=PRUNE_HEIGHTS,
        )
        if floor != self._floor:
            self._database.write([*gone, (schema.FLOOR, encode(floor))], sync=True)
            self._rise_to(floor)
        return bool(gone)

    def compact(self) -> None:
        """Have LevelDB give back the room of deleted rows; takes as long as writing them all anew."""
        self._database.compact()

    @property
    def floor(self) -> FloorRow:
        """From which height on blocks, and receipts and places of transactions, are here."""
        return self._floor

    def block(self, height: int) -> bytes | None:
        """Return the encoded final block at `height`; raises Refused STORE_DAMAGED if it is not what was written."""
        row = block_row(self.rows, height)
        return None if row is None else self._segments.read(_spot(row), height)

    def id_at(self, height: int) -> bytes | None:
        """Return the id of the final block at `height`."""
        row = block_row(self.rows, height)
        return None if row is None else row.id

    def epoch_at(self, height: int) -> int | None:
        """Return the epoch of the final block at `height`."""
        row = block_row(self.rows, height)
        return None if row is None else row.epoch

    def last_height_of(self, epoch: int) -> int | None:
        """Return the height of the highest block of an epoch that is here."""
        if self._head is None:
            return None
        low, high = self._floor.blocks, self._head.height
        while low < high:
            middle = (low + high + 1) // 2
            if self._row(middle).epoch > epoch:
                high = middle - 1
            else:
                low = middle
        return low if self._row(low).epoch == epoch else None

    def receipts(self, height: int) -> bytes | None:
        """Return the encoded receipts of the final block at `height`."""
        return self.rows.get(schema.numbered(schema.RECEIPTS, height))

    def state_root(self, height: int) -> bytes | None:
        """Return the state root after the final block at `height`."""
        return self.rows.get(schema.numbered(schema.ROOT, height))

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a final block."""
        raw = self.rows.get(schema.HEIGHT + block_id)
        return None if raw is None else int.from_bytes(raw, "big")

    def place_of(self, txid: bytes) -> tuple[int, int] | None:
        """Return (height, index) of a final transaction."""
        raw = self.rows.get(schema.TRANSACTION + txid)
        return None if raw is None else schema.decode_place(raw)

    def certificate_from(self, height: int) -> tuple[int, Certificate] | None:
        """Return the first certificate at or above `height`, and the height of the block that it names."""
        after = schema.numbered(schema.CERTIFICATE, height - 1) if height else None
        for key, raw in self.rows.scan(schema.CERTIFICATE, 1, after=after):
            return schema.number_of(key), decode(Certificate, raw, at_most=CERTIFICATE_BYTES_MAX)
        return None

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._segments.close()
        self._database.close()


def _spot(row: BlockRow) -> Spot:
    return Spot(row.segment, row.offset, row.size)


def _rows_of(block: FinalRows, spot: Spot) -> list[tuple[bytes, bytes | None]]:
    """Return the rows of one final block, all but the head's."""
    rows: list[tuple[bytes, bytes | None]] = [(schema.STATE + key, value) for key, value in block.writes.items()]
    place = BlockRow(
        id=block.block_id,
        epoch=block.epoch,
        time_ms=block.time_ms,
        segment=spot.segment,
        offset=spot.offset,
        size=spot.size,
    )
    rows += [
        (schema.numbered(schema.BLOCK, block.height), encode(place)),
        (schema.HEIGHT + block.block_id, block.height.to_bytes(8, "big")),
        (schema.numbered(schema.RECEIPTS, block.height), block.receipts),
        (schema.numbered(schema.ROOT, block.height), block.state_root),
    ]
    rows += [
        (schema.TRANSACTION + txid, schema.encode_place(block.height, at)) for at, txid in enumerate(block.transactions)
    ]
    return rows
