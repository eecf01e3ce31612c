"""What accounts sign about jobs besides the job itself: batches (J80) and canaries (J90)."""

from typing import Annotated

import msgspec

from ledger.parameters import Tier
from primitives.content import ContentId
from primitives.hashing import AddressBytes, Hash, KeyBytes, Salt
from primitives.record import Record
from primitives.units import U64
from vm.manifest import Class

BATCH_ITEMS_MAX = 64
"""Half of the submissions of a block: two batches fill one."""

ItemNumber = Annotated[int, msgspec.Meta(ge=0, le=BATCH_ITEMS_MAX - 1)]


class CanaryOpen(Record, tag=33):
    """Confess as its provider that a job's values are wrong on purpose, as the client committed to beforehand."""

    job: Hash
    salt: Salt


class BatchItem(Record):
    """One run of a batch."""

    input: ContentId
    canary: Hash
    """As that of a JobSubmit."""


class BatchSubmit(Record, tag=34):
    """Ask for one run of a model on each of several inputs, all on the same terms."""

    model: Hash
    lowering: Hash
    tier: Tier
    class_: Class
    max_price: U64
    """For each item."""
    provider: AddressBytes | None
    at_risk: U64
    """For each item."""
    reply_key: KeyBytes | None
    items: Annotated[list[BatchItem], msgspec.Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


class BatchAccept(Record, tag=35):
    """Provide several items of a batch, each for `price`."""

    batch: Hash
    items: Annotated[list[ItemNumber], msgspec.Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]
    """Their numbers, ascending."""
    price: U64
