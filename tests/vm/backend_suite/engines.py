"""The two engines under the suite: what came of a case in each, as one line of words."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

from primitives import codec
from primitives.reasons import Reason, Refused
from tests.vm.backend_suite.cases import SuiteCase, differs
from vm.canonical import interpreter
from vm.canonical.arrays import normal, tensor_of
from vm.canonical.kernels import NUMPY
from vm.canonical.trapped import Trapped
from vm.manifest import Class
from vm.sandbox.checking import check
from vm.sandbox.lower.lowering import Lowered, lower
from vm.sandbox.native import session_options
from vm.sandbox_protocol import Check, Failed, Optimisation, Settings
from vm.sandbox_protocol import refused as unpacked
from vm.tensor import Bundle, NamedTensor

PASS = "pass"
BOUND_MAX = 8
"""Inputs of one case that are made constants; more ask for a shape in no case."""
SETTINGS = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=0, parent=0)
OPTIONS = session_options(SETTINGS)
_FAULTS = (
    state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.EPFail, state.NoModel,
    state.NoSuchFile, state.NotImplemented, state.RuntimeException, RuntimeError, ValueError, TypeError, KeyError,
)  # fmt: skip


class Bound(NamedTuple):
    """A model whose shapes are known."""

    model: onnx.ModelProto
    names: list[str]
    """Of the inputs that are left."""
    inputs: list[Any]
    lowered: Lowered


def canonical(case: SuiteCase) -> tuple[str, Bound | None]:
    """Return what lowering and the canonical interpreter make of a case, and the model as it was bound first.

    The suite gives shapes, axes and sizes as inputs of a run. A program needs them beforehand, so the inputs that the
    refusal names are made constants of the model, as its author would, and the outcome says how many were.
    """
    first: Bound | None = None
    constants = 0
    for inputs, wanted in case.data_sets:
        try:
            held = bound(case, inputs)
            first, constants = first or held, len(inputs) - len(held.inputs)
            found = _run(held.lowered, held.inputs)
        except Refused as refused:
            return f"declined: {told(refused)}", first
        except Trapped as trapped:
            return f"trap {trapped.code.name}", first
        except Exception as fault:  # noqa: BLE001  # supervisor: every other error is a finding, and one line of the list
            return f"crash: {type(fault).__name__}", first
        if difference := differs(case, wanted, found):
            return f"mismatch: {difference}", first
    return f"{PASS}, {constants} bound" if constants else PASS, first


def bound(case: SuiteCase, inputs: Sequence[Any]) -> Bound:
    """Return the model of a case with what its shapes depend on made constant. Raises Refused."""
    model, names, left = case.model, case.inputs, list(inputs)
    while True:
        try:
            shapes = [list(each.shape) if isinstance(each, np.ndarray) else [] for each in left]
            return Bound(model, names, left, lower(model, shapes))
        except Refused as refused:
            wanted = _asked_for(model, refused) if refused.reason is Reason.SHAPE_NOT_STATIC else []
            wanted = [name for name in wanted if name in names and isinstance(left[names.index(name)], np.ndarray)]
            if not wanted or len(inputs) - len(left) + len(wanted) > BOUND_MAX:
                raise
            model = onnx.ModelProto.FromString(model.SerializeToString())
            for name in wanted:
                at = names.index(name)
                model.graph.initializer.append(numpy_helper.from_array(left.pop(at), names.pop(at)))


def _asked_for(model: onnx.ModelProto, refused: Refused) -> list[str]:
    """Return the inputs of the graph from which comes what a refusal says it needs before the run."""
    place, needs = str(refused.facts["node"]), str(refused.facts.get("needs", ""))
    if not place.split(maxsplit=1)[0].isdigit() or not needs.startswith("input "):
        return []
    node = model.graph.node[int(place.split(maxsplit=1)[0])]
    made = {name: each for each in model.graph.node for name in each.output}
    ahead = [node.input[int(needs.split()[1])]] if "/" not in place else list(node.input)
    found: list[str] = []
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        found.append(name)
        if name in made:
            ahead += made[name].input
    return found


def admitted(held: Bound) -> str:
    """Return in which classes admission offers a model, calibrated on the inputs of its case."""
    bundle = Bundle(
        tensors=[
            NamedTensor(name=name.encode(), tensor=tensor_of(normal(each)))
            for name, each in zip(held.names, held.inputs, strict=True)
        ]
    )
    request = Check(
        model=held.model.SerializeToString(),
        shapes=[list(each.shape) for each in held.inputs],
        samples=[codec.encode(bundle)],
        calibrate=True,
    )
    try:
        checked = check(request, SETTINGS, lambda _: NUMPY)
    except Refused as refused:
        return f"declined: {told(refused)}"
    if checked.lowering is None:
        against = next(fault for fault in checked.faults if fault.exact)
        return f"declined: {told(unpacked(Failed(reason=against.reason, facts=against.facts)))}"
    return ", ".join(class_.name.lower() for class_ in Class if checked.lowering.offers(class_))


def _run(lowered: Lowered, inputs: Sequence[Any]) -> list[Any]:
    values = interpreter.run(lowered.program, lowered.constants, [normal(each) for each in inputs])
    return [values[number] for number in lowered.program.outputs]


def told(refused: Refused) -> str:
    """Return a refusal as words: its name, the operator, and what of it is to blame."""
    facts = dict(refused.facts)
    place = str(facts.pop("node", "")).split(" / ")[-1].split()
    operator = place[1] if len(place) > 1 and place[0].isdigit() else " ".join(place)
    rest = ", ".join(f"{name} {str(value)[:100]}" for name, value in facts.items() if name != "wanted")
    return " ".join(f"{refused.reason.name} {operator}: {rest}".split())


def native(case: SuiteCase) -> str:
    """Return what ONNX Runtime makes of a case, set up as in the sandbox."""
    try:
        session = ort.InferenceSession(case.model.SerializeToString(), OPTIONS, providers=["CPUExecutionProvider"])
    except _FAULTS as fault:
        return f"declined: {_kind(fault)}"
    for inputs, wanted in case.data_sets:
        feeds = dict(zip(case.inputs, inputs, strict=False))
        try:
            found = session.run(None, {port.name: feeds[port.name] for port in session.get_inputs()})
        except _FAULTS as fault:
            return f"declined: {_kind(fault)}"
        if difference := differs(case, wanted, found):
            return f"mismatch: {difference}"
    return PASS


_SIGNS = (
    (r"Could not find an implementation for (\w+)\((\d+)\)", "no implementation of {} {}"),
    (r"Failed to find kernel for (\w+)\((\d+)\)", "no implementation of {} {} for a type"),
    (r"Fatal error: ([\w.:]+)\(-?\d+\) is not a registered function/op", "no operator {}"),
    (r"Unsupported model IR version: (\d+)", "IR version {}"),
    (r"Opset (\d+) is under development", "opset {} is under development"),
    (r"Unrecognized attribute: (\w+) for operator (\w+)", "{1}, attribute {0}"),
    (r"Numpy_type \d+ can't be converted", "inputs of a type that numpy lacks"),
    (r"Type parameter \(\w+\) of Optype \((\w+)\) bound to different types", "{}, types that differ"),
    (r"running (\w+) node", "{}, while it runs"),
    (r"layout_? ?== ?(?:0 was false|1)", "a recurrence, attribute layout"),
    (r"Failed to construct locale", "StringNormalizer, where the machine lacks its locale"),
)
"""What ONNX Runtime says, and the same in words that hold on every machine."""


def _kind(fault: Exception) -> str:
    words = " ".join(str(fault).split())
    for sign, meaning in _SIGNS:
        if found := re.search(sign, words):
            return meaning.format(*found.groups())
    return f"{type(fault).__name__}"
