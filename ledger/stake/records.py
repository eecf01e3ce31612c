"""What the state holds of stake: one record per kind of row (L40)."""

import enum
from typing import Annotated

import msgspec

from consensus.evidence import Offence
from consensus.messages import SignedVote
from primitives.hashing import AddressBytes, Hash, KeyBytes
from primitives.record import Record
from primitives.units import U8, U64, Bps

VERSIONS_MAX = 64
"""Changes of the rules that a network may have planned at a time."""


class ValidatorState(enum.IntEnum):
    """Where a validator stands."""

    READY = 1
    JAILED = 2
    LEAVING = 3
    BANNED = 4
    NEW = 5
    """There is no row yet."""


class Validator(Record):
    """A validator; its operator's address is the key. Keys and onion are those that the next set to be fixed names."""

    number: U64
    """In the order of registration."""
    key: KeyBytes
    peer: KeyBytes
    onion: Hash
    commission: Bps
    """Of what its blocks earn, to the operator before the rest is shared."""
    state: ValidatorState
    stake: U64
    """Grains delegated to it, the operator's own included."""
    shares: U64
    """Into which the stake is divided."""
    jailed_until_ms: U64
    """Block time; 0 if it never was in jail."""


class Delegation(Record):
    """What one account has delegated to one validator; both addresses are the key."""

    shares: U64


class Pool(Record):
    """Stake that was taken from a validator in one epoch and is not paid yet; address and epoch are the key."""

    stake: U64
    shares: U64
    """As many as there were grains when they were taken."""


class Claim(Record):
    """One account's part of a pool; due time, account and validator are the key."""

    epoch: U64
    """Of the pool."""
    shares: U64


class KeyOwner(Record):
    """Whose a vote key or a network key is, for good, or who has named an onion; it is the key of the row."""

    validator: AddressBytes


class Evidence(Record):
    """Two votes of one validator that no honest node casts both (C18)."""

    first: SignedVote
    second: SignedVote


class Conviction(Record):
    """A proved offence and what it cost; epoch and validator are the key."""

    evidence: Evidence
    offence: Offence
    weight: U64
    """Of the validator in that epoch."""
    slash_bps: Bps
    """Of the stake that stood for it."""
    slashed: U64
    """Grains, so far."""
    bounty: U64
    """The part of it that was paid to `reporter`."""
    reporter: AddressBytes
    """The operator who proposed the block with the evidence."""
    height: U64
    time_ms: U64
    """Block time."""


class RuleVersion(Record):
    """Rules that hold from a block time on, until the next ones do."""

    protocol: U8
    vm: U8
    """vm_version: how models are lowered."""
    from_ms: U64


class RuleVersions(Record):
    """All that are planned, the earliest first."""

    planned: Annotated[list[RuleVersion], msgspec.Meta(min_length=1, max_length=VERSIONS_MAX)]
