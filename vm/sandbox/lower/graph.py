"""One node of a stranger's graph, read with suspicion: its attributes, its operands, and what ONNX says of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from primitives.reasons import Reason, Refused
from vm.canonical.arrays import NUMPY_OF, Array
from vm.sandbox.lower.builder import Value
from vm.sandbox.lower.schemas import MICROSOFT, SCHEMAS
from vm.tensor import ITEM_BYTES, DType

ATTRIBUTES_ELEMENTS_MAX = 4_000_000
"""Numbers in one attribute that is a list: a forest of a thousand deep trees has a million nodes."""
_ATTRIBUTE = onnx.AttributeProto
_TYPE_WORDS = {
    DType.FLOAT32: "tensor(float)", DType.FLOAT64: "tensor(double)", DType.FLOAT16: "tensor(float16)",
    DType.INT8: "tensor(int8)", DType.INT16: "tensor(int16)", DType.INT32: "tensor(int32)",
    DType.INT64: "tensor(int64)", DType.UINT8: "tensor(uint8)", DType.UINT16: "tensor(uint16)",
    DType.UINT32: "tensor(uint32)", DType.UINT64: "tensor(uint64)", DType.BOOL: "tensor(bool)",
}  # fmt: skip


@dataclass(frozen=True)
class Port:
    """What ONNX says of one input of an operator."""

    name: str
    types: frozenset[str]
    variable: str
    optional: bool
    variadic: bool
    alike: bool
    """Whether all that a variadic one takes are of one type."""


@dataclass(frozen=True)
class Signature:
    """What ONNX says of an operator as of one version of its domain."""

    since: int
    least: int
    most: int
    outputs: int
    ports: tuple[Port, ...]
    kinds: dict[str, int]
    defaults: dict[str, onnx.AttributeProto]


@cache
def signature(op: str, domain: str, version: int) -> Signature | None:
    """Return the operator's signature, or None if ONNX knows none."""
    try:
        schema = SCHEMAS[op] if domain == MICROSOFT else onnx.defs.get_schema(op, version, domain)
    except (onnx.defs.SchemaError, KeyError):
        return None
    options = onnx.defs.OpSchema.FormalParameterOption
    ports = tuple(
        Port(
            name=port.name,
            types=frozenset(port.types),
            variable=port.type_str,
            optional=port.option == options.Optional,
            variadic=port.option == options.Variadic,
            alike=port.is_homogeneous,
        )
        for port in schema.inputs
    )
    kinds = {name: int(each.type.value) for name, each in schema.attributes.items()}
    defaults = {name: each.default_value for name, each in schema.attributes.items() if each.default_value.type != 0}
    return Signature(
        schema.since_version, schema.min_input, schema.max_input, schema.max_output, ports, kinds, defaults
    )


