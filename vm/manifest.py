"""What a publication says about a model: its record and its id."""

import enum
from typing import Annotated

import msgspec

from primitives import codec
from primitives.content import ContentId
from primitives.hashing import AddressBytes, Hash, tagged
from primitives.limits import CONTENT_BYTES_MAX
from primitives.reasons import Reason, Refused
from primitives.record import Record
from vm.tensor import BUNDLE_TENSORS_MAX, DIMENSION_MAX, RANK_MAX, Bundle, DType, Name

MODEL_BYTES_MAX = CONTENT_BYTES_MAX
"""The largest model file."""
LICENCE_BYTES_MAX = 128
"""An SPDX expression."""
LINEAGE_MAX = 64
"""Parents, datasets or training jobs that one model may name."""
FREE = -1
"""A dimension that the input binds."""

PortDimension = Annotated[int, msgspec.Meta(ge=FREE, le=DIMENSION_MAX)]
Lineage = Annotated[list[Hash], msgspec.Meta(max_length=LINEAGE_MAX)]


class Class(enum.IntEnum):
    """How a model's jobs are executed and judged (DESIGN 7)."""

    NATIVE = 1
    EXACT = 2


class Port(Record):
    """One input or output of a model; a dimension of -1 is free."""

    name: Name
    dtype: DType
    shape: Annotated[list[PortDimension], msgspec.Meta(max_length=RANK_MAX)]


Ports = Annotated[list[Port], msgspec.Meta(min_length=1, max_length=BUNDLE_TENSORS_MAX)]


class Provenance(Record):
    """Where a model comes from: ids of models, datasets and training jobs; empty lists where nothing is claimed."""

    parents: Lineage
    datasets: Lineage
    training_jobs: Lineage


class Model(Record):
    """A published model: content-addressed and final (V10). How it is judged is not part of it."""

    file: ContentId
    inputs: Ports
    outputs: Ports
    licence: Annotated[bytes, msgspec.Meta(max_length=LICENCE_BYTES_MAX)]
    provenance: Provenance
    publisher: AddressBytes


class Ratio(Record):
    """A non-negative rational number."""

    numerator: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    denominator: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]


def model_id(model: Model) -> bytes:
    """Return the id of a model, 32 bytes: of its file and interface, not of who published it (V11)."""
    return tagged("assay/model", codec.encode([model.file, model.inputs, model.outputs]))


def _check_distinct(what: str, names: list[bytes]) -> None:
    for earlier, later in zip(sorted(names), sorted(names)[1:], strict=False):
        if earlier == later:
            raise Refused(Reason.GRAPH_INVALID, what=what, why="a name occurs twice", seen=later)


def check_model(model: Model) -> None:
    """Raise Refused unless the record is sound by itself: size and distinct names (V12)."""
    if model.file.length > MODEL_BYTES_MAX:
        raise Refused(Reason.MODEL_TOO_LARGE, seen=model.file.length, wanted=MODEL_BYTES_MAX)
    _check_distinct("inputs", [port.name for port in model.inputs])
    _check_distinct("outputs", [port.name for port in model.outputs])


def told_shape(shape: list[int]) -> str:
    """Return a shape as people read it, such as `[?,2048]`."""
    return "[" + ",".join("?" if dimension == FREE else str(dimension) for dimension in shape) + "]"


def fits(shape: list[int], port: Port) -> bool:
    """Return whether a tensor of this shape may stand at a port, whose free dimensions take any size."""
    return len(shape) == len(port.shape) and all(
        want in (FREE, have) for have, want in zip(shape, port.shape, strict=True)
    )


def check_inputs(inputs: list[Port], bundle: Bundle) -> None:
    """Raise Refused INPUT_WRONG_NAME, _TYPE or _SHAPE unless `bundle` has the tensors of `inputs`, in order (V16)."""
    wanted = [port.name for port in inputs]
    seen = [each.name for each in bundle.tensors]
    if seen != wanted:
        told = (b", ".join(seen).decode(errors="replace"), b", ".join(wanted).decode(errors="replace"))
        raise Refused(Reason.INPUT_WRONG_NAME, seen=told[0], wanted=told[1])
    for port, each in zip(inputs, bundle.tensors, strict=True):
        told_name, tensor = port.name.decode(errors="replace"), each.tensor
        if tensor.dtype is not port.dtype:
            types = (tensor.dtype.name.lower(), port.dtype.name.lower())
            raise Refused(Reason.INPUT_WRONG_TYPE, input=told_name, seen=types[0], wanted=types[1])
        if not fits(tensor.shape, port):
            raise Refused(
                Reason.INPUT_WRONG_SHAPE, input=told_name, seen=told_shape(tensor.shape), wanted=told_shape(port.shape)
            )
