"""A few sums that a machine must get right before each verdict: one that does not, stops (DESIGN 7)."""

import hashlib

import numpy as np

from vm.canonical import interpreter
from vm.program import Op, Operation
from vm.referee.recompute import recompute
from vm.tensor import DType, TensorType

_SINGLE = [0x00000001, 0x00800000, 0x3F800001, 0x7F7FFFFF, 0xFF800000, 0x7FC00000, 0xC2F60000, 0x3DCCCCCD]
"""Bit patterns: subnormal, least normal, 1 + ulp, largest, -inf, NaN, -123, 0.1."""
_OPS = (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.LESS, Op.SQRT, Op.ROUND, Op.EXP, Op.TANH)
_ANSWER = "d461d3a9ec72b0a0212dc494807c22b4d1b7f2d08c412e14ee20e1e1b09e96e4"


def answer() -> str:
    """Return what this machine finds, in hexadecimal."""
    x = np.array(_SINGLE, "<u4").view("<f4")
    told = hashlib.sha256()
    for op in _OPS:
        operands = [x, x[::-1].copy()] if op < Op.NEG else [x]
        dtype = DType.BOOL if op is Op.LESS else DType.FLOAT32
        result = TensorType(dtype=dtype, shape=[len(x)])
        operation = Operation(op=op, operands=[0] * len(operands), result=result, ints=[], fill=b"", origin=0)
        told.update(interpreter.apply(operation, 0, operands).tobytes())
    for op, shape, ints in ((Op.MATMUL, [1, 1], []), (Op.REDUCE_SUM, [1], []), (Op.CUMULATE, [1, 8], [0, 0])):
        finite = np.array([0.1, 3e-8, -7.0, 1e-45, 16777216.0, 1.0, -16777216.0, 0.3], np.float32)
        types = [TensorType(dtype=DType.FLOAT32, shape=[1, len(finite)])] * 2
        result = TensorType(dtype=DType.FLOAT64 if op is Op.REDUCE_SUM else DType.FLOAT32, shape=shape)
        operation = Operation(op=op, operands=[0, 1], result=result, ints=ints, fill=b"", origin=0)
        for perturbed in (False, True):
            told.update(recompute(operation, 5, types, 0, [finite, finite], perturbed=perturbed))
    return told.hexdigest()


def check_known_answers() -> None:
    """Assert that this machine computes as all others do."""
    assert answer() == _ANSWER, "this machine does not compute as others do: it must not judge"
