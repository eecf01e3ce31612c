"""The whole ONNX backend suite against both engines: what passed before passes, and nothing gives a wrong result."""

import pytest

from tests.vm.backend_suite.cases import suite
from tests.vm.backend_suite.expected import Row, read, tried
from tests.vm.backend_suite.understood import CANONICAL, NOISE, ONNX_RUNTIME

ADVICE = "python -m tests.vm.backend_suite NAME shows it; --write changes what is expected"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [tried(case) for case in suite()]


def test_the_list_names_every_case_of_the_suite() -> None:
    assert list(read()) == [case.name for case in suite()]


def test_what_passed_passes_and_what_was_offered_is(rows: list[Row]) -> None:
    held = read()
    worse = [
        row.line()
        for row in rows
        if (held[row.name].canonical.startswith("pass") and not row.canonical.startswith("pass"))
        or (held[row.name].native == "pass" and row.native != "pass")
        or any(class_ not in row.offered for class_ in ("native", "exact") if class_ in held[row.name].offered)
    ]
    assert worse == [], ADVICE


def test_canonical_gives_the_right_result_or_a_typed_refusal(rows: list[Row]) -> None:
    wrong = [row.name for row in rows if not row.canonical.startswith(("pass", "declined: "))]
    assert wrong == sorted(CANONICAL), ADVICE


def test_onnx_runtime_gives_another_result_only_where_that_is_understood(rows: list[Row]) -> None:
    wrong = [row.name for row in rows if row.native.startswith("mismatch")]
    assert wrong == sorted(ONNX_RUNTIME), ADVICE


def test_what_is_offered_in_class_native_passes_in_both_engines_or_differs_by_noise(rows: list[Row]) -> None:
    offered = [row for row in rows if "native" in row.offered]
    assert [row.line() for row in offered if not row.canonical.startswith("pass")] == []
    assert [row.line() for row in offered if row.native != "pass" and ONNX_RUNTIME.get(row.name) is not NOISE] == []


def test_enough_passes(rows: list[Row]) -> None:
    assert sum(row.canonical.startswith("pass") for row in rows) >= 1_200
    assert sum(row.native == "pass" for row in rows) >= 1_450
