"""Rules for elementwise operators: arithmetic, comparison, logic, bits, and the elementary functions."""

from collections.abc import Callable

from primitives.reasons import Reason
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers
from vm.tensor import FLOATS, DType

_BINARY = {
    "Add": Op.ADD, "Sub": Op.SUB, "Mul": Op.MUL, "Div": Op.DIV, "And": Op.AND, "Or": Op.OR, "Xor": Op.XOR,
    "BitwiseAnd": Op.AND, "BitwiseOr": Op.OR, "BitwiseXor": Op.XOR, "Equal": Op.EQUAL, "Less": Op.LESS,
    "LessOrEqual": Op.LESS_EQUAL,
}  # fmt: skip
_SWAPPED = {"Greater": Op.LESS, "GreaterOrEqual": Op.LESS_EQUAL}
_UNARY = {
    "Abs": Op.ABS, "Neg": Op.NEG, "Sign": Op.SIGN, "Not": Op.NOT, "BitwiseNot": Op.NOT, "Floor": Op.FLOOR,
    "Ceil": Op.CEIL, "Round": Op.ROUND, "Sqrt": Op.SQRT, "IsNaN": Op.IS_NAN, "Exp": Op.EXP, "Log": Op.LOG,
    "Sin": Op.SIN, "Cos": Op.COS, "Tan": Op.TAN, "Asin": Op.ASIN, "Acos": Op.ACOS, "Atan": Op.ATAN, "Sinh": Op.SINH,
    "Cosh": Op.COSH, "Tanh": Op.TANH, "Asinh": Op.ASINH, "Acosh": Op.ACOSH, "Atanh": Op.ATANH, "Sigmoid": Op.SIGMOID,
    "Erf": Op.ERF,
}  # fmt: skip
_UNSIGNED = {
    DType.INT8: DType.UINT8, DType.INT16: DType.UINT16, DType.INT32: DType.UINT32, DType.INT64: DType.UINT64,
}  # fmt: skip
_VARIADIC = {"Sum": Op.ADD, "Mean": Op.ADD, "Max": Op.MAX, "Min": Op.MIN}


