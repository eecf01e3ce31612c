"""The models for tests: each is a valid file that ONNX Runtime runs, with results that depend on the input."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tests.vm.models.case import Case
from tests.vm.models.catalogue import EXPORTED, all_models

CASES = all_models()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_model_runs_on_each_of_its_inputs_and_tells_them_apart(case: Case) -> None:
    assert case.build() == case.model
    onnx.checker.check_model(case.proto)
    session = ort.InferenceSession(case.model, providers=["CPUExecutionProvider"])
    results = [session.run(None, feeds) for feeds in case.feeds]
    assert all(sorted(feeds) == sorted(case.inputs) for feeds in case.feeds)
    assert all(np.isfinite(each).all() for result in results for each in result)
    assert any(not np.array_equal(*pair) for pair in zip(results[0], results[1], strict=True))
    if case.smaller is not None:
        smaller = ort.InferenceSession(case.smaller(), providers=["CPUExecutionProvider"])
        assert [each.shape for each in smaller.run(None, case.feeds[0])] == [each.shape for each in results[0]]


def test_the_files_that_are_checked_in_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in EXPORTED.glob("*.onnx")}
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) < 600_000
