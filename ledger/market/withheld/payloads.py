"""What is sent about content that does not come: a filing that names chunks, and a chunk (H10, H20)."""

import enum
from typing import Annotated

import msgspec

from primitives.content import LEAF_BYTES, PROOF_HASHES_MAX
from primitives.hashing import AddressBytes, Hash
from primitives.record import Record
from primitives.units import U32

CHUNK_LEAVES = 64
CHUNK_BYTES = CHUNK_LEAVES * LEAF_BYTES
"""64 KiB: two of them leave most of a block's kept part to commitments and reveals (H21)."""
FILING_CHUNKS_MAX = 16
"""1 MiB, the largest input and output; of a larger model, the chunks that its filer picks (H12)."""


class Stage(enum.IntEnum):
    """What somebody lacks."""

    MODEL = 1
    """The model's file."""
    INPUT = 2
    """The job's input."""
    CUT = 3
    """A party's values at the cut, where they are too large to stand on the chain."""
    OUTPUT = 4
    """The output, sealed to the client."""


class WithheldFile(Record, tag=30):
    """Say that the holder does not serve these chunks of what the sender is owed, and pay for their carriage."""

    job: Hash
    stage: Stage
    holder: AddressBytes
    chunks: Annotated[list[U32], msgspec.Meta(min_length=1, max_length=FILING_CHUNKS_MAX)]
    """Places in the content, ascending; chunk i begins at byte i · 65,536."""


class WithheldChunk(Record, tag=31):
    """Show a chunk that a filing asks for, proved against the content's root."""

    job: Hash
    stage: Stage
    holder: AddressBytes
    """Who owes it; the sender may be anybody."""
    chunk: U32
    data: Annotated[bytes, msgspec.Meta(max_length=CHUNK_BYTES)]
    proof: Annotated[list[Hash], msgspec.Meta(max_length=PROOF_HASHES_MAX)]


WithheldPayload = WithheldFile | WithheldChunk
