"""Jobs on a real network: paid only after independent machines agree, and honest differences pass."""

from pathlib import Path
from typing import Any

import pytest

from primitives.units import KARAT
from tests.e2e.market import Market, events, input_file, wait_until

pytestmark = pytest.mark.e2e

VERIFIERS = 3
PRICE = KARAT // 1_000
"""What every worker of the manifest asks."""


def verdicts(job: dict[str, Any]) -> list[str]:
    return [each["verdict"] for each in job["verifiers"]]


def test_a_job_is_settled_after_three_machines_agree_and_everybody_is_paid(honest: Market, tmp_path: Path) -> None:
    parameters = honest.ask("chain.params")
    fee = int(parameters["verifier_fee"])
    before = honest.balance("dev1")
    publisher = honest.balance("dev0")
    job = honest.ended(honest.submit(input_file(tmp_path, 0), provider="worker0", price="0.01"))
    assert (job["state"], verdicts(job)) == ("settled", ["accept"] * VERIFIERS)
    assert events(job) == [
        "submit", "accept", "commit", "draw",
        "verifier_commit", "verifier_commit", "verifier_commit",
        "provider_reveal", "verifier_reveal", "verifier_reveal", "verifier_reveal",
    ]  # fmt: skip
    assert before - honest.balance("dev1") == PRICE + VERIFIERS * fee + honest.fee_paid(job["id"])
    assert honest.balance("dev0") - publisher == PRICE * parameters["owner_share_bps"] // 10_000
    assert sum(int(each["amount"]) for each in job["payouts"]) == 10 * PRICE + VERIFIERS * fee
    assert job["provider"] not in [each["worker"] for each in job["verifiers"]]


def test_other_settings_and_noise_change_the_bits_and_are_accepted(honest: Market, tmp_path: Path) -> None:
    for provider in ("worker1", "worker2"):
        job = honest.ended(honest.submit(input_file(tmp_path, 1), provider=provider))
        assert verdicts(job) == ["accept"] * VERIFIERS
        roots = [job["cut"]["root"]] + [each["cut"]["root"] for each in job["verifiers"]]
        assert len(set(roots)) > 1, f"all parties of {provider}'s job committed to the same bits"


def test_every_node_ends_in_one_state(honest: Market) -> None:
    wait_until(honest.agree, "one state root on all nodes")
