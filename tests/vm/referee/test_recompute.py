"""The referee finds for each element what the interpreter finds for all."""

import pytest

from tests.vm.referee.agreement import disagreement
from tests.vm.referee.random_operations import drawn
from vm.program import Op

TRIES = 12


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
@pytest.mark.parametrize("perturbed", [False, True], ids=["first", "perturbed"])
def test_each_element_is_what_the_interpreter_finds(op: Op, perturbed: bool) -> None:
    for seed in range(TRIES):
        assert disagreement(drawn(op, seed), perturbed=perturbed, at_most=8) is None
