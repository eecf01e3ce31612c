"""A dispute as people read it: who is who, what is awaited, and what came of it."""

import pytest

from cli.commands.dispute import _STAGES, _VERDICTS, _lines
from ledger.market.dispute.records import DisputeOutcome, DisputeStage
from node.rpc.json_value import Json

ACCUSED, REJECTING, DRAWN = "dasy1provider", "dasy1verifier", "dasy1drawn"
JOB: dict[str, Json] = {
    "provider": ACCUSED,
    "verifiers": [{"worker": REJECTING, "verdict": "reject"}],
    "ruled": None,
}
ROOT = "ab" * 32


def a_claim(who: str, role: str, bond: int, trace: str | None = ROOT) -> dict[str, Json]:
    return {"who": who, "role": role, "bond": str(bond), "claimed": True, "trace": trace}


def a_dispute(**changed: Json) -> dict[str, Json]:
    told: dict[str, Json] = {
        "id": "cd" * 32,
        "job": "ef" * 32,
        "subject": {"kind": "whole", "party": None},
        "stage": "judging",
        "outcome": None,
        "due_live_ms": 61_500,
        "past": False,
        "ill_conditioned": False,
        "claims": [a_claim(REJECTING, "party", 10**9), a_claim(ACCUSED, "party", 0), a_claim(DRAWN, "drawn", 0, None)],
        "traces": [{"root": ROOT, "struck": None}],
        "duel": None,
        "findings": [{"party": ACCUSED, "thousandths": 70_000, "outputs_differ": False}],
        "payouts": [],
        "penalties": [],
    }
    return {**told, **changed}


def test_parties_are_told_by_their_part_in_the_job_and_bonds_where_there_are_some() -> None:
    lines = "\n".join(_lines(a_dispute(), JOB, 1_000))
    assert f"{REJECTING} (verifier, reject, bond 1)" in lines
    assert f"{ACCUSED} (provider) {ROOT[:16]}… stands" in lines
    assert f"{DRAWN} (drawn) is committed" in lines
    assert f"{ACCUSED} (provider): values beyond what any honest machine gives (70.000 σ)" in lines
    assert "60 s of live time" in lines
    assert "the job ends" not in lines


def test_what_the_job_ends_as_is_told_once_all_its_disputes_are_decided() -> None:
    decided = a_dispute(stage="decided", outcome="upheld", due_live_ms=None)
    assert "the job ends" in "\n".join(_lines(decided, {**JOB, "ruled": "convicted"}, 0))


@pytest.mark.parametrize("stage", [each for each in DisputeStage if each is not DisputeStage.DECIDED])
def test_every_stage_and_every_outcome_is_explained(stage: DisputeStage) -> None:
    assert stage.name.lower() in _STAGES
    assert [each.name.lower() for each in DisputeOutcome] == list(_VERDICTS)
