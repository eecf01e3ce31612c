"""What a node asks its sandbox when it takes part in a dispute, and what it is told (V137).

A question is about one *subject*: the canonical runs of a job, or the tail that follows from one party's values at the
cut. Answers follow from the subject alone; the sandbox keeps the runs of the one that it was asked about last.
"""

from typing import Annotated

import msgspec

from primitives.hashing import Hash
from primitives.record import Record
from primitives.units import U32, U64
from vm import trace as traces
from vm.place import Place
from vm.program import Outline
from vm.tensor import BUNDLE_BYTES_MAX, TensorType
from vm.tiles import PROOF_BYTES_MAX

Encoded = Annotated[bytes, msgspec.Meta(max_length=PROOF_BYTES_MAX)]
Bundled = Annotated[bytes, msgspec.Meta(max_length=BUNDLE_BYTES_MAX)]
Roots = Annotated[list[Hash], msgspec.Meta(max_length=traces.PARTS_MAX)]


class Part(Record):
    """A window of a tree, and the width of the parts in which it is told (V84)."""

    low: U32
    high: U32
    width: U32

    @property
    def window(self) -> traces.Window:
        """The window."""
        return traces.Window(self.low, self.high)


class TraceAsked(Record, tag=30):
    """The trace, and the outline of the program. The reply is TraceTold."""


class RunAsked(Record, tag=31):
    """Roots of parts of a run's digests. The reply is PartsTold."""

    perturbed: bool
    part: Part


class ValueAsked(Record, tag=32):
    """Type of a value and roots of parts of its tree. The reply is PartsTold; of a trap, or before the cut, no type."""

    perturbed: bool
    value: U32
    """By its number in the program: an input's, a constant's or a result's."""
    part: Part | None
    """None for the whole tree, in parts of the least width."""


class NoiseAsked(Record, tag=33):
    """Roots of parts of the records of a value's rows. The reply is PartsTold, without a type."""

    place: U32
    part: Part


class LeafAsked(Record, tag=34):
    """A leaf of a value. The reply is BytesTold."""

    perturbed: bool
    value: U32
    leaf: U32


class DefenceAsked(Record, tag=35):
    """What shows at a place whether the trace is right: an encoded `vm.referee.defence.Defence`, in BytesTold."""

    at: Place


class WorstAsked(Record, tag=36):
    """How far off a party's values at the cut are. The reply is WorstTold."""

    cut: Bundled
    """The party's encoded bundle."""


class OutputsAsked(Record, tag=37):
    """Whether a party's outputs are others. The reply is BytesTold: an encoded `vm.referee.defence.Beyond`, or none."""

    outputs: Bundled
    """The party's encoded bundle."""


class ConditionAsked(Record, tag=38):
    """Whether the job is ill-conditioned. The reply is BytesTold: an encoded `Beyond`, or none."""


class ResultAsked(Record, tag=39):
    """What the outputs are, by their id. The reply is BytesTold: an encoded `ContentId`, or none where a run traps."""


Asked = (
    TraceAsked
    | RunAsked
    | ValueAsked
    | NoiseAsked
    | LeafAsked
    | DefenceAsked
    | WorstAsked
    | OutputsAsked
    | ConditionAsked
    | ResultAsked
)


class TraceTold(Record, tag=40):
    """A trace, which the dispute's claims are about."""

    trace: traces.Trace
    outline: Outline


class PartsTold(Record, tag=41):
    """Roots of parts, and for a value its type."""

    roots: Roots
    value_type: TensorType | None


class BytesTold(Record, tag=42):
    """A leaf, or an encoded proof; None where there is nothing to show."""

    raw: Encoded | None


class WorstTold(Record, tag=43):
    """The largest deviation, and what proves it."""

    thousandths: U64
    """Of σ."""
    place: U32
    """Among the values of the cut."""
    element: U64
    proof: Encoded | None
    """An encoded `vm.referee.defence.Beyond`; None if nothing deviates."""


Answer = TraceTold | PartsTold | BytesTold | WorstTold
