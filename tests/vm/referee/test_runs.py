"""What an honest party shows of runs that it has not kept is what it computed (V137)."""

import numpy as np
import pytest

from primitives import codec
from tests.vm.claims.sides import Honest, subject_of, tail_of
from tests.vm.models.catalogue import by_name
from vm import compiled
from vm.canonical import fast
from vm.place import ResultPlace
from vm.referee.runs import Runs
from vm.referee.showing import defence

MODELS = ("cnn", "gru", "integers")


@pytest.mark.parametrize("name", MODELS)
def test_values_are_computed_again_with_compiled_kernels_too(name: str) -> None:
    """V137."""
    job = subject_of(by_name(name))
    kept = Honest(job)
    kernels = fast.kernels(compiled.make(), program=job.program)
    runs = Runs(job.papers, job.constants, job.inputs, vm_version=1, native=job.native, kernels=kernels)
    assert runs.trace == kept.trace
    first, count = job.program.first_result, len(job.program.operations)
    for perturbed in (False, True) if job.native else (False,):
        for number in sorted({0, count // 2, count - 1}):
            [mine], [theirs] = (each.values([first + number], perturbed=perturbed).values() for each in (runs, kept))
            assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")
            place = ResultPlace(perturbed=perturbed, number=number, element=0)
            shown = [codec.encode(defence(each, place, job.content, None)) for each in (runs, kept)]
            assert shown[0] == shown[1]


def test_of_a_tail_no_more_is_computed_than_follows() -> None:
    """V132, V137."""
    whole = subject_of(by_name("cnn"))
    values = Honest(whole).values(whole.program.cut, perturbed=False)
    cut = [values[at] + 1 for at in whole.program.cut]
    job, first = tail_of(whole, cut), whole.program.first_result
    kept = Honest(job, cut)
    runs = Runs(job.papers, job.constants, job.inputs, vm_version=1, native=False, cut=cut)
    assert runs.trace == kept.trace
    for number in range(len(job.program.operations)):
        mine, theirs = (each.values([first + number], perturbed=False) for each in (runs, kept))
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[at], theirs[at]) for at in mine)
