"""Methods about models, jobs, workers and content."""

from collections.abc import Iterator
from typing import TypeVar

import trio

from ledger.market.track import audit_bps
from ledger.parameters import Tier
from ledger.records import Worker
from node.rpc.failure import facts_of
from node.rpc.method import Method, Nothing
from node.rpc.model_shapes import LoweringList, LoweringPage, ModelFile, ModelList, ModelShape, ModelVerdict
from node.rpc.model_views import verdict
from node.rpc.services import Services
from node.rpc.shapes import (
    ByAddress,
    ById,
    Content,
    FailureList,
    FailureShape,
    Held,
    JobList,
    JobPage,
    JobShape,
    Page,
    WorkerList,
    WorkerPage,
    WorkerShape,
)
from node.rpc.views import Views
from primitives.address import parse_address
from primitives.content import ContentId
from primitives.reasons import Reason, Refused

T = TypeVar("T")
ROWS_AT_ONCE = 256
"""Rows looked through before others get their turn: some milliseconds."""


async def model_list(services: Services, params: Page) -> ModelList:
    """Return published models, by id."""
    prefix = services.chain.genesis.prefix
    page, more = await page_of(services.chain.state().models(), params.cursor, params.limit)
    found = [Views(prefix).model(model_id, entry) for model_id, entry in page]
    return ModelList(models=found, next=found[-1].id if more else None)


async def model_show(services: Services, params: ById) -> ModelShape:
    """Return a published model."""
    model_id = bytes.fromhex(params.id)
    entry = services.chain.state().model(model_id)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=model_id)
    return Views(services.chain.genesis.prefix).model(model_id, entry)


async def model_lowerings(services: Services, params: LoweringPage) -> LoweringList:
    """Return what a model's jobs mean for which shapes of its inputs, by id; on request for certain shapes alone.

    Anybody may register lowerings, so who looks for one names its shapes, and whose word is wanted.
    """
    prefix = services.chain.genesis.prefix
    state, model_id = services.chain.state(), bytes.fromhex(params.model)
    publisher = None if params.publisher is None else parse_address(params.publisher, prefix)
    entry = state.model(model_id)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=model_id)
    wanted = (
        (identity, each)
        for identity, each in state.lowerings(model_id)
        if params.shapes in (None, [type_.shape for type_ in each.lowering.inputs])
        and publisher in (None, each.publisher)
    )
    page, more = await page_of(wanted, params.cursor, params.limit)
    found = [Views(prefix).lowering(each, entry.model) for _, each in page]
    return LoweringList(lowerings=found, next=found[-1].id if more else None)


async def model_check(services: Services, params: ModelFile) -> ModelVerdict:
    """Judge a model file in this node's sandbox, for inputs of certain shapes, as at publication; on workers only."""
    if services.check is None:
        raise Refused(Reason.NOT_A_WORKER, wanted="a node with the role of a worker")
    model = await services.blobs.fetch(ContentId(root=bytes.fromhex(params.root), length=params.length))
    return verdict(await services.check(model, params.shapes))


async def job_list(services: Services, params: JobPage) -> JobList:
    """Return jobs by id, on request those of one client."""
    prefix = services.chain.genesis.prefix
    client = None if params.client is None else parse_address(params.client, prefix)
    jobs = ((job_id, job) for job_id, job in services.chain.state().jobs() if client in (None, job.client))
    page, more = await page_of(jobs, params.cursor, params.limit)
    found = [Views(prefix).job_summary(job_id, job) for job_id, job in page]
    return JobList(jobs=found, next=found[-1].id if more else None)


async def job_show(services: Services, params: ById) -> JobShape:
    """Return all that the chain holds of a job: parties, commitments, verdicts, payouts, output and history."""
    job_id = bytes.fromhex(params.id)
    job = services.chain.state().job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    return Views(services.chain.genesis.prefix).job(job_id, job)


async def worker_list(services: Services, params: WorkerPage) -> WorkerList:
    """Return registered workers, by address."""
    prefix = services.chain.genesis.prefix
    cursor = None if params.cursor is None else parse_address(params.cursor, prefix).hex()
    page, more = await page_of(services.chain.state().workers(), cursor, params.limit)
    found = [_worker_shape(services, address, worker) for address, worker in page]
    return WorkerList(workers=found, next=found[-1].address if more else None)


async def worker_show(services: Services, params: ByAddress) -> WorkerShape:
    """Return a registered worker."""
    address = parse_address(params.address, services.chain.genesis.prefix)
    worker = services.chain.state().worker(address)
    if worker is None:
        raise Refused(Reason.WORKER_UNKNOWN, worker=address)
    return _worker_shape(services, address, worker)


def _worker_shape(services: Services, address: bytes, worker: Worker) -> WorkerShape:
    track = services.chain.state().track(address)
    rate = audit_bps(services.chain.genesis.parameters, track, Tier.SPOT)
    return Views(services.chain.genesis.prefix).worker(address, worker, track, spot_audit_bps=rate)


async def blob_find(services: Services, params: Content) -> Held:
    """Tell whether this node holds a piece of content; GET /blob/ROOT/LENGTH also asks its peers."""
    return Held(held=services.blobs.has(ContentId(root=bytes.fromhex(params.root), length=params.length)))


async def worker_failures(services: Services, _: Nothing) -> FailureList:
    """Return what the worker of this node could not do lately, such as jobs that it declined, and why."""
    prefix = services.chain.genesis.prefix
    return FailureList(
        failures=[
            FailureShape(
                job=each.job.hex(),
                step=each.duty.name.lower(),
                reason=int(each.refused.reason),
                reason_name=each.refused.reason.name.lower(),
                facts=facts_of(each.refused, prefix),
            )
            for each in services.failures()
        ]
    )


async def page_of(
    rows: Iterator[tuple[bytes, T]], cursor: str | None, limit: int
) -> tuple[list[tuple[bytes, T]], bool]:
    """Return the first `limit` rows behind `cursor` (hexadecimal), and whether more follow."""
    behind = b"" if cursor is None else bytes.fromhex(cursor)
    found: list[tuple[bytes, T]] = []
    for at, row in enumerate(rows):
        if at % ROWS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        if row[0] > behind:
            found.append(row)
        if len(found) > limit:
            return found[:limit], True
    return found, False


METHODS = (
    Method(name="model.list", params=Page, result=ModelList, answer=model_list),
    Method(name="model.show", params=ById, result=ModelShape, answer=model_show),
    Method(name="model.lowerings", params=LoweringPage, result=LoweringList, answer=model_lowerings),
    Method(name="model.check", params=ModelFile, result=ModelVerdict, answer=model_check),
    Method(name="job.list", params=JobPage, result=JobList, answer=job_list),
    Method(name="job.show", params=ById, result=JobShape, answer=job_show),
    Method(name="worker.list", params=WorkerPage, result=WorkerList, answer=worker_list),
    Method(name="worker.show", params=ByAddress, result=WorkerShape, answer=worker_show),
    Method(name="worker.failures", params=Nothing, result=FailureList, answer=worker_failures),
    Method(name="blob.find", params=Content, result=Held, answer=blob_find),
)
