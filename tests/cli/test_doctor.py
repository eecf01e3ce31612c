"""What `assay doctor` finds."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.health import State, libraries, worker_finding
from cli.main import app
from tests.cli.test_commands import assay, data


@pytest.mark.e2e
def test_a_machine_that_can_run_models_is_told_with_its_layers_and_known_answers(tmp_path: Path) -> None:
    told = data(assay("doctor", "--json", "--home", str(tmp_path)))
    found = {(each["what"], each["state"]) for each in told["checks"]}
    assert {("onnxruntime", "good"), ("sandbox", "good"), ("known answers", "good"), ("node", "note")} <= found
    assert told["problems"] == 0


def test_a_library_that_is_missing_is_a_problem_unless_it_only_saves_time() -> None:
    (needed,) = libraries(["no-such-library"], [])
    (optional,) = libraries(["no-such-library"], ["no-such-library"])
    assert (needed.state, optional.state) == (State.PROBLEM, State.NOTE)


@pytest.mark.parametrize(("known_answers", "state"), [(True, State.GOOD), (False, State.PROBLEM), (None, State.NOTE)])
def test_a_worker_whose_machine_computes_otherwise_is_a_problem(known_answers: bool | None, state: State) -> None:
    """D16."""
    found = worker_finding(known_answers, ["matmul"])
    assert found.state is state
    assert (state is State.PROBLEM) == ("matmul" in found.told)


def test_doctor_is_offered() -> None:
    assert "doctor" in CliRunner().invoke(app, ["--help"]).stdout
