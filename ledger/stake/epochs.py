"""The validators of an epoch as the state holds them, and the epoch that is under way (Q1 to Q5)."""

from typing import Annotated

import msgspec

from consensus.validators import Instance, Validator, ValidatorSet
from ledger.limits import EVIDENCE_EPOCHS_MAX, VALIDATORS_MAX
from ledger.parameters import Parameters
from primitives import codec
from primitives.hashing import AddressBytes, Hash, KeyBytes, tagged
from primitives.record import Record
from primitives.units import U64


class Member(Record):
    """A validator's place in the set of an epoch; votes and headers name it by its index."""

    validator: AddressBytes
    """The operator's address, which names the validator for good."""
    key: KeyBytes
    """Signs votes."""
    peer: KeyBytes
    """Network public key of its node."""
    onion: Hash
    """The outermost layer of the hash onion that it reveals in this epoch."""
    weight: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


Members = Annotated[list[Member], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]


class EpochSet(Record):
    """The validators of an epoch, in the order of their registration, and the randomness that draws its leaders."""

    epoch: U64
    seed: Hash
    """R of this epoch."""
    members: Members

    @property
    def weight(self) -> int:
        """Return the weight of all together, W."""
        return sum(each.weight for each in self.members)

    def index_of(self, validator: bytes) -> int | None:
        """Return the place of a validator (by address), None if it is no member."""
        return next((at for at, each in enumerate(self.members) if each.validator == validator), None)


class Epoch(Record):
    """The epoch that the next block belongs to; the lists are in the order of its members."""

    number: U64
    started_ms: U64
    """Block time of the last block of the epoch before."""
    proposed: Annotated[list[U64], msgspec.Meta(max_length=VALIDATORS_MAX)]
    """Blocks of each member."""
    missed: Annotated[list[U64], msgspec.Meta(max_length=VALIDATORS_MAX)]
    """Views that each member led and that a block skipped."""


def set_hash(epoch_set: EpochSet) -> bytes:
    """Return the hash by which headers name the validators of an epoch, 32 bytes (Q2)."""
    return tagged("assay/validators", codec.encode(epoch_set))


def seed_of(beacon: bytes, epoch: int) -> bytes:
    """Return R of an epoch, 32 bytes, from the beacon's value when its set is fixed (Q3)."""
    return tagged("assay/epoch-seed", beacon, epoch.to_bytes(8, "big"))


def instance_of(genesis_hash: bytes, epoch_set: EpochSet) -> Instance:
    """Return the instance of consensus that the validators of an epoch run."""
    members = [Validator(key=each.key, weight=each.weight) for each in epoch_set.members]
    return Instance(genesis_hash=genesis_hash, epoch=epoch_set.epoch, validators=ValidatorSet(members, epoch_set.seed))


def begun(number: int, started_ms: int, members: int) -> Epoch:
    """Return an epoch in which nobody has led a view yet."""
    return Epoch(number=number, started_ms=started_ms, proposed=[0] * members, missed=[0] * members)


def kept_epochs(parameters: Parameters) -> int:
    """Return for how many epochs after its own a vote can be held against its signer (Q5).

    As an epoch lasts at least `epoch_ms`, these last at least as long as unbonding, up to the limit.
    """
    return min(EVIDENCE_EPOCHS_MAX, -(-parameters.unbonding_ms // parameters.epoch_ms))
