"""Recurrences, unrolled: RNN, GRU and LSTM in every direction, layout and activation."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.program import OPERATIONS_MAX, Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.contraction import product
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.quantisation import centred_integers, dynamically
from vm.sandbox.lower.schemas import MICROSOFT
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

UNROLLED_MAX = OPERATIONS_MAX // 4
"""Steps of a recurrence, which take four operations or more each."""
Activation = Callable[[Builder, Value], Value]

_DEFAULT_ALPHA = {
    "LeakyRelu": 0.01,
    "ThresholdedRelu": math.nan,
    "ScaledTanh": math.nan,
    "HardSigmoid": 0.2,
    "Elu": 1.0,
    "Affine": math.nan,
}
_DEFAULT_BETA = {"ScaledTanh": math.nan, "HardSigmoid": 0.5, "Affine": math.nan}
"""NaN where ONNX names none, or ONNX Runtime takes another: the node must say."""


def _softplus(b: Builder, x: Value) -> Value:
    """Return log(1 + eˣ), of which the large part is added last."""
    small = b.unary(Op.EXP, b.unary(Op.NEG, b.unary(Op.ABS, x)))
    return b.add(b.binary(Op.MAX, x, 0), b.unary(Op.LOG1P, small))


def _activation(node: Node, name: str, alpha: float, beta: float) -> Activation:
    """Return what an activation does. Raises Refused for one that ONNX does not name."""
    match name.lower():
        case "sigmoid":
            return lambda b, x: b.unary(Op.SIGMOID, x)
        case "tanh":
            return lambda b, x: b.unary(Op.TANH, x)
        case "relu":
            return lambda b, x: b.binary(Op.MAX, x, 0)
        case "affine":
            return lambda b, x: b.add(b.mul(x, alpha), beta)
        case "leakyrelu":
            return lambda b, x: b.select(b.binary(Op.LESS, x, 0), b.mul(x, alpha), x)
        case "thresholdedrelu":
            return lambda b, x: b.select(b.binary(Op.LESS, x, alpha), b.scalar(0, x.dtype), x)
        case "scaledtanh":
            return lambda b, x: b.mul(b.unary(Op.TANH, b.mul(x, beta)), alpha)
        case "hardsigmoid":
            return lambda b, x: b.binary(Op.MIN, b.binary(Op.MAX, b.add(b.mul(x, alpha), beta), 0), 1)
        case "elu":
            return lambda b, x: b.select(b.binary(Op.LESS, x, 0), b.mul(b.unary(Op.EXPM1, x), alpha), x)
        case "softsign":
            return lambda b, x: b.div(x, b.add(b.unary(Op.ABS, x), 1))
        case "softplus":
            return _softplus
        case _:
            raise node.declined("activations", wanted="activations that ONNX names")


@dataclass(frozen=True)
class _Matrix:
    """Weights [N, K]. If they are quantised, so is what they are multiplied with, by its own range."""

    weights: Value
    scale: Value | None = None
    zero: Value | None = None

    def times(self, b: Builder, x: Value) -> Value:
        """Return x [..., K] · weightsᵀ."""
        turned = b.transpose(self.weights, [1, 0])
        if self.scale is None:
            return product(b, x, turned)
        rounded, scale, zero = dynamically(b, x)
        total = product(b, centred_integers(b, rounded, zero), centred_integers(b, turned, self.zero))
        return b.mul(b.cast(total, DType.FLOAT32), b.mul(self.scale, scale))


@dataclass(frozen=True)
class _Direction:
    """One direction of a recurrence: its weights, and what it begins with."""

    w: _Matrix
    r: _Matrix
    wb: Value | None
    rb: Value | None
    peepholes: list[Value]
    activations: list[Activation]
    start: list[Value]
    """[B, H] each: the hidden state, and the cell's."""
    reverse: bool


@dataclass(frozen=True)
class _Sequence:
    """What all directions share."""

    x: Value
    """[T, B, I]"""
    lengths: Value | None
    """[B] int64, where sequences are shorter than T."""
    hidden: int
    clip: float


_Step = Callable[[Builder, "_Direction", Value, list[Value]], list[Value]]
"""From what the input adds [B, G·H] and the states to the next states."""