@lowers(*_BINARY)
def _binary(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [builder.binary(_BINARY[node.op], operands[0], operands[1])]


@lowers(*_SWAPPED)
def _swapped(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [builder.binary(_SWAPPED[node.op], operands[1], operands[0])]


@lowers(*_UNARY)
def _unary(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [builder.unary(_UNARY[node.op], operands[0])]


@lowers(*_VARIADIC)
def _variadic(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    first, *rest = operands.all()
    total = first
    for each in rest:
        total = builder.binary(_VARIADIC[node.op], total, each)
    return [builder.div(total, 1 + len(rest)) if node.op == "Mean" else total]


@lowers("Reciprocal")
def _reciprocal(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.div(builder.scalar(1, operands[0].dtype), operands[0])]


@lowers("Mod")
def _mod(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    like_c, a, b = node.flag("fmod", 0), operands[0], operands[1]
    if like_c or a.dtype not in FLOATS:
        return [builder.binary(Op.MOD, a, b, [int(like_c)])]
    rest, zero = builder.binary(Op.MOD, a, b, [1]), builder.scalar(0, a.dtype)
    other_sign = builder.binary(Op.XOR, builder.binary(Op.LESS, rest, zero), builder.binary(Op.LESS, b, zero))
    turned = builder.select(other_sign, builder.add(rest, b), rest)
    return [builder.select(builder.binary(Op.EQUAL, rest, zero), rest, turned)]


@lowers("Pow")
def _pow(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    base, exponent = operands[0], operands[1]
    if exponent.array is not None and exponent.size == 1 and base.dtype in FLOATS and exponent.rank <= base.rank:
        power = float(exponent.array.reshape(-1)[0])
        if power == 1:
            return [base]
        if power in (2, 3):  # a product is exact to the last bit, and what ONNX Runtime does
            square = builder.mul(base, base)
            return [square if power == 2 else builder.mul(square, base)]
    if base.dtype in FLOATS or exponent.dtype not in FLOATS:
        return [builder.binary(Op.POW, base, builder.cast(exponent, base.dtype))]
    wide = builder.binary(Op.POW, builder.cast(base, DType.FLOAT64), builder.cast(exponent, DType.FLOAT64))
    return [builder.cast(wide, base.dtype)]


@lowers("BitShift")
def _bit_shift(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    shifts = {"LEFT": Op.SHIFT_LEFT, "RIGHT": Op.SHIFT_RIGHT}
    direction = node.text("direction")
    if direction not in shifts:
        raise node.declined("direction", wanted="LEFT or RIGHT")
    x, unsigned = operands[0], _UNSIGNED.get(operands[0].dtype, operands[0].dtype)
    distance = builder.cast(operands[1], unsigned)
    if unsigned is x.dtype or direction == "LEFT":
        return [builder.cast(builder.binary(shifts[direction], builder.cast(x, unsigned), distance), x.dtype)]
    negative = builder.binary(Op.LESS, x, 0)  # the sign moves in from the left: shift the complement, turn it back
    bits = builder.cast(builder.select(negative, builder.unary(Op.NOT, x), x), unsigned)
    shifted = builder.cast(builder.binary(Op.SHIFT_RIGHT, bits, distance), x.dtype)
    return [builder.select(negative, builder.unary(Op.NOT, shifted), shifted)]


@lowers("IsInf")
def _is_inf(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    signs = [int(node.flag("detect_negative", 1)), int(node.flag("detect_positive", 1))]
    return [builder.unary(Op.IS_INFINITE, operands[0], signs)]


@lowers("Where")
def _where(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.select(operands[0], operands[1], operands[2])]


@lowers("Cast")
def _cast(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    node.ignore("saturate", "round_mode")  # they speak of types of 8 bits, which are refused
    to = node.integer("to")
    if to not in list(DType):
        raise node.declined("to", wanted="a type of numbers that is served")
    return [builder.cast(operands[0], DType(to))]


@lowers("CastLike")
def _cast_like(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    node.ignore("saturate", "round_mode")
    return [builder.cast(operands[0], operands[1].dtype)]


@lowers("Clip")
def _clip(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    clipped = operands[0]
    for at, (name, op) in enumerate((("min", Op.MAX), ("max", Op.MIN)), start=1):
        limit: Value | float | None = operands.get(at)
        if node.has(name):
            limit = node.number(name)
        if isinstance(limit, Value):
            if limit.size != 1:
                raise node.refused(f"{name} of shape {list(limit.shape)}", reason=Reason.GRAPH_INVALID, wanted="scalar")
            limit = builder.reshape(limit, ())
        if limit is not None:
            clipped = builder.binary(op, clipped, limit)
    return [clipped]


# --- activations ------------------------------------------------------------------------------------------------------

Curve = Callable[[Builder, Node, Value], Value]
_CURVES: dict[str, Curve] = {}


def _curve(name: str) -> Callable[[Curve], Curve]:
    """Register a function of one value; float16 is computed in float32 and rounded once."""

    def register(curve: Curve) -> Curve:
        _CURVES[name] = curve

        def rule(builder: Builder, node: Node, operands: Operands) -> list[Value]:
            x = operands[0]
            wide = builder.cast(x, DType.FLOAT32) if x.dtype is DType.FLOAT16 else x
            return [builder.cast(curve(builder, node, wide), x.dtype)]

        lowers(name)(rule)
        return curve

    return register


@_curve("Relu")
def _relu(builder: Builder, _: Node, x: Value) -> Value:
    return builder.binary(Op.MAX, x, 0)


def _if_negative(builder: Builder, x: Value, then: Value) -> Value:
    """Return `then` where x is below 0, else x."""
    return builder.select(builder.binary(Op.LESS, x, 0), then, x)


@_curve("LeakyRelu")
def _leaky_relu(builder: Builder, node: Node, x: Value) -> Value:
    return _if_negative(builder, x, builder.mul(x, node.number("alpha")))


@_curve("ThresholdedRelu")
def _thresholded_relu(builder: Builder, node: Node, x: Value) -> Value:
    above = builder.binary(Op.LESS, builder.scalar(node.number("alpha"), x.dtype), x)
    return builder.select(above, x, builder.scalar(0, x.dtype))


@_curve("Elu")
def _elu(builder: Builder, node: Node, x: Value) -> Value:
    return _if_negative(builder, x, builder.mul(builder.unary(Op.EXPM1, x), node.number("alpha")))


@_curve("Selu")
def _selu(builder: Builder, node: Node, x: Value) -> Value:
    bent = builder.mul(builder.unary(Op.EXPM1, x), node.number("alpha"))
    return builder.mul(_if_negative(builder, x, bent), node.number("gamma"))


@_curve("Celu")
def _celu(builder: Builder, node: Node, x: Value) -> Value:
    alpha = node.number("alpha")
    return _if_negative(builder, x, builder.mul(builder.unary(Op.EXPM1, builder.div(x, alpha)), alpha))


@_curve("Softplus")
def _softplus(builder: Builder, _: Node, x: Value) -> Value:
    return softplus(builder, x)


def softplus(builder: Builder, x: Value) -> Value:
    """Return log(1 + exp(x)), without overflow."""
    small = builder.unary(Op.LOG1P, builder.unary(Op.EXP, builder.unary(Op.NEG, builder.unary(Op.ABS, x))))
    return builder.add(builder.binary(Op.MAX, x, 0), small)


@_curve("Softsign")
def _softsign(builder: Builder, _: Node, x: Value) -> Value:
    return builder.div(x, builder.add(builder.unary(Op.ABS, x), 1))


@_curve("Mish")
def _mish(builder: Builder, _: Node, x: Value) -> Value:
    return builder.mul(x, builder.unary(Op.TANH, softplus(builder, x)))


@_curve("Swish")
def _swish(builder: Builder, node: Node, x: Value) -> Value:
    alpha = node.number("alpha")
    return builder.mul(x, builder.unary(Op.SIGMOID, x if alpha == 1 else builder.mul(x, alpha)))


def _hard_sigmoid_of(builder: Builder, x: Value, alpha: float, beta: float) -> Value:
    line = builder.add(builder.mul(x, alpha), beta)
    return builder.binary(Op.MIN, builder.binary(Op.MAX, line, 0), 1)


@_curve("HardSigmoid")
def _hard_sigmoid(builder: Builder, node: Node, x: Value) -> Value:
    return _hard_sigmoid_of(builder, x, node.number("alpha"), node.number("beta"))


@_curve("HardSwish")
def _hard_swish(builder: Builder, _: Node, x: Value) -> Value:
    return builder.mul(x, _hard_sigmoid_of(builder, x, 1 / 6, 0.5))


@_curve("Gelu")
def _gelu(builder: Builder, node: Node, x: Value) -> Value:
    approximate = node.text("approximate")
    if approximate == "none":
        inner = builder.unary(Op.ERF, builder.mul(x, 0.5**0.5))
    elif approximate == "tanh":
        cubed = builder.mul(builder.mul(builder.mul(x, x), x), 0.044715)
        inner = builder.unary(Op.TANH, builder.mul(builder.add(x, cubed), 0.7978845608028654))  # the root of 2/π
    else:
        raise node.declined("approximate", wanted="none or tanh")
    return builder.mul(builder.mul(x, 0.5), builder.add(inner, 1))


@_curve("Shrink")
def _shrink(builder: Builder, node: Node, x: Value) -> Value:
    limit, bias = node.number("lambd"), node.number("bias")
    if x.dtype not in FLOATS and (limit != int(limit) or bias != int(bias)):
        raise node.declined("lambd", wanted="whole numbers for integers")
    below = builder.binary(Op.LESS, x, -limit)
    above = builder.binary(Op.LESS, builder.scalar(limit, x.dtype), x)
    middle = builder.select(above, builder.sub(x, bias), builder.scalar(0, x.dtype))
    return builder.select(below, builder.add(x, bias), middle)


@lowers("PRelu")
def _prelu(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    x, slope = operands[0], operands[1]
    slope = builder.broadcast(slope, x.shape) if slope.rank > x.rank else slope
    return [_if_negative(builder, x, builder.mul(x, slope))]
