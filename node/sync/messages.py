"""What nodes ask each other about the chain (request protocol "sync"), and what they gossip of it (N60, N61)."""

from typing import Annotated

import msgspec

from consensus.messages import CERTIFICATE_BYTES_MAX, Certificate
from ledger.block import Header
from ledger.limits import BLOCK_ENCODED_BYTES_MAX, BLOCK_TXS_MAX
from primitives.codec import decode
from primitives.hashing import Hash
from primitives.record import Record
from primitives.units import U64

PROTOCOL = "sync"
FINAL_TOPIC = "final"
REQUEST_BYTES_MAX = 64
RANGE_BLOCKS_MAX = 256
"""Blocks of one answer; empty ones have 500 bytes, and each is executed."""
RANGE_BYTES_MAX = 2 << 20
"""Bytes of blocks after which an answer takes no further one; with one more it stays below the network's 4 MiB."""
ANSWER_BYTES_MAX = RANGE_BYTES_MAX + BLOCK_ENCODED_BYTES_MAX + 2 * CERTIFICATE_BYTES_MAX
ANNOUNCED_BYTES_MAX = 8 << 10
"""Of the transactions that travel with the news of their block, as those of the steps of a few jobs do: all but
validators wait for them, and to ask for them takes longer than to agree on them. Heavier blocks are asked for."""
ANNOUNCEMENT_BYTES_MAX = CERTIFICATE_BYTES_MAX + ANNOUNCED_BYTES_MAX + 2_048

EncodedTransaction = Annotated[bytes, msgspec.Meta(max_length=ANNOUNCED_BYTES_MAX)]
EncodedBlock = Annotated[bytes, msgspec.Meta(max_length=BLOCK_ENCODED_BYTES_MAX)]


class StatusRequest(Record, tag=1):
    """Asks how far a peer is."""


class RangeRequest(Record, tag=2):
    """Asks for final blocks from `first` to `last`, and on to the next one with a certificate.

    Answered as soon as the peer has the first one, or not at all.
    """

    first: U64
    last: U64


class BodyRequest(Record, tag=3):
    """Asks for one block, final or not."""

    block: Hash


SyncRequest = StatusRequest | RangeRequest | BodyRequest


class Status(Record):
    """A peer's last final block. A claim: what follows from it is checked."""

    height: U64
    block: Hash
    lowest: U64
    """The least height whose block the peer still has."""


class Range(Record, tag=1):
    """Final blocks of one epoch in order, and the FINALIZE certificate of the last of them.

    Without one the certificate comes with a later block: the asker goes on from there before it trusts these.
    """

    blocks: Annotated[list[EncodedBlock], msgspec.Meta(max_length=RANGE_BLOCKS_MAX)]
    certificate: Certificate | None


class NotHere(Record, tag=2):
    """The peer has let go of the first block that was asked for; what it has begins at `lowest` (N46)."""

    lowest: U64


RangeAnswer = Range | NotHere


class Announcement(Record):
    """A final block's header and the certificate that makes it final: all that a light client needs (C17)."""

    header: Header
    certificate: Certificate
    transactions: Annotated[list[EncodedTransaction], msgspec.Meta(max_length=BLOCK_TXS_MAX)] | None
    """The rest of the block; None where they are heavy, or it carries evidence, and is to be asked for (N61)."""


def decode_request(raw: bytes) -> SyncRequest:
    """Decode a request; raises Refused."""
    request: SyncRequest = decode(SyncRequest, raw, at_most=REQUEST_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
    return request


def decode_range_answer(raw: bytes) -> RangeAnswer:
    """Decode what a peer answers to a RangeRequest; raises Refused."""
    answer: RangeAnswer = decode(RangeAnswer, raw, at_most=ANSWER_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
    return answer
