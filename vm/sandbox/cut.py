"""Whether the values that a publisher names are a cut: what must hold of them in the graph (V55).

Until lowerings exist the cut is named by hand; these rules keep it where DESIGN 7 puts it, between the last contraction
and the tail.
"""

import onnx

from primitives.reasons import Reason, Refused
from vm.sandbox import operators


def check_cut(graph: onnx.GraphProto, cut: list[str]) -> None:
    """Raise Refused CUT_UNKNOWN, CUT_REFUSED or CLASS_NOT_YET unless `cut` parts the contractions from the outputs.

    The graph's wiring has been checked: names are set once, and before their use.
    """
    computed = _reached(graph, {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer})
    known = {name for node in graph.node for name in node.output} | {value.name for value in graph.input}
    known |= {tensor.name for tensor in graph.initializer}
    for at, name in enumerate(cut):
        if name not in known:
            raise Refused(Reason.CUT_UNKNOWN, seen=name, wanted="the name of a value in the graph")
        if name not in computed or name in cut[:at] or name in [value.name for value in graph.input]:
            raise Refused(Reason.CUT_REFUSED, seen=name, wanted="values computed from the input, each once")
    contractions = [n for n in graph.node if n.op_type in operators.CONTRACTIONS and computed & set(_carried(n))]
    _check_tail(graph, cut, contractions)
    _check_around(graph, cut, contractions)
    _check_continuous(graph, cut, computed)


def _carried(node: onnx.NodeProto) -> list[str]:
    """Return the inputs whose values reach the node's outputs."""
    return [] if node.op_type in operators.CARRY_NO_VALUES else [name for name in node.input if name]


def _reached(graph: onnx.GraphProto, start: set[str], *, stop: frozenset[str] = frozenset()) -> set[str]:
    """Return `start` and all that is computed from it, not beyond the names in `stop`."""
    found = set(start)
    for node in graph.node:
        if any(name in found for name in _carried(node)):
            found.update(name for name in node.output if name and name not in stop)
    return found


def _check_tail(graph: onnx.GraphProto, cut: list[str], contractions: list[onnx.NodeProto]) -> None:
    tail = _reached(graph, set(cut))
    for node in contractions:
        if any(name in tail for name in node.input):
            told = f"{node.op_type} {node.name or node.output[0]}"
            raise Refused(Reason.CUT_REFUSED, seen=f"{told} after the cut", wanted="no contraction after the cut")


def _check_around(graph: onnx.GraphProto, cut: list[str], contractions: list[onnx.NodeProto]) -> None:
    made = {name for node in contractions for name in node.output if name}
    around = _reached(graph, made - set(cut), stop=frozenset(cut))
    for value in graph.output:
        if value.name in around:
            told = f"output {value.name} depends on a contraction past the cut"
            raise Refused(Reason.CUT_REFUSED, seen=told, wanted="a cut that parts contractions from outputs")


def _check_continuous(graph: onnx.GraphProto, cut: list[str], computed: set[str]) -> None:
    """Refuse a discontinuous operator before the cut on a value whose last bits differ between machines."""
    needed = set(cut)
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            needed.update(_carried(node))
    noisy: set[str] = set()
    for node in graph.node:
        carried = _carried(node)
        shaken = any(name in noisy for name in carried)
        if shaken and operators.is_discontinuous(node) and any(name in needed for name in node.output):
            told = f"{node.op_type} {node.name or node.output[0]} before the cut"
            raise Refused(Reason.CLASS_NOT_YET, seen=told, wanted="class exact, which is not served yet")
        rounds = node.op_type in operators.CONTRACTIONS or node.op_type in operators.INEXACT
        if shaken or (rounds and any(name in computed for name in carried)):
            noisy.update(name for name in node.output if name)
