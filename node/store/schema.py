"""The key of every row: a letter for the kind, then big-endian numbers, so that key order is that of heights (N41).

| key                                | value                                                    |
|------------------------------------|----------------------------------------------------------|
| `m`                                | Meta                                                     |
| `h`                                | HeadRow                                                  |
| `s` ‖ state key                    | state row                                                |
| `f`                                | FloorRow                                                 |
| `b` ‖ height                       | BlockRow: where in the segments a final block stands     |
| `i` ‖ block id                     | height of a final block                                  |
| `r` ‖ height                       | receipts of a final block                                |
| `o` ‖ height                       | state root after a final block                           |
| `t` ‖ transaction id               | height ‖ index (4 bytes) of a final transaction          |
| `c` ‖ height                       | FINALIZE certificate of the block at that height         |
| `g` ‖ epoch ‖ view ‖ kind ‖ rest   | what consensus must remember (node.store.guard)          |
| `w`                                | epoch ‖ view at or below which nothing is ever signed    |
"""

from primitives.hashing import Hash
from primitives.record import Record
from primitives.units import U32, U64

VERSION = 2
"""Of this layout; a store of another version is refused."""

META = b"m"
HEAD = b"h"
FLOOR = b"f"
STATE = b"s"
BLOCK = b"b"
HEIGHT = b"i"
RECEIPTS = b"r"
ROOT = b"o"
TRANSACTION = b"t"
CERTIFICATE = b"c"
GUARD = b"g"
CLOSED = b"w"

ROW_BYTES_MAX = 256
"""Of the records of this page."""
RECEIPTS_BYTES_MAX = 8 << 20
"""The receipts of a block with 4,000 transactions, with their facts."""

_NUMBER_BYTES = 8
_INDEX_BYTES = 4


class Meta(Record):
    """What the store is of."""

    version: U32
    genesis_hash: Hash


class HeadRow(Record):
    """The last final block, and the root of the state rows."""

    height: U64
    block: Hash
    state_root: Hash


class FloorRow(Record):
    """From which height on things are held (N46)."""

    blocks: U64
    history: U64
    """Receipts, state roots and places of transactions."""


class BlockRow(Record):
    """A final block: what is asked of it often, and its record in the segments."""

    id: Hash
    epoch: U64
    time_ms: U64
    segment: U32
    offset: U32
    size: U32


def numbered(kind: bytes, number: int) -> bytes:
    """Return the key of a row that belongs to a height."""
    return kind + number.to_bytes(_NUMBER_BYTES, "big")


def number_of(key: bytes) -> int:
    """Return the number of such a key, its letter taken off or not."""
    return int.from_bytes(key[-_NUMBER_BYTES:], "big")


def guard_key(epoch: int, view: int, kind: int, rest: bytes) -> bytes:
    """Return the key of what consensus must remember of a view."""
    return numbered(GUARD, epoch) + view.to_bytes(_NUMBER_BYTES, "big") + bytes([kind]) + rest


def guard_place(key: bytes) -> tuple[int, int]:
    """Return epoch and view of such a key."""
    view_at = 1 + _NUMBER_BYTES
    return int.from_bytes(key[1:view_at], "big"), int.from_bytes(key[view_at : view_at + _NUMBER_BYTES], "big")


def encode_closed(epoch: int, view: int) -> bytes:
    """Return epoch and view as a value."""
    return epoch.to_bytes(_NUMBER_BYTES, "big") + view.to_bytes(_NUMBER_BYTES, "big")


def decode_closed(raw: bytes) -> tuple[int, int]:
    """Return (epoch, view) of such a value."""
    return int.from_bytes(raw[:_NUMBER_BYTES], "big"), int.from_bytes(raw[_NUMBER_BYTES:], "big")


def encode_place(height: int, index: int) -> bytes:
    """Return where a transaction stands, as a value."""
    return height.to_bytes(_NUMBER_BYTES, "big") + index.to_bytes(_INDEX_BYTES, "big")


def decode_place(raw: bytes) -> tuple[int, int]:
    """Return (height, index) of such a value."""
    return int.from_bytes(raw[:_NUMBER_BYTES], "big"), int.from_bytes(raw[_NUMBER_BYTES:], "big")
