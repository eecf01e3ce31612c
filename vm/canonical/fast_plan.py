"""How each operator is carried out by kernels: the calls, from shapes and places alone.

A rule returns the calls, or None where the case is left to the definition in numpy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vm.canonical.arrays import NUMPY_OF, Array
from vm.canonical.fast_contraction import SIDE_ROOM, Weights, relaid, window_of
from vm.canonical.fast_library import LANES, ROWS_MAX, Library
from vm.canonical.fast_tape import Call, Memory, Place, Word, joined, steps_of
from vm.canonical.movement import inside, reach
from vm.program import Movement, Op, Operation, TrapCode, convolution, movement
from vm.tensor import TensorType

_KINDS = {"<f4": "f4", "<f8": "f8", "<i4": "i4", "<i8": "i8", "|u1": "u1", "|i1": "i1", "|b1": "u1"}
_PARTS_MAX = 256
"""Matrix products of one operation, or boxes of one movement; beyond, numpy has less to do than a tape to hold."""
_PADDED_MAX = 4
"""A padded copy of x' of so many times the elements of x' and result together; beyond, numpy."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A value: its type, and the place or the array in which its elements stand in C order."""

    type: TensorType
    at: Place | Array
    panels: dict[tuple[int, int], list[Weights]] = field(default_factory=dict, repr=False, compare=False)
    """By numbers of groups and steps, what `relaid` gave: a recurrence reads the same weights at every step."""

    @property
    def dtype(self) -> "np.dtype[np.generic]":
        """Return the type of its elements."""
        return NUMPY_OF[self.type.dtype]

    @property
    def shape(self) -> list[int]:
        """Return its shape."""
        return self.type.shape

    @property
    def count(self) -> int:
        """Return how many elements it has."""
        return math.prod(self.type.shape)

    @property
    def kind(self) -> str:
        """Return the name of its elements for kernels; empty if there is none."""
        return _KINDS.get(self.dtype.str, "")

    def after(self, elements: int) -> Word:
        """Return where an element stands."""
        if isinstance(self.at, Place):
            return self.at.after(elements * self.dtype.itemsize)
        return self.at.reshape(-1)[elements:]

    def relaid(self, groups: int, steps: int) -> list[Weights]:
        """Return the weights of each group re-laid; this is a constant."""
        assert not isinstance(self.at, Place)
        if (groups, steps) not in self.panels:
            self.panels[groups, steps] = [relaid(part) for part in self.at.reshape(groups, -1, steps)]
        return self.panels[groups, steps]


@dataclass(slots=True)
class Job:
    """One operation to be planned: what it reads, where its result goes, and memory for as long as it runs."""

    library: Library
    operation: Operation
    operands: list[Stored]
    result: Stored
    memory: Memory
    taken: list[Place] = field(default_factory=list)

    def scratch(self, size: int) -> Place:
        """Return a place of so many bytes until the operation is done."""
        self.taken.append(self.memory.take(size))
        return self.taken[-1]

    def has(self, name: str) -> bool:
        """Return whether there is a kernel of this name."""
        return self.library.address(name) != 0


Rule = Callable[[Job], list[Call] | None]


def view(operation: Operation, operand: TensorType) -> bool:
    """Return whether a MOVE gives the elements of its operand in their order: only the shape may change."""
    told, shape = movement(operation), operation.result.shape
    if math.prod(shape) != math.prod(operand.shape) or inside(told, shape) != ([0] * len(shape), shape):
        return False
    if any(low < 0 or high >= n for (low, high), n in zip(reach(told, shape), told.shape, strict=True)):
        return False
    offset, steps = _steps(told, len(shape))
    return offset == 0 and all(
        step == wanted for step, wanted, size in zip(steps, steps_of(shape), shape, strict=True) if size > 1
    )


def _steps(told: Movement, rank: int) -> tuple[int, list[int]]:
    """Return where in x' the first element stands, and the step for each of the result's dimensions."""
    lines, columns = steps_of(told.shape), range(rank)
    offset = sum(base * line for base, line in zip(told.base, lines, strict=True))
    return offset, [sum(row[at] * line for row, line in zip(told.matrix, lines, strict=True)) for at in columns]


