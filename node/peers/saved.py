"""The file in which a node keeps its address book and its bans over restarts."""

import random
from typing import Annotated

import msgspec

from node.peers.addresses import HOST_TEXT_MAX
from node.peers.book import BUCKET_SIZE, HEARD_BUCKETS, REACHED_BUCKETS, Book, Entry
from node.peers.records import SignedPeerRecord
from node.peers.standing import TRACKED_MAX
from primitives.codec import decode, encode
from primitives.hashing import HASH_BYTES, Hash, sha256
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32, U64

MAGIC = b"assay peers 1\n"
FILE_BYTES_MAX = 4 << 20
"""A full book of 1,536 entries takes 500 KB, 4,096 bans as much."""
ENTRIES_MAX = (HEARD_BUCKETS + REACHED_BUCKETS) * BUCKET_SIZE


class SavedEntry(Record):
    """An entry of the book."""

    signed: SignedPeerRecord
    source: Annotated[str, msgspec.Meta(max_length=HOST_TEXT_MAX)]
    is_reached: bool
    failures: U32
    reached_s: U64


class SavedBan(Record):
    """A banned name and the Unix second at which the ban ends."""

    name: Annotated[str, msgspec.Meta(max_length=2 * HOST_TEXT_MAX)]
    until_s: U64


class SavedPeers(Record):
    """The whole file, after its magic and the SHA-256 of the rest."""

    secret: Hash
    entries: Annotated[list[SavedEntry], msgspec.Meta(max_length=ENTRIES_MAX)]
    bans: Annotated[list[SavedBan], msgspec.Meta(max_length=TRACKED_MAX)]


def write_peers(book: Book, bans: list[tuple[str, int]]) -> bytes:
    """Return the bytes of the file."""
    entries = [
        SavedEntry(
            signed=entry.signed,
            source=entry.source,
            is_reached=entry.is_reached,
            failures=entry.failures,
            reached_s=int(entry.reached_s),
        )
        for entry in book.entries()
    ]
    raw = encode(
        SavedPeers(
            secret=book.secret, entries=entries, bans=[SavedBan(name=name, until_s=until) for name, until in bans]
        )
    )
    return MAGIC + sha256(raw) + raw


def read_peers(raw: bytes, chance: random.Random) -> tuple[Book, list[tuple[str, int]]]:
    """Return the book and the bans of a file; raises Refused MALFORMED or TOO_LARGE if it is damaged."""
    digest, body = raw[len(MAGIC) : len(MAGIC) + HASH_BYTES], raw[len(MAGIC) + HASH_BYTES :]
    if not raw.startswith(MAGIC) or sha256(body) != digest:
        raise Refused(Reason.MALFORMED, why="the checksum is another")
    saved = decode(SavedPeers, body, at_most=FILE_BYTES_MAX)
    book = Book(saved.secret, chance)
    for each in saved.entries:
        book.put(
            Entry(
                signed=each.signed,
                source=each.source,
                is_reached=each.is_reached,
                failures=each.failures,
                reached_s=float(each.reached_s),
            )
        )
    return book, [(ban.name, ban.until_s) for ban in saved.bans]
