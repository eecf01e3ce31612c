import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vm.canonical.definition import Trap, plain, result
from tests.vm.referee.random_operations import Drawn, drawn
from vm.canonical.arrays import DTYPE_OF
from vm.canonical.interpreter import Trapped, apply
from vm.program import ELEMENTARY, Op, TrapCode
from vm.tensor import FLOATS


def by_definition(case: Drawn) -> bytes | TrapCode:
    operands = [plain(DTYPE_OF[each.dtype], each.shape, each.tobytes()) for each in case.operands]
    try:
        return result(case.operation, operands)
    except Trap as trap:
        return trap.code


def by_interpreter(case: Drawn) -> bytes | TrapCode:
    before = [each.copy() for each in case.operands]
    try:
        return apply(case.operation, case.number, case.operands).tobytes()
    except Trapped as trap:
        return trap.code if trap.operation == case.number else b"another operation"
    finally:
        for each, copy in zip(case.operands, before, strict=True):
            np.testing.assert_array_equal(each, copy)


@pytest.mark.parametrize("op", [op for op in Op if op not in ELEMENTARY - {Op.POW}], ids=lambda op: op.name)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_operator_gives_what_its_definition_in_fractions_gives(op: Op, seed: int) -> None:
    case = drawn(op, seed)
    if op is not Op.POW or case.operation.result.dtype not in FLOATS:
        assert by_interpreter(case) == by_definition(case), case
