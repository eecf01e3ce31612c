"""The cases of the ONNX backend test suite that come in the wheel of onnx: a model, inputs, results to expect."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")
"""Kinds of cases that are files of the wheel. Those of kind `real` would have to be downloaded."""


@dataclass(frozen=True)
class SuiteCase:
    """One case; its data sets are pairs of inputs and outputs, each an array or, for a sequence, a list of them."""

    name: str
    model: onnx.ModelProto
    data_sets: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs that are no weights."""
        inherent = {tensor.name for tensor in self.model.graph.initializer}
        return [value.name for value in self.model.graph.input if value.name not in inherent]


@cache
def suite() -> list[SuiteCase]:
    """Return every case, by name."""
    return sorted([*_nodes(), *_files()], key=lambda case: case.name)


def _nodes() -> Iterator[SuiteCase]:
    from onnx.backend.test.case.node import collect_testcases  # noqa: PLC0415 - it makes all of them, in seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # expected results are made with overflows and divisions by zero
        cases = collect_testcases(None)
    for case in cases:
        sets = [(_arrays(given), _arrays(wanted)) for given, wanted in case.data_sets]
        yield SuiteCase(case.name, case.model, sets, case.rtol, case.atol)


def _arrays(values: list[Any]) -> list[Any]:
    """Return scalars and tensors as arrays: ONNX Runtime takes nothing else."""
    read = [numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value for value in values]
    return [np.asarray(value) if isinstance(value, np.generic) else value for value in read]


def _files() -> Iterator[SuiteCase]:
    for kind in FOLDERS:
        for case in load_model_tests(kind=kind):
            folder = Path(case.model_dir)
            model = onnx.load(folder / "model.onnx")
            sets = [
                (_read(each, "input", model.graph.input), _read(each, "output", model.graph.output))
                for each in sorted(folder.glob("test_data_set_*"))
            ]
            yield SuiteCase(f"{case.name} ({kind})", model, sets, case.rtol, case.atol)


def _read(folder: Path, what: str, ports: Any) -> list[Any]:
    values: list[Any] = []
    for at in range(len(list(folder.glob(f"{what}_*.pb")))):
        raw = (folder / f"{what}_{at}.pb").read_bytes()
        if ports[at].type.WhichOneof("value") == "sequence_type":
            values.append(numpy_helper.to_list(onnx.SequenceProto.FromString(raw)))
        else:
            values.append(numpy_helper.to_array(onnx.TensorProto.FromString(raw)))
    return values


def differs(case: SuiteCase, wanted: list[Any], found: list[Any]) -> str:
    """Return how results differ from those of the case, by its tolerances and the suite's own rules; "" if not."""
    if len(wanted) != len(found):
        return f"{len(found)} outputs"
    for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
        if isinstance(one, list) != isinstance(other, list):
            return f"output {at} is a {type(other).__name__}"
        if isinstance(one, list):
            if told := differs(case, one, other):
                return told
            continue
        one, other = np.asarray(one), np.asarray(other)  # noqa: PLW2901
        if one.dtype != other.dtype or one.shape != other.shape:
            return f"output {at} is {other.dtype}{list(other.shape)}, not {one.dtype}{list(one.shape)}"
        try:
            if one.dtype == object:
                np.testing.assert_array_equal(one, other)
            else:
                np.testing.assert_allclose(other, one, rtol=case.rtol, atol=case.atol)
        except AssertionError:
            return f"output {at} has other values"
    return ""
