"""Admission: what a model file must be, judged without running it.

Everything here reads a stranger's protobuf, so it runs in the sandbox only. Each check refuses with a number of its own
and names the place.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec

import google.protobuf.message
import onnx

from primitives.reasons import Reason, Refused
from vm.manifest import FREE, MODEL_BYTES_MAX, Port
from vm.sandbox import operators
from vm.sandbox.lower.lowering import NESTING_MAX
from vm.sandbox.lower.table import served
from vm.tensor import (
    BUNDLE_BYTES_MAX,
    BUNDLE_TENSORS_MAX,
    DIMENSION_MAX,
    ITEM_BYTES,
    NAME_BYTES_MAX,
    RANK_MAX,
    DType,
    element_count,
)

NODES_MAX = 20_000
"""Twenty times the largest model we know; 100,000 nodes in a chain cost ONNX Runtime 4 s to load."""
INITIALIZERS_MAX = 20_000
"""As many weights as nodes."""
OPSETS = range(7, 27)
"""Versions of ai.onnx: from where broadcasting is settled up to what the pinned engine takes as settled."""
ML_OPSETS = range(1, 6)
IR_VERSIONS = range(3, 14)
_ORT_MAGIC = b"ORTM"

_INLINED = "inline them: onnx.inliner.inline_local_functions(model)"

P = ParamSpec("P")

_DOMAINS = {"": "ai.onnx", "ai.onnx": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml", "com.microsoft": "com.microsoft"}
_VERSIONS = {"ai.onnx": OPSETS, "ai.onnx.ml": ML_OPSETS, "com.microsoft": range(1, 2)}
_ATTRIBUTE = onnx.AttributeProto


def parse(raw: bytes) -> onnx.ModelProto:
    """Return the model that `raw` encodes. Raises Refused MODEL_TOO_LARGE or MODEL_UNREADABLE (V50)."""
    if len(raw) > MODEL_BYTES_MAX:
        raise Refused(Reason.MODEL_TOO_LARGE, seen=len(raw), wanted=MODEL_BYTES_MAX)
    if raw[4:8] == _ORT_MAGIC:
        raise Refused(Reason.MODEL_UNREADABLE, seen="the format ORT", wanted="an ONNX protobuf")
    try:
        model = onnx.ModelProto.FromString(raw)
    except google.protobuf.message.DecodeError:
        raise Refused(
            Reason.MODEL_UNREADABLE, seen=f"{len(raw)} bytes that do not parse", wanted="a whole file"
        ) from None
    if not model.HasField("graph") or not model.graph.node or not model.graph.output:
        raise Refused(Reason.MODEL_UNREADABLE, seen="no graph with nodes and outputs", wanted="a whole file")
    for value in (*model.graph.input, *model.graph.output):
        if not isinstance(value.name, str):  # what does not decode as UTF-8 comes as bytes
            raise Refused(Reason.GRAPH_INVALID, what="port", seen=value.name, wanted="a name in UTF-8")
    return model


def check_model(model: onnx.ModelProto) -> tuple[list[Port], list[Port]]:
    """Return the ports of a model that may be served: inputs, outputs. Raises Refused 5xx, the first fault found."""
    for fault in faults(model):
        raise fault
    return ports(model.graph)


def faults(model: onnx.ModelProto) -> Iterator[Refused]:
    """Yield what stands against serving a model, in the order of the file (V51-V54)."""
    graph = model.graph
    if model.functions:
        yield Refused(Reason.FUNCTIONS_REFUSED, seen=len(model.functions), wanted=0, change=_INLINED)
    nodes = _count(graph, 0)
    if nodes > NODES_MAX:
        yield Refused(Reason.TOO_MANY_NODES, seen=nodes, wanted=NODES_MAX)
        return
    if len(graph.initializer) > INITIALIZERS_MAX:
        yield Refused(Reason.TOO_MANY_NODES, what="initializers", seen=len(graph.initializer), wanted=INITIALIZERS_MAX)
        return
    yield from _refusals(_check_versions, model)
    if model.training_info:
        yield Refused(Reason.TYPE_REFUSED, seen="training information", wanted="a model for inference")
    yield from _graph_faults(graph, "", 0)
    yield from _refusals(check_wiring, graph)
    yield from _refusals(_check_ports, graph)


def _refusals(check: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Iterator[Refused]:
    try:
        check(*args, **kwargs)
    except Refused as fault:
        yield fault


def _count(graph: onnx.GraphProto, depth: int) -> int:
    """Return the number of nodes, those in inner graphs too, down to the depth that is served."""
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return len(graph.node) + (sum(_count(each, depth + 1) for each in inner) if depth < NESTING_MAX else 0)


def _graph_faults(graph: onnx.GraphProto, within: str, depth: int) -> Iterator[Refused]:
    if graph.sparse_initializer:
        yield Refused(Reason.TYPE_REFUSED, where=within or "graph", seen="sparse initializer", wanted="dense tensors")
    for tensor in graph.initializer:
        yield from _refusals(_check_tensor, tensor, f"{within}initializer {tensor.name}")
    for at, node in enumerate(graph.node):
        where = within + _place(at, node)
        yield from _refusals(_check_node, node, where)
        for attribute in node.attribute:
            if attribute.HasField("g") and node.op_type in operators.CONTROL_FLOW:
                if depth >= NESTING_MAX:
                    yield Refused(Reason.NESTING_TOO_DEEP, node=where, wanted=NESTING_MAX)
                else:
                    yield from _graph_faults(attribute.g, f"{where} / ", depth + 1)


def ports(graph: onnx.GraphProto) -> tuple[list[Port], list[Port]]:
    """Return the declared inputs and outputs; a weight that is declared as input is none. Raises Refused (V53)."""
    inherent = {tensor.name for tensor in graph.initializer}
    inputs = _ports("input", (value for value in graph.input if value.name not in inherent))
    return inputs, _ports("output", graph.output)


def _place(at: int, node: onnx.NodeProto) -> str:
    return f"{at} {node.op_type} {node.name}".rstrip()


def _check_versions(model: onnx.ModelProto) -> None:
    if model.ir_version not in IR_VERSIONS:
        wanted = f"{IR_VERSIONS[0]} to {IR_VERSIONS[-1]}"
        raise Refused(Reason.OPSET_REFUSED, what="IR version", seen=model.ir_version, wanted=wanted)
    seen: dict[str, int] = {}
    for entry in model.opset_import:
        domain = _DOMAINS.get(entry.domain)
        if domain is None:
            continue  # exporters import domains that they do not use; their nodes are refused one by one
        if seen.setdefault(domain, entry.version) != entry.version:
            raise Refused(Reason.OPSET_REFUSED, what=domain, why="imported in two versions")
        versions = _VERSIONS[domain]
        if entry.version not in versions:
            raise Refused(
                Reason.OPSET_REFUSED, what=domain, seen=entry.version, wanted=f"{versions[0]} to {versions[-1]}"
            )
    of_onnx = any(_DOMAINS.get(node.domain) == "ai.onnx" for node in model.graph.node)
    if of_onnx and "ai.onnx" not in seen:  # XGBoost's converter imports ai.onnx.ml alone
        raise Refused(Reason.OPSET_REFUSED, seen="no ai.onnx", wanted=f"{OPSETS[0]} to {OPSETS[-1]}")


def _check_tensor(tensor: onnx.TensorProto, where: str) -> None:
    """Refuse external data, other types, and data whose length is not what the dimensions say (V54)."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise Refused(Reason.EXTERNAL_DATA, where=where, wanted="a single file")
    if tensor.data_type not in ITEM_BYTES:
        raise Refused(Reason.TYPE_REFUSED, where=where, seen=_type_name(tensor.data_type), wanted=_type_names())
    if len(tensor.dims) > RANK_MAX or any(not 0 <= dimension <= DIMENSION_MAX for dimension in tensor.dims):
        raise Refused(Reason.GRAPH_INVALID, where=where, seen=str(list(tensor.dims)), wanted="dimensions in range")
    if tensor.HasField("segment"):
        raise Refused(Reason.GRAPH_INVALID, where=where, seen="a segment", wanted="a whole tensor")
    dtype, count = DType(tensor.data_type), element_count(list(tensor.dims))
    fields = {
        "raw": len(tensor.raw_data) / ITEM_BYTES[dtype],
        "float": len(tensor.float_data),
        "double": len(tensor.double_data),
        "int32": len(tensor.int32_data),
        "int64": len(tensor.int64_data),
        "string": len(tensor.string_data),
        "uint64": len(tensor.uint64_data),
    }
    filled = [held for held in fields.values() if held] or [0]
    if len(filled) != 1 or filled[0] != count:
        raise Refused(Reason.GRAPH_INVALID, where=where, seen=f"{filled[0]:g} elements", wanted=count)


