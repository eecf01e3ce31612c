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
from vm.manifest import CUT_VALUES_MAX, MODEL_BYTES_MAX, Class, Ports
from vm.tensor import BUNDLE_BYTES_MAX, SMALL_BUNDLE_BYTES_MAX, Name, TensorType

LENGTH_BYTES = 4
REQUEST_BYTES_MAX = MODEL_BYTES_MAX + BUNDLE_BYTES_MAX + 64 * 1024
"""A model, a sample of its input, and the names around them."""
REPLY_BYTES_MAX = 256 * 1024
"""The ports of a model (64 names and shapes), two small bundles, a list of operators: far below this."""
FACT_CHARS_MAX = 300
"""A sandbox's words about a failure end up in receipts and on screens."""
FACTS_MAX = 8
OPERATORS_MAX = 256
"""More than the operators that are admitted."""
MODELS_KEPT = 4
"""Models that a sandbox keeps loaded; the one used longest ago goes first."""
MODELS_KEPT_BYTES = MODEL_BYTES_MAX
"""And their files together: loaded, a model takes up to five times its file, and the address space is limited."""

CutNames = Annotated[list[Name], msgspec.Meta(max_length=CUT_VALUES_MAX)]
Text = Annotated[bytes, msgspec.Meta(max_length=4 * FACT_CHARS_MAX)]
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


class Admit(Record, tag=1):
    """Judge a model for publication; `sample` is an encoded bundle, or empty for zeros with free dimensions of 1."""

    model: bytes
    cut: CutNames
    class_: Class
    sample: bytes


class Load(Record, tag=2):
    """Keep a model ready under `key`, with the cut as extra outputs."""

    key: Hash
    model: bytes
    cut: CutNames


class Run(Record, tag=3):
    """Run a loaded model on an encoded bundle."""

    key: Hash
    bundle: bytes


Request = Admit | Load | Run


class Started(Record, tag=10):
    """The first frame of a sandbox: it is sealed, by these layers."""

    layers: Annotated[list[Layer], msgspec.Meta(max_length=len(Layer))]


class Operator(Record):
    """An operator of a model, and how often it occurs."""

    name: Name
    count: U32


class Admitted(Record, tag=11):
    """The model may be published."""

    inputs: Ports
    outputs: Ports
    cut: Annotated[list[TensorType], msgspec.Meta(max_length=CUT_VALUES_MAX)]
    """Types of the values at the cut, as seen in the run on the sample."""
    cut_bytes: U64
    output_bytes: U64
    """Bytes of values at the cut and of the outputs, as seen in that run."""
    nodes: U32
    operators: Annotated[list[Operator], msgspec.Meta(max_length=OPERATORS_MAX)]


class Loaded(Record, tag=12):
    """The model is ready, and so are all of these."""

    keys: Annotated[list[Hash], msgspec.Meta(max_length=MODELS_KEPT)]


class Ran(Record, tag=13):
    """Encoded bundles of the values at the cut and of the outputs."""

    cut: Annotated[bytes, msgspec.Meta(max_length=SMALL_BUNDLE_BYTES_MAX)]
    outputs: Annotated[bytes, msgspec.Meta(max_length=SMALL_BUNDLE_BYTES_MAX)]
    wall_ms: U32


class ToldFact(Record):
    """One fact of a refusal."""

    name: Text
    value: Text | Number


class Failed(Record, tag=14):
    """The request was refused, for a reason of the 5xx or 6xx."""

    reason: Reason
    facts: Annotated[list[ToldFact], msgspec.Meta(max_length=FACTS_MAX)]


Reply = Started | Admitted | Loaded | Ran | Failed


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
