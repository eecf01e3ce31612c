"""Judging a model: what it means, in which classes it is served and why not, and what its runs on samples show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import onnx

from primitives.content import content_id
from primitives.reasons import Reason, Refused
from vm.canonical.kernels import Kernels
from vm.cost import TRACE_BYTES_MAX
from vm.lowering import Lowering, classes_of
from vm.manifest import FREE, Class, Model, Port, Provenance, check_inputs, model_id
from vm.program import VM_VERSION
from vm.sandbox import operators, policy
from vm.sandbox.calibration import Calibrating, made_up, tolerance
from vm.sandbox.continuity import hindrances
from vm.sandbox.lower.lowering import NESTING_MAX
from vm.sandbox.meaning import Derived, derive, meaning
from vm.sandbox.prepared import load_native, read_input
from vm.sandbox_protocol import (
    FAULTS_MAX,
    OPERATORS_MAX,
    Calibration,
    Check,
    Checked,
    Fault,
    Kind,
    Meaning,
    Settings,
    Used,
    failed,
)
from vm.tensor import (
    BUNDLE_BYTES_MAX,
    BUNDLE_TENSORS_MAX,
    CUT_VALUES_BYTES_MAX,
    FLOATS,
    NAME_BYTES_MAX,
    OUTPUT_VALUES_BYTES_MAX,
    SMALL_BUNDLE_BYTES_MAX,
    Bundle,
    bytes_of,
    decode_bundle,
    element_count,
)
from vm.tiles import check_tiles

GAS_MAX = 60_000_000
"""A minute of one core: what a worker allows by default."""
JUDGED_GAS_MAX = 600_000_000
"""Ten minutes: what is run natively must be judged canonically in a dispute."""
PEAK_BYTES_MAX = 1 << 30
"""Half of a sandbox's address space; the engine, the file and copies take the rest."""

INPUT_BYTES_MAX = BUNDLE_BYTES_MAX - SMALL_BUNDLE_BYTES_MAX
"""Of values: names and shapes take less than the rest."""
CUT_VALUES_MIN = 5
"""Of fewer, chance brings those of other weights near in some jobs (ADR 0023)."""
_HINDRANCES = (Reason.TOO_COSTLY, Reason.INPUT_TOO_LARGE)
"""What stands against any run."""
_SIZES = (Reason.OUTPUT_TOO_LARGE, Reason.CUT_REFUSED, Reason.TILE_TOO_LARGE)
"""What stands against serving a model, but not against running it."""

_T = TypeVar("_T")


