import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph

from tests.vm.models.catalogue import by_name
from vm.sandbox.native import open_session
from vm.sandbox_protocol import Optimisation, Settings


def settings(level: Optimisation) -> Settings:
    return Settings(threads=1, optimisation=level, memory_bytes=0, parent=0)


@pytest.mark.parametrize("name", ["qdq", "integers"])
def test_a_graph_that_the_optimiser_fails_at_is_optimised_less(name: str) -> None:
    # V60: "Attempt to replace the existing tensor", for signed weights that two nodes share
    case = by_name(name)
    runs = [open_session(case.model, settings(level)).run(None, case.feeds[0]) for level in Optimisation]
    for run in runs:
        assert all(np.array_equal(one, other) for one, other in zip(run, runs[0], strict=True))


def test_a_graph_that_no_level_takes_is_refused_by_the_engine() -> None:
    broken = by_name("mlp").model.replace(b"Tanh", b"Tanz")
    for level in Optimisation:
        with pytest.raises(InvalidGraph):
            open_session(broken, settings(level))
