"""Attention and what goes with it: rotary embeddings, and the recurrent kinds of attention."""

import math
from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.contraction import swapped
from vm.sandbox.lower.convolution import biased, convolve
from vm.sandbox.lower.graph import Node, Operands, element_type
from vm.sandbox.lower.softmax import softmax_along
from vm.sandbox.lower.table import lowers
from vm.sandbox.lower.windows import Window, channels_last, channels_second
from vm.tensor import FLOATS, DType


@dataclass(frozen=True)
class _Heads:
    """Queries [B, H, S, D], keys [B, G, T, D] and values [B, G, T, E]; G divides H."""

    q: Value
    k: Value
    v: Value


def _headed(b: Builder, node: Node, x: Value, heads: int) -> Value:
    """Return [B, S, H·D] as [B, H, S, D]. Raises Refused GRAPH_INVALID."""
    if heads < 1 or x.rank != 3 or x.shape[2] % heads:
        raise node.refused(f"{heads} heads of a tensor {list(x.shape)}", reason=Reason.GRAPH_INVALID)
    return b.transpose(b.reshape(x, [*x.shape[:2], heads, x.shape[2] // heads]), [0, 2, 1, 3])


def _unheaded(b: Builder, x: Value) -> Value:
    """Return [B, H, S, D] as [B, S, H·D]."""
    batch, heads, length, size = x.shape
    return b.reshape(b.transpose(x, [0, 2, 1, 3]), [batch, length, heads * size])


def _grouped(b: Builder, x: Value, y: Value) -> Value:
    """Return x [B, H, S, D] · yᵀ of [B, G, T, D], each head of y serving H / G heads of x: [B, H, S, T]."""
    batch, heads, length, size = x.shape
    groups = y.shape[1]
    joined = b.reshape(x, [batch, groups, heads // groups * length, size])
    return b.reshape(b.contract(joined, y), [batch, heads, length, y.shape[2]])


@lowers("Attention")
def _attention(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Y, the keys and values seen so far, and the scores at the stage that the node names."""
    flat, past = operands[0].rank == 3, operands.get(4)
    heads = _heads(b, node, operands, flat=flat)
    length, seen = heads.q.shape[2], heads.k.shape[2]
    scores = _scores(b, node, heads)
    mode, softcap = node.integer("qk_matmul_output_mode"), node.number("softcap")
    capped = b.mul(b.unary(Op.TANH, b.div(scores, softcap)), softcap) if softcap > 0 else scores
    valid = operands.get(6)
    offset: Value | int = 0 if past is None else past.shape[2]
    if valid is not None and past is None:
        offset = b.reshape(b.sub(b.cast(valid, DType.INT64), length), [valid.size, 1, 1, 1])
    bias = _bias(b, node, operands.get(3), valid, (heads.q.dtype, length, seen, offset))
    logits = capped if bias is None else b.add(capped, bias)
    precision = node.integer("softmax_precision", 0)
    wide = element_type(precision, node.place) if precision else logits.dtype
    if wide not in FLOATS:
        raise node.declined("softmax_precision", wanted="a float type")
    shares = softmax_along(b, b.cast(logits, wide), 3)
    if bias is not None:
        shares = _unmasked(b, shares, bias)
    shares = b.cast(shares, heads.q.dtype)
    y = _grouped(b, shares, swapped(b, heads.v))
    if mode not in range(4):
        raise node.declined("qk_matmul_output_mode", wanted="0 to 3")
    return [_unheaded(b, y) if flat else y, heads.k, heads.v, (scores, capped, logits, shares)[mode]]


def _heads(b: Builder, node: Node, operands: Operands, *, flat: bool) -> _Heads:
    """Return queries, keys and values by heads, those of the past before the new. Raises Refused GRAPH_INVALID."""
    q, k, v = operands[0], operands[1], operands[2]
    own, shared = node.integer("q_num_heads", 0), node.integer("kv_num_heads", 0)
    if flat:
        q, k, v = _headed(b, node, q, own), _headed(b, node, k, shared), _headed(b, node, v, shared)
    past_key, past_value = operands.get(4), operands.get(5)
    if past_key is not None and past_value is not None:
        k, v = b.concat([past_key, k], 2), b.concat([past_value, v], 2)
    ranks = {q.rank, k.rank, v.rank}
    if (
        ranks != {4}
        or k.shape[1] != v.shape[1]
        or k.shape[1] < 1
        or q.shape[1] % k.shape[1]
        or k.shape[2] != v.shape[2]
    ):
        raise node.refused(
            f"queries {list(q.shape)}, keys {list(k.shape)}, values {list(v.shape)}", reason=Reason.GRAPH_INVALID
        )
    return _Heads(q, k, v)


def _scores(b: Builder, node: Node, heads: _Heads) -> Value:
    """Return q · kᵀ · scale, the root of the scale on each side."""
    scale = math.sqrt(node.number("scale") if node.has("scale") else 1 / math.sqrt(heads.q.shape[3]))
    return _grouped(b, b.mul(heads.q, scale), b.mul(heads.k, scale))


def _bias(
    b: Builder,
    node: Node,
    mask: Value | None,
    valid: Value | None,
    about: tuple[DType, int, int, Value | int],
) -> Value | None:
    """Return what is added to the scores: 0 where a query may look, −∞ where not, or a mask of floats."""
    dtype, length, seen, offset = about
    nothing, never = b.scalar(0, dtype), b.scalar(-math.inf, dtype)
    bias: Value | None = None
    if mask is not None:
        masked = mask.dtype is DType.BOOL
        if mask.shape[-1] < seen:
            more = seen - mask.shape[-1]
            none = [0] * mask.rank
            mask = b.pad(mask, none, [*none[:-1], more], 0 if masked else -math.inf)
        bias = b.select(mask, nothing, never) if masked else b.cast(mask, dtype)
    allowed = _allowed(b, node, length, seen, offset)
    if valid is not None:
        columns = b.counting(seen)
        within = b.binary(Op.LESS, columns, b.reshape(b.cast(valid, DType.INT64), [valid.size, 1, 1, 1]))
        allowed = within if allowed is None else b.binary(Op.AND, allowed, within)
    if allowed is None:
        return bias
    if bias is None:
        return b.select(allowed, nothing, never)
    return b.add(bias, b.select(allowed, nothing, never))


def _allowed(b: Builder, node: Node, length: int, seen: int, offset: Value | int) -> Value | None:
    """Return at which keys each query may look by its place, offset + row, or None for all."""
    left, right = node.integer("left_window_size", -1), node.integer("right_window_size", -1)
    causal = node.flag("is_causal")
    if not causal and left < 0 and right < 0:
        return None
    rows = b.constant(np.arange(length, dtype=np.int64).reshape(-1, 1))
    places = b.add(rows, offset)
    ahead = b.sub(b.counting(seen), places)
    found: Value | None = None
    for limit, distance in ((0 if causal else -1, ahead), (right, ahead), (left, b.unary(Op.NEG, ahead))):
        if limit >= 0:
            near = b.binary(Op.LESS_EQUAL, distance, limit)
            found = near if found is None else b.binary(Op.AND, found, near)
    return found


def _unmasked(b: Builder, shares: Value, bias: Value) -> Value:
    """Return shares that are 0 for queries that may look at nothing."""
    blind = b.binary(Op.EQUAL, b.reduce(Op.REDUCE_MAX, bias, [bias.rank - 1], keep=True), -math.inf)
    if blind.array is not None and not blind.array.any():
        return shares
    return b.select(blind, b.scalar(0, shares.dtype), shares)


@lowers("RotaryEmbedding")
def _rotary_embedding(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Turn pairs of features by angles that grow with the position."""
    x, cos, sin, places = operands[0], operands[1], operands[2], operands.get(3)
    heads, width = node.integer("num_heads", 0), node.integer("rotary_embedding_dim", 0)
    split = _headed(b, node, x, heads) if x.rank == 3 else x
    batch, _, length, size = split.shape
    width = width or size
    if places is not None:
        cos, sin = (b.take(each, b.cast(places, DType.INT64), 0) for each in (cos, sin))
    if width % 2 or width > size or cos.shape[-1] * 2 != width:
        raise node.declined("rotary_embedding_dim", wanted="twice the width of the caches, at most a head's size")
    cos, sin = (b.reshape(each, [batch, 1, length, width // 2]) for each in (cos, sin))
    turned, rest = b.narrow(split, 3, 0, width), b.narrow(split, 3, width, size - width)
    interleaved = node.flag("interleaved", 0)
    shape = [batch, split.shape[1], length, width // 2]
    if interleaved:
        pairs = b.reshape(turned, [*shape, 2])
        first, second = (b.reshape(b.narrow(pairs, 4, at, 1), shape) for at in (0, 1))
    else:
        first, second = b.narrow(turned, 3, 0, width // 2), b.narrow(turned, 3, width // 2, width // 2)
    real = b.sub(b.mul(cos, first), b.mul(sin, second))
    imaginary = b.add(b.mul(sin, first), b.mul(cos, second))
    if interleaved:
        joined = b.reshape(b.concat([b.reshape(each, [*shape, 1]) for each in (real, imaginary)], 4), turned.shape)
    else:
        joined = b.concat([real, imaginary], 3)
    y = b.concat([joined, rest], 3)
    return [_unheaded(b, y) if x.rank == 3 else y]


@lowers("CausalConvWithState")
def _causal_conv(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Convolve each channel with its past; the last of the input is the state for the next call."""
    x, w, past = operands[0], operands[1], operands.get(3)
    if x.rank != 3 or w.rank != 3 or w.shape[:2] != (x.shape[1], 1):
        raise node.refused(f"a kernel of shape {list(w.shape)}", reason=Reason.GRAPH_INVALID)
    kept = w.shape[2] - 1
    before = b.full(0, x.dtype, [*x.shape[:2], kept]) if past is None else past
    whole = b.concat([before, x], 2)
    window = Window([w.shape[2]], [1], [1], [0], [0], [x.shape[2]])
    y = convolve(b, channels_last(b, whole), channels_last(b, w), window, x.shape[1])
    y = channels_second(b, biased(b, y, operands.get(2)))
    activation = node.text("activation", "none")
    if activation not in ("none", "silu", "swish"):
        raise node.declined("activation", wanted="none, silu or swish")
    if activation != "none":
        wide = b.cast(y, DType.FLOAT32)
        y = b.cast(b.mul(wide, b.unary(Op.SIGMOID, wide)), y.dtype)
    return [y, b.narrow(whole, 2, whole.shape[2] - kept, kept)]


@lowers("SwiGLU")
def _swiglu(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Return a · sigmoid(alpha · a) · b."""
    x = operands[0]
    gate = b.unary(Op.SIGMOID, b.mul(x, node.number("alpha", 1.0)))
    return [b.mul(b.mul(x, gate), operands[1])]


@lowers("LinearAttention")
def _linear_attention(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Write each key and value to a state, and read it with the query, one step after the other, in float32."""
    heads, groups = node.integer("q_num_heads"), node.integer("kv_num_heads")
    node.ignore("chunk_size")
    rule = node.text("update_rule")
    if rule not in ("linear", "gated", "delta", "gated_delta"):
        raise node.declined("update_rule", wanted="linear, gated, delta or gated_delta")
    if groups < 1 or heads % groups:
        raise node.declined("q_num_heads", wanted="a multiple of kv_num_heads")
    wide = DType.FLOAT32
    q, k, v = (_headed(b, node, b.cast(operands[at], wide), count) for at, count in enumerate((heads, groups, groups)))
    batch, _, length, size = q.shape
    state = operands.get(3)
    kept = operands[0].dtype if state is None else state.dtype
    # the state is held transposed, [B, G, E, D]: keys and queries meet it in their own last dimension
    shape = [batch, groups, v.shape[3], size]
    held = b.full(0, wide, shape) if state is None else swapped(b, b.cast(state, wide))
    decay = _gates(b, node, operands.get(4), groups) if rule in ("gated", "gated_delta") else None
    beta = _gates(b, node, operands.get(5), groups) if rule in ("delta", "gated_delta") else None
    found: list[Value] = []
    for at in range(length):
        query, key, value = (b.narrow(each, 2, at, 1) for each in (q, k, v))
        if decay is not None:
            held = b.mul(held, b.unary(Op.EXP, b.narrow(decay, 2, at, 1)))
        if beta is not None:
            value = b.mul(b.narrow(beta, 2, at, 1), b.sub(value, b.contract(key, held)))
        held = b.add(held, b.mul(swapped(b, value), key))
        found.append(_grouped(b, query, held))
    scale = node.number("scale", 0.0) or 1 / math.sqrt(size)
    y = b.mul(b.concat(found, 2), scale)
    return [b.cast(_unheaded(b, y), operands[0].dtype), b.cast(swapped(b, held), kept)]


def _gates(b: Builder, node: Node, x: Value | None, groups: int) -> Value:
    """Return gates [B, S, G·n] as [B, G, S, n] in float32, one for all heads as [B, 1, S, 1]."""
    if x is None:
        raise node.refused("no decay or beta", reason=Reason.GRAPH_INVALID)
    return _headed(b, node, b.cast(x, DType.FLOAT32), 1 if x.shape[-1] == 1 else groups)


@lowers("TensorScatter")
def _tensor_scatter(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Write an update into a cache along an axis, from a place of its own in each sample, round its end if circular."""
    cache, update, starts = operands[0], operands[1], operands.get(2)
    axis, mode = node.integer("axis"), node.text("mode")
    axis = axis % cache.rank
    size, length = cache.shape[axis], update.shape[axis]
    if mode not in ("linear", "circular") or axis == 0 or length > size:
        raise node.declined("mode", wanted="linear or circular, an axis after the first, and an update that fits")
    rows = b.counting(size)
    begin = b.full(0, DType.INT64, [cache.shape[0]]) if starts is None else b.cast(starts, DType.INT64)
    back = b.sub(rows, b.reshape(begin, [begin.size, 1]))  # which part of the update belongs at each place
    if mode == "circular":
        back = b.binary(Op.MOD, back, size, [0])
    inside = b.binary(Op.AND, b.binary(Op.LESS_EQUAL, b.scalar(0, DType.INT64), back), b.binary(Op.LESS, back, length))
    samples = b.constant((np.arange(cache.shape[0], dtype=np.int64) * length).reshape(-1, 1))
    places = b.add(b.select(inside, back, b.scalar(0, DType.INT64)), samples)
    order = [0, axis, *(at for at in range(1, cache.rank) if at != axis)]
    turned = b.transpose(update, order)
    rest = math.prod(turned.shape[2:])
    spread = b.take(b.reshape(turned, [cache.shape[0] * length, rest]), places, 0)
    old = b.transpose(cache, order)
    mixed = b.select(b.reshape(inside, [*inside.shape, 1]), spread, b.reshape(old, [cache.shape[0], size, rest]))
    return [b.transpose(b.reshape(mixed, old.shape), [order.index(at) for at in range(cache.rank)])]
