"""The validators of an epoch: weights, quorum, and who leads a view (C15, C16)."""

import bisect
import itertools
from collections.abc import Sequence

from consensus.messages import VALIDATORS_MAX
from primitives.hashing import Hash, KeyBytes, tagged
from primitives.record import Record
from primitives.units import U64


class Validator(Record):
    """A validator's key for votes and its weight, which is its stake in grains."""

    key: KeyBytes
    weight: U64


class ValidatorSet:
    """The fixed list of an epoch's validators; a validator is named by its index.

    `seed` is the epoch's randomness R, 32 bytes, which alone decides who leads which view.
    """

    def __init__(self, members: Sequence[Validator], seed: Hash) -> None:
        assert 0 < len(members) <= VALIDATORS_MAX, "an epoch has 1 to 128 validators"
        assert all(member.weight > 0 for member in members), "a validator has weight"
        self.members = tuple(members)
        self.seed = seed
        self.weights = tuple(member.weight for member in members)
        self._cumulative = tuple(itertools.accumulate(self.weights))
        self.total = self._cumulative[-1]
        self.quorum = 2 * self.total // 3 + 1  # C15
        """Two sets of this weight share an honest validator while less than a third of the weight is faulty."""
        self.blame = self.total - self.quorum + 1  # C15
        """A set of this weight holds an honest validator while less than a third of the weight is faulty."""

    def __len__(self) -> int:
        return len(self.members)

    def leader(self, view: int) -> int:
        """Return the index of the leader of `view`, drawn by weight (C16)."""
        draw = int.from_bytes(tagged("assay/leader", self.seed, view.to_bytes(8, "big")), "big") % self.total
        return bisect.bisect_right(self._cumulative, draw)


class Instance:
    """One run of the protocol: a network (by genesis hash), an epoch and its validators."""

    def __init__(self, *, genesis_hash: Hash, epoch: int, validators: ValidatorSet) -> None:
        self.genesis_hash = genesis_hash
        self.epoch = epoch
        self.validators = validators
