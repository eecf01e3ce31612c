"""Products of matrices: MatMul and Gemm."""

from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers


def product(b: Builder, x: Value, y: Value) -> Value:
    """Return numpy's `matmul` of two values of one type; one matrix for a whole batch is one large product."""
    if y.rank != 2 or x.rank < 3:
        return b.matmul(x, y)
    flat = b.reshape(x, [x.size // max(x.shape[-1], 1) if x.size else 0, x.shape[-1]])
    return b.reshape(b.matmul(flat, y), [*x.shape[:-1], y.shape[1]])


def swapped(b: Builder, x: Value) -> Value:
    """Return a value with its last two dimensions exchanged."""
    return b.transpose(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2])


@lowers("MatMul")
def _matmul(b: Builder, node: Node, operands: Operands) -> list[Value]:
    return [product(b, operands[0], operands[1])]


@lowers("Gemm")
def _gemm(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """alpha · A · B + beta · C, A and B transposed on demand."""
    node.ignore("broadcast")  # of before opset 7; since then C always does
    x, y, c = operands[0], operands[1], operands.get(2)
    if x.rank != 2 or y.rank != 2:
        raise node.refused(f"operands of rank {x.rank} and {y.rank}", wanted="matrices")
    left = b.transpose(x, [1, 0]) if node.flag("transA") else x
    right = y if node.flag("transB") else b.transpose(y, [1, 0])
    alpha, beta = node.number("alpha"), node.number("beta")
    result = b.contract(left, right)
    if alpha != 1:
        result = b.mul(result, alpha)
    if c is None or beta == 0:
        return [result]
    return [b.add(result, c if beta == 1 else b.mul(c, beta))]
