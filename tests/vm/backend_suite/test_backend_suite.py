"""The whole ONNX backend suite against both engines: what passed before passes, and nothing gives a wrong result."""

import pytest

from tests.vm.backend_suite.cases import suite
from tests.vm.backend_suite.expected import Row, read, tried
from tests.vm.backend_suite.understood import UNDERSTOOD

ADVICE = "python -m tests.vm.backend_suite NAME shows it; --write changes what is expected"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [tried(case) for case in suite()]


def test_the_list_names_every_case_of_the_suite() -> None:
    assert list(read()) == [case.name for case in suite()]


def test_what_passed_passes(rows: list[Row]) -> None:
    held = read()
    worse = [
        row.line()
        for row in rows
        if (held[row.name].canonical.startswith("pass") and not row.canonical.startswith("pass"))
        or (held[row.name].native == "pass" and row.native != "pass")
    ]
    assert worse == [], ADVICE


def test_onnx_runtime_gives_another_result_only_where_that_is_understood(rows: list[Row]) -> None:
    wrong = [row.name for row in rows if row.native.startswith("mismatch")]
    assert wrong == sorted(UNDERSTOOD)
