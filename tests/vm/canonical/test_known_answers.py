import numpy as np

from tests.vm.canonical.definition import Trap, plain, result
from vm.canonical import known_answers
from vm.canonical.arrays import DTYPE_OF, Array
from vm.canonical.interpreter import Trapped, apply
from vm.program import ELEMENTARY, Op, Operation, TrapCode
from vm.tensor import FLOATS, TensorType
from vm.wellformed import check_operation


def test_this_machine_knows_the_answers_and_every_operator_is_asked() -> None:
    assert known_answers.check() == []
    assert {operation.op for operation, _ in known_answers.questions()} == set(Op)
    assert list(known_answers.KNOWN) == [op.name for op in Op]


def test_the_answers_are_those_of_the_definition() -> None:
    for operation, operands in known_answers.questions():
        types = [TensorType(dtype=DTYPE_OF[each.dtype], shape=list(each.shape)) for each in operands]
        check_operation(operation, types)
        if operation.op in ELEMENTARY and (operation.op is not Op.POW or operation.result.dtype in FLOATS):
            continue
        wanted: bytes | TrapCode
        try:
            wanted = result(operation, [plain(DTYPE_OF[each.dtype], each.shape, each.tobytes()) for each in operands])
        except Trap as trap:
            wanted = trap.code
        try:
            found: bytes | TrapCode = apply(operation, 0, operands).tobytes()
        except Trapped as trapped:
            found = trapped.code
        assert found == wanted, operation


def test_a_machine_that_flushes_subnormals_is_found_out() -> None:
    def flushing(operation: Operation, operands: list[Array], perturbed: bool) -> Array | None:
        found = apply(operation, 0, operands)
        return np.where(np.abs(found) < np.finfo(np.float32).tiny, 0, found) if found.dtype == np.float32 else None

    assert known_answers.check({Op.ADD: flushing, Op.EXP: flushing}) == ["ADD", "EXP"]