def _clipped(b: Builder, x: Value, clip: float) -> Value:
    return b.binary(Op.MIN, b.binary(Op.MAX, x, -clip), clip) if clip > 0 else x


def _gate(b: Builder, x: Value, at: int, hidden: int) -> Value:
    """Return the part of one gate in [B, G·H]."""
    return b.narrow(x, x.rank - 1, at * hidden, hidden)


# --- the three cells ----------------------------------------------------------------------------------------------


def _rnn_step(b: Builder, node: Node, common: _Sequence) -> _Step:
    def step(b: Builder, own: _Direction, given: Value, states: list[Value]) -> list[Value]:
        total = b.add(given, own.r.times(b, states[0]))
        return [own.activations[0](b, _clipped(b, total, common.clip))]

    return step


def _gru_step(b: Builder, node: Node, common: _Sequence) -> _Step:
    hidden, before = common.hidden, node.flag("linear_before_reset", 0)

    def step(b: Builder, own: _Direction, given: Value, states: list[Value]) -> list[Value]:
        (h,) = states
        inner, last = own.activations
        part = b.narrow(own.r.weights, 0, 0, (3 if before else 2) * hidden)
        carried = b.contract(h, part)
        if own.rb is not None:  # the bias of the last gate comes within the reset
            carried = b.add(carried, own.rb if before else b.narrow(own.rb, 0, 0, 2 * hidden))
        gates = inner(b, _clipped(b, b.add(_first(b, given, 2 * hidden), _first(b, carried, 2 * hidden)), common.clip))
        z, r = _gate(b, gates, 0, hidden), _gate(b, gates, 1, hidden)
        if before:
            reset = b.mul(r, _gate(b, carried, 2, hidden))
        else:
            reset = b.contract(b.mul(r, h), b.narrow(own.r.weights, 0, 2 * hidden, hidden))
            if own.rb is not None:
                reset = b.add(reset, b.narrow(own.rb, 0, 2 * hidden, hidden))
        fresh = last(b, _clipped(b, b.add(_gate(b, given, 2, hidden), reset), common.clip))
        return [b.add(b.mul(b.sub(b.scalar(1, h.dtype), z), fresh), b.mul(z, h))]

    return step


def _first(b: Builder, x: Value, size: int) -> Value:
    return b.narrow(x, x.rank - 1, 0, size)


def _lstm_step(b: Builder, node: Node, common: _Sequence) -> _Step:
    hidden, coupled = common.hidden, node.flag("input_forget", 0)

    def step(b: Builder, own: _Direction, given: Value, states: list[Value]) -> list[Value]:
        h, c = states
        sigma, inner, outer = own.activations
        total = b.add(given, own.r.times(b, h))
        seen = own.peepholes

        def gate(at: int, cell: Value) -> Value:
            x = _gate(b, total, at, hidden)
            return sigma(b, _clipped(b, b.add(x, b.mul(seen[at], cell)) if seen else x, common.clip))

        # input, output and forget gate at once, unless they look at the cell, and the output gate at the new one
        three = None if seen else sigma(b, _clipped(b, _first(b, total, 3 * hidden), common.clip))
        i = gate(0, c) if three is None else _gate(b, three, 0, hidden)
        f = gate(2, c) if three is None else _gate(b, three, 2, hidden)
        if coupled:
            f = b.sub(b.scalar(1, h.dtype), i)
        new = inner(b, _clipped(b, _gate(b, total, 3, hidden), common.clip))
        cell = b.add(b.mul(f, c), b.mul(i, new))
        o = gate(1, cell) if three is None else _gate(b, three, 1, hidden)
        return [b.mul(o, outer(b, cell)), cell]

    return step


@dataclass(frozen=True)
class _Kind:
    gates: int
    states: int
    activations: list[str]
    step: Callable[[Builder, Node, _Sequence], _Step]
    bias_apart: bool
    """Whether the bias of the recurrence can't be added to that of the input."""