def _copy(size: int, source: Word, to: Word, sizes: list[int], steps: list[int], strides: list[int]) -> Call | None:
    box = joined(sizes, steps, strides)
    if box is None:
        return None
    kept, [froms, tos] = box
    # the innermost loop is the longest of those that go from one element to the next
    near = [at for at, both in enumerate(zip(froms, tos, strict=True)) if 1 in both]
    inner = max(near, key=lambda at: kept[at], default=len(kept) - 1)
    order = [*(at for at in range(len(kept)) if at != inner), inner]
    return Call(f"copy_{size}", [source, to, *(line[at] for line in (kept, froms, tos) for at in order)])


def _fill(dtype: "np.dtype[np.generic]", to: Word, count: int, value: bytes) -> Call:
    return Call(f"fill_{dtype.itemsize}", [to, count, int.from_bytes(value, "little", signed=True)])


def _move(job: Job) -> list[Call] | None:
    told, shape, x = movement(job.operation), job.result.shape, job.operands[0]
    if not told.shape or not shape:
        return None
    item, calls = x.dtype.itemsize, list[Call]()
    box = inside(told, shape)
    if box is None:
        return [_fill(x.dtype, job.result.after(0), job.result.count, job.operation.fill)]
    starts, stops = box
    sizes = [stop - start for start, stop in zip(starts, stops, strict=True)]
    base = [b + sum(m * at for m, at in zip(row, starts, strict=True)) for b, row in zip(*told[1:], strict=True)]
    told = told._replace(base=base)
    source: Word = x.after(0)
    ends = reach(told, sizes)
    below = [max(0, -low) for low, _ in ends]
    above = [max(0, high - n + 1) for (_, high), n in zip(ends, told.shape, strict=True)]
    if any(below) or any(above):
        padded = [n + low + high for n, low, high in zip(told.shape, below, above, strict=True)]
        if math.prod(padded) > _PADDED_MAX * (x.count + math.prod(sizes)):
            return None
        wide, lines = job.scratch(math.prod(padded) * item), steps_of(padded)
        calls.append(_fill(x.dtype, wide, math.prod(padded), job.operation.fill))
        first = sum(low * line for low, line in zip(below, lines, strict=True))
        inner = _copy(item, source, wide.after(first * item), told.shape, steps_of(told.shape), lines)
        if inner is None:
            return None
        calls.append(inner)
        source = wide
        told = Movement(padded, [b + low for b, low in zip(told.base, below, strict=True)], told.matrix)
    offset, steps = _steps(told, len(sizes))
    source = source.after(offset * item) if isinstance(source, Place) else x.after(offset)
    strides = steps_of(shape)
    if sizes != shape:
        calls.append(_fill(x.dtype, job.result.after(0), job.result.count, job.operation.fill))
    first = sum(start * stride for start, stride in zip(starts, strides, strict=True))
    moved = _copy(item, source, job.result.after(first), sizes, steps, strides)
    return None if moved is None else [*calls, moved]


def _concat(job: Job) -> list[Call] | None:
    axis, strides, first = job.operation.ints[0], steps_of(job.result.shape), 0
    calls = []
    for x in job.operands:
        if x.count:
            call = _copy(
                x.dtype.itemsize,
                x.after(0),
                job.result.after(first * strides[axis]),
                x.shape,
                steps_of(x.shape),
                strides,
            )
            if call is None:
                return None
            calls.append(call)
        first += x.shape[axis]
    return calls


def _take(job: Job) -> list[Call] | None:
    x, places = job.operands
    axis = job.operation.ints[0]
    outer, n, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    words = [x.after(0), places.after(0), job.result.after(0), outer, n, inner, places.count, int(TrapCode.INDEX)]
    return [Call(f"take_{x.dtype.itemsize}", words)]


def _spread(x: Stored, shape: list[int]) -> list[int]:
    """Return the steps in x for each dimension of a shape to which it is broadcast."""
    missing = len(shape) - len(x.shape)
    own = [0 if size == 1 else step for size, step in zip(x.shape, steps_of(x.shape), strict=True)]
    return [0] * missing + own


