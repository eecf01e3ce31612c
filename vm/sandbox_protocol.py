"""What pool and sandbox say to each other: frames of a 4-byte length and one record, a reply for each request (V30).

A sandbox is not trusted once it has read a stranger's model, so its replies are decoded with limits like any peer's.
"""

import enum
from typing import Annotated

import msgspec

from primitives import codec
from primitives.hashing import Hash
from primitives.reasons import Fact, Reason, Refused
from primitives.record import Record
from primitives.units import U32, U64
from vm import trace as traces
from vm.cost import Cost
from vm.dispute_protocol import Answer, Asked
from vm.lowering import CutValue, Lowering, Types
from vm.manifest import MODEL_BYTES_MAX, Class, Ports, Ratio
from vm.program import OPERATIONS_MAX
from vm.tensor import (
    BUNDLE_BYTES_MAX,
    BUNDLE_TENSORS_MAX,
    CUT_BUNDLE_BYTES_MAX,
    OUTPUT_BUNDLE_BYTES_MAX,
    Name,
    Shape,
)
from vm.tiles import Tile

LENGTH_BYTES = 4
REQUEST_BYTES_MAX = MODEL_BYTES_MAX + BUNDLE_BYTES_MAX + 64 * 1024
"""A model, samples of its input, and the shapes around them."""
REPLY_BYTES_MAX = 1280 * 1024
"""The outputs of a run with its cut. A model's ports, operators and faults take less, and so do 4,096 roots."""
FACT_CHARS_MAX = 300
"""A sandbox's words about a failure end up in receipts and on screens."""
FACTS_MAX = 8
FAULTS_MAX = 32
"""What an author is told at once; whoever has mended so many asks again."""
OPERATORS_MAX = 256
"""More than the operators that are admitted."""
SAMPLES_MAX = 8
"""A publisher's samples; they travel in one request, and each costs two canonical runs."""
DIGESTS_MAX = 4096
"""Roots of a trace that one reply carries: 128 KiB."""
DEVIATING_MAX = 64
"""Known answers that a machine got wrong; one is enough to end its duties."""
MODELS_KEPT = 4
"""Models that a sandbox keeps loaded; the one used longest ago goes first."""
MODELS_KEPT_BYTES = MODEL_BYTES_MAX
"""And their files together: loaded, a model takes up to five times its file, and the address space is limited."""