_KINDS = {
    "RNN": _Kind(1, 1, ["Tanh"], _rnn_step, bias_apart=False),
    "GRU": _Kind(3, 1, ["Sigmoid", "Tanh"], _gru_step, bias_apart=True),
    "LSTM": _Kind(4, 2, ["Sigmoid", "Tanh", "Tanh"], _lstm_step, bias_apart=False),
}
_KINDS["DynamicQuantizeLSTM"] = _KINDS["LSTM"]


# --- running over time -------------------------------------------------------------------------------------------


@lowers("RNN", "GRU", "LSTM")
@lowers("DynamicQuantizeLSTM", domain=MICROSOFT)
def _recurrence(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """X, W, R, B, sequence_lens, initial_h, and of LSTM initial_c and P; Y, Y_h and of LSTM Y_c."""
    kind, x, (w, r) = _KINDS[node.op], operands[0], _weights(b, node, operands)
    batchwise = node.flag("layout", 0)
    if batchwise:
        x = b.transpose(x, [1, 0, 2])
    hidden = r.shape[-1]
    if node.integer("hidden_size", hidden) != hidden or x.rank != 3 or w.shape[1:] != (kind.gates * hidden, x.shape[2]):
        raise node.refused(f"weights of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    lengths = operands.get(4)
    if lengths is not None and lengths.array is not None and (lengths.array == x.shape[0]).all():
        lengths = None
    common = _Sequence(x, None if lengths is None else b.cast(lengths, DType.INT64), hidden, node.number("clip", 0))
    step = kind.step(b, node, common)
    sequences: list[Value] = []
    ends: list[list[Value]] = []
    for own in _directions(b, node, operands, kind, x, batchwise=batchwise):
        y, states = _run(b, own, common, step)
        sequences.append(b.reshape(y, [y.shape[0], 1, *y.shape[1:]]))
        ends.append([b.reshape(state, [1, *state.shape]) for state in states])
    y = b.concat(sequences, 1)
    finals = [b.concat([end[at] for end in ends], 0) for at in range(kind.states)]
    if batchwise:
        y, finals = b.transpose(y, [2, 0, 1, 3]), [b.transpose(each, [1, 0, 2]) for each in finals]
    return [y, *finals]


def _directions(
    b: Builder, node: Node, operands: Operands, kind: _Kind, x: Value, *, batchwise: bool
) -> Iterator[_Direction]:
    """Yield the directions. Raises Refused for a direction that ONNX does not name, or weights that do not fit."""
    said = node.text("direction", "forward")
    reverses = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(said)
    if reverses is None:
        raise node.declined("direction", wanted="forward, reverse or bidirectional")
    w, r = _weights(b, node, operands)
    if w.shape[0] != len(reverses) or r.shape[0] != len(reverses):
        raise node.refused(f"weights of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    hidden, size = r.shape[-1], kind.gates * r.shape[-1]
    table = _activations(node, kind, len(reverses))
    for at, reverse in enumerate(reverses):
        bias = operands.get(3)
        wb, rb = None, None
        if bias is not None:
            wb, rb = (b.reshape(b.slice(bias, [at, size * part], [1, size]), [size]) for part in (0, 1))
        if wb is not None and rb is not None and not kind.bias_apart:
            wb, rb = b.add(wb, rb), None
        peepholes = operands.get(7) if kind.gates == 4 else None
        yield _Direction(
            w=_matrix(b, w, operands.get(8), operands.get(9), at),
            r=_matrix(b, r, operands.get(10), operands.get(11), at),
            wb=wb,
            rb=rb,
            peepholes=[]
            if peepholes is None
            else [b.reshape(b.slice(peepholes, [at, hidden * part], [1, hidden]), [hidden]) for part in range(3)],
            activations=table[at],
            start=[
                _start(b, operands.get(5 + state), at, x, hidden, batchwise=batchwise) for state in range(kind.states)
            ],
            reverse=reverse,
        )


def _weights(b: Builder, node: Node, operands: Operands) -> tuple[Value, Value]:
    """Return the weights of inputs [D, G·H, I] and of the recurrence [D, G·H, H]; quantised ones come turned."""
    w, r = operands[1], operands[2]
    if node.op == "DynamicQuantizeLSTM":
        return b.transpose(w, [0, 2, 1]), b.transpose(r, [0, 2, 1])
    return w, r


def _matrix(b: Builder, x: Value, scale: Value | None, zero: Value | None, at: int) -> _Matrix:
    """Return one direction of weights, and of what they are quantised by: one number, or one for each row."""
    return _Matrix(_one(b, x, at), *(None if each is None else _one(b, each, at) for each in (scale, zero)))


def _one(b: Builder, x: Value, at: int) -> Value:
    """Return x[at]."""
    return b.reshape(b.narrow(x, 0, at, 1), x.shape[1:])


def _start(b: Builder, given: Value | None, at: int, x: Value, hidden: int, *, batchwise: bool) -> Value:
    if given is None:
        return b.full(0, x.dtype, [x.shape[1], hidden])
    return _one(b, b.transpose(given, [1, 0, 2]) if batchwise else given, at)


def _activations(node: Node, kind: _Kind, directions: int) -> list[list[Activation]]:
    """Return the activations of each direction; alphas and betas are taken by those that have one, in order."""
    named = node.texts("activations") if node.has("activations") else None
    names = named or kind.activations * directions
    each = len(kind.activations)
    if len(names) != each * directions:
        raise node.declined("activations", wanted=f"{each * directions} names")
    alphas, betas = iter(node.numbers("activation_alpha") or []), iter(node.numbers("activation_beta") or [])
    made: list[Activation] = []
    for name in names:
        proper = next((known for known in _DEFAULT_ALPHA if known.lower() == name.lower()), "")
        alpha = next(alphas, _DEFAULT_ALPHA[proper]) if proper else 0.0
        beta = next(betas, _DEFAULT_BETA[proper]) if proper in _DEFAULT_BETA else 0.0
        if math.isnan(alpha + beta):
            raise node.declined("activation_alpha", wanted=f"alpha, and beta if there is one, for {name}")
        made.append(_activation(node, name, alpha, beta))
    return [made[at * each : (at + 1) * each] for at in range(directions)]


def _run(b: Builder, own: _Direction, common: _Sequence, step: _Step) -> tuple[Value, list[Value]]:
    """Return the hidden states [T, B, H] in the order of the input, and the last states."""
    x = _turned(b, common.x, common.lengths) if own.reverse else common.x
    given = own.w.times(b, x)  # what the inputs add at all steps, in one product
    if own.wb is not None:
        given = b.add(given, own.wb)
    if x.shape[0] > UNROLLED_MAX:
        raise b.refused(f"{x.shape[0]} steps", reason=Reason.TOO_MANY_NODES, wanted=f"at most {UNROLLED_MAX}")
    states, found = own.start, []
    for at in range(x.shape[0]):
        new = step(b, own, _one(b, given, at), states)
        shown = new[0]
        if common.lengths is not None:  # beyond the end of a sequence: its state stays, its output is 0
            within = b.reshape(b.binary(Op.LESS, b.scalar(at, DType.INT64), common.lengths), [x.shape[1], 1])
            shown = b.select(within, shown, b.scalar(0, shown.dtype))
            new = [b.select(within, fresh, old) for fresh, old in zip(new, states, strict=True)]
        states = new
        found.append(b.reshape(shown, [1, *shown.shape]))
    y = b.concat(found, 0) if found else b.full(0, x.dtype, [0, x.shape[1], common.hidden])
    return (_turned(b, y, common.lengths) if own.reverse else y), states


def _turned(b: Builder, x: Value, lengths: Value | None) -> Value:
    """Return [T, B, …] with each sequence turned round within its own length."""
    time, batch = x.shape[:2]
    if lengths is None:
        return b.slice(x, [time - 1, *[0] * (x.rank - 1)], x.shape, [-1, *[1] * (x.rank - 1)])
    steps = b.constant(np.arange(time, dtype=np.int64).reshape(time, 1))
    back = b.sub(b.sub(lengths, 1), steps)
    rows = b.select(b.binary(Op.LESS, back, 0), b.broadcast(steps, back.shape), back)
    flat = b.add(b.mul(rows, batch), b.counting(batch))
    return b.take(b.reshape(x, [time * batch, math.prod(x.shape[2:])]), flat, 0)