def _binary(job: Job) -> list[Call] | None:
    a, b = job.operands
    name = f"{job.operation.op.name.lower()}_{a.kind}"
    if job.operation.op in (Op.AND, Op.OR) and a.dtype.kind != "b":
        return None
    box = joined(job.result.shape, _spread(a, job.result.shape), _spread(b, job.result.shape))
    if box is None or not job.has(name):
        return None
    sizes, [left, right] = box
    return [Call(name, [a.after(0), b.after(0), job.result.after(0), *sizes, *left, *right])]


def _unary(job: Job) -> list[Call] | None:
    [x] = job.operands
    name = f"{job.operation.op.name.lower()}_{x.kind}"
    if not job.has(name) or (job.operation.op is Op.NOT and x.dtype.kind != "b"):
        return None
    return [Call(name, [x.after(0), job.result.after(0), x.count])]


def _cast(job: Job) -> list[Call] | None:
    [x] = job.operands
    name = f"cast_{x.kind}_{job.result.kind}"
    if not job.has(name) or job.result.dtype.kind == "b":
        return None
    return [Call(name, [x.after(0), job.result.after(0), x.count])]


def _select(job: Job) -> list[Call] | None:
    condition, x, y = job.operands
    shape = job.result.shape
    box = joined(shape, _spread(condition, shape), _spread(x, shape), _spread(y, shape))
    if box is None:
        return None
    sizes, [turn, left, right] = box
    places = [condition.after(0), x.after(0), y.after(0), job.result.after(0)]
    return [Call(f"select_{x.dtype.itemsize}", [*places, *sizes, *turn, *left, *right])]


def _fold(job: Job) -> list[Call] | None:
    [x] = job.operands
    n, name = x.shape[-1], f"{job.operation.op.name.lower()}_{x.kind}"
    if n == 0 or not job.has(name):
        return None
    words: list[Word] = [x.after(0), job.result.after(0), job.result.count, n]
    if job.operation.op in (Op.REDUCE_SUM, Op.REDUCE_PRODUCT):
        words.append(job.scratch(n * 8))
    return [Call(name, words)]


def _sums(  # noqa: PLR0913 - what a kernel takes
    job: Job, x: Word, starts: Array, runs: Array, length: int, weights: Weights, row: int, group: int, *, side: bool
) -> list[Call]:
    """Return the calls that fill rows of the result, from `row` on and the columns of a group."""
    calls = []
    stride, item, kind = job.result.shape[-1], job.result.dtype.itemsize, job.result.kind
    for panels in weights.panels:
        source = x
        if side:
            assert isinstance(x, Place)
            source = x.after(panels.column * item)
        out = job.result.after(row * stride + group * weights.columns + panels.column)
        words: list[Word] = [
            source, starts, len(starts), runs, len(runs), length, panels.weights, len(panels.weights), out, stride,
            panels.columns, job.scratch(ROWS_MAX * panels.lanes * item),
        ]  # fmt: skip
        calls.append(Call(f"contract_{kind}_{panels.lanes}{'_side' * side}", words))
    return calls


