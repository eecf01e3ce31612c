"""Whatever is claimed falsely of a job falls, and the true claim stands; `python -m tests.vm.claims` has more."""

import pytest

from tests.vm.claims.play import REFUSED, Score
from tests.vm.claims.subjects import TRAPPING, of_model, of_operator, of_tail, of_trapped
from tests.vm.models.catalogue import by_name
from vm.program import Op

OF_WHOLES = {
    "one flipped bit",
    "wrong leaf",
    "digest without a preimage",
    "result of another type",
    "wrong weight",
    "trap that there is not",
    "run cut short",
    "run cut short without its last value",
    "another job's trace",
    "another job's results for this job's inputs",
    "another vm_version",
    "another program",
    "swapped inputs",
    "wrong noise",
    "wrong scale",
    "wrong count in a scale",
    "no noise",
}
OF_TAILS = {
    "result said to be absent",
    "other value at the cut",
    "value at the cut said to be absent",
    "value before the cut",
    "digest before the cut",
    "trap before the cut",
}
OF_TRAPS = {"trap hidden", "run that goes on behind its trap", "another trap", "run cut short before its trap"}


def kinds(score: Score) -> set[str]:
    return {kind for kind, _ in score.ends}


@pytest.mark.parametrize("name", ["encoder", "qdq"])
def test_nothing_false_stands_about_a_model(name: str) -> None:
    """V84, V87, V88, V89, V131, V133."""
    score = of_model(by_name(name), 0)
    assert not score.findings
    assert kinds(score) >= (OF_WHOLES if name == "encoder" else {"one flipped bit"})
    refused = {kind for kind, end in score.ends if end == REFUSED}
    assert refused == {"another vm_version", "another program", "no noise"}


def test_nothing_false_stands_about_a_tail() -> None:
    """V132, V133."""
    score = of_tail(by_name("mlp"), 0)
    assert not score.findings
    assert kinds(score) >= OF_TAILS


@pytest.mark.parametrize("op", TRAPPING, ids=lambda op: op.name)
def test_nothing_false_stands_about_what_may_trap(op: Op) -> None:
    """V83, V88, V131."""
    score = Score()
    for seed in range(8):
        score.add(of_operator(op, seed))
    assert not score.findings
    assert score.operators[op.name] > 8


def test_no_trap_is_hidden_or_made_up() -> None:
    """V83, V88, V131."""
    score = Score()
    for seed in range(20):
        score.add(of_operator(Op.TAKE, seed))
    assert not score.findings
    assert kinds(score) >= OF_TRAPS


def test_nothing_false_stands_about_a_native_job_that_traps() -> None:
    """V82, V131."""
    at, behind = (of_trapped(in_tail=in_tail, seed=0) for in_tail in (False, True))
    assert not at.findings
    assert not behind.findings
    assert kinds(at) >= {"noise of runs that trap", "trap hidden", "another trap"}
    assert kinds(behind) >= {"wrong noise", "trap hidden", "another trap"}