@dataclass
class _Found:
    """What stands against a model, as it is found."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, refused: Refused, *, native: bool = True, exact: bool = True) -> None:
        """Note a fault against one class or both."""
        if len(self.faults) < FAULTS_MAX:
            told = failed(refused)
            self.faults.append(Fault(native=native, exact=exact, reason=told.reason, facts=told.facts))

    def attempt(self, what: Callable[[], _T], *, exact: bool = True) -> _T | None:
        """Return what a call gives; note its refusal, against class native at least, and return None."""
        try:
            return what()
        except Refused as refused:
            self.add(refused, exact=exact)
            return None

    def offers(self, class_: Class) -> bool:
        """Tell whether nothing stands against a class."""
        return not any(fault.native if class_ is Class.NATIVE else fault.exact for fault in self.faults)


def check(request: Check, settings: Settings, kernels: Callable[[Derived], Kernels]) -> Checked:
    """Return all that is known about a model for inputs of certain shapes.

    Raises Refused only for a file that can't be read, or for a sample that is no input of it.
    """
    model = policy.parse(request.model)
    inputs, outputs = policy.ports(model.graph)
    samples = [_sample(raw, inputs) for raw in request.samples]
    shapes = request.shapes or _shapes(inputs, samples)
    found = _Found()
    for refused in policy.faults(model):
        found.add(refused)
    derived = None if found.faults else found.attempt(lambda: derive(model, shapes))
    told: Meaning | None = None
    calibration: Calibration | None = None
    used, nodes = _used(model.graph, derived), sum(1 for _ in _nodes(model.graph, 0))
    if derived is not None:
        told = meaning(derived)
        _judge(derived, told, found)
        if request.calibrate and not any(fault.reason in _HINDRANCES for fault in found.faults):
            calibration = _calibrated(request, model, inputs, derived, found, settings, kernels(derived))
    return Checked(
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        operators=used,
        faults=found.faults,
        meaning=told,
        calibration=calibration,
        lowering=_lowering(request.model, inputs, outputs, told, calibration, found) if told is not None else None,
    )


def _sample(raw: bytes, inputs: list[Port]) -> Bundle:
    try:
        bundle = decode_bundle(raw)
    except Refused as fault:
        raise Refused(Reason.INPUT_UNREADABLE, why=str(fault)) from None
    check_inputs(inputs, bundle)
    return bundle


def _shapes(inputs: list[Port], samples: list[Bundle]) -> list[list[int]]:
    """Return the binding that the first sample gives, or the least that fits the ports."""
    if samples:
        return [each.tensor.shape for each in samples[0].tensors]
    return [[1 if dimension == FREE else dimension for dimension in port.shape] for port in inputs]


def _used(graph: onnx.GraphProto, derived: Derived | None) -> list[Used]:
    """Return the operators of a file by name, those of inner graphs included."""
    tail: set[int] = set()
    if derived is not None:
        operations = derived.program.operations
        inside = frozenset(derived.program.tail)
        outside = {operation.origin for at, operation in enumerate(operations) if at not in inside}
        tail = {operations[at].origin for at in derived.program.tail} - outside
    counts: dict[bytes, list[int]] = {}
    kinds: dict[bytes, Kind] = {}
    for origin, node in _nodes(graph, 0):
        domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
        name = f"{domain}{node.op_type}".encode(errors="replace")[:NAME_BYTES_MAX] or b"?"
        held = counts.setdefault(name, [0, 0])
        held[0] += 1
        held[1] += origin in tail
        kinds[name] = max(kinds.get(name, Kind.UNKNOWN), operators.kind_of(node))
    told = [
        Used(name=name, count=count, in_tail=in_tail, kind=kinds[name])
        for name, (count, in_tail) in sorted(counts.items())
    ]
    return told[:OPERATORS_MAX]


def _nodes(graph: onnx.GraphProto, depth: int) -> Iterator[tuple[int, onnx.NodeProto]]:
    """Yield every node with the place of the outermost one that holds it."""
    for at, node in enumerate(graph.node):
        yield at, node
        if depth < NESTING_MAX and node.op_type in operators.CONTROL_FLOW:
            for attribute in node.attribute:
                yield from ((at, inner) for _, inner in _nodes(attribute.g, depth + 1))


def _judge(derived: Derived, told: Meaning, found: _Found) -> None:
    """Note what the program itself says against a class (V55)."""
    found.attempt(lambda: check_tiles(derived.program, derived.places))
    _judge_cost(told, found)
    size = sum(bytes_of(type_) for type_ in told.inputs)
    if size > INPUT_BYTES_MAX:
        change = "smaller inputs, or fewer of them in one job"
        found.add(_too_large(Reason.INPUT_TOO_LARGE, "inputs", size, change, wanted=INPUT_BYTES_MAX))
    if told.output_bytes > OUTPUT_VALUES_BYTES_MAX:
        change = "let the model end in what the client needs, such as labels, scores or boxes"
        found.add(
            _too_large(Reason.OUTPUT_TOO_LARGE, "outputs", told.output_bytes, change, wanted=OUTPUT_VALUES_BYTES_MAX)
        )
    _judge_cut(derived, told, found)
    for refused in hindrances(derived):
        found.add(refused, exact=False)


def _judge_cut(derived: Derived, told: Meaning, found: _Found) -> None:
    """Note what the values at the cut say against class native."""
    if not derived.cut:
        why = "no product of matrices: the whole model is computed canonically"
        found.add(Refused(Reason.NOT_NATIVE, why=why, change="serve it in class exact"), exact=False)
    elements = sum(element_count(derived.program.type_of(value).shape) for value in derived.program.cut)
    if derived.cut and elements < CUT_VALUES_MIN:  # V116
        refused = Refused(
            Reason.NOT_NATIVE,
            seen=f"{elements} values at the cut",
            wanted=f"at least {CUT_VALUES_MIN}",
            change="serve it in class exact, or let it answer for several inputs at once",
        )
        found.add(refused, exact=False)
    if len(derived.cut) > BUNDLE_TENSORS_MAX:
        refused = Refused(
            Reason.CUT_REFUSED, what="values at the cut", seen=len(derived.cut), wanted=BUNDLE_TENSORS_MAX
        )
        found.add(refused, exact=False)
    if told.cut_bytes > CUT_VALUES_BYTES_MAX:
        change = "serve it in class exact, or let fewer values pass from the last products of matrices on"
        found.add(
            _too_large(Reason.CUT_REFUSED, "the cut", told.cut_bytes, change, wanted=CUT_VALUES_BYTES_MAX),
            exact=False,
        )
    for name, value in zip(derived.cut, derived.program.cut, strict=True):
        type_ = derived.program.type_of(value)
        if type_.dtype not in FLOATS or not name:
            seen = f"{name or 'a value without a name'} of {type_.dtype.name.lower()}"
            refused = Refused(
                Reason.NOT_NATIVE, seen=seen, wanted="floats at the cut", change="serve it in class exact"
            )
            found.add(refused, exact=False)


def _judge_cost(told: Meaning, found: _Found) -> None:
    cost = told.cost
    change = "a smaller model, or inputs of another shape"
    if cost.peak_bytes > PEAK_BYTES_MAX:  # V108
        found.add(_too_large(Reason.TOO_COSTLY, "bytes of values", cost.peak_bytes, change, wanted=PEAK_BYTES_MAX))
    if cost.trace_bytes > TRACE_BYTES_MAX:
        found.add(
            _too_large(Reason.TOO_COSTLY, "bytes of all results", cost.trace_bytes, change, wanted=TRACE_BYTES_MAX)
        )
    if cost.gas > GAS_MAX:
        found.add(
            _too_large(Reason.TOO_COSTLY, "canonical gas", cost.gas, change, wanted=GAS_MAX),
            native=cost.gas > JUDGED_GAS_MAX,
        )
    if cost.native_gas > GAS_MAX:
        refused = _too_large(Reason.TOO_COSTLY, "native gas", cost.native_gas, change, wanted=GAS_MAX)
        found.add(refused, exact=False)


def _too_large(reason: Reason, what: str, seen: int, change: str, *, wanted: int) -> Refused:
    return Refused(reason, what=what, seen=seen, wanted=f"at most {wanted}", change=change)


def _calibrated(
    request: Check,
    model: onnx.ModelProto,
    inputs: list[Port],
    derived: Derived,
    found: _Found,
    settings: Settings,
    kernels: Kernels,
) -> Calibration | None:
    """Return what runs on the samples show, and note what they say against class native; the model is used up."""
    native = None
    if all(fault.reason in _SIZES for fault in found.faults):  # an author is told the rest, too
        native = found.attempt(lambda: load_native(model, derived, settings), exact=False)
    calibrating = Calibrating(derived, inputs, native, kernels)
    for raw in request.samples or made_up(inputs, derived):
        arrays = read_input(raw, inputs, derived.program)
        try:
            calibrating.add(arrays)
        except Refused as fault:
            if fault.reason is not Reason.RUN_TRAPPED:
                found.add(fault, exact=False)
            elif request.samples:
                found.add(fault)
    for refused in calibrating.faults():
        found.add(refused, exact=False)
    told = calibrating.told(made_up=not request.samples)
    if not told.samples:
        refused = Refused(Reason.NOT_NATIVE, why="no run of a made-up input ended", change="give a sample of the input")
        found.add(refused, exact=False)
    return told


def _lowering(
    raw: bytes,
    inputs: list[Port],
    outputs: list[Port],
    told: Meaning,
    calibration: Calibration | None,
    found: _Found,
) -> Lowering | None:
    """Return what may be registered on chain, or None if no class is offered."""
    native = found.offers(Class.NATIVE) and calibration is not None
    offered = [class_ for class_ in Class if (native if class_ is Class.NATIVE else found.offers(class_))]
    if not offered:
        return None
    claims = Provenance(parents=[], datasets=[], training_jobs=[])
    named = Model(
        file=content_id(raw), inputs=inputs, outputs=outputs, licence=b"", provenance=claims, publisher=bytes(20)
    )
    return Lowering(
        model=model_id(named),
        vm_version=VM_VERSION,
        inputs=told.inputs,
        outputs=told.outputs,
        program_root=told.program_root,
        constants_root=told.constants_root,
        classes=classes_of(offered),
        cut=told.cut if native else [],
        tolerance=tolerance(calibration) if native and calibration is not None else None,
        cost=told.cost,
        worst=told.worst,
    )
