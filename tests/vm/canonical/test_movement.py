"""MOVE beyond what random operations reach: large coefficients, empty shapes, windows, diagonals."""

import numpy as np
import pytest

from tests.vm.canonical.definition import plain, result
from vm.canonical.interpreter import apply
from vm.program import Op, Operation
from vm.tensor import DType, TensorType
from vm.wellformed import check_operation

CASES: list[tuple[list[int], list[int], list[int], list[int], list[list[int]]]] = [
    # shape of x, shape of the result, shape in which x is seen, base, matrix
    ([6], [3, 3], [6], [0], [[2, 1]]),  # overlapping windows
    ([6], [4, 3], [6], [-1], [[2, 1]]),  # and padded ones
    ([2, 3], [6], [6], [5], [[-1]]),  # reversed
    ([3, 3], [3], [3, 3], [0, 0], [[1], [1]]),  # a diagonal
    ([3, 3], [5], [3, 3], [0, 2], [[1], [-1]]),  # the other one, and beyond
    ([3, 3], [5], [3, 3], [-1, 0], [[1], [1]]),
    ([4], [2, 2, 2], [4], [0], [[0, 1, 0]]),  # broadcast
    ([4], [1], [4], [1], [[2**32 - 1]]),  # one place only, so its coefficient does not matter
    ([4], [3], [4], [1], [[2**32 - 1]]),  # far outside
    ([4], [3, 2], [4], [0], [[2**31, 2**31]]),  # far outside in two ways
    ([4], [3, 3], [4], [2**32 - 1], [[-(2**31), -(2**31)]]),
    ([4], [], [4], [2], [[]]),
    ([4], [], [4], [4], [[]]),
    ([], [2, 2], [], [], []),
    ([0], [2], [0], [0], [[1]]),  # nothing to take from
    ([0], [2, 2], [0], [0], [[1, 1]]),
    ([0], [], [0], [0], [[]]),
    ([0, 2], [2, 2], [0, 2], [0, 0], [[1, 1], [1, 0]]),
    ([3], [0, 2], [3], [0], [[1, 1]]),  # nothing to give
    ([2, 2, 2], [2, 4], [2, 2, 2], [0, 0, 0], [[1, 0], [0, 1], [0, -1]]),
    ([7], [3, 2], [7], [1], [[-5, 3]]),
]


@pytest.mark.parametrize(("shape", "to", "seen", "base", "matrix"), CASES)
def test_g10_moves_what_its_definition_says(
    shape: list[int], to: list[int], seen: list[int], base: list[int], matrix: list[list[int]]
) -> None:
    ints = [len(seen), *seen, *base, *(each for row in matrix for each in row)]
    told, x = TensorType(dtype=DType.INT16, shape=to), np.arange(1, 1 + int(np.prod(shape)), dtype=np.int16)
    operation = Operation(op=Op.MOVE, operands=[0], result=told, ints=ints, fill=b"\xff\xff", origin=0)
    check_operation(operation, [TensorType(dtype=DType.INT16, shape=shape)])
    found = apply(operation, 0, [x.reshape(shape)])
    assert found.flags.c_contiguous
    assert found.tobytes() == result(operation, [plain(DType.INT16, shape, x.tobytes())])
