"""Who is killed, and when: every job ends paid or refunded by its deadline, by itself, and no grain is lost.

The processes are killed with SIGKILL, in the state that the test names; nobody sends a command to end a job.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger.genesis import genesis_hash, total_supply
from ledger.records import Account, Amount, Job, Totals, Worker
from ledger.stake.records import Pool
from ledger.state import ACCOUNT, JOB, POOL, TOTALS, UNBONDING, WORKER
from node.genesis_file import read_genesis
from node.store.store import Store
from primitives import codec
from tests.e2e.conftest import CASES
from tests.e2e.market import ASSAY, Market, events, input_file, wait_until

pytestmark = pytest.mark.e2e

VERIFIERS = 3
ROW_BYTES_MAX = 1 << 20


def noted(market: Market, case: str, job: dict[str, Any]) -> None:
    """Add one line to the table of cases, which is printed when all tests are over."""
    escrow = int(job["max_price"]) + VERIFIERS * int(job["verifier_fee"])
    refund = sum(int(each["amount"]) for each in job["payouts"] if each["kind"] == "refund")
    fined = ", ".join(f"{market.name_of(each['worker'])} {each['amount']}" for each in job["penalties"]) or "nobody"
    CASES.append(f"{case:<44} {job['state']:<8} {job['outcome']:<28} refund {refund} of {escrow}; fined: {fined}")


def refunded_in_full(job: dict[str, Any]) -> bool:
    """Tell whether the client got all of its escrow back."""
    escrow = int(job["max_price"]) + VERIFIERS * int(job["verifier_fee"])
    return [int(each["amount"]) for each in job["payouts"] if each["kind"] == "refund"] == [escrow]


def fined(market: Market, job: dict[str, Any]) -> list[str]:
    return sorted(market.name_of(each["worker"]) for each in job["penalties"])


def drawn(market: Market, job: dict[str, Any]) -> list[str]:
    return [market.name_of(each["worker"]) for each in job["verifiers"]]


def test_a_provider_killed_after_its_accept_pays_and_the_client_does_not(faulty: Market, tmp_path: Path) -> None:
    job_id = faulty.submit(input_file(tmp_path, 0), provider="worker0")
    faulty.in_state(job_id, "accepted")
    faulty.kill("worker0")
    job = faulty.ended(job_id)
    noted(faulty, "provider, after accept", job)
    faulty.start("worker0")
    assert (job["state"], job["outcome"]) == ("void", "provider_silent_after_accept")
    assert refunded_in_full(job)
    assert fined(faulty, job) == ["worker0"]


def test_a_provider_killed_after_its_commit_pays_and_the_client_does_not(faulty: Market, tmp_path: Path) -> None:
    job_id = faulty.submit(input_file(tmp_path, 1), provider="worker6")
    faulty.in_state(job_id, "committed", "verifying")
    faulty.kill("worker6")
    job = faulty.ended(job_id)
    noted(faulty, "provider, after commit", job)
    faulty.start("worker6")
    assert (job["state"], job["outcome"]) == ("void", "provider_silent_at_reveal")
    assert refunded_in_full(job)
    assert "worker6" in fined(faulty, job)
    assert events(job)[-1] == "due"


def test_a_provider_killed_before_its_reveal_comes_back_and_reveals(faulty: Market, tmp_path: Path) -> None:
    job_id = faulty.submit(input_file(tmp_path, 2), provider="worker6")
    faulty.in_state(job_id, "verifying")
    faulty.kill("worker6")
    faulty.in_state(job_id, "revealing")
    faulty.start("worker6")
    job = faulty.ended(job_id)
    noted(faulty, "provider, before reveal, and started again", job)
    # Its salt and result were on disk before its commitment was sent: in time it reveals, too late it pays.
    if job["state"] == "void":
        assert job["outcome"] == "provider_silent_at_reveal"
        assert refunded_in_full(job)
    else:
        assert job["state"] == "settled"
        assert job["penalties"] == []


def test_with_one_verifier_killed_the_other_two_settle_the_job(faulty: Market, tmp_path: Path) -> None:
    job_id = faulty.submit(input_file(tmp_path, 3), provider="worker6")
    victim = drawn(faulty, faulty.in_state(job_id, "verifying"))[0]
    faulty.kill(victim)
    job = faulty.ended(job_id)
    noted(faulty, "one of three verifiers, before its commit", job)
    faulty.start(victim)
    assert (job["state"], job["outcome"]) == ("settled", "settled")
    assert fined(faulty, job) == [victim]
    assert [each["verdict"] for each in job["verifiers"]].count("accept") == VERIFIERS - 1


def test_with_all_verifiers_killed_others_take_their_place(faulty: Market, tmp_path: Path) -> None:
    others = [name for name in faulty.nodes if name.startswith("worker") and name != "worker6"]
    faulty.kill(*others)  # before the job: a verifier commits in less time than it takes to see who is drawn
    job_id = faulty.submit(input_file(tmp_path, 7), provider="worker6")
    victims = drawn(faulty, faulty.in_state(job_id, "verifying"))
    faulty.start(*(name for name in others if name not in victims))
    job = faulty.ended(job_id)
    noted(faulty, "all three verifiers, before their commits", job)
    faulty.start(*victims)
    assert (job["state"], job["outcome"], job["redrawn"]) == ("settled", "settled", True)
    assert not set(drawn(faulty, job)) & set(victims)
    assert fined(faulty, job) == sorted(victims)


def test_a_job_whose_client_is_killed_after_submitting_settles(faulty: Market, tmp_path: Path) -> None:
    known = {each["id"] for each in faulty.ask("job.list", limit=100)["jobs"]}
    path = input_file(tmp_path, 8)
    words = ["job", "submit", faulty.model, "--input", str(path), "--max-price", "0.01", "--key", "dev3", "--wait"]
    words += ["--provider", faulty.nodes["worker6"].address, "--home", str(faulty.home)]
    client = subprocess.Popen([ASSAY, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def new() -> list[str]:
        return [each["id"] for each in faulty.ask("job.list", limit=100)["jobs"] if each["id"] not in known]

    job_id = wait_until(new, "the client's job on the chain")[0]
    client.kill()
    client.wait()
    job = faulty.ended(job_id)
    noted(faulty, "client, right after submit", job)
    assert (job["state"], job["outcome"]) == ("settled", "settled")


def test_jobs_settle_while_one_validator_is_dead_and_it_catches_up(faulty: Market, tmp_path: Path) -> None:
    faulty.kill("validator3")
    job = faulty.ended(faulty.submit(input_file(tmp_path, 9), provider="worker6"))
    assert job["state"] == "settled"
    faulty.start("validator3")
    head = faulty.ask("chain.head")["height"]
    wait_until(lambda: faulty.ask("chain.head", "validator3")["height"] >= head, "validator3 catching up")
    wait_until(faulty.agree, "one state root on all nodes")


def test_a_halted_chain_penalises_nobody_and_goes_on_by_itself(faulty: Market, tmp_path: Path) -> None:
    job_id = faulty.submit(input_file(tmp_path, 10), provider="worker6")
    faulty.in_state(job_id, "verifying")
    faulty.kill("validator2", "validator3")
    halted = faulty.ask("chain.head")["height"]
    before = faulty.job(job_id)
    # Longer than the deadline of the state that the job is in, by the wall clock.
    allowed_s = faulty.ask("chain.params")["verify_ms"] / 1000
    wait_until(lambda: faulty.ask("node.status")["final_age_ms"] > (allowed_s + 2) * 1000, "a long halt")
    assert faulty.ask("chain.head")["height"] <= halted + 2
    assert faulty.job(job_id)["penalties"] == before["penalties"] == []
    faulty.start("validator2", "validator3")
    job = faulty.ended(job_id)
    noted(faulty, "two of four validators, for longer than a deadline", job)
    assert job["state"] == "settled"
    assert job["penalties"] == []


def test_after_all_this_no_grain_is_lost_or_made(faulty: Market) -> None:
    """The supply is counted from the rows on disk, by other code than the ledger's own check."""
    wait_until(faulty.agree, "one state root on all nodes")
    faulty.stop("validator3")
    genesis = read_genesis(faulty.directory / "genesis.json")
    store = Store(faulty.directory / "validator3" / "data" / "state", genesis_hash(genesis))
    try:
        rows = list(store.state_now().scan(b"", 10**6))
    finally:
        store.close()
    faulty.start("validator3")
    assert sum(grains(key, value) for key, value in rows) == total_supply(genesis)


def grains(key: bytes, value: bytes) -> int:
    """Return the money in one row of the state."""
    if key[:1] == ACCOUNT:
        return codec.decode(Account, value, at_most=ROW_BYTES_MAX).balance
    if key[:1] == WORKER:
        return codec.decode(Worker, value, at_most=ROW_BYTES_MAX).bond
    if key[:1] == JOB:
        job = codec.decode(Job, value, at_most=ROW_BYTES_MAX)
        return job.escrow + job.forfeited
    if key[:1] == TOTALS:
        totals = codec.decode(Totals, value, at_most=ROW_BYTES_MAX)
        return totals.staked + totals.rewards + totals.burned + totals.protocol
    if key[:1] == POOL:
        return codec.decode(Pool, value, at_most=ROW_BYTES_MAX).stake
    return codec.decode(Amount, value, at_most=ROW_BYTES_MAX).grains if key[:1] == UNBONDING else 0
