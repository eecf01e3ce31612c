"""Rules for elementwise operators: arithmetic, comparison, logic, bits, and the elementary functions."""

from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers

_BINARY = {
    "Add": Op.ADD, "Sub": Op.SUB, "Mul": Op.MUL, "Div": Op.DIV, "And": Op.AND, "Or": Op.OR, "Xor": Op.XOR,
    "BitwiseAnd": Op.AND, "BitwiseOr": Op.OR, "BitwiseXor": Op.XOR, "Equal": Op.EQUAL, "Less": Op.LESS,
    "LessOrEqual": Op.LESS_EQUAL,
}  # fmt: skip
_UNARY = {
    "Abs": Op.ABS, "Neg": Op.NEG, "Sign": Op.SIGN, "Not": Op.NOT, "BitwiseNot": Op.NOT, "Floor": Op.FLOOR,
    "Ceil": Op.CEIL, "Round": Op.ROUND, "Sqrt": Op.SQRT, "IsNaN": Op.IS_NAN, "Exp": Op.EXP, "Log": Op.LOG,
    "Sin": Op.SIN, "Cos": Op.COS, "Tan": Op.TAN, "Asin": Op.ASIN, "Acos": Op.ACOS, "Atan": Op.ATAN, "Sinh": Op.SINH,
    "Cosh": Op.COSH, "Tanh": Op.TANH, "Asinh": Op.ASINH, "Acosh": Op.ACOSH, "Atanh": Op.ATANH, "Sigmoid": Op.SIGMOID,
    "Erf": Op.ERF,
}  # fmt: skip


@lowers(*_BINARY)
def _binary(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [builder.binary(_BINARY[node.op], operands[0], operands[1])]


@lowers(*_UNARY)
def _unary(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    return [builder.unary(_UNARY[node.op], operands[0])]


@lowers("Relu")
def _relu(builder: Builder, _: Node, operands: Operands) -> list[Value]:
    return [builder.binary(Op.MAX, operands[0], 0)]