@dataclass
class Node:
    """A node of the file, or of a graph inside of one of its nodes."""

    op: str
    domain: str
    version: int
    place: str
    """"17 Conv /backbone/conv1", with what holds it before: "12 Loop / body / 3 Add"."""
    attributes: dict[str, onnx.AttributeProto]
    outputs: list[str]
    inner: Callable[[str, onnx.GraphProto, Sequence[Value | None]], list[Value]]
    """Lowers a graph that an attribute of this name holds, given its inputs: the values of its outputs."""
    foresee: Callable[[int], None]
    """Raises Refused TOO_MANY_NODES if so many more nodes would be too many."""
    signature: Signature
    read: list[str] = field(default_factory=list)

    def refused(self, why: str, *, reason: Reason = Reason.OPERATOR_REFUSED, **facts: str | int) -> Refused:
        """Return the refusal of this node, for what no attribute is to blame (G105)."""
        return Refused(reason, node=self.place, why=why, **facts)

    def declined(self, attribute: str, *, wanted: str) -> Refused:
        """Return the refusal of this node for the value of an attribute; `wanted` says what to write instead."""
        return Refused(
            Reason.OPERATOR_REFUSED, node=self.place, attribute=f"{attribute}={self._told(attribute)}", wanted=wanted
        )

    def not_static(self, needs: str) -> Refused:
        """Return the refusal of this node for what must be known before the run and depends on the inputs."""
        wanted = "a constant, or what follows from constants and shapes alone"
        return Refused(Reason.SHAPE_NOT_STATIC, node=self.place, needs=f"{needs} before the run", wanted=wanted)

    def _told(self, attribute: str) -> str:
        found = self._attribute(attribute)
        if found is None:
            return "none"
        if found.type in (_ATTRIBUTE.TENSOR, _ATTRIBUTE.GRAPH):
            return "a tensor" if found.type == _ATTRIBUTE.TENSOR else "a graph"
        value = onnx.helper.get_attribute_value(found)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def has(self, name: str) -> bool:
        """Return whether the node sets the attribute."""
        return name in self.attributes

    def ignore(self, *names: str) -> None:
        """Say that attributes do not change what is computed here."""
        self.read += names

    def _attribute(self, name: str) -> onnx.AttributeProto | None:
        self.read.append(name)
        return self.attributes.get(name, self.signature.defaults.get(name))

    def _needed(self, name: str, default: object) -> Refused | None:
        missing = default is None and self._attribute(name) is None
        return self.refused(f"no attribute {name}", reason=Reason.GRAPH_INVALID) if missing else None

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an attribute; the default of ONNX if it is not set, else `default`. Raises Refused GRAPH_INVALID."""
        if missing := self._needed(name, default):
            raise missing
        found = self._attribute(name)
        return int(found.i) if found is not None else int(default or 0)

    def flag(self, name: str, default: int | None = None) -> bool:
        """Return whether an integer attribute is not 0."""
        return self.integer(name, default) != 0

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute, a float32; the default of ONNX if it is not set, else `default`."""
        if missing := self._needed(name, default):
            raise missing
        found = self._attribute(name)
        return float(found.f) if found is not None else float(default or 0)

    def text(self, name: str, default: str | None = None) -> str:
        """Return an attribute; the default of ONNX if it is not set, else `default`."""
        if missing := self._needed(name, default):
            raise missing
        found = self._attribute(name)
        return found.s.decode(errors="replace") if found is not None else str(default)

    def integers(self, name: str) -> list[int] | None:
        """Return an attribute that is a list, or None if it is not set."""
        found = self._attribute(name)
        return None if found is None else list(found.ints)

    def numbers(self, name: str) -> list[float] | None:
        """Return an attribute that is a list, or None if it is not set."""
        found = self._attribute(name)
        return None if found is None else list(found.floats)

    def texts(self, name: str) -> list[str] | None:
        """Return an attribute that is a list, or None if it is not set."""
        found = self._attribute(name)
        return None if found is None else [each.decode(errors="replace") for each in found.strings]

    def tensor(self, name: str) -> Array | None:
        """Return an attribute that is a tensor, or None if it is not set. Raises Refused."""
        found = self._attribute(name)
        return None if found is None or not found.HasField("t") else array_of(found.t, f"{self.place}, {name}")

    def graph(self, name: str) -> onnx.GraphProto:
        """Return an attribute that is a graph. Raises Refused GRAPH_INVALID."""
        found = self._attribute(name)
        if found is None:
            raise self.refused(f"no attribute {name}", reason=Reason.GRAPH_INVALID)
        return found.g

    def lower_inner(self, name: str, given: Sequence[Value | None]) -> list[Value]:
        """Return the outputs of a graph that the node holds, given its inputs. Raises Refused."""
        return self.inner(name, self.graph(name), given)

    def wants(self, output: int) -> bool:
        """Return whether the graph names the output of this number."""
        return output < len(self.outputs) and self.outputs[output] != ""

    def check_attributes(self) -> None:
        """Raise Refused for an attribute that nothing has looked at: what it asks for would be left undone."""
        for name in self.attributes:
            if name not in self.read:
                raise self.declined(name, wanted="nothing: this attribute is not served")