def _matmul(job: Job) -> list[Call] | None:
    a, b = job.operands
    if a.kind not in LANES:
        return None
    (*batch, rows, columns), steps = job.result.shape, a.shape[-1]
    if not isinstance(b.at, Place) and math.prod(b.shape[:-2]) == 1 and math.prod(a.shape[:-2]) == math.prod(batch):
        [weights] = b.relaid(1, steps)
        starts = np.arange(math.prod(batch) * rows, dtype=np.int64) * steps
        return _sums(job, a.after(0), starts, _FIRST, steps, weights, 0, 0, side=False)
    if math.prod(batch) > _PARTS_MAX or steps == 0:
        return None
    calls = []
    starts = np.arange(rows, dtype=np.int64) * steps
    wide = LANES[a.kind][-1]
    panels = -(-columns // wide)
    packed = job.scratch(panels * steps * wide * a.dtype.itemsize)
    lefts, rights = _parts(a, batch), _parts(b, batch)
    for part, (left, right) in enumerate(zip(lefts, rights, strict=True)):
        calls += _packed(b, right, columns, steps, packed, wide)
        words: list[Word] = [
            a.after(left * rows * steps), starts, rows, _FIRST, 1, steps, packed, panels,
            job.result.after(part * rows * columns), columns, columns, job.scratch(ROWS_MAX * wide * a.dtype.itemsize),
        ]  # fmt: skip
        calls.append(Call(f"contract_{a.kind}_{wide}", words))
    return calls


def _packed(b: Stored, part: int, columns: int, steps: int, to: Place, lanes: int) -> list[Call]:
    """Return the calls that re-lay one matrix of b in panels of `lanes` columns, zeros filling up the last."""
    item = b.dtype.itemsize
    whole, rest = divmod(columns, lanes)
    calls, first, panel = [], part * columns * steps, steps * lanes
    if whole:
        told = _copy(item, b.after(first), to, [whole, steps, lanes], [lanes * steps, 1, steps], [panel, lanes, 1])
        assert told is not None
        calls.append(told)
    if rest:
        last = to.after(whole * panel * item)
        calls.append(Call(f"fill_{item}", [last, panel, 0]))
        told = _copy(item, b.after(first + whole * lanes * steps), last, [steps, rest], [1, steps], [lanes, 1])
        assert told is not None
        calls.append(told)
    return calls


def _parts(x: Stored, batch: list[int]) -> list[int]:
    """Return for each product which matrix of x it takes."""
    own = x.shape[:-2]
    numbers = np.arange(math.prod(own)).reshape(own)
    return [int(number) for number in np.broadcast_to(numbers, batch).reshape(-1)]


def _conv(job: Job) -> list[Call] | None:
    x, w = job.operands
    if isinstance(w.at, Place) or x.kind not in LANES:
        return None
    told, steps = convolution(job.operation), math.prod(w.shape[1:])
    filters = w.shape[0] // told.groups
    side = w.shape[-1] == 1 and filters == 1 and told.groups > 1
    groups = 1 if side else told.groups
    if groups > _PARTS_MAX:
        return None
    weights = w.relaid(groups, steps)
    window = window_of(job.operation, tuple(x.shape), tuple(w.shape), side=side)
    calls, source, item = [], x.after(0), x.dtype.itemsize
    if window.copied:
        if not all(each.finite for each in weights):
            return None
        size = math.prod(window.padded)
        wide, lines = job.scratch((size + SIDE_ROOM) * item), steps_of(window.padded)
        starts = [each.start or 0 for each in window.inner]
        taken = [each.start or 0 for each in window.taken]
        sizes = [len(range(*each.indices(n))) for each, n in zip(window.taken, x.shape, strict=True)]
        from_steps = steps_of(x.shape)
        inner = _copy(
            item, x.after(sum(at * step for at, step in zip(taken, from_steps, strict=True))),
            wide.after(item * sum(at * line for at, line in zip(starts, lines, strict=True))), sizes, from_steps, lines,
        )  # fmt: skip
        if inner is None:
            return None
        calls = [Call(f"fill_{item}", [wide, size + SIDE_ROOM, 0])]
        if 0 not in sizes:
            calls.append(inner)
        source = wide
    elif side:
        return None
    for group, part in enumerate(weights):
        shift = group * w.shape[-1]
        begin = source.after(shift * item) if isinstance(source, Place) else x.after(shift)
        calls += _sums(job, begin, window.starts, window.runs, window.length, part, 0, group, side=side)
    return calls


_FIRST = np.zeros(1, np.int64)
RULES: dict[Op, Rule] = {
    Op.MOVE: _move,
    Op.CONCAT: _concat,
    Op.TAKE: _take,
    **dict.fromkeys((Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX, Op.EQUAL, Op.LESS, Op.LESS_EQUAL), _binary),
    **dict.fromkeys((Op.AND, Op.OR), _binary),
    **dict.fromkeys((Op.NEG, Op.ABS, Op.NOT, Op.FLOOR, Op.CEIL, Op.ROUND, Op.SQRT), _unary),
    **dict.fromkeys((Op.EXP, Op.LOG, Op.TANH, Op.SIGMOID, Op.ERF), _unary),
    **dict.fromkeys((Op.REDUCE_SUM, Op.REDUCE_PRODUCT, Op.REDUCE_MAX, Op.REDUCE_MIN), _fold),
    Op.CAST: _cast,
    Op.SELECT: _select,
    Op.MATMUL: _matmul,
    Op.CONV: _conv,
}