Text = Annotated[bytes, msgspec.Meta(max_length=4 * FACT_CHARS_MAX)]
Shapes = Annotated[list[Shape], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
"""The binding: a shape for each input, in the order of the model's inputs."""
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Optimisation(enum.IntEnum):
    """ONNX Runtime's levels of graph optimisation, by its own numbers."""

    DISABLED = 0
    BASIC = 1
    EXTENDED = 2
    ALL = 99


@enum.unique
class Layer(enum.IntEnum):
    """What stands between a model and the machine (V40)."""

    USER_NAMESPACE = 1
    NETWORK_NAMESPACE = 2
    IPC_NAMESPACE = 3
    EMPTY_ROOT = 4
    NO_NEW_PRIVILEGES = 5
    PARENT_DEATH = 6
    LIMITS = 7
    PROCESS_LIMIT = 8
    SECCOMP = 9


class Settings(Record):
    """How a sandbox is set up; it gets them, encoded in hexadecimal, as its one argument."""

    threads: U32
    optimisation: Optimisation
    memory_bytes: U64
    parent: U32
    """The process that it must not outlive."""


class Check(Record, tag=4):
    """Judge a model for inputs of certain shapes: what it means, what it costs, and in which classes it is served.

    `shapes` may be empty: then the samples bind them, or free dimensions are 1. Samples are encoded bundles of these
    shapes; without any, made-up ones are used.
    """

    model: bytes
    shapes: Shapes
    samples: Annotated[list[bytes], msgspec.Meta(max_length=SAMPLES_MAX)]
    calibrate: bool
    """Whether to run it: natively, canonically and perturbed, on each sample. Class native is offered only then."""


class Prepare(Record, tag=5):
    """Keep a model ready under `key` for jobs of one class with inputs of these shapes; the reply is Loaded."""

    key: Hash
    model: bytes
    shapes: Shapes
    class_: Class


class Execute(Record, tag=6):
    """Run a prepared model on an encoded bundle: natively up to the cut, or canonically as a whole."""

    key: Hash
    bundle: bytes
    prove: Ratio | None
    """The lowering's tolerance, if native values are to be held against the canonical run first (V107)."""


class Tail(Record, tag=7):
    """Compute the outputs of a prepared native model from somebody's values at the cut; both are encoded bundles."""

    key: Hash
    bundle: bytes
    """The job's input: a tail may read it, too."""
    cut: Annotated[bytes, msgspec.Meta(max_length=CUT_BUNDLE_BYTES_MAX)]


class Trace(Record, tag=8):
    """Run a prepared model of any class canonically, and tell the roots of `count` results from the `first` on."""

    key: Hash
    bundle: bytes
    first: Annotated[int, msgspec.Meta(ge=0, le=OPERATIONS_MAX)]
    count: Annotated[int, msgspec.Meta(ge=0, le=DIGESTS_MAX)]


class Ask(Record, tag=9):
    """Ask a prepared model about a subject of a dispute (V137); the reply is the question's."""

    key: Hash
    bundle: bytes
    """The job's input."""
    cut: Annotated[bytes, msgspec.Meta(max_length=CUT_BUNDLE_BYTES_MAX)] | None
    """A party's values at the cut, if its tail is meant."""
    tolerance: Ratio
    """The lowering's (V103)."""
    asked: Asked


Request = Check | Prepare | Execute | Tail | Trace | Ask


class Started(Record, tag=10):
    """The first frame of a sandbox: it is sealed, by these layers."""

    layers: Annotated[list[Layer], msgspec.Meta(max_length=len(Layer))]
    deviating: Annotated[list[Text], msgspec.Meta(max_length=DEVIATING_MAX)]
    """Known-answer tests that this machine fails. Unless empty, it computes otherwise than others do."""
    compiled: bool
    """Whether canonical runs have compiled kernels here; without them they take several times as long."""


class Loaded(Record, tag=12):
    """The model is ready, and so are all of these."""

    keys: Annotated[list[Hash], msgspec.Meta(max_length=MODELS_KEPT)]


class ToldFact(Record):
    """One fact of a refusal."""

    name: Text
    value: Text | Number


class Failed(Record, tag=14):
    """The request was refused, for a reason of the 5xx or 6xx."""

    reason: Reason
    facts: Annotated[list[ToldFact], msgspec.Meta(max_length=FACTS_MAX)]


@enum.unique
class Kind(enum.IntEnum):
    """What an operator of a file does to the last bits of its values."""

    UNKNOWN = 0
    """It is not served."""
    EXACT = 1
    """The same inputs give the same bits everywhere."""
    INEXACT = 2
    CONTRACTION = 3
    DISCONTINUOUS = 4
    """It turns a small difference into a large one."""


class Used(Record):
    """An operator of a model, as a whole."""

    name: Name
    """With its domain before a dot, unless that is ai.onnx."""
    count: U32
    in_tail: U32
    """How many of its nodes everyone computes canonically."""
    kind: Kind


class Fault(Record):
    """Something that stands against a model."""

    native: bool
    exact: bool
    """Against which classes it stands."""
    reason: Reason
    facts: Annotated[list[ToldFact], msgspec.Meta(max_length=FACTS_MAX)]
    """`node` where, `seen` and `wanted`, and `change`: what its author can do about it."""


class Noise(Record):
    """What calibration found of one value at the cut, over all samples."""

    name: Name
    sigma: U64
    """The largest noise σ of a row, in billionths of the scale, rounded up."""
    deviation: U64
    """The largest deviation of the native from the canonical value, in billionths of max(|canonical|, S)."""
    in_sigma: U64
    """The largest deviation of the native value in thousandths of its row's σ, rounded up."""


class Calibration(Record):
    """What the runs on the samples showed."""

    samples: U32
    made_up: bool
    """Whether the samples are the sandbox's own, for want of others."""
    values: Annotated[list[Noise], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    native_us: U64
    canonical_us: U64
    """Time of the fastest native run (without the tail) and of the fastest canonical run."""


class Meaning(Record):
    """What a model means for inputs of certain shapes; all of it a function of file and shapes."""

    inputs: Types
    outputs: Types
    program_root: Hash
    constants_root: Hash
    operations: U32
    tail_operations: U32
    cut: Annotated[list[CutValue], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    """The first of them, if there are more than fit."""
    cut_bytes: U64
    output_bytes: U64
    cost: Cost
    worst: Tile
    worst_node: Text
    """The node of the file from which the worst tile comes."""


class Checked(Record, tag=15):
    """All that is known about a model for inputs of certain shapes."""

    inputs: Ports
    outputs: Ports
    """As declared."""
    nodes: U32
    operators: Annotated[list[Used], msgspec.Meta(max_length=OPERATORS_MAX)]
    faults: Annotated[list[Fault], msgspec.Meta(max_length=FAULTS_MAX)]
    """Everything that was found, in the order of the file."""
    meaning: Meaning | None
    """None if a fault stands in the way of lowering."""
    calibration: Calibration | None
    """None unless it was asked for and the runs went through."""
    lowering: Lowering | None
    """What may be registered on chain; None if no class is offered."""


class Executed(Record, tag=16):
    """Encoded bundles of the values at the cut (none in class exact) and of the outputs."""

    cut: Annotated[bytes, msgspec.Meta(max_length=CUT_BUNDLE_BYTES_MAX)]
    outputs: Annotated[bytes, msgspec.Meta(max_length=OUTPUT_BUNDLE_BYTES_MAX)]
    wall_ms: U32


class TailGiven(Record, tag=17):
    """The encoded bundle of the outputs."""

    outputs: Annotated[bytes, msgspec.Meta(max_length=OUTPUT_BUNDLE_BYTES_MAX)]


class Traced(Record, tag=18):
    """A canonical trace, and those of the roots of its first run that were asked for."""

    trace: traces.Trace
    digests: Annotated[list[Hash], msgspec.Meta(max_length=DIGESTS_MAX)]


Reply = Started | Loaded | Failed | Checked | Executed | TailGiven | Traced | Answer


def failed(refused: Refused) -> Failed:
    """Return the reply that carries a refusal, its texts cut to length."""
    facts = [
        ToldFact(name=name.encode(), value=value if isinstance(value, int) and abs(value) < 2**63 else _text(value))
        for name, value in list(refused.facts.items())[:FACTS_MAX]
    ]
    return Failed(reason=refused.reason, facts=facts)


def _text(value: Fact) -> bytes:
    told = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return told[:FACT_CHARS_MAX].encode(errors="replace")


def refused(reply: Failed) -> Refused:
    """Return the refusal that a reply carries."""
    facts: dict[str, Fact] = {}
    for told in reply.facts:
        name = told.name.decode(errors="replace")
        if name not in ("self", "reason"):  # would collide with the arguments of Refused
            facts[name] = told.value if isinstance(told.value, int) else told.value.decode(errors="replace")
    return Refused(reply.reason, **facts)


def frame(message: Request | Reply) -> bytes:
    """Return a message as it goes through the pipe."""
    body = codec.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_length(head: bytes, *, at_most: int) -> int:
    """Return the length that a frame's first 4 bytes announce. Raises Refused TOO_LARGE."""
    length = int.from_bytes(head, "big")
    if length > at_most:
        raise Refused(Reason.TOO_LARGE, seen=length, wanted=at_most)
    return length
