"""Rules for reductions over any axes, for the places of extremes, and for running sums."""

from collections.abc import Callable

from vm.program import STEPS_MAX, Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.movement import axes_of, axis_of, checked_axis
from vm.sandbox.lower.table import lowers
from vm.tensor import FLOATS, DType

_AXES_AS_INPUT = {"ReduceSum": 13}
"""For all others from 18 on."""
_SIMPLE = {
    "ReduceSum": Op.REDUCE_SUM,
    "ReduceProd": Op.REDUCE_PRODUCT,
    "ReduceMax": Op.REDUCE_MAX,
    "ReduceMin": Op.REDUCE_MIN,
}
_EXTREMES = {"ArgMax": Op.ARG_MAX, "ArgMin": Op.ARG_MIN}


def _axes(node: Node, operands: Operands) -> tuple[list[int] | None, bool]:
    """Return the axes to reduce, None for no reduction at all, and whether they stay as dimensions of 1."""
    rank, keep = operands[0].rank, node.flag("keepdims")
    as_input = node.version >= _AXES_AS_INPUT.get(node.op, 18)
    given = operands.get_ints(1) if as_input else node.integers("axes")
    idle = node.flag("noop_with_empty_axes", 0) if as_input else False
    if not given:
        return (None if idle else list(range(rank))), keep
    return axes_of(node, given, rank), keep


