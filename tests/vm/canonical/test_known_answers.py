import os
import subprocess
import sys

import numpy as np
import pytest

from tests.tidy.sources import ROOT
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


def vector_instructions() -> list[str]:
    """Return what numpy has code for and this machine has, from old to new."""
    shown = np.show_config(mode="dicts")
    assert isinstance(shown, dict)
    return list(shown["SIMD Extensions"].get("found", []))


@pytest.mark.e2e
@pytest.mark.parametrize("kept", [0, 1])
def test_no_answer_depends_on_the_instructions_that_numpy_picks(kept: int) -> None:
    script = "from vm.canonical.known_answers import check; print(check())"
    without = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(vector_instructions()[kept:])}
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
