"""What a model means for inputs of certain shapes: its program, parted at the cut, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from primitives import merkle
from primitives.reasons import Reason, Refused
from vm.canonical.arrays import Array, tensor_of
from vm.cost import cost
from vm.cut import parted
from vm.lowering import CutValue
from vm.program import Program, program_root
from vm.sandbox import policy
from vm.sandbox.lower.lowering import lower
from vm.sandbox_protocol import FACT_CHARS_MAX, Meaning
from vm.tensor import BUNDLE_TENSORS_MAX, NAME_BYTES_MAX, TensorType, bytes_of, tensor_root
from vm.tiles import worst_tile
from vm.wellformed import check_program


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A program with its constants, and what people and engines call its values."""

    program: Program
    constants: list[Array]
    places: list[str]
    """By number of an operation: the node of the file from which it comes."""
    nodes: list[onnx.NodeProto]
    """And the node itself."""
    cut: list[str]
    """Names in the file of the values at the cut; empty text for one that has none."""


def derive(model: onnx.ModelProto, shapes: Sequence[Sequence[int]]) -> Derived:
    """Return what a model means for inputs of these shapes. Raises Refused 5xx, naming the node."""
    lowered = lower(model, shapes)
    _check_outputs(model, lowered.program)
    check_program(lowered.program)  # G5: what runs and referees take for granted
    program = parted(lowered.program, lowered.names)
    return Derived(
        program=program,
        constants=lowered.constants,
        places=lowered.places,
        nodes=lowered.nodes,
        cut=[lowered.names.get(value, "") for value in program.cut],
    )


def _check_outputs(model: onnx.ModelProto, program: Program) -> None:
    """Raise Refused GRAPH_INVALID for an output of another type than the file declares.

    What converters declare of its shape is often wrong, and no engine minds.
    """
    _, outputs = policy.ports(model.graph)
    for port, value in zip(outputs, program.outputs, strict=True):
        seen, wanted = program.type_of(value).dtype, port.dtype
        if seen is not wanted:
            told = port.name.decode(errors="replace")
            raise Refused(Reason.GRAPH_INVALID, output=told, seen=seen.name.lower(), wanted=wanted.name.lower())


def meaning(derived: Derived) -> Meaning:
    """Return what is told of a program: all of it is the same on every machine."""
    program = derived.program
    roots = [tensor_root(tensor_of(each)) for each in derived.constants]
    worst = worst_tile(program)
    outputs = [program.type_of(value) for value in program.outputs]
    cut = cut_values(derived)
    return Meaning(
        inputs=program.inputs,
        outputs=outputs,
        program_root=program_root(program, roots),
        constants_root=merkle.root(roots),
        operations=len(program.operations),
        tail_operations=len(program.tail),
        cut=cut[:BUNDLE_TENSORS_MAX],
        cut_bytes=_bytes([each.type for each in cut]),
        output_bytes=_bytes(outputs),
        cost=cost(program),
        worst=worst,
        worst_node=derived.places[worst.operation][:FACT_CHARS_MAX].encode() if derived.places else b"",
    )


def cut_values(derived: Derived) -> list[CutValue]:
    """Return the values at the cut, by name and type; a name that is too long for a record is cut short."""
    types = [derived.program.type_of(value) for value in derived.program.cut]
    names = [name.encode(errors="replace")[:NAME_BYTES_MAX] or b"?" for name in derived.cut]
    return [CutValue(name=name, type=type_) for name, type_ in zip(names, types, strict=True)]


def _bytes(types: list[TensorType]) -> int:
    return sum(bytes_of(each) for each in types)