@lowers(*_SIMPLE)
def _reduce(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, op = operands[0], _SIMPLE[node.op]
    axes, keep = _axes(node, operands)
    if axes is None:
        return [x]
    wide = builder.cast(x, DType.UINT8) if x.dtype is DType.BOOL else x
    return [builder.cast(builder.reduce(op, wide, axes, keep=keep), x.dtype)]


@lowers("ReduceMean")
def _reduce_mean(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    axes, keep = _axes(node, operands)
    if axes is None:
        return [x]
    return [builder.cast(mean(builder, x, axes, keep=keep), x.dtype)]


def mean(builder: Builder, x: Value, axes: list[int], *, keep: bool) -> Value:
    """Return the mean over axes: of floats in float64; of integers truncated, in their type."""
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return builder.div(builder.reduce(Op.REDUCE_SUM, x, axes, keep=keep), count)


@lowers("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def _reduce_norm(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    axes, keep = _axes(node, operands)
    wide = builder.cast(x, DType.FLOAT64) if x.dtype in FLOATS or node.op not in ("ReduceL1", "ReduceSumSquare") else x
    match node.op:
        case "ReduceL1":
            each = builder.unary(Op.ABS, wide)
        case "ReduceL2" | "ReduceSumSquare":
            each = builder.mul(wide, wide)
        case "ReduceLogSum":
            each = wide
        case _:
            return [builder.cast(_log_sum_exp(builder, wide, axes, keep=keep), x.dtype)]
    total = each if axes is None else builder.reduce(Op.REDUCE_SUM, each, axes, keep=keep)
    if node.op == "ReduceL2":
        total = builder.unary(Op.SQRT, total)
    if node.op == "ReduceLogSum":
        total = builder.unary(Op.LOG, total)
    return [builder.cast(total, x.dtype)]


def _log_sum_exp(builder: Builder, x: Value, axes: list[int] | None, *, keep: bool) -> Value:
    if axes is None:
        return x
    top = builder.reduce(Op.REDUCE_MAX, x, axes, keep=True)
    shift = builder.select(builder.unary(Op.IS_INFINITE, top, [1, 1]), builder.scalar(0, x.dtype), top)
    total = builder.reduce(Op.REDUCE_SUM, builder.unary(Op.EXP, builder.sub(x, shift)), axes, keep=True)
    result = builder.add(builder.unary(Op.LOG, total), shift)
    return result if keep else builder.reshape(result, [s for at, s in enumerate(x.shape) if at not in axes])


@lowers(*_EXTREMES)
def _arg(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    axis, last = axis_of(node, x.rank, 0), node.flag("select_last_index", 0)
    wide = builder.cast(x, DType.UINT8) if x.dtype is DType.BOOL else x
    found = place_of(builder, _EXTREMES[node.op], builder.rows_of(wide, [axis]), last=last)
    keep = node.flag("keepdims")
    return [builder.reshape(found, [1 if at == axis else s for at, s in enumerate(x.shape)]) if keep else found]


def place_of(builder: Builder, op: Op, x: Value, *, last: bool = False) -> Value:
    """Return ARG_MAX or ARG_MIN over the last axis, however long."""
    *rest, length = x.shape
    if length == 0:
        raise builder.refused("the place of an extreme among no elements")
    if length <= STEPS_MAX:
        return builder.emit(op, [x], DType.INT64, rest, [int(last)])
    starts = range(0, length, STEPS_MAX)
    parts = [builder.narrow(x, x.rank - 1, at, min(STEPS_MAX, length - at)) for at in starts]
    fold = Op.REDUCE_MAX if op is Op.ARG_MAX else Op.REDUCE_MIN
    tops = builder.concat([builder.reshape(builder.fold(fold, part), [*rest, 1]) for part in parts], len(rest))
    winner = builder.reshape(place_of(builder, op, tops, last=last), [*rest, 1])
    found: Value | None = None
    for number, (start, part) in enumerate(zip(starts, parts, strict=True)):
        place = builder.add(builder.reshape(place_of(builder, op, part, last=last), [*rest, 1]), start)
        chosen = builder.binary(Op.EQUAL, winner, number)
        found = place if found is None else builder.select(chosen, place, found)
    assert found is not None
    return builder.reshape(found, rest)


@lowers("CumSum", "CumProd")
def _cumulate(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x, running = operands[0], _sums if node.op == "CumSum" else _products
    axis = checked_axis(node, operands.ints(1)[0], x.rank)
    exclusive, backwards = node.flag("exclusive"), node.flag("reverse")
    return [_along(builder, x, axis, lambda rows: running(builder, rows, exclusive=exclusive, backwards=backwards))]


def _along(builder: Builder, x: Value, axis: int, change: Callable[[Value], Value]) -> Value:
    """Return what a change of the last axis makes of another one."""
    order = [at for at in range(x.rank) if at != axis] + [axis]
    changed = change(builder.transpose(x, order))
    return builder.transpose(changed, [order.index(at) for at in range(x.rank)])


def _sums(builder: Builder, x: Value, *, exclusive: bool, backwards: bool) -> Value:
    """Return running sums over the last axis, in parts that are as long as a fold may be."""
    ints = [int(exclusive), int(backwards)]
    starts = list(range(0, x.shape[-1], STEPS_MAX))
    parts: list[Value] = []
    carried: Value | None = None
    for start in reversed(starts) if backwards else starts:
        part = builder.narrow(x, x.rank - 1, start, min(STEPS_MAX, x.shape[-1] - start))
        sums = builder.emit(Op.CUMULATE, [part], x.dtype, part.shape, ints)
        parts.append(sums if carried is None else builder.add(sums, carried))
        if len(starts) > 1:
            whole = builder.cast(builder.reduce(Op.REDUCE_SUM, part, [x.rank - 1], keep=True), x.dtype)
            carried = whole if carried is None else builder.add(carried, whole)
    return builder.concat(parts[::-1] if backwards else parts, x.rank - 1) if parts else x


def _products(builder: Builder, x: Value, *, exclusive: bool, backwards: bool) -> Value:
    """Return running products over the last axis, by doubling: each step multiplies by what is 1, 2, 4, … before."""

    def shifted(value: Value, by: int) -> Value:
        pads = [0] * (value.rank - 1) + [-by if backwards else by]
        return builder.pad(value, pads, [-each for each in pads], 1)

    result = shifted(x, 1) if exclusive else x
    step = 1
    while step < x.shape[-1]:
        result = builder.mul(result, shifted(result, step))
        step *= 2
    return result
