"""The JSON objects of the methods about models and their lowerings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from node.rpc.method import PAGE, AddressText, HexHash, Length, PageLimit, Shape
from node.rpc.shapes import Content
from vm.tensor import BUNDLE_TENSORS_MAX, DIMENSION_MAX, RANK_MAX

ShapeOfInput = Annotated[list[Annotated[int, Meta(ge=0, le=DIMENSION_MAX)]], Meta(max_length=RANK_MAX)]


class ModelFile(Shape):
    """A model file that this node holds or can fetch, and a shape for each of its inputs; none: 1 where it is free."""

    root: HexHash
    length: Length
    shapes: Annotated[list[ShapeOfInput], Meta(max_length=BUNDLE_TENSORS_MAX)] = msgspec.field(default_factory=list)


class LoweringPage(Shape):
    """A part of the list of a model's lowerings: of all, of those for certain shapes, of those by one account."""

    model: HexHash
    shapes: Annotated[list[ShapeOfInput], Meta(max_length=BUNDLE_TENSORS_MAX)] | None = None
    publisher: AddressText | None = None
    limit: PageLimit = PAGE
    cursor: HexHash | None = None


class PortShape(Shape):
    """An input or output of a model; -1 stands for a free dimension."""

    name: str
    dtype: str
    shape: list[int]


class ModelShape(Shape):
    """A published model."""

    id: HexHash
    file: Content
    inputs: list[PortShape]
    outputs: list[PortShape]
    licence: str
    publisher: AddressText
    parents: list[HexHash]
    datasets: list[HexHash]
    training_jobs: list[HexHash]
    published: int
    """Height."""


class ModelList(Shape):
    """A part of the list of models, by id."""

    models: list[ModelShape]
    next: HexHash | None


class CostShape(Shape):
    """What a run takes, counted before it."""

    macs: int
    """Multiplications with addition."""
    elementary: int
    """Elements of elementary functions."""
    moved_bytes: int
    operations: int
    steps: int
    """The longest chain of operations that wait for each other."""
    peak_bytes: int
    trace_bytes: int
    nodes: int
    gas: int
    """In class exact: microseconds of one core."""
    native_gas: int


class TileShape(Shape):
    """What judging the worst element takes."""

    proof_bytes: int
    steps: int
    flops: int
    operation: int


class LoweringShape(Shape):
    """What a model's jobs mean for inputs of certain shapes."""

    id: HexHash
    model: HexHash
    vm_version: int
    inputs: list[PortShape]
    """With the shapes that it is for."""
    outputs: list[PortShape]
    program_root: HexHash
    constants_root: HexHash
    classes: list[str]
    """In which jobs are served: native, exact."""
    cut: list[PortShape]
    """The values at which native runs are compared."""
    tolerance: str | None
    """A fraction, as 1/10000; null unless class native is served."""
    cost: CostShape
    worst: TileShape
    publisher: AddressText
    published: int
    """Height."""


class LoweringList(Shape):
    """A part of the list of a model's lowerings, by id."""

    lowerings: list[LoweringShape]
    next: HexHash | None


class OperatorShape(Shape):
    """An operator of a model."""

    name: str
    count: int
    in_tail: int
    """How many of its nodes everyone computes canonically."""
    kind: str
    """exact, inexact, contraction or discontinuous; unknown: it is not served."""


class FaultShape(Shape):
    """Something that stands against a model."""

    classes: list[str]
    """Against which it stands."""
    reason: int
    reason_name: str
    facts: dict[str, str | int]
    """Such as `node`: where, `seen` and `wanted`, and `change`: what its author can do about it."""


class NoiseShape(Shape):
    """What calibration found of one value at the cut."""

    name: str
    sigma: int
    """The noise, in billionths of the scale."""
    deviation: int
    """Of the native from the canonical value, in billionths."""
    in_sigma: int
    """The same in thousandths of the noise."""


class CalibrationShape(Shape):
    """What runs on samples showed."""

    samples: int
    made_up: bool
    """Whether the samples are the sandbox's own."""
    values: list[NoiseShape]
    native_us: int
    canonical_us: int


class MeaningShape(Shape):
    """What a model means for inputs of these shapes."""

    inputs: list[PortShape]
    outputs: list[PortShape]
    program_root: HexHash
    constants_root: HexHash
    operations: int
    tail_operations: int
    cut: list[PortShape]
    cut_bytes: int
    output_bytes: int
    cost: CostShape
    worst: TileShape
    worst_node: str


class ModelVerdict(Shape):
    """All that a sandbox found of a model."""

    inputs: list[PortShape]
    outputs: list[PortShape]
    nodes: int
    operators: list[OperatorShape]
    faults: list[FaultShape]
    classes: list[str]
    """In which its jobs would be served; empty: it is refused."""
    meaning: MeaningShape | None
    calibration: CalibrationShape | None
    tolerance: str | None