class Operands:
    """The operands of a node; those that ONNX calls optional may be absent."""

    def __init__(self, node: Node, values: list[Value | None]) -> None:
        while values and values[-1] is None:
            values.pop()
        self._node, self._values = node, values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: int) -> Value:
        """Return an operand that must be there. Raises Refused GRAPH_INVALID."""
        found = self.get(at)
        if found is None:
            raise self._node.refused(f"no {self._name(at)}", reason=Reason.GRAPH_INVALID)
        return found

    def get(self, at: int) -> Value | None:
        """Return an operand, or None if it is absent."""
        return self._values[at] if at < len(self._values) else None

    def all(self) -> list[Value]:
        """Return every operand. Raises Refused GRAPH_INVALID if one is absent."""
        return [self[at] for at in range(len(self))]

    def known(self, at: int) -> Array:
        """Return the elements of an operand that must not depend on the inputs. Raises Refused SHAPE_NOT_STATIC."""
        array = self[at].array
        if array is None:
            raise self._node.not_static(self._name(at))
        return array

    def ints(self, at: int) -> list[int]:
        """Return the elements of an integer operand, as `known`."""
        return [int(each) for each in self.known(at).reshape(-1)]

    def get_ints(self, at: int) -> list[int] | None:
        """Return the elements of an integer operand, as `known`, or None if it is absent."""
        return None if self.get(at) is None else self.ints(at)

    def _name(self, at: int) -> str:
        ports = self._node.signature.ports
        return f"input {at} ({ports[min(at, len(ports) - 1)].name})" if ports else f"input {at}"

    def check_types(self) -> None:
        """Raise Refused unless there are as many operands as ONNX wants, of the types it wants."""
        node, says = self._node, self._node.signature
        if len(self) > says.most or len(node.outputs) > says.outputs:
            raise node.refused(f"{len(self)} inputs, {len(node.outputs)} outputs", reason=Reason.GRAPH_INVALID)
        bound: dict[str, DType] = {}
        for at in range(max(len(self), says.least)):
            port = says.ports[min(at, len(says.ports) - 1)]
            value = self.get(at)
            if value is None:
                if not port.optional and not (port.variadic and at >= says.least):
                    self[at]  # raises
                continue
            word = _TYPE_WORDS[value.dtype]
            if (word if value.items is None else f"seq({word})") not in port.types:
                told = f"{self._name(at)} of {value.dtype.name.lower()}"
                raise node.refused(told, reason=Reason.TYPE_REFUSED, wanted=", ".join(sorted(port.types)))
            if port.variadic and not port.alike:
                continue
            if bound.setdefault(port.variable, value.dtype) is not value.dtype:
                told = f"{self._name(at)} of {value.dtype.name.lower()}"
                raise node.refused(told, reason=Reason.GRAPH_INVALID, wanted=bound[port.variable].name.lower())


def element_type(code: int, where: str) -> DType:
    """Return the element type of this number in ONNX. Raises Refused TYPE_REFUSED."""
    if code not in ITEM_BYTES:
        known = code in onnx.TensorProto.DataType.values()
        seen = onnx.TensorProto.DataType.Name(code).lower() if known else str(code)
        raise Refused(Reason.TYPE_REFUSED, node=where, seen=seen, wanted=", ".join(t.name.lower() for t in DType))
    return DType(code)


def array_of(tensor: onnx.TensorProto, where: str) -> Array:
    """Return a tensor of the file as an array. Raises Refused 5xx."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise Refused(Reason.EXTERNAL_DATA, node=where, wanted="a single file")
    dtype = element_type(tensor.data_type, where)
    try:
        array: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
        return np.asarray(array, dtype=NUMPY_OF[dtype]).reshape(tuple(tensor.dims))
    except (ValueError, TypeError) as fault:
        raise Refused(Reason.GRAPH_INVALID, node=where, why=str(fault)) from None


def attributes_of(proto: onnx.NodeProto, says: Signature, where: str) -> dict[str, onnx.AttributeProto]:
    """Return a node's attributes by name. Raises Refused for one that ONNX does not know, or of another type."""
    found: dict[str, onnx.AttributeProto] = {}
    for attribute in proto.attribute:
        name = attribute.name
        if attribute.ref_attr_name:
            raise Refused(Reason.FUNCTIONS_REFUSED, node=where, why=f"attribute {name} refers to a function's")
        if name in found or says.kinds.get(name) != attribute.type:
            why = "set twice" if name in found else "not one of the operator, or of another type"
            raise Refused(Reason.GRAPH_INVALID, node=where, attribute=name, why=why)
        if max(len(attribute.ints), len(attribute.floats), len(attribute.strings)) > ATTRIBUTES_ELEMENTS_MAX:
            raise Refused(Reason.GRAPH_INVALID, node=where, attribute=name, wanted=ATTRIBUTES_ELEMENTS_MAX)
        found[name] = attribute
    return found
