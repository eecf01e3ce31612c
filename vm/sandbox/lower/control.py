"""Rules for control flow: branches chosen or blended, loops unrolled (G104)."""

import onnx

from primitives.reasons import Reason, Refused
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.movement import checked_axis
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

BLENDED_STEPS_MAX = 1024
"""Steps of a loop whose end depends on the inputs: all are computed, and those after the end are thrown away."""

ENDLESS = 1 << 62
"""The steps of a loop that nothing ends."""


@lowers("If")
def _if(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    condition = operands[0]
    if condition.size != 1:
        raise node.refused(f"condition of shape {list(condition.shape)}", reason=Reason.GRAPH_INVALID)
    if condition.array is not None:
        node.ignore("then_branch", "else_branch")
        return node.lower_inner("then_branch" if condition.array.any() else "else_branch", [])
    chosen = builder.reshape(condition, ())
    yes, no = _branch(node, "then_branch"), _branch(node, "else_branch")
    if isinstance(yes, Refused) and isinstance(no, Refused):
        raise yes
    if isinstance(yes, Refused):
        assert not isinstance(no, Refused)
        return [_unless(builder, chosen, each) for each in no]
    if isinstance(no, Refused):
        return [_unless(builder, builder.unary(Op.NOT, chosen), each) for each in yes]
    if [(each.dtype, each.shape) for each in yes] != [(each.dtype, each.shape) for each in no]:
        raise node.not_static("the condition, as its branches give other types or shapes,")
    return [builder.select(chosen, a, b) for a, b in zip(yes, no, strict=True)]


def _branch(node: Node, name: str) -> list[Value] | Refused:
    """Return what a branch gives, or why it can't be taken with inputs of these shapes."""
    try:
        return node.lower_inner(name, [])
    except Refused as fault:
        if fault.reason is not Reason.GRAPH_INVALID:
            raise
        return fault


def _unless(builder: Builder, wrong: Value, value: Value) -> Value:
    """Return a value, and trap if the branch is asked for that does not fit these shapes."""
    stacked = builder.reshape(value, (1, *value.shape))
    return builder.emit(Op.TAKE, [stacked, builder.cast(wrong, DType.INT64)], value.dtype, value.shape, [0])


@lowers("Loop")
def _loop(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    limit = None if operands.get(0) is None else operands.ints(0)[0]
    condition = operands.get(1) or builder.scalar(1, DType.BOOL)
    carried = [operands[at] for at in range(2, len(operands))]
    body = node.graph("body")
    scanned: list[list[Value]] = [[] for _ in body.output[1 + len(carried) :]]
    if _goes_on(body):
        node.foresee(ENDLESS if limit is None else max(limit, 0) * (1 + len(body.node)))
    step = 0
    while limit is None or step < limit:
        if condition.array is not None and not condition.array.any():
            break
        if condition.array is None and (limit is None or scanned or limit > BLENDED_STEPS_MAX):
            raise node.not_static("the number of steps")
        results = node.lower_inner("body", [builder.scalar(step, DType.INT64), condition, *carried])
        ahead, carried = condition, _blended(builder, node, condition, results[1 : 1 + len(carried)], carried)
        condition = results[0]
        if ahead.array is None:
            condition = builder.binary(Op.AND, builder.reshape(ahead, ()), builder.reshape(condition, ()))
        for stack, result in zip(scanned, results[1 + len(carried) :], strict=True):
            stack.append(result)
        step += 1
    empty = [node.graph("body").output[1 + len(carried) + at] for at in range(len(scanned))]
    return [*carried, *(_stacked(builder, node, s, port, 0) for s, port in zip(scanned, empty, strict=True))]


def _goes_on(body: onnx.GraphProto) -> bool:
    """Return whether a loop's body plainly hands its condition on as it is."""
    name, same = body.output[0].name if body.output else "", [port.name for port in body.input[1:2]]
    for node in body.node:
        if node.op_type == "Identity" and list(node.input) == same:
            same += node.output
    return name in same


def _blended(builder: Builder, node: Node, condition: Value, new: list[Value], old: list[Value]) -> list[Value]:
    """Return what a step leaves behind: its results if it is taken at all."""
    if condition.array is not None:
        return new
    if [(each.dtype, each.shape) for each in new] != [(each.dtype, each.shape) for each in old]:
        raise node.not_static("the number of steps, as they change shapes,")
    taken = builder.reshape(condition, ())
    return [builder.select(taken, after, before) for after, before in zip(new, old, strict=True)]


def _stacked(builder: Builder, node: Node, values: list[Value], port: onnx.ValueInfoProto, axis: int) -> Value:
    """Return the results of all steps as one value with a new axis; of no steps, by what the graph declares."""
    if not values:
        declared = port.type.tensor_type
        if any(not dim.HasField("dim_value") for dim in declared.shape.dim):
            raise node.not_static(f"the shape of {port.name} in no steps")
        shape = [dim.dim_value for dim in declared.shape.dim]
        return builder.full(0, element_type(declared.elem_type, node.place), [*shape[:axis], 0, *shape[axis:]])
    rank = values[0].rank + 1
    along = checked_axis(node, axis, rank)
    return builder.concat(
        [builder.reshape(each, [*each.shape[:along], 1, *each.shape[along:]]) for each in values], along
    )


@lowers("Scan")
def _scan(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    if node.version < 9:
        raise node.refused("opset 8 has it in batches", reason=Reason.OPSET_REFUSED, wanted="opset 9 or later")
    count = node.integer("num_scan_inputs")
    states = len(operands) - count
    body = node.graph("body")
    outputs = len(body.output) - states
    if states < 0 or outputs < 0 or count < 1:
        raise node.refused(f"{count} inputs to scan of {len(operands)}", reason=Reason.GRAPH_INVALID)
    carried = [operands[at] for at in range(states)]
    given = [operands[at] for at in range(states, len(operands))]
    axes = node.integers("scan_input_axes") or [0] * count
    backwards = node.integers("scan_input_directions") or [0] * count
    out_axes = node.integers("scan_output_axes") or [0] * outputs
    out_backwards = node.integers("scan_output_directions") or [0] * outputs
    sources = [(value, checked_axis(node, axis, value.rank)) for value, axis in zip(given, axes, strict=True)]
    steps = sources[0][0].shape[sources[0][1]]
    if any(value.shape[axis] != steps for value, axis in sources):
        raise node.refused("inputs of different lengths", reason=Reason.GRAPH_INVALID)
    node.foresee(steps * (1 + len(body.node)))
    scanned: list[list[Value]] = [[] for _ in range(outputs)]
    for step in range(steps):
        slices = [
            _slice_at(builder, value, axis, steps - 1 - step if backward else step)
            for (value, axis), backward in zip(sources, backwards, strict=True)
        ]
        results = node.lower_inner("body", [*carried, *slices])
        carried = results[:states]
        for stack, result in zip(scanned, results[states:], strict=True):
            stack.append(result)
    stacked = [
        _stacked(builder, node, stack[::-1] if backward else stack, port, axis)
        for stack, backward, port, axis in zip(scanned, out_backwards, body.output[states:], out_axes, strict=True)
    ]
    return [*carried, *stacked]


def _slice_at(builder: Builder, value: Value, axis: int, at: int) -> Value:
    return builder.reshape(builder.narrow(value, axis, at, 1), value.shape[:axis] + value.shape[axis + 1 :])
