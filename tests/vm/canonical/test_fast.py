"""Compiled kernels against the definition in numpy: the same bits, or no result at all."""

from typing import Any

import numpy as np
import pytest

from vm import compiled
from vm.canonical import fast, interpreter, known_answers
from vm.canonical.arrays import DTYPE_OF, Array, normal
from vm.canonical.fast_library import Library
from vm.program import Op, Operation, Program
from vm.tensor import TensorType

ODD = [np.inf, -np.inf, np.nan, 0.0, 1e-42, -1e-42, 3e38, 1.0]


@pytest.fixture(scope="module")
def library() -> Library:
    """Return the kernels of this machine."""
    return compiled.make()


class Draw:
    """Random shapes and values."""

    def __init__(self, seed: int) -> None:
        self.of = np.random.default_rng(seed)

    def one(self, options: list[Any]) -> Any:
        """Return one of some options."""
        return options[self.of.integers(len(options))]

    def array(self, shape: list[int], dtype: str, *, odd: bool = False) -> Array:
        """Return an array in normal form; with `odd`, infinities, NaNs, and subnormals among its elements."""
        if np.dtype(dtype).kind in "iu":
            return self.of.integers(0, 2**32, shape).astype(np.uint32).view(dtype)
        values = self.of.standard_normal(shape) * 10.0 ** self.of.integers(-3, 3, shape)
        if odd:
            values = np.where(self.of.random(shape) < 0.05, self.of.choice(ODD, shape), values)
        with np.errstate(over="ignore"):
            return normal(values.astype(dtype))

    def product(self, dtype: str) -> tuple[Operation, list[Array]]:
        """Return a matrix product."""
        batch = self.one([[], [2], [3, 2], [1, 2]])
        ones = [1] * len(batch)
        rows, steps, columns = (self.one([0, 1, 2, 3, 8, 9, 33, 70, 130]) for _ in range(3))
        odd = self.of.random() < 0.3
        a = self.array([*self.one([batch, batch, ones]), rows, steps], dtype, odd=odd)
        b = self.array([*self.one([batch, batch, ones, []]), columns, steps], dtype, odd=odd)
        shape = [*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns]
        return operation(Op.MATMUL, a, shape, []), [a, b]

    def convolution(self, dtype: str) -> tuple[Operation, list[Array]]:
        """Return a convolution."""
        rank = self.one([1, 2, 2, 3])
        groups, channels, filters = self.one([1, 1, 2, 5, 40]), self.one([1, 1, 2, 3, 8]), self.one([1, 1, 5, 33])
        sizes, taps, strides, dilations, pads = (
            [self.one(options) for _ in range(rank)]
            for options in ([1, 2, 5, 9, 14], [1, 2, 3], [1, 1, 2, 3], [1, 1, 2], [0, 0, 1, 2, -1])
        )
        told = zip(sizes, taps, strides, dilations, pads, strict=True)
        space = [max(0, (s + 2 * max(p, 0) - (t - 1) * d - 1) // step + 1) for s, t, step, d, p in told]
        odd = self.of.random() < 0.3
        x = self.array([self.one([1, 2]), *sizes, groups * channels], dtype, odd=odd)
        w = self.array([groups * filters, *taps, channels], dtype, odd=odd and self.of.random() < 0.3)
        ints = [rank, *strides, *dilations, *pads, groups]
        return operation(Op.CONV, x, [x.shape[0], *space, groups * filters], ints), [x, w]


def operation(op: Op, like: Array, shape: list[int], ints: list[int]) -> Operation:
    """Return an operation with a result of the type of an array."""
    result = TensorType(dtype=DTYPE_OF[like.dtype], shape=shape)
    return Operation(op=op, operands=[0, 1], result=result, ints=ints, fill=b"", origin=0)


def alone(told: Operation, operands: list[Array]) -> Program:
    """Return the program of one operation, of which the last operand is a constant."""
    kinds = [TensorType(dtype=DTYPE_OF[each.dtype], shape=list(each.shape)) for each in operands]
    return Program(inputs=kinds[:1], constants=kinds[1:], operations=[told], outputs=[2], cut=[], tail=[])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i4", "<u4"])
def test_contractions_have_the_bits_of_the_definition(library: Library, dtype: str, threads: int) -> None:
    draw = Draw(threads)
    for turn in range(60):
        told, operands = draw.product(dtype) if turn % 2 else draw.convolution(dtype)
        kernels = fast.kernels(library, program=alone(told, operands), threads=threads)
        for perturbed in (False, True, False):
            wanted = interpreter.apply(told, 7, operands, perturbed=perturbed)
            seen = interpreter.apply(told, 7, operands, kernels=kernels, perturbed=perturbed)
            assert seen.tobytes() == wanted.tobytes(), (told, perturbed)


def test_most_contractions_are_served(library: Library) -> None:
    draw, kernels = Draw(3), fast.kernels(library)
    served = 0
    for turn in range(60):
        told, operands = draw.product("<f4") if turn % 2 else draw.convolution("<f4")
        served += kernels[told.op](told, operands, False) is not None
    assert served > 50


def test_the_kernels_know_the_answers(library: Library) -> None:
    assert known_answers.check(fast.kernels(library)) == []
    assert known_answers.check(fast.each_alone(library)) == []