def _check_node(node: onnx.NodeProto, where: str) -> None:
    """Refuse operators outside the list, and attributes that carry graphs, strings for tensors, or references (V52)."""
    op, domain = node.op_type, _DOMAINS.get(node.domain)
    if domain is not None and op in operators.RANDOM:
        raise Refused(Reason.NONDETERMINISTIC, node=where, why="random numbers")
    if domain is None or ("" if domain == "ai.onnx" else domain, op) not in served():
        wanted = operators.advice(op, node.domain)
        raise Refused(Reason.OPERATOR_REFUSED, node=where, why=_why_refused(op, node.domain), wanted=wanted)
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            raise Refused(Reason.FUNCTIONS_REFUSED, node=where, why="an attribute refers to a function's")
        if attribute.graphs or (attribute.HasField("g") and op not in operators.CONTROL_FLOW):
            raise Refused(Reason.NESTING_TOO_DEEP, node=where, seen=1, wanted=0)
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors or attribute.HasField("tp"):
            raise Refused(Reason.TYPE_REFUSED, node=where, seen=attribute.name, wanted="dense tensors")
        if op == "Constant" and attribute.type in (_ATTRIBUTE.STRING, _ATTRIBUTE.STRINGS):
            raise Refused(Reason.TYPE_REFUSED, node=where, seen="string", wanted=_type_names())
        for tensor in [attribute.t] if attribute.HasField("t") else attribute.tensors:
            _check_tensor(tensor, f"node {where}")


