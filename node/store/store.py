"""The node's disk: final blocks, the state after the last of them, and what consensus must remember.

A block becomes final in one synced batch, so a crash leaves the store before a block or after it, never between (N42).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.messages import CERTIFICATE_BYTES_MAX, Certificate
from node.store import schema
from node.store.database import Database, Rows
from node.store.guard import Guard
from node.store.schema import HeadRow, Meta
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

_ROW_BYTES_MAX = 256
"""Meta and head rows."""


@dataclass(frozen=True, kw_only=True)
class FinalRows:
    """What a final block leaves on disk."""

    height: int
    block_id: bytes
    block: bytes
    receipts: bytes
    transactions: Sequence[bytes]
    """Their ids, in order."""
    writes: Mapping[bytes, bytes | None]
    """State rows; None deletes one."""
    state_root: bytes
    """After this block."""


class Store:
    """The open store of one network."""

    def __init__(self, path: Path, genesis_hash: bytes) -> None:
        """Open or create; raises Refused STORE_FOREIGN, STORE_DAMAGED or HOME_IN_USE."""
        self._database = Database(path)
        self._all = self._database.rows(b"")
        self.state = self._database.rows(schema.STATE)
        """The state after the last final block, as it stands at each look."""
        self.guard = Guard(self._database)
        try:
            self._check_meta(Meta(version=schema.VERSION, genesis_hash=genesis_hash))
            head = self._all.get(schema.HEAD)
            self._head = None if head is None else decode(HeadRow, head, at_most=_ROW_BYTES_MAX)
        except BaseException:
            self._database.close()
            raise

    def _check_meta(self, wanted: Meta) -> None:
        """Mark a new store as `wanted`; raise Refused STORE_FOREIGN if an old one is marked otherwise (N43)."""
        raw = self._all.get(schema.META)
        if raw is None:
            self._database.write([(schema.META, encode(wanted))], sync=True)
            return
        found = decode(Meta, raw, at_most=_ROW_BYTES_MAX)
        if found.version != wanted.version:
            raise Refused(Reason.STORE_FOREIGN, seen=found.version, wanted=wanted.version, what="layout version")
        if found.genesis_hash != wanted.genesis_hash:
            raise Refused(Reason.STORE_FOREIGN, seen=found.genesis_hash, wanted=wanted.genesis_hash, what="genesis")

    @property
    def head(self) -> HeadRow | None:
        """The last final block; None in a new store."""
        return self._head

    def state_now(self) -> Rows:
        """Return the state rows after the last final block, unchanged by later blocks."""
        return self._database.snapshot(schema.STATE)

    def finalize(self, blocks: Sequence[FinalRows], certificate: Certificate | None) -> None:
        """Write blocks that became final together, the last of them by `certificate`, in one synced batch.

        The first call has the genesis block alone, which needs no certificate; heights must follow each other.
        """
        rows: list[tuple[bytes, bytes | None]] = []
        expected = 0 if self._head is None else self._head.height + 1
        for offset, block in enumerate(blocks):
            assert block.height == expected + offset
            rows += _rows_of(block)
        last = blocks[-1]
        if certificate is not None:
            assert certificate.vote.block == last.block_id
            rows.append((schema.numbered(schema.CERTIFICATE, last.height), encode(certificate)))
            rows += self.guard.forgotten(certificate.vote.view)
        head = HeadRow(height=last.height, block=last.block_id, state_root=last.state_root)
        rows.append((schema.HEAD, encode(head)))
        self._database.write(rows, sync=True)
        self._head = head

    def block(self, height: int) -> bytes | None:
        """Return the encoded final block at `height`."""
        return self._all.get(schema.numbered(schema.BLOCK, height))

    def receipts(self, height: int) -> bytes | None:
        """Return the encoded receipts of the final block at `height`."""
        return self._all.get(schema.numbered(schema.RECEIPTS, height))

    def state_root(self, height: int) -> bytes | None:
        """Return the state root after the final block at `height`."""
        return self._all.get(schema.numbered(schema.ROOT, height))

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a final block."""
        raw = self._all.get(schema.HEIGHT + block_id)
        return None if raw is None else int.from_bytes(raw, "big")

    def place_of(self, txid: bytes) -> tuple[int, int] | None:
        """Return (height, index) of a final transaction."""
        raw = self._all.get(schema.TRANSACTION + txid)
        return None if raw is None else schema.decode_place(raw)

    def certificate_from(self, height: int) -> tuple[int, Certificate] | None:
        """Return the first certificate at or above `height`, and the height of the block that it names."""
        after = schema.numbered(schema.CERTIFICATE, height - 1) if height else None
        for key, raw in self._all.scan(schema.CERTIFICATE, 1, after=after):
            return schema.number_of(key), decode(Certificate, raw, at_most=CERTIFICATE_BYTES_MAX)
        return None

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._database.close()


def _rows_of(block: FinalRows) -> list[tuple[bytes, bytes | None]]:
    """Return the rows of one final block, all but the head's."""
    rows: list[tuple[bytes, bytes | None]] = [(schema.STATE + key, value) for key, value in block.writes.items()]
    rows += [
        (schema.numbered(schema.BLOCK, block.height), block.block),
        (schema.HEIGHT + block.block_id, block.height.to_bytes(8, "big")),
        (schema.numbered(schema.RECEIPTS, block.height), block.receipts),
        (schema.numbered(schema.ROOT, block.height), block.state_root),
    ]
    rows += [
        (schema.TRANSACTION + txid, schema.encode_place(block.height, at)) for at, txid in enumerate(block.transactions)
    ]
    return rows
