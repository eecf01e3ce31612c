"""Lowering: a parsed model and the shapes of its inputs to the program that is its meaning (G100)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import onnx

from primitives.reasons import Reason, Refused
from vm.canonical.arrays import DTYPE_OF, Array
from vm.manifest import FREE, told_shape
from vm.program import CONTRACTIONS, OPERATIONS_MAX, Operation, Program
from vm.sandbox.lower import (  # noqa: F401 - the families register their rules
    added,
    attention,
    classical,
    contraction,
    control,
    convolution,
    einsum,
    elementwise,
    indexing,
    movement,
    normalisation,
    pooling,
    quantisation,
    recurrent,
    reductions,
    regions,
    resizing,
    sampling,
    sequences,
    signal,
    softmax,
    trees,
)
from vm.sandbox.lower.builder import Builder, Made, Value
from vm.sandbox.lower.expansion import body_of
from vm.sandbox.lower.graph import Node, Operands, array_of, attributes_of, element_type, signature
from vm.sandbox.lower.schemas import MICROSOFT
from vm.sandbox.lower.table import ML, Rule, rule_for, served
from vm.sandbox.operators import advice
from vm.tensor import DIMENSION_MAX, RANK_MAX, TensorType

NODES_LOWERED_MAX = 100_000
"""Nodes visited, those in loops once for each step: five times what a file may hold, and seconds."""
NESTING_MAX = 16
"""Graphs within graphs; exporters make three."""
_DOMAINS = {"": "", "ai.onnx": "", ML: ML, MICROSOFT: MICROSOFT}
_Scope = dict[str, Value | None]
"""Values by name; an input that is absent is None."""


@dataclass(frozen=True)
class Lowered:
    """A program, and what it has to do with the file."""

    program: Program
    constants: list[Array]
    names: dict[int, str]
    """By number of a value: its first name in the file. Inputs, and outputs of the outermost nodes."""
    places: list[str]
    """By number of an operation: the node that it comes from, as a person finds it."""
    nodes: list[onnx.NodeProto]
    """And the node itself, the innermost that holds no other."""


def lower(model: onnx.ModelProto, shapes: Sequence[Sequence[int]]) -> Lowered:
    """Return what a model means for inputs of these shapes, in the order of its inputs that are no weights.

    What the cut will part, nodes before which no contraction comes any more, reads values that have names in the file.
    Raises Refused 5xx, which names the node and what its author can change.
    """
    lowering = _Lowering(model, shapes, frozenset())
    fences = lowering.unnamed_at_cut()
    if fences:
        del lowering  # two at once would hold the weights twice
        lowering = _Lowering(model, shapes, fences)
    return lowering.finished()


class _Lowering:
    """One pass over a model. Values whose names are in `fences` are read as they are, whatever made them."""

    def __init__(self, model: onnx.ModelProto, shapes: Sequence[Sequence[int]], fences: frozenset[str]) -> None:
        self._builder, self._fences = Builder(), fences
        self._versions = {_DOMAINS[each.domain]: each.version for each in model.opset_import if each.domain in _DOMAINS}
        self._visited = self._depth = 0
        self._names: dict[int, str] = {}
        self._whole: onnx.NodeProto | None = None
        self._initializers: dict[tuple[str, str], Value] = {}
        """By the graph's place: a loop's body is lowered once for each step."""
        graph = model.graph
        self._graph_nodes = list(graph.node)
        inherent = [tensor.name for tensor in graph.initializer]
        inputs = [value for value in graph.input if value.name not in frozenset(inherent)]
        if len(inputs) != len(shapes):
            raise Refused(Reason.INPUT_WRONG_SHAPE, what="inputs", seen=len(shapes), wanted=len(inputs))
        bound = [self._input(value, shape) for value, shape in zip(inputs, shapes, strict=True)]
        self._inputs = len(bound)
        for value, port in zip(bound, inputs, strict=True):
            self._names[value.number] = port.name
        scope: _Scope = {port.name: value for port, value in zip(inputs, bound, strict=True)}
        self._outputs = self._graph(graph, scope, "")
        for value, port in zip(self._outputs, graph.output, strict=True):
            if value.items is not None:
                raise Refused(Reason.TYPE_REFUSED, node=f"output {port.name}", seen="a sequence", wanted="a tensor")

    def _input(self, value: onnx.ValueInfoProto, shape: Sequence[int]) -> Value:
        where = f"input {value.name}"
        if value.type.WhichOneof("value") != "tensor_type":
            raise Refused(Reason.TYPE_REFUSED, node=where, seen=str(value.type.WhichOneof("value")), wanted="a tensor")
        declared = value.type.tensor_type
        free = (None, -1)  # the second is how some exporters write it
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in declared.shape.dim]
        fits = len(dims) == len(shape) and all(d in (*free, s) for d, s in zip(dims, shape, strict=True))
        if (declared.HasField("shape") and not fits) or len(shape) > RANK_MAX or not _in_range(shape):
            wanted = [FREE if dim is None else dim for dim in dims]
            raise Refused(Reason.INPUT_WRONG_SHAPE, node=where, seen=told_shape(list(shape)), wanted=told_shape(wanted))
        return self._builder.input(element_type(declared.elem_type, where), shape)

    def _graph(self, graph: onnx.GraphProto, scope: _Scope, within: str) -> list[Value]:
        """Lower a graph whose inputs and outer names are in `scope`; return its outputs."""
        if graph.sparse_initializer:
            raise Refused(
                Reason.TYPE_REFUSED, node=within or "graph", seen="sparse initializer", wanted="dense tensors"
            )
        for tensor in graph.initializer:
            key = (within, tensor.name)
            if key not in self._initializers:
                self._initializers[key] = self._builder.constant(array_of(tensor, f"initializer {tensor.name}"))
            scope[tensor.name] = self._initializers[key]
        self._nodes(graph.node, scope, within)
        return [_found(scope, each.name) for each in graph.output]

    def _nodes(self, nodes: Iterable[onnx.NodeProto], scope: _Scope, within: str) -> None:
        """Lower nodes in order, and add what they set to the scope."""
        for at, proto in enumerate(nodes):
            place = f"{within}{at} {proto.op_type} {proto.name}".rstrip()
            if not within:
                self._builder.origin = at
            self._builder.place, self._builder.node = place, self._whole or proto
            results = self._node(proto, scope, place)
            for name, value in zip(proto.output, results, strict=False):
                if not name:
                    continue
                if not within and value.items is None:
                    self._names.setdefault(value.number, name)
                scope[name] = self._builder.fence(value) if name in self._fences and not within else value

    def _visit(self, place: str, ahead: int = 0) -> None:
        """Count a node, or one step of a loop. Raises Refused TOO_MANY_NODES, also if what lies ahead is too much."""
        self._visited += 1
        if self._visited + ahead > NODES_LOWERED_MAX:
            raise Refused(Reason.TOO_MANY_NODES, node=place, what="nodes, loops unrolled", wanted=NODES_LOWERED_MAX)

    def _node(self, proto: onnx.NodeProto, scope: _Scope, place: str) -> list[Value]:
        self._visit(place)
        domain = _DOMAINS.get(proto.domain)
        if domain is None or (domain, proto.op_type) not in served():
            told = f"operator {proto.op_type}" + (f" of domain {proto.domain}" if proto.domain else "")
            wanted = advice(proto.op_type, proto.domain)
            raise Refused(Reason.OPERATOR_REFUSED, node=place, why=f"{told} is not served", wanted=wanted)
        version = self._versions.get(domain, 0)
        says = signature(proto.op_type, domain, version)
        if says is None:
            raise Refused(Reason.OPSET_REFUSED, node=place, seen=version, why="has no such operator")
        values: list[Value | None] = []
        for name in proto.input:
            if name and name not in scope:
                raise Refused(Reason.GRAPH_INVALID, node=place, seen=name, wanted="a value set before its use")
            values.append(scope[name] if name else None)

        def inner(name: str, graph: onnx.GraphProto, given: Sequence[Value | None]) -> list[Value]:
            return self._inner(graph, given, scope, f"{place} / {name}")

        node = Node(
            op=proto.op_type, domain=domain, version=version, place=place,
            attributes=attributes_of(proto, says, place), outputs=list(proto.output), inner=inner,
            foresee=lambda count: self._visit(place, count), signature=says,
        )  # fmt: skip
        operands = Operands(node, values)
        operands.check_types()
        rule = rule_for(node.op, node.domain)
        if rule is None:
            return self._expanded(node, body_of(proto, version, values, place), values)
        results = self._ruled(rule, node, operands)
        node.check_attributes()
        return results

    def _expanded(self, node: Node, body: onnx.FunctionProto, values: list[Value | None]) -> list[Value]:
        """Lower the graph by which ONNX defines an operator."""
        outer, whole = self._versions, self._whole
        self._whole = self._builder.node  # what is told of the operator holds for its body
        self._versions = {_DOMAINS[each.domain]: each.version for each in body.opset_import if each.domain in _DOMAINS}
        scope: _Scope = dict(zip_longest(body.input, values[: len(body.input)]))
        try:
            self._nodes(body.node, scope, f"{node.place} / ")
        finally:
            self._versions, self._whole, self._builder.place = outer, whole, node.place
        first = _found(scope, body.output[0])
        return [
            _found(scope, name) if node.wants(at) else first  # what the graph does not name may be anything
            for at, name in enumerate(body.output[: len(node.outputs)])
        ]

    def _ruled(self, rule: Rule, node: Node, operands: Operands) -> list[Value]:
        try:
            results = rule(self._builder, node, operands)
        except (ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError) as fault:
            # supervisor: attributes of a stranger's node that contradict its operands in a way that no rule foresaw
            raise node.refused(f"{type(fault).__name__}: {fault}", reason=Reason.GRAPH_INVALID) from fault
        for at in range(len(node.outputs)):
            if node.wants(at) and at >= len(results):
                raise node.refused(f"output {at} is not served", wanted=f"the first {len(results)} outputs")
        return results

    def _inner(self, graph: onnx.GraphProto, given: Sequence[Value | None], scope: _Scope, place: str) -> list[Value]:
        """Lower a graph that a node holds, with the names around it in view."""
        if self._depth >= NESTING_MAX:
            raise Refused(Reason.NESTING_TOO_DEEP, node=place, wanted=NESTING_MAX)
        if len(given) != len(graph.input):
            raise Refused(
                Reason.GRAPH_INVALID, node=place, what="inputs of its graph", seen=len(graph.input), wanted=len(given)
            )
        self._visit(place)
        own, outer = dict(scope), (self._builder.place, self._builder.node)
        own.update((port.name, value) for port, value in zip(graph.input, given, strict=True) if value is not None)
        self._depth += 1
        try:
            return self._graph(graph, own, f"{place} / ")
        finally:
            self._depth -= 1
            self._builder.place, self._builder.node = outer

    # --- the end ------------------------------------------------------------------------------------------------

    def _live(self) -> list[bool]:
        """Return for each entry whether an output depends on it."""
        entries = self._builder.entries
        live = [False] * len(entries)
        for output in self._outputs:
            live[output.number] = True
        for number in range(len(entries) - 1, -1, -1):
            entry = entries[number]
            if live[number] and isinstance(entry, Made):
                for operand in entry.operands:
                    live[operand] = True
        return live

    def unnamed_at_cut(self) -> frozenset[str]:
        """Return the names to fence: all at the border, if behind it a value is read that has no name (G103)."""
        entries, live = self._builder.entries, self._live()
        leads = [False] * len(entries)
        before: set[int] = set()
        for number in range(len(entries) - 1, -1, -1):
            entry = entries[number]
            if not live[number] or not isinstance(entry, Made):
                continue
            if entry.op in CONTRACTIONS or leads[number]:
                before.add(entry.origin)
                for operand in entry.operands:
                    leads[operand] = True
        if all(self._named_if_from(before, entry) for at, entry in enumerate(entries) if live[at]):
            return frozenset()
        read_before: set[str] = set()
        read_after: set[str] = set()
        for at in range(len(self._graph_nodes) - 1, -1, -1):
            node = self._graph_nodes[at]
            leading = at in before or any(name in read_before for name in node.output)
            (read_before if leading else read_after).update(_names_in(node))
            if leading:
                before.add(at)
        made_before = [name for at, node in enumerate(self._graph_nodes) if at in before for name in node.output]
        return frozenset(name for name in made_before if name in read_after)

    def _named_if_from(self, before: set[int], entry: TensorType | Array | Made) -> bool:
        """Return whether an operation is itself before the cut, or reads only what has a name there."""
        if not isinstance(entry, Made) or entry.origin in before:
            return True
        sources = [(at, self._builder.entries[at]) for at in entry.operands]
        return all(
            at in self._names or not isinstance(source, Made) or source.origin not in before for at, source in sources
        )

    def finished(self) -> Lowered:
        """Return the program without what no output depends on, numbered anew. Raises Refused TOO_MANY_NODES."""
        entries, live = self._builder.entries, self._live()
        made = [at for at, entry in enumerate(entries) if live[at] and isinstance(entry, Made)]
        held = [at for at, entry in enumerate(entries) if live[at] and not isinstance(entry, Made | TensorType)]
        if len(made) > OPERATIONS_MAX:
            raise Refused(Reason.TOO_MANY_NODES, what="operations", seen=len(made), wanted=OPERATIONS_MAX)
        number = {at: new for new, at in enumerate([*range(self._inputs), *held, *made])}
        operations: list[Operation] = []
        places: list[str] = []
        nodes: list[onnx.NodeProto] = []
        for at in made:
            entry = entries[at]
            assert isinstance(entry, Made)
            operations.append(_operation(entry, number))
            places.append(entry.place)
            nodes.append(entry.node)
        constants = [entry for at in held if not isinstance(entry := entries[at], Made | TensorType)]
        program = Program(
            inputs=[entry for entry in entries[: self._inputs] if isinstance(entry, TensorType)],
            constants=[TensorType(dtype=DTYPE_OF[array.dtype], shape=list(array.shape)) for array in constants],
            operations=operations,
            outputs=[number[each.number] for each in self._outputs],
            cut=[],
            tail=[],
        )
        names = {number[at]: name for at, name in sorted(self._names.items()) if at in number}
        return Lowered(program, constants, names, places, nodes)


def _found(scope: _Scope, name: str) -> Value:
    value = scope.get(name)
    if value is None:
        raise Refused(Reason.GRAPH_INVALID, what="output", seen=name, wanted="a computed value")
    return value


def _operation(entry: Made, number: dict[int, int]) -> Operation:
    return Operation(
        op=entry.op,
        operands=[number[each] for each in entry.operands],
        result=TensorType(dtype=entry.dtype, shape=list(entry.shape)),
        ints=list(entry.ints),
        fill=entry.fill,
        origin=entry.origin,
    )


def _names_in(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, those in the graphs that it holds too."""
    names = list(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names += _names_in(inner)
        names += [each.name for each in attribute.g.output]
    return names


def _in_range(shape: Sequence[int]) -> bool:
    return all(0 <= dimension <= DIMENSION_MAX for dimension in shape)
