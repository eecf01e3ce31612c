"""Each ending of a job, with every balance, bond and pot to the grain; transaction fees are told apart."""

from dataclasses import dataclass

import pytest

from ledger.parameters import Parameters
from ledger.records import JobEvent, JobState, Outcome
from ledger.transaction import JobAccept, JobCommit, WorkerUpdate, open_transaction
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import Script, World

FEE = kit.least_fee(JobCommit(job=bytes(32), commitment=bytes(32)))
PRICE = KARAT // 2
V = Parameters().verifier_fee
SILENT = 5 * V
"""A tenth of the fifty fees that a verifier locks."""
NO_SHOW = PRICE + 3 * V // 2
"""Half of the two prices and three fees that a provider locks."""


@dataclass(frozen=True, kw_only=True)
class Case:
    script: Script
    outcome: Outcome
    client: int
    provider: int = 0
    publisher: int = 0
    protocol: int = 0
    burned: int = 0
    verifiers: tuple[int, int, int] | None = None
    """Of the drawn, in order: fee earned, or (negative) bond lost."""
    provider_bond: int = 0


CASES = {
    "all accept": Case(
        script=Script(),
        outcome=Outcome.SETTLED,
        client=-PRICE - 3 * V,
        provider=PRICE * 93 // 100,
        publisher=PRICE * 5 // 100,
        protocol=PRICE * 2 // 100,
        verifiers=(V, V, V),
    ),
    "two of three reveal and accept": Case(
        script=Script(verifiers_reveal=2),
        outcome=Outcome.SETTLED,
        client=-PRICE - 2 * V,
        provider=PRICE * 93 // 100,
        publisher=PRICE * 5 // 100,
        protocol=PRICE * 2 // 100,
        burned=SILENT,
        verifiers=(V, V, -SILENT),
    ),
    "two of three commit, reveal and accept": Case(
        script=Script(verifiers_commit=2),
        outcome=Outcome.SETTLED,
        client=-PRICE - 2 * V,
        provider=PRICE * 93 // 100,
        publisher=PRICE * 5 // 100,
        protocol=PRICE * 2 // 100,
        burned=SILENT,
        verifiers=(V, V, -SILENT),
    ),
    "all reject and none claims": Case(
        script=Script(provider_shift=0.01),
        outcome=Outcome.REJECTED,
        client=0,
        verifiers=(0, 0, 0),
    ),
    "one of three reveals and rejects, and does not claim": Case(
        script=Script(provider_shift=0.01, verifiers_reveal=1),
        outcome=Outcome.REJECTED,
        client=0,
        burned=3 * SILENT,
        verifiers=(-SILENT, -SILENT, -SILENT),
    ),
    "nobody accepts the job": Case(script=Script(accepts=False), outcome=Outcome.NOT_ACCEPTED, client=0),
    "the provider is silent after accepting": Case(
        script=Script(commits=False),
        outcome=Outcome.PROVIDER_SILENT_AFTER_ACCEPT,
        client=0,
        provider_bond=-NO_SHOW,
        burned=NO_SHOW,
    ),
    "no verifier commits": Case(
        script=Script(verifiers_commit=0),
        outcome=Outcome.NO_VERIFIER_COMMITTED,
        client=0,
        burned=3 * SILENT,
        verifiers=(-SILENT, -SILENT, -SILENT),
    ),
    "the provider is silent at its reveal": Case(
        script=Script(reveals=False),
        outcome=Outcome.PROVIDER_SILENT_AT_REVEAL,
        client=0,
        provider_bond=-NO_SHOW,
        burned=NO_SHOW - 3 * V,
        verifiers=(V, V, V),
    ),
    "the provider and a verifier are silent": Case(
        script=Script(reveals=False, verifiers_commit=2),
        outcome=Outcome.PROVIDER_SILENT_AT_REVEAL,
        client=0,
        provider_bond=-NO_SHOW,
        burned=NO_SHOW + SILENT - 2 * V,
        verifiers=(V, V, -SILENT),
    ),
    "one of three reveals and accepts": Case(
        script=Script(verifiers_reveal=1),
        outcome=Outcome.TOO_FEW_REVEALS,
        client=0,
        burned=2 * SILENT - V,
        verifiers=(V, -SILENT, -SILENT),
    ),
    "one of three commits, reveals and accepts": Case(
        script=Script(verifiers_commit=1),
        outcome=Outcome.TOO_FEW_REVEALS,
        client=0,
        burned=2 * SILENT - V,
        verifiers=(V, -SILENT, -SILENT),
    ),
    "no verifier reveals": Case(
        script=Script(verifiers_reveal=0),
        outcome=Outcome.TOO_FEW_REVEALS,
        client=0,
        burned=3 * SILENT,
        verifiers=(-SILENT, -SILENT, -SILENT),
    ),
}


def a_world() -> World:
    """Return a world in which nobody is left to replace a silent verifier."""
    return kit.a_world(kit.a_genesis(workers=4))


PEOPLE = ["client", "publisher", *(f"worker {at}" for at in range(4))]


