"""Jobs that can not be done: declined before they are taken, refunded or rejected after."""

import pytest

from ledger.records import Job, JobEvent, ModelEntry, Outcome
from node.compute.duty import Duty, ranking
from node.ports import Task, TaskResult
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import (
    address,
)
from testnet.kit.liars.values import Noisy
from testnet.kit.plain_engine import FAILING_INPUT, PlainEngine
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, refunded, running, verdicts
from vm.manifest import Class


async def test_a_model_that_is_not_admitted_is_declined_before_acceptance(cluster: Cluster) -> None:
    cluster.plain["worker 0"] = RefusesModels()
    async with running(cluster):
        job = await refunded(cluster, Outcome.DECLINED)
    assert [(each.worker, each.reason) for each in job.declined] == [(address("worker 0"), Reason.OPERATOR_REFUSED)]
    assert cluster.plain["worker 0"].rehearsals == 1
    (failure,) = cluster.workers["worker 0"].failures
    assert (failure.duty, failure.refused.reason) == (Duty.ACCEPT, Reason.OPERATOR_REFUSED)
    assert not cluster.plain["worker 0"].runs


class RefusesModels(PlainEngine):
    def __init__(self, reason: Reason = Reason.OPERATOR_REFUSED) -> None:
        super().__init__()
        self.reason = reason

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        self.rehearsals += 1
        raise Refused(self.reason, model=task.model_id)


async def test_a_run_that_fails_in_rehearsal_is_not_tried_again(cluster: Cluster) -> None:
    cluster.plain["worker 0"] = RefusesModels(Reason.RUN_TIME_LIMIT)
    async with running(cluster):
        job = await refunded(cluster, Outcome.DECLINED)
    assert [each.reason for each in job.declined] == [Reason.RUN_TIME_LIMIT]
    assert cluster.plain["worker 0"].rehearsals == 1


async def test_an_unnamed_job_that_some_decline_is_done_by_another(cluster: Cluster) -> None:
    job_id = await cluster.submit(provider=None)
    await cluster.block()
    job = cluster.known(job_id)
    entry = cluster.chain.state().model(job.model)
    assert entry is not None
    ranked = ranking(job_id, job, entry, cluster.chain.state())
    order = sorted(WORKERS, key=lambda name: ranked.index(address(name)))
    for name in order[:4]:
        cluster.plain[name] = RefusesModels()
    async with running(cluster):
        job = await cluster.ended(job_id)
    assert [each.worker for each in job.declined] == [address(name) for name in order[:3]]
    assert job.provider == address(order[4])
    assert job.outcome is Outcome.SETTLED


async def test_a_job_whose_input_nobody_holds_is_declined(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        cluster.client.held.pop(content_id(INPUT).root)
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.DECLINED
    assert [each.reason for each in job.declined] == [Reason.CONTENT_NOT_FOUND]


async def test_an_input_that_comes_a_little_late_is_waited_for(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        raw = cluster.client.held.pop(content_id(INPUT).root)
        await cluster.block()
        await cluster.block()
        cluster.client.held[content_id(INPUT).root] = raw
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED


class Crashing(PlainEngine):
    """Fails so often, and then no more."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def run(self, task: Task) -> TaskResult:
        self.failures -= 1
        if self.failures >= 0:
            raise Refused(Reason.RUN_CRASHED, job=task.job)
        return await super().run(task)


async def test_what_is_owed_is_tried_until_its_deadline_and_less_and_less_often_d11(cluster: Cluster) -> None:
    cluster.engines["worker 0"] = Crashing(7)
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
        assert len(cluster.workers["worker 0"].failures) == 7
    assert job.outcome is Outcome.SETTLED
    at = {each.event: each.live_ms for each in job.history}
    assert at[JobEvent.COMMIT] - at[JobEvent.ACCEPT] >= 1_000 * (1 + 2 + 4 + 8 + 8 + 8 + 8)


async def test_what_is_owed_is_let_go_once_its_deadline_has_passed_d11(cluster: Cluster) -> None:
    cluster.engines["worker 0"] = Crashing(10**6)
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
        failed = len(cluster.workers["worker 0"].failures)
        for _ in range(20):
            await cluster.block()
        assert failed == len(cluster.workers["worker 0"].failures) <= 12
    assert job.outcome is Outcome.PROVIDER_SILENT_AFTER_ACCEPT


async def test_a_machine_that_fails_known_answers_speaks_against_no_job_d13_d16(cluster: Cluster) -> None:
    cluster.plain["worker 0"] = RefusesModels(Reason.KNOWN_ANSWERS_WRONG)
    async with running(cluster):
        job = await cluster.ended(await cluster.submit())
    assert (job.outcome, job.declined) == (Outcome.NOT_ACCEPTED, [])


async def test_a_run_that_fails_after_acceptance_ends_in_a_refund(cluster: Cluster) -> None:
    async with running(cluster):
        await refunded(cluster, Outcome.PROVIDER_SILENT_AFTER_ACCEPT, raw=FAILING_INPUT)


@pytest.mark.parametrize("class_", list(Class))
@pytest.mark.parametrize(
    ("reason", "tries"),
    [
        (Reason.LOWERING_DIFFERS, 1),
        (Reason.RUN_TRAPPED, 1),
        (Reason.RUN_CRASHED, 5),
        (Reason.RUN_MEMORY_LIMIT, 5),
        (Reason.RUN_TIME_LIMIT, 1),
    ],
)
async def test_verifiers_of_a_job_that_can_not_be_run_as_ordered_reject_and_lose_nothing(
    cluster: Cluster, class_: Class, reason: Reason, tries: int
) -> None:
    """D15: client and provider are one, with a lowering, an input or a model that does honest machines harm."""

    class Honest(PlainEngine):
        async def run(self, task: Task) -> TaskResult:
            raise Refused(reason, job=task.job)

    job = await objected(cluster, Honest, class_)
    drawn = [name for name in WORKERS if address(name) in [each.worker for each in job.verifiers]]
    for name in drawn:
        assert [each.refused.reason for each in cluster.workers[name].failures] == [reason] * tries


async def objected(cluster: Cluster, honest: type[PlainEngine], class_: Class = Class.NATIVE) -> Job:
    """Return a job to which all verifiers have objected, at nobody's cost but its client's."""
    for name in WORKERS[1:]:
        cluster.engines[name] = honest()
    async with running(cluster):
        job = await cluster.ended(await cluster.submit(class_=class_))
    assert (job.outcome, job.penalties) == (Outcome.REJECTED, [])
    assert verdicts(job) == ["REJECT"] * 3
    return job


async def test_a_cut_from_which_nothing_follows_is_rejected(cluster: Cluster) -> None:
    """D15: within the tolerance, but such that the tail ends in a trap."""

    class Trapped(PlainEngine):
        async def tail(self, task: Task, cut: bytes) -> bytes:
            raise Refused(Reason.RUN_TRAPPED, node="2 Gather", seen="index")

    cluster.engines["worker 0"] = Noisy(cluster.plain["worker 0"])
    await objected(cluster, Trapped)