def _why_refused(op: str, domain: str) -> str:
    if domain not in _DOMAINS:
        return f"domain {domain}"
    if op in operators.DYNAMIC:
        return "the shape of its output depends on values"
    return "not an operator that is served"


def check_wiring(graph: onnx.GraphProto) -> None:
    """Raise Refused GRAPH_INVALID unless each name is set once, and before it is used (V51)."""
    defined: dict[str, str] = {}
    for kind, names in (
        ("input", [value.name for value in graph.input]),
        ("initializer", [tensor.name for tensor in graph.initializer]),
    ):
        for name in names:
            if not name or defined.get(name) == kind:
                raise Refused(Reason.GRAPH_INVALID, what=kind, seen=name, wanted="a name of its own")
            defined[name] = kind
    for at, node in enumerate(graph.node):
        for name in node.input:
            if name and name not in defined:
                raise Refused(
                    Reason.GRAPH_INVALID, node=_place(at, node), seen=name, wanted="a value set before its use"
                )
        for name in node.output:
            if name in defined:
                raise Refused(Reason.GRAPH_INVALID, node=_place(at, node), seen=name, wanted="a value set once")
            if name:
                defined[name] = "node"
    outputs: set[str] = set()
    for name in (value.name for value in graph.output):
        if name not in defined or name in outputs:
            raise Refused(Reason.GRAPH_INVALID, what="output", seen=name, wanted="a computed value, named once")
        outputs.add(name)


def _ports(what: str, values: Iterable[onnx.ValueInfoProto]) -> list[Port]:
    """Return ports as declared; every one a tensor of a served type and of known rank."""
    found: list[Port] = []
    for value in values:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type" or value.type.tensor_type.elem_type not in ITEM_BYTES:
            seen = _type_name(value.type.tensor_type.elem_type) if kind == "tensor_type" else str(kind)
            raise Refused(Reason.TYPE_REFUSED, what=f"{what} {value.name}", seen=seen, wanted=_type_names())
        tensor = value.type.tensor_type
        if not tensor.HasField("shape") or len(tensor.shape.dim) > RANK_MAX:
            raise Refused(Reason.SHAPE_NOT_STATIC, what=f"{what} {value.name}", wanted=f"a rank of at most {RANK_MAX}")
        shape = [dim.dim_value if dim.HasField("dim_value") else FREE for dim in tensor.shape.dim]
        if any(dim != FREE and not 0 <= dim <= DIMENSION_MAX for dim in shape):
            raise Refused(
                Reason.GRAPH_INVALID, what=f"{what} {value.name}", seen=str(shape), wanted="dimensions in range"
            )
        name = value.name.encode()
        if len(name) > NAME_BYTES_MAX:
            raise Refused(Reason.GRAPH_INVALID, what=what, seen=len(name), wanted=f"a name of {NAME_BYTES_MAX} bytes")
        found.append(Port(name=name, dtype=DType(tensor.elem_type), shape=shape))
    if not 1 <= len(found) <= BUNDLE_TENSORS_MAX:
        raise Refused(Reason.GRAPH_INVALID, what=f"{what}s", seen=len(found), wanted=f"1 to {BUNDLE_TENSORS_MAX}")
    return found


def _check_ports(graph: onnx.GraphProto) -> None:
    """Refuse ports that are no tensors, and inputs that no job can carry (V53)."""
    inputs, _ = ports(graph)
    least = sum(element_count([max(d, 1) for d in port.shape]) * ITEM_BYTES[port.dtype] for port in inputs)
    if least > BUNDLE_BYTES_MAX:
        raise Refused(Reason.INPUT_TOO_LARGE, seen=least, wanted=BUNDLE_BYTES_MAX)


def _type_name(code: int) -> str:
    return onnx.TensorProto.DataType.Name(code).lower() if code in onnx.TensorProto.DataType.values() else str(code)


def _type_names() -> str:
    return ", ".join(dtype.name.lower() for dtype in DType)