def fees_paid(world: World, since: int) -> dict[str, int]:
    """Return what each person paid for transactions, from block number `since` on."""
    paid = dict.fromkeys(PEOPLE, 0)
    for final in world.finals[since:]:
        for raw, receipt in zip(final.block.transactions, final.outcome.receipts, strict=True):
            paid[world.name(open_transaction(raw, world.charter.hash).sender)] += receipt.fee
    return paid


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_balance_is_right_to_the_grain_when(case: Case) -> None:
    world = a_world()
    kit.publish(world)
    since, before = len(world.finals), {name: world.balance(name) for name in PEOPLE}
    burned, protocol = world.state.totals().burned, world.state.totals().protocol

    job = world.job(kit.run_job(world, case.script))

    fees = fees_paid(world, since)
    gained = {name: world.balance(name) - before[name] + fees[name] for name in PEOPLE}
    bonds = {name: world.worker(name).bond for name in PEOPLE[2:]}
    wanted = dict.fromkeys(PEOPLE, 0) | {
        "client": case.client,
        "worker 0": case.provider,
        "publisher": case.publisher,
    }
    lost = dict.fromkeys(PEOPLE[2:], 0) | {"worker 0": case.provider_bond}
    drawn = [world.name(each.worker) for each in job.verifiers]
    for name, amount in zip(drawn, case.verifiers or (), strict=True):
        wanted[name] += max(amount, 0)
        lost[name] += min(amount, 0)
    assert job.outcome is case.outcome
    assert gained == wanted
    assert {name: bond - kit.WORKER_BOND for name, bond in bonds.items()} == lost
    assert world.state.totals().burned - burned - sum(fees.values()) == case.burned
    assert world.state.totals().protocol - protocol == case.protocol
    assert job.escrow == 0
    assert kit.supply_of(world.state) == world.state.totals().supply


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_at_the_end_all_bonds_and_slots_are_free_and_no_index_names_the_job_when(case: Case) -> None:
    world = a_world()
    job_id = kit.run_job(world, case.script)
    assert all(not worker.providing and not worker.verifying for _, worker in world.state.workers())
    assert world.state.revealed(job_id) is None
    if case.outcome is Outcome.SETTLED:
        locked = sum(worker.locked for _, worker in world.state.workers())
        penalties = sum(each.amount for each in world.job(job_id).penalties)
        assert locked == 2 * PRICE + 3 * V + 3 * 50 * V - penalties  # through the challenge window
        world.until(lambda _: world.job(job_id).state is JobState.PAST_CHALLENGE, at_most=700)
    assert all(not worker.locked for _, worker in world.state.workers())
    assert list(world.state.deadlines()) == []
    assert list(world.state.draws()) == []
    assert world.job(job_id).due_live_ms is None


def test_a_job_that_cannot_be_drawn_is_void_and_nobody_is_penalised() -> None:
    world = kit.a_world(kit.a_genesis(workers=4))
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    # One of the three possible verifiers leaves before the draw.
    world.must("worker 0", JobAccept(job=job_id, price=PRICE))
    world.must("worker 3", WorkerUpdate(ask=0, gas_ask=0, capacity=0))
    client, burned = world.balance("client"), world.state.totals().burned
    mine = kit.values("worker 0")
    commits = mine.commitment(world.charter, job_id, "worker 0")
    world.must("worker 0", JobCommit(job=job_id, commitment=commits))
    world.until(lambda _: world.job(job_id).outcome is not None)
    job = world.job(job_id)
    assert (job.outcome, job.state) == (Outcome.NOT_DRAWN, JobState.VOID)
    assert world.balance("client") - client == KARAT + 3 * V
    assert job.penalties == []
    assert world.state.totals().burned - burned == FEE
    assert all(worker.bond == kit.WORKER_BOND and not worker.locked for _, worker in world.state.workers())


DEADLINES = [
    (JobState.OPEN, Script(accepts=False), Parameters().accept_ms),
    (JobState.ACCEPTED, Script(commits=False), Parameters().commit_ms),
    (JobState.VERIFYING, Script(verifiers_commit=0), Parameters().verify_ms),
    (JobState.REVEALING, Script(reveals=False), Parameters().reveal_ms),
    (JobState.CHECKING, Script(verifiers_reveal=0), Parameters().check_ms),
    (JobState.CONTESTED, Script(provider_shift=0.01), Parameters().contest_ms),
]


@pytest.mark.parametrize(("state", "script", "allowed"), DEADLINES, ids=lambda each: getattr(each, "name", ""))
def test_a_state_ends_by_itself_at_its_deadline_and_not_before(state: JobState, script: Script, allowed: int) -> None:
    world = a_world()
    history = world.job(kit.run_job(world, script)).history
    entered = next(each for each in history if each.state is state)
    left = history[-1]
    assert left.event is JobEvent.DUE
    assert left.who is None
    assert left.live_ms - entered.live_ms == allowed


def test_the_history_tells_who_did_what_and_when() -> None:
    world = a_world()
    job = world.job(kit.run_job(world))
    told = [(each.event.name, None if each.who is None else world.name(each.who)) for each in job.history]
    drawn = [world.name(each.worker) for each in job.verifiers]
    assert told == [
        ("SUBMIT", "client"),
        ("ACCEPT", "worker 0"),
        ("COMMIT", "worker 0"),
        ("DRAW", None),
        *(("VERIFIER_COMMIT", name) for name in drawn),
        ("PROVIDER_REVEAL", "worker 0"),
        *(("VERIFIER_REVEAL", name) for name in drawn),
    ]
    assert [each.height for each in job.history] == sorted(each.height for each in job.history)


def test_a_halt_of_a_day_costs_nobody_anything() -> None:
    world = a_world()
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=PRICE))
    live = world.state.clock().live_ms
    world.block(passed_ms=24 * 3_600 * 1_000)
    assert world.state.clock().live_ms == live + 2_000
    assert world.job(job_id).state is JobState.ACCEPTED
